"""The vault of patients' addresses, the append-only record of who opened it, and parcels to patients."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from allocation.ledger.schema import UtcMoment

revision = "0017"
down_revision = "0016"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables, and let the database refuse a change of the record."""
    op.create_table(
        "vault_address",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column(
            "ciphertext",
            sa.Text(),
            nullable=False,
            comment="a Fernet token; its key is not in the database",
        ),
        sa.Column("updated_at", UtcMoment(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "subject_id", name=op.f("pk_vault_address")),
        comment="addresses of patients; no projection: a rebuild leaves them alone",
    )
    op.create_table(
        "vault_access",
        sa.Column("access_id", _ID, autoincrement=True, nullable=False),
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("at", UtcMoment(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("actor", "role", "act")),
        sa.CheckConstraint(
            "act IN ('write', 'read', 'forget', 'rotate')", name=op.f("ck_vault_access_known_act")
        ),
        sa.PrimaryKeyConstraint("access_id", name=op.f("pk_vault_access")),
        comment="who opened the vault, for whom and when, never what it held; append-only",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_vault_access_subject", "vault_access", ["study_id", "subject_id"])
    _make_parcel_tables()
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER vault_access_no_{act.lower()} BEFORE {act} ON vault_access "
                f"BEGIN SELECT RAISE(ABORT, 'vault_access is append-only: {act} refused'); END"
            )
        return
    op.execute(
        "CREATE TRIGGER vault_access_append_only BEFORE UPDATE OR DELETE ON vault_access "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER vault_access_no_truncate BEFORE TRUNCATE ON vault_access "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _make_parcel_tables() -> None:
    op.create_table(
        "home_parcel",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in (
                "study_id",
                "parcel_id",
                "site_id",
                "subject_id",
                "visit_number",
                "status",
                "carrier",
                "tracking_number",
            )
        ),
        sa.Column("sent_on", sa.Date(), nullable=False),
        sa.Column("expected_on", sa.Date(), nullable=False),
        sa.Column(
            "ended_on",
            sa.Date(),
            nullable=True,
            comment="when the site recorded what became of its kits",
        ),
        sa.CheckConstraint("status IN ('sent', 'ended')", name=op.f("ck_home_parcel_known_status")),
        sa.CheckConstraint(
            "(status = 'ended') = (ended_on IS NOT NULL)", name=op.f("ck_home_parcel_ended_with_a_date")
        ),
        sa.PrimaryKeyConstraint("study_id", "parcel_id", name=op.f("pk_home_parcel")),
    )
    op.create_index("ix_home_parcel_subject", "home_parcel", ["study_id", "subject_id", "status"])
    op.create_table(
        "home_parcel_kit",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("study_id", "parcel_id", "kit_number")),
        sa.PrimaryKeyConstraint("study_id", "parcel_id", "kit_number", name=op.f("pk_home_parcel_kit")),
    )

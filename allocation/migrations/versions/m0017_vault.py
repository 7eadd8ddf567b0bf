"""The vault of patients' addresses, and the append-only record of who opened it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from allocation.ledger.schema import UtcMoment

revision = "0017"
down_revision = "0015"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create both tables, and let the database refuse a change of the record."""
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

"""Returns: counted units, returns with their kits, certificates; what a subject had is never stock again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

FORBIDDEN = (
    "NEW.status IN ('depot_available', 'requested', 'in_transit', 'site_available', 'returned_unused') "
    "AND NEW.dispensed_on IS NOT NULL"
)
MESSAGE = "a kit that a subject had is never stock again"


def _study() -> sa.Column[str]:
    return sa.Column("study_id", sa.Text(), nullable=False)


def upgrade() -> None:
    """Add the tables and the trigger; no kit is in a state that it refuses."""
    op.create_table(
        "kit_count",
        _study(),
        sa.Column("kit_number", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="0, and one more for each correction"),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("returned_on", sa.Date(), nullable=False),
        sa.Column("came_back", sa.Boolean(), nullable=False),
        sa.Column("dispensed_units", sa.Text(), nullable=False, comment="exact decimal, may unblind"),
        sa.Column("returned_units", sa.Text(), nullable=False),
        sa.Column("lost_units", sa.Text(), nullable=False),
        sa.Column(
            "used_units",
            sa.Text(),
            comment="as stated by the subject; null: what is neither back nor lost",
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "kit_number", "revision", name=op.f("pk_kit_count")),
        comment="units of dispensed kits as they were counted; a correction is a row of its own",
    )
    op.create_index("ix_kit_count_subject", "kit_count", ["study_id", "subject_id"])
    op.create_table(
        "site_return",
        _study(),
        sa.Column("return_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("depot_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("declared_on", sa.Date(), nullable=False),
        sa.Column("declared_by", sa.Text(), nullable=False),
        sa.Column("reconciled_on", sa.Date()),
        sa.Column("reconciled_by", sa.Text()),
        sa.Column("approved_on", sa.Date()),
        sa.Column("approved_by", sa.Text()),
        sa.Column("ended_on", sa.Date()),
        sa.CheckConstraint("reconciled_by <> declared_by", name=op.f("ck_site_return_others_reconcile")),
        sa.CheckConstraint(
            "approved_by <> declared_by AND approved_by <> reconciled_by",
            name=op.f("ck_site_return_others_approve"),
        ),
        sa.PrimaryKeyConstraint("study_id", "return_id", name=op.f("pk_site_return")),
    )
    op.create_index("ix_site_return_site", "site_return", ["study_id", "site_id", "state"])
    op.create_table(
        "return_kit",
        _study(),
        sa.Column("return_id", sa.Text(), nullable=False),
        sa.Column("kit_number", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column(
            "declared_units",
            sa.Text(),
            comment="counted when the subject brought it back; null: unopened",
        ),
        sa.Column("found", sa.Boolean(), comment="whether the monitor found it"),
        sa.Column("counted_units", sa.Text(), comment="the monitor's count, where it differs"),
        sa.Column("discrepancy", sa.Text(), comment="what the monitor or the depot says of a difference"),
        sa.Column("received_as", sa.Text()),
        sa.Column("settled_as", sa.Text()),
        sa.Column("settled_on", sa.Date()),
        sa.Column("certificate", sa.Text()),
        sa.CheckConstraint(
            "received_as IN ('good', 'damaged', 'missing')", name=op.f("ck_return_kit_known_receipt")
        ),
        sa.CheckConstraint(
            "settled_as IN ('reused', 'destroyed', 'missing')", name=op.f("ck_return_kit_known_end")
        ),
        sa.PrimaryKeyConstraint("study_id", "return_id", "kit_number", name=op.f("pk_return_kit")),
    )
    op.create_index("ix_return_kit_kit", "return_kit", ["study_id", "kit_number"])
    op.create_table(
        "destruction_certificate",
        _study(),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("destroyed_on", sa.Date(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "certificate", name=op.f("pk_destruction_certificate")),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER kit_dispensed_is_no_stock BEFORE UPDATE OF status ON kit WHEN {FORBIDDEN} "
            f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
        )
        return
    op.execute(
        f"""
        CREATE FUNCTION refuse_stock_from_subject() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """
    )
    op.execute(
        f"CREATE TRIGGER kit_dispensed_is_no_stock BEFORE UPDATE OF status ON kit "
        f"FOR EACH ROW WHEN ({FORBIDDEN}) EXECUTE FUNCTION refuse_stock_from_subject()"
    )

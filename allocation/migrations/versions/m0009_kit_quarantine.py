"""A kit in quarantine leaves it by no path to a subject, one that was recalled with a subject is asked back; kits are numbered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

FORBIDDEN = (
    "OLD.status = 'quarantined' AND (NEW.status IN ('dispensed', 'assigned', 'requested') "
    "OR (NEW.status = 'in_transit' AND OLD.place_kind <> 'transit'))"
)
"""Out of quarantine a kit goes back to where it is, or is written off; on its way to a subject it can only be after that."""

MESSAGE = "a kit in quarantine is neither shipped, assigned nor dispensed"


def upgrade() -> None:
    """Add the column, the table of numberings and the trigger; no kit is in a state that they refuse."""
    op.add_column(
        "kit",
        sa.Column(
            "return_asked_on", sa.Date(), comment="recalled while with a subject, and asked back since"
        ),
    )
    op.create_table(
        "kit_numbering",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False, comment="unblinding"),
        sa.Column("digits", sa.Integer(), nullable=False),
        sa.Column("numbered", sa.Integer(), nullable=False, comment="the running index that is next"),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_kit_numbering")),
        comment="how the kits of a study are numbered for the packager, and how far",
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER kit_quarantined_stays BEFORE UPDATE OF status ON kit WHEN {FORBIDDEN} "
            f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
        )
        return
    op.execute(
        f"""
        CREATE FUNCTION refuse_use_from_quarantine() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """
    )
    op.execute(
        f"CREATE TRIGGER kit_quarantined_stays BEFORE UPDATE OF status ON kit "
        f"FOR EACH ROW WHEN ({FORBIDDEN}) EXECUTE FUNCTION refuse_use_from_quarantine()"
    )

"""A kit in quarantine leaves it by no path to a subject, and one that was recalled while with a subject is asked back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"

FORBIDDEN = (
    "OLD.status = 'quarantined' AND (NEW.status IN ('dispensed', 'assigned', 'requested') "
    "OR (NEW.status = 'in_transit' AND OLD.place_kind <> 'transit'))"
)
"""Out of quarantine a kit goes back to where it is, or is written off; on its way to a subject it can only be after that."""

MESSAGE = "a kit in quarantine is neither shipped, assigned nor dispensed"


def upgrade() -> None:
    """Add the column and the trigger; no kit is in a state that they refuse."""
    op.add_column(
        "kit",
        sa.Column(
            "return_asked_on", sa.Date(), comment="recalled while with a subject, and asked back since"
        ),
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

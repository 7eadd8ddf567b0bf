"""Reusable devices: uses of kits, counts by use, and a trigger by which a kit forgets its subject only after an inspection."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

CLEARED = "OLD.dispensed_on IS NOT NULL AND NEW.dispensed_on IS NULL"
INSPECTED = (
    "SELECT 1 FROM device_use AS ended WHERE ended.study_id = NEW.study_id AND ended.kit_number = NEW.kit_number "
    "AND ended.use = NEW.uses AND ended.outcome = 'fit' AND ended.subject_id = OLD.subject_id "
    "AND ended.dispensed_on = OLD.dispensed_on"
)
MESSAGE = "a kit forgets its subject only as a device that was inspected and found fit"


def upgrade() -> None:
    """Add the uses.

    The trigger of 0014 stays as it is: a kit with `dispensed_on` is never stock. What is new is who may clear that: a kit whose ended use
    stands in `device_use` as inspected and fit. Such a row comes from a signed command alone, which asks the protocol whether the kit's
    type is reusable; types are no table here.
    """
    op.add_column(
        "kit",
        sa.Column(
            "uses",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="of a device: uses that ended, fit again",
        ),
    )
    with op.batch_alter_table("kit_count") as table:
        table.add_column(
            sa.Column(
                "use",
                sa.Integer(),
                nullable=False,
                server_default="1",
                comment="which use of a device; 1: the first",
            )
        )
        table.drop_constraint(op.f("pk_kit_count"), type_="primary")
        table.create_primary_key(op.f("pk_kit_count"), ["study_id", "kit_number", "use", "revision"])
    op.create_table(
        "device_use",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("kit_number", sa.Text(), nullable=False),
        sa.Column("use", sa.Integer(), autoincrement=False, nullable=False, comment="1: the first"),
        sa.Column("outcome", sa.Text(), nullable=False, comment="of the inspection after it"),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("subject_id", "site_id", "visit_number")),
        sa.Column("dispensed_on", sa.Date(), nullable=False),
        sa.Column("return_asked_on", sa.Date()),
        sa.Column("inspected_on", sa.Date(), nullable=False),
        sa.Column("inspected_by", sa.Text(), nullable=False),
        sa.CheckConstraint("outcome IN ('fit', 'unfit')", name=op.f("ck_device_use_known_outcome")),
        sa.PrimaryKeyConstraint("study_id", "kit_number", "use", name=op.f("pk_device_use")),
        comment="uses of devices that were inspected; after a fit one the kit itself forgets the subject",
    )
    op.create_index("ix_device_use_subject", "device_use", ["study_id", "subject_id"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER kit_use_ends_by_inspection BEFORE UPDATE OF dispensed_on ON kit "
            f"WHEN {CLEARED} AND NOT EXISTS ({INSPECTED}) BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
        )
        return
    op.execute(
        f"""
        CREATE FUNCTION refuse_forgotten_subject() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT EXISTS ({INSPECTED}) THEN
                RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        f"CREATE TRIGGER kit_use_ends_by_inspection BEFORE UPDATE OF dispensed_on ON kit "
        f"FOR EACH ROW WHEN ({CLEARED}) EXECUTE FUNCTION refuse_forgotten_subject()"
    )

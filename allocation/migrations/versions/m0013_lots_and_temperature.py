"""Expiry by lot and country and as printed on labels, blinded lot numbers; no kit of a lot that is not released
goes to a subject; temperature excursions, and the files that are handed in with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


MESSAGE = "the kit's lot is not released for use here"

USED = """
    NOT EXISTS (
        SELECT 1 FROM lot JOIN site ON site.study_id = lot.study_id
        WHERE lot.study_id = OLD.study_id AND lot.lot_id = OLD.lot_id AND site.site_id = OLD.place
        AND lot.status IN ('released', 'restricted')
        AND (lot.released_for LIKE '%"*"%' OR lot.released_for LIKE '%"' || site.country || '"%')
    )"""
"""A kit at a site whose lot may not be dispensed in the site's country."""

SHIPPED = """
    EXISTS (
        SELECT 1 FROM shipment JOIN site ON site.study_id = shipment.study_id AND site.site_id = shipment.to_place
        JOIN lot ON lot.study_id = shipment.study_id
        WHERE shipment.study_id = OLD.study_id AND shipment.to_kind = 'site'
        AND shipment.shipment_id = NEW.shipment_id AND lot.lot_id = OLD.lot_id
        AND NOT (lot.status = 'released'
            AND (lot.released_for LIKE '%"*"%' OR lot.released_for LIKE '%"' || site.country || '"%'))
    )"""
"""A kit of a shipment to a site whose lot may not be shipped to the site's country; a shipment to a depot ships stock that may wait."""

TO_SUBJECT = (
    "OLD.place_kind = 'site' AND NEW.status IN ('assigned', 'dispensed') AND NEW.status <> OLD.status"
)
TO_SITE = "OLD.place_kind IN ('depot', 'site') AND NEW.status IN ('requested', 'in_transit') AND NEW.status <> OLD.status"


def upgrade() -> None:
    """Add columns and tables; the lots that are there have one date everywhere, printed nowhere."""
    op.add_column(
        "lot",
        sa.Column(
            "printed_expiry",
            sa.Date(),
            comment="on the labels of its kits as they were packaged; null: none is",
        ),
    )
    op.add_column(
        "lot", sa.Column("blinded_lot", sa.Text(), comment="the lot number that blinded people may read")
    )
    op.add_column("kit", sa.Column("printed_expiry", sa.Date(), comment="on its label now; null: none is"))
    op.create_table(
        "lot_country",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("lot_id", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("expiry_date", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "lot_id", "country", name=op.f("pk_lot_country")),
        comment="countries in which a lot's expiry is another than the lot's own",
    )
    _make_temperature_tables()
    if op.get_bind().dialect.name == "sqlite":
        for name, when, fault in (("used", TO_SUBJECT, USED), ("shipped", TO_SITE, SHIPPED)):
            op.execute(
                f"CREATE TRIGGER kit_{name}_where_released BEFORE UPDATE OF status ON kit WHEN {when} AND {fault} "
                f"BEGIN SELECT RAISE(ABORT, '{_quoted(MESSAGE)}'); END"
            )
        return
    for name, when, fault in (("used", TO_SUBJECT, USED), ("shipped", TO_SITE, SHIPPED)):
        op.execute(
            f"""
            CREATE FUNCTION refuse_kit_{name}_unreleased() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF {fault} THEN
                    RAISE EXCEPTION '{_quoted(MESSAGE)}' USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
            END $$
            """
        )
        op.execute(
            f"CREATE TRIGGER kit_{name}_where_released BEFORE UPDATE OF status ON kit "
            f"FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse_kit_{name}_unreleased()"
        )


def _make_temperature_tables() -> None:
    op.create_table(
        "excursion",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("excursion_id", sa.Text(), nullable=False),
        sa.Column("place_kind", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False, comment="the first reading"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False, comment="the last reading"),
        sa.Column("recorded_on", sa.Date(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="logger or reported"),
        sa.Column("file_sha256", sa.Text(), comment="the logger's file"),
        sa.Column("timezone", sa.Text(), nullable=False, comment="in which the file's moments are read"),
        sa.Column(
            "attachments_json",
            sa.Text(),
            nullable=False,
            comment="hashes of further files, as the logger's PDF",
        ),
        sa.Column("lowest", sa.Text(), nullable=False, comment="degrees Celsius"),
        sa.Column("highest", sa.Text(), nullable=False, comment="degrees Celsius"),
        sa.Column("mean_kinetic", sa.Text(), nullable=False, comment="degrees Celsius"),
        sa.PrimaryKeyConstraint("study_id", "excursion_id", name=op.f("pk_excursion")),
    )
    op.create_index("ix_excursion_place", "excursion", ["study_id", "place_kind", "place"])
    op.create_table(
        "excursion_kit",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("excursion_id", sa.Text(), nullable=False),
        sa.Column("kit_number", sa.Text(), nullable=False),
        sa.Column("minutes_above", sa.Integer(), nullable=False),
        sa.Column("minutes_below", sa.Integer(), nullable=False),
        sa.Column(
            "mean_kinetic", sa.Text(), nullable=False, comment="degrees Celsius, of the kit's own time there"
        ),
        sa.Column("outcome", sa.Text(), comment="released or rejected; null: open"),
        sa.PrimaryKeyConstraint("study_id", "excursion_id", "kit_number", name=op.f("pk_excursion_kit")),
    )
    op.create_index("ix_excursion_kit", "excursion_kit", ["study_id", "kit_number"])
    op.create_table(
        "evidence_file",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "sha256", name=op.f("pk_evidence_file")),
        comment="files that people handed in, under the hash of their content; no projection",
    )


def _quoted(text: str) -> str:
    return text.replace("'", "''")

"""The projections of supplies: lots, kits, shipments and runs; and the sites that wait to be decided. Dates are those of the place."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from allocation.ledger.table_basis import ENTRY_ID, UtcMoment, metadata

lot = Table(
    "lot",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("lot_id", Text, primary_key=True),
    Column("kit_type", Text, nullable=False),
    Column("expiry_date", Date, nullable=False),
    Column("status", Text, nullable=False),
    Column("released_for", Text, nullable=False),
    Column("printed_expiry", Date, comment="on the labels of its kits as they were packaged; null: none is"),
    Column("blinded_lot", Text, comment="the lot number that blinded people may read"),
)

kit = Table(
    "kit",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("kit_number", Text, primary_key=True),
    Column("kit_type", Text, nullable=False),
    Column("lot_id", Text, nullable=False),
    Column("pick_sequence", Integer, nullable=False),
    Column("expiry_date", Date, nullable=False),
    Column("last_ship_date", Date, nullable=False),
    Column("last_count_date", Date, nullable=False),
    Column("last_dispense_date", Date, nullable=False),
    Column("status", Text, nullable=False),
    Column("place_kind", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("shipment_id", Text),
    Column("subject_id", Text),
    Column("visit_number", Text),
    Column("dispensed_on", Date),
    Column("return_asked_on", Date, comment="recalled while with a subject, and asked back since"),
    Column("printed_expiry", Date, comment="on its label now; null: none is"),
    Column("pooled_at_site", Text, comment="the site where it came in from another study; null: it did not"),
    Column("pooled_on", Date, comment="when it came in there"),
    Column(
        "uses", Integer, nullable=False, server_default="0", comment="of a device: uses that ended, fit again"
    ),
    UniqueConstraint("study_id", "pick_sequence"),
    CheckConstraint(
        "dispensed_on IS NULL OR dispensed_on <= last_dispense_date", name="never_dispensed_past_dnd"
    ),
    CheckConstraint("(status = 'dispensed') = (place_kind = 'subject')", name="dispensed_is_with_a_subject"),
    CheckConstraint(
        "place_kind IN ('depot', 'transit', 'site', 'subject', 'returned', 'destroyed', 'lost', 'other_study')",
        name="known_place",
    ),
    Index("ix_kit_shipment", "study_id", "shipment_id"),
    Index(
        "ix_kit_stock",
        "study_id",
        "place_kind",
        "place",
        "kit_type",
        "status",
        "expiry_date",
        "pick_sequence",
    ),
)

kit_numbering = Table(
    "kit_numbering",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("seed", BigInteger, nullable=False, comment="unblinding"),
    Column("digits", Integer, nullable=False),
    Column("numbered", Integer, nullable=False, comment="the running index that is next"),
    comment="how the kits of a study are numbered for the packager, and how far",
)

shipment = Table(
    "shipment",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("shipment_id", Text, primary_key=True),
    Column("from_kind", Text, nullable=False),
    Column("from_place", Text, nullable=False),
    Column("to_kind", Text, nullable=False),
    Column("to_place", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("kit_count", Integer, nullable=False),
    Column("requested_on", Date, nullable=False),
    Column("dispatched_on", Date),
    Column("expected_on", Date),
    Column("received_on", Date),
    Column("carrier", Text),
    Column("tracking_number", Text),
    Column("run_id", Text),
    Column("ordered_by", Text, comment="who placed the order, or ran the resupply that did"),
    Column("split_from", Text, comment="the shipment whose kits could not all leave at once"),
    Column("loggers_json", Text, comment="serial numbers of the temperature loggers in the box"),
    CheckConstraint("from_kind IN ('depot', 'site') AND to_kind IN ('depot', 'site')", name="known_ends"),
    Index("ix_shipment_from", "study_id", "from_kind", "from_place", "status"),
    Index("ix_shipment_to", "study_id", "to_kind", "to_place", "status"),
)

shipment_kit = Table(
    "shipment_kit",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("shipment_id", Text, primary_key=True),
    Column("kit_number", Text, primary_key=True),
    Column("packed_on", Date, comment="scanned into the box"),
    Column("disposition", Text),
)

resupply_run = Table(
    "resupply_run",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("run_date", Date, nullable=False),
    Column("orders", Integer, nullable=False),
    Column("kits", Integer, nullable=False),
    Column("began_at", UtcMoment),
    Column(
        "scheduled_for", UtcMoment, comment="the scheduled moment that it was made for; null: not by schedule"
    ),
    Index("uq_resupply_run_scheduled_for", "study_id", "scheduled_for", unique=True),
)

resupply_pause = Table(
    "resupply_pause",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("site_id", Text, primary_key=True, comment="empty: every site"),
    Column("kit_type", Text, primary_key=True, comment="empty: every kit type"),
    Column("paused_at", UtcMoment, nullable=False),
    Column("paused_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    comment="pauses of automatic orders by hand; those of the protocol are its parameters",
)

resupply_waiting = Table(
    "resupply_waiting",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("site_id", Text, primary_key=True),
    Column("entry_id", ENTRY_ID, primary_key=True, autoincrement=False),
    Column("command", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", UtcMoment, nullable=False),
    comment="sites to be decided since an entry reduced their stock; no projection: a run takes its rows away",
)

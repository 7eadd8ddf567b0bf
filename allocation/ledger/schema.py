"""The tables: the append-only ledger, its seal, and the projections (current state) that are folded from it.

Projections hold nothing that the ledger does not: they can be dropped and rebuilt to equality (`rtsm ledger rebuild`). Dates are
calendar dates at the place concerned; moments are UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcMoment(TypeDecorator[datetime]):
    """An aware UTC datetime: TIMESTAMPTZ on PostgreSQL, naive UTC text on SQLite. A naive value is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite stores it without the offset that it cannot keep."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone: pass an aware datetime in UTC")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware UTC datetime."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


ENTRY_ID = BigInteger().with_variant(Integer, "sqlite")

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("entry_id", ENTRY_ID, primary_key=True, autoincrement=True),
    Column("study_id", Text, nullable=False),
    Column("recorded_at", UtcMoment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("subject_id", Text),
    Column("site_id", Text),
    Column("kit_numbers", Text, nullable=False),
    Column("before_json", Text, nullable=False),
    Column("after_json", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("signature_json", Text),
    Column("config_version", Integer, nullable=False),
    Column("idempotency_key", Text),
    Column("request_sha256", Text),
    Column("answer_json", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    UniqueConstraint("study_id", "actor", "idempotency_key"),
    Index("ix_ledger_entry_subject", "study_id", "subject_id"),
    sqlite_autoincrement=True,
)

ledger_seal = Table(
    "ledger_seal",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("entry_id", ENTRY_ID, ForeignKey("ledger_entry.entry_id"), nullable=False, unique=True),
    Column("chain_hash", Text, nullable=False),
)

ledger_unsealed = Table(
    "ledger_unsealed",
    metadata,
    Column("entry_id", ENTRY_ID, ForeignKey("ledger_entry.entry_id"), primary_key=True, autoincrement=False),
    comment="PostgreSQL: committed entries that wait for the sealer (filled by a trigger); always empty on SQLite",
)

study = Table(
    "study",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("latest_version", Integer, nullable=False),
)

study_version = Table(
    "study_version",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("effective_at", UtcMoment, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("protocol_json", Text, nullable=False),
)

depot = Table(
    "depot",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("depot_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("timezone", Text, nullable=False),
)

site = Table(
    "site",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("site_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("depot_id", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("profile", Text),
    Column("status", Text, nullable=False),
    Column("opened_on", Date, nullable=False),
)

subject = Table(
    "subject",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("site_id", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("screened_on", Date, nullable=False),
    Column("consented_on", Date),
    Column("sex", Text),
    Column("age", Integer),
    Column("race", Text),
    Column("ethnic", Text),
    Column("factors_json", Text, nullable=False),
    Column("cohort", Text),
    Column("eligible", Boolean),
    Column("stratum", Text),
    Column("randomized_on", Date),
    Column("randomization_number", Text),
    Column("arm", Text),
    Column("dose_level", Text),
    Column("randomizations_json", Text, comment="event -> date of its latest occurrence"),
    Column(
        "true_factors_json", Text, comment="factor levels found later to be true, beside those randomized by"
    ),
    Column("replaces", Text),
    Column("replaced_by", Text),
    Column("dose_held_on", Date, comment="dosing is on hold since; null: it is not"),
    Column("first_dose_on", Date),
    Column("last_dispensed_on", Date),
    Column("ended_on", Date),
    Column("end_reason", Text),
    Column("last_dose_on", Date),
    Column("last_contact_on", Date),
    UniqueConstraint("study_id", "randomization_number"),
    Index("ix_subject_site", "study_id", "site_id", "status"),
)

subject_visit = Table(
    "subject_visit",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("visit_number", Text, primary_key=True),
    Column("occurrence", Integer, primary_key=True, autoincrement=False),
    Column("visit_code", Text),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("visit_date", Date),
    Column("end_date", Date),
    Column("recorded_on", Date, comment="the date of the transaction at the site"),
    Column("override_reason", Text, nullable=False),
    Column("dispensed", Boolean, nullable=False),
    Column(
        "confirmation",
        Text,
        comment="awaited, confirmed or not_dispensed; null: handed out at once, or no kits",
    ),
)

subject_measurement = Table(
    "subject_measurement",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("measure", Text, primary_key=True),
    Column("measured_on", Date, primary_key=True),
    Column("value", Text, nullable=False, comment="exact decimal: kg or cm"),
    comment="weight and height; a later entry of the same day corrects the earlier one",
)

lot = Table(
    "lot",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("lot_id", Text, primary_key=True),
    Column("kit_type", Text, nullable=False),
    Column("expiry_date", Date, nullable=False),
    Column("status", Text, nullable=False),
    Column("released_for", Text, nullable=False),
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
    UniqueConstraint("study_id", "pick_sequence"),
    CheckConstraint(
        "dispensed_on IS NULL OR dispensed_on <= last_dispense_date", name="never_dispensed_past_dnd"
    ),
    CheckConstraint("(status = 'dispensed') = (place_kind = 'subject')", name="dispensed_is_with_a_subject"),
    CheckConstraint(
        "place_kind IN ('depot', 'transit', 'site', 'subject', 'returned', 'destroyed', 'lost')",
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

randomization_list = Table(
    "randomization_list",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("list_id", Text, primary_key=True),
    Column("event", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("file_sha256", Text, comment="of the uploaded file as it was sent"),
    Column("entries", Integer, nullable=False),
    Column("made_for_json", Text, nullable=False, comment="the event's holders, and each run's ratio"),
    Column("faults_json", Text, comment="of a draft: what is wrong with it, by line"),
    Column("activated_on", Date),
)

list_entry = Table(
    "list_entry",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("list_id", Text, primary_key=True),
    Column("holder", Text, primary_key=True),
    Column("stratum", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("block", Integer),
    Column("randomization_number", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("subject_id", Text),
    Column("used_on", Date),
    Column(
        "skipped_for", Text, comment="the subject for whom this entry was passed over (forced randomization)"
    ),
    UniqueConstraint("study_id", "randomization_number"),
)

list_block = Table(
    "list_block",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("list_id", Text, primary_key=True),
    Column("block", Integer, primary_key=True, autoincrement=False),
    Column("holder", Text, nullable=False),
    Column("stratum", Text, nullable=False),
    Column("assigned_on", Date, nullable=False),
    comment="dynamic assignment: to which stratum and holder a central block was handed out",
)

randomization_method = Table(
    "randomization_method",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("activation", Integer, primary_key=True, autoincrement=False),
    Column("method", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("seed", Text, nullable=False, comment="as secret as a list"),
    Column("generator", Text, nullable=False),
    Column("activated_on", Date, nullable=False),
    comment="events that draw at the moment of randomization: the seed that is in use",
)

subject_randomization = Table(
    "subject_randomization",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("occurrence", Integer, primary_key=True, autoincrement=False),
    Column("randomized_on", Date, nullable=False),
    Column("site_id", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("cohort", Text),
    Column("stratum", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("from_arm", Text),
    Column("arm", Text, nullable=False),
    Column("scheduled_arm", Text, nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("dose_level", Text),
    Column("method", Text, nullable=False),
    Column(
        "scheme",
        Text,
        comment="hash of method, arms, ratio and parameters: what a live draw counts is of one scheme",
    ),
    Column(
        "run",
        Text,
        nullable=False,
        comment="the key of the run drawn from: cohort and present arm, then stratum",
    ),
    Column("draw_index", Integer, comment="counts the live draws of the event from 0"),
    Column("unit", Integer, comment="minimization: the unit arm drawn"),
    Column("list_id", Text),
    Column("randomization_number", Text),
    UniqueConstraint("study_id", "randomization_number"),
    UniqueConstraint("study_id", "event", "draw_index"),
    Index("ix_subject_randomization_counts", "study_id", "event", "scheme", "run"),
)

subject_event_eligibility = Table(
    "subject_event_eligibility",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("eligible", Boolean, nullable=False),
    Column("assessed_on", Date, nullable=False),
    comment="eligibility for a later randomization event",
)

cohort = Table(
    "cohort",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("cohort", Text, primary_key=True),
    Column("open", Boolean, nullable=False),
    Column("changed_on", Date, nullable=False),
    comment="cohorts whose state was changed by command or cap; the others are as the protocol says",
)

shipment = Table(
    "shipment",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("shipment_id", Text, primary_key=True),
    Column("depot_id", Text, nullable=False),
    Column("site_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("kit_count", Integer, nullable=False),
    Column("requested_on", Date, nullable=False),
    Column("dispatched_on", Date),
    Column("expected_on", Date),
    Column("received_on", Date),
    Column("carrier", Text),
    Column("tracking_number", Text),
    Column("run_id", Text),
    Index("ix_shipment_site", "study_id", "site_id", "status"),
)

shipment_kit = Table(
    "shipment_kit",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("shipment_id", Text, primary_key=True),
    Column("kit_number", Text, primary_key=True),
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
)

edc_fact = Table(
    "edc_fact",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_key", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("event_repeat", Text, primary_key=True),
    Column("form", Text, primary_key=True),
    Column("form_repeat", Text, primary_key=True),
    Column("item_group", Text, primary_key=True),
    Column("group_repeat", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("value", Text, comment="of an item; of a form how far it is"),
    Column("source_at", UtcMoment, nullable=False, comment="the moment of the fact by the EDC"),
    Column("message_at", UtcMoment, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("ordinal", Integer, nullable=False),
    CheckConstraint("kind IN ('item', 'form', 'removal')", name="known_kind"),
    Index("ix_edc_fact_value", "study_id", "item", "value"),
)

edc_contradiction = Table(
    "edc_contradiction",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("about", Text, primary_key=True, comment="such as factor SEVERITY, visit V3, eligibility"),
    Column("site_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("here", Text, nullable=False),
    Column("in_edc", Text, nullable=False),
    Column("found_at", UtcMoment, nullable=False),
)

PROJECTIONS: tuple[Table, ...] = (
    study,
    study_version,
    depot,
    site,
    subject,
    subject_visit,
    subject_measurement,
    lot,
    kit,
    randomization_list,
    list_entry,
    list_block,
    randomization_method,
    subject_randomization,
    subject_event_eligibility,
    cohort,
    shipment,
    shipment_kit,
    resupply_run,
    edc_fact,
    edc_contradiction,
)
"""Every table that is folded from the ledger, in an order in which they can be filled."""

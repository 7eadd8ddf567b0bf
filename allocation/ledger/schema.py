"""The tables: the append-only ledger, its seal, and the projections (current state) that are folded from it.

Projections hold nothing that the ledger does not: they can be dropped and rebuilt to equality (`rtsm ledger rebuild`). Dates are
calendar dates at the place concerned; moments are UTC.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from allocation.ledger.code_break_tables import code_break, code_break_read, code_break_request
from allocation.ledger.device_tables import device_use
from allocation.ledger.edc_tables import edc_contradiction, edc_fact
from allocation.ledger.lot_tables import lot_country
from allocation.ledger.parcel_tables import home_parcel, home_parcel_kit
from allocation.ledger.proposal_tables import supply_proposal
from allocation.ledger.randomization_tables import (
    list_block,
    list_entry,
    randomization_list,
    randomization_method,
    subject_event_eligibility,
    subject_randomization,
)
from allocation.ledger.return_tables import destruction_certificate, kit_count, return_kit, site_return
from allocation.ledger.supply_tables import (
    kit,
    kit_numbering,
    lot,
    resupply_pause,
    resupply_run,
    resupply_waiting,
    shipment,
    shipment_kit,
)
from allocation.ledger.table_basis import ENTRY_ID, UtcMoment, metadata
from allocation.ledger.temperature_tables import evidence_file, excursion, excursion_kit
from allocation.ledger.vault_tables import vault_access, vault_address

__all__ = [
    "ENTRY_ID",
    "PROJECTIONS",
    "UtcMoment",
    "code_break",
    "code_break_read",
    "code_break_request",
    "cohort",
    "depot",
    "destruction_certificate",
    "device_use",
    "edc_contradiction",
    "edc_fact",
    "evidence_file",
    "excursion",
    "excursion_kit",
    "home_parcel",
    "home_parcel_kit",
    "kit",
    "kit_count",
    "kit_numbering",
    "ledger_entry",
    "ledger_seal",
    "ledger_unsealed",
    "list_block",
    "list_entry",
    "lot",
    "lot_country",
    "metadata",
    "randomization_list",
    "randomization_method",
    "resupply_pause",
    "resupply_run",
    "resupply_waiting",
    "return_kit",
    "shipment",
    "shipment_kit",
    "site",
    "site_return",
    "study",
    "study_version",
    "study_version_country",
    "subject",
    "subject_event_eligibility",
    "subject_measurement",
    "subject_randomization",
    "subject_visit",
    "supply_proposal",
    "vault_access",
    "vault_address",
]

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

study_version_country = Table(
    "study_version_country",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("country", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("effective_at", UtcMoment, nullable=False),
    Column(
        "moves_subjects",
        Boolean,
        nullable=False,
        comment="subjects on study follow the version from their next visit",
    ),
    Column(
        "moves_from_visit",
        Text,
        comment="they follow it from the visit of this number on; null: not by a visit",
    ),
    comment="from when a version counts in a country; without a row it waits for its approval there",
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

IN_SCREENING: Final = ("screening", "eligible")
"""The statuses of a subject who is neither randomized nor out of the trial."""

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
    Column(
        "protocol_version",
        Integer,
        comment="that of the latest randomization; none: the one in force in the country counts",
    ),
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

cohort = Table(
    "cohort",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("cohort", Text, primary_key=True),
    Column("open", Boolean, nullable=False),
    Column("changed_on", Date, nullable=False),
    comment="cohorts whose state was changed by command or cap; the others are as the protocol says",
)

PROJECTIONS: tuple[Table, ...] = (
    study,
    study_version,
    study_version_country,
    depot,
    site,
    subject,
    subject_visit,
    subject_measurement,
    lot,
    lot_country,
    kit,
    kit_numbering,
    randomization_list,
    list_entry,
    list_block,
    randomization_method,
    subject_randomization,
    subject_event_eligibility,
    excursion,
    excursion_kit,
    cohort,
    shipment,
    shipment_kit,
    resupply_run,
    resupply_pause,
    kit_count,
    device_use,
    site_return,
    return_kit,
    destruction_certificate,
    edc_fact,
    edc_contradiction,
    home_parcel,
    home_parcel_kit,
    code_break_request,
    code_break,
    code_break_read,
    supply_proposal,
)
"""Every table that is folded from the ledger, in an order in which they can be filled."""

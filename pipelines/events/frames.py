"""The event frames: their columns and types.

Every row has `position`, the sealed position of the entry that it comes from (its lineage), and `line`, its place within that entry
(0 where an entry gives one row); together they are the key and the order. Dates are calendar dates at the site or depot; moments
are UTC. The frames hold treatments (arm, dose level, kit type): they belong to the unblinded product of the lake only.

Unused entries of a randomization list are future allocations and never leave the ledger: no frame holds them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

NUMBER = pl.Decimal(10, 4)
"""Visit numbers and amounts: exact decimals, since 9.3 as a float is not the 9.3 of another source."""
MOMENT = pl.Datetime("us", "UTC")
Schema = dict[str, Any]


def _frame(**columns: Any) -> Schema:
    return {"position": pl.Int64(), "line": pl.Int32(), **columns}


EVENT_SCHEMAS: Mapping[str, Schema] = {
    "protocol_versions": _frame(
        version=pl.Int64(),
        effective_at=MOMENT,
        sha256=pl.String(),
        protocol_json=pl.String(),
        proposal_report_sha256=pl.String(),
    ),
    "version_countries": _frame(version=pl.Int64(), country=pl.String(), effective_at=MOMENT),
    "sites": _frame(
        site_id=pl.String(),
        name=pl.String(),
        country=pl.String(),
        depot_id=pl.String(),
        timezone=pl.String(),
        profile=pl.String(),
        opened_on=pl.Date(),
    ),
    "lots": _frame(
        lot_id=pl.String(),
        kit_type=pl.String(),
        expiry_date=pl.Date(),
        status=pl.String(),
        blinded_lot=pl.String(),
    ),
    "kits": _frame(
        kit_number=pl.String(),
        kit_type=pl.String(),
        lot_id=pl.String(),
        last_ship_date=pl.Date(),
        last_count_date=pl.Date(),
        last_dispense_date=pl.Date(),
        expiry_date=pl.Date(),
    ),
    # Dates that a kit got after it was loaded: its lot's expiry changed, it was relabelled, or ordered for a country with another one.
    "kit_dates": _frame(
        kit_number=pl.String(),
        expiry_date=pl.Date(),
        last_ship_date=pl.Date(),
        last_count_date=pl.Date(),
        last_dispense_date=pl.Date(),
    ),
    "subjects": _frame(
        subject_id=pl.String(),
        site_id=pl.String(),
        country=pl.String(),
        screened_on=pl.Date(),
        consented_on=pl.Date(),
        sex=pl.String(),
        age=pl.Int64(),
        age_unit=pl.String(),
        race=pl.String(),
        ethnic=pl.String(),
        cohort=pl.String(),
        recorded_at=MOMENT,
    ),
    "eligibility": _frame(
        subject_id=pl.String(),
        site_id=pl.String(),
        eligible=pl.Boolean(),
        assessed_on=pl.Date(),
        failed_criteria=pl.List(pl.String()),
        recorded_at=MOMENT,
    ),
    "randomizations": _frame(
        subject_id=pl.String(),
        site_id=pl.String(),
        event=pl.String(),
        randomized_on=pl.Date(),
        stratum=pl.String(),
        randomization_number=pl.String(),
        arm=pl.String(),
        dose_level=pl.String(),
        recorded_at=MOMENT,
    ),
    "visits": _frame(
        subject_id=pl.String(),
        site_id=pl.String(),
        visit_code=pl.String(),
        visit_number=NUMBER,
        occurrence=pl.Int64(),
        name=pl.String(),
        status=pl.String(),
        visit_date=pl.Date(),
        end_date=pl.Date(),
        contact=pl.String(),
        reason=pl.String(),
        dispensed=pl.Boolean(),
        dose_level=pl.String(),
        recorded_at=MOMENT,
    ),
    "dispensings": _frame(
        subject_id=pl.String(),
        site_id=pl.String(),
        visit_code=pl.String(),
        visit_number=NUMBER,
        occurrence=pl.Int64(),
        dose_level=pl.String(),
        dispensed_on=pl.Date(),
        kit_number=pl.String(),
        kit_type=pl.String(),
        lot_id=pl.String(),
        quantity=NUMBER,
        unit=pl.String(),
        recorded_at=MOMENT,
    ),
    "kit_counts": _frame(
        subject_id=pl.String(),
        site_id=pl.String(),
        kit_number=pl.String(),
        revision=pl.Int64(),
        returned_on=pl.Date(),
        came_back=pl.Boolean(),
        returned_units=NUMBER,
        lost_units=NUMBER,
        recorded_at=MOMENT,
    ),
    "hand_outs": _frame(
        subject_id=pl.String(),
        site_id=pl.String(),
        visit_number=NUMBER,
        occurrence=pl.Int64(),
        handed_on=pl.Date(),
        handed_out=pl.Boolean(),
        dose_level=pl.String(),
        recorded_at=MOMENT,
    ),
    "measurements": _frame(
        subject_id=pl.String(),
        site_id=pl.String(),
        measure=pl.String(),
        value=NUMBER,
        measured_on=pl.Date(),
        recorded_at=MOMENT,
    ),
    "dose_holds": _frame(
        subject_id=pl.String(),
        site_id=pl.String(),
        held_on=pl.Date(),
        recorded_on=pl.Date(),
        reason=pl.String(),
        recorded_at=MOMENT,
    ),
    "code_breaks": _frame(
        subject_id=pl.String(), site_id=pl.String(), broken_on=pl.Date(), recorded_at=MOMENT
    ),
    "dispositions": _frame(
        subject_id=pl.String(),
        site_id=pl.String(),
        status=pl.String(),
        ended_on=pl.Date(),
        end_reason=pl.String(),
        end_term=pl.String(),
        last_dose_on=pl.Date(),
        last_contact_on=pl.Date(),
        died_on=pl.Date(),
        visit_code=pl.String(),
        recorded_at=MOMENT,
    ),
    "shipments": _frame(
        shipment_id=pl.String(),
        step=pl.String(),
        from_kind=pl.String(),
        from_place=pl.String(),
        to_kind=pl.String(),
        to_place=pl.String(),
        run_id=pl.String(),
        on_date=pl.Date(),
        expected_on=pl.Date(),
        carrier=pl.String(),
        tracking_number=pl.String(),
        kits=pl.Int64(),
        recorded_at=MOMENT,
    ),
    "kit_movements": _frame(
        kit_number=pl.String(),
        act=pl.String(),
        stated_from=pl.String(),
        to_status=pl.String(),
        to_place_kind=pl.String(),
        to_place=pl.String(),
        moved_on=pl.Date(),
        shipment_id=pl.String(),
        recorded_at=MOMENT,
    ),
    "entries": _frame(
        entry_id=pl.Int64(),
        recorded_at=MOMENT,
        command=pl.String(),
        actor=pl.String(),
        role=pl.String(),
        subject_id=pl.String(),
        site_id=pl.String(),
        config_version=pl.Int64(),
        chain_hash=pl.String(),
    ),
}
"""Name of the frame to its columns. `entries` has a row for every sealed entry: where reading goes on, what lineage leads to."""

EventFrames = dict[str, pl.DataFrame]
"""Every frame of EVENT_SCHEMAS by name."""


def event_frame(name: str, rows: Iterable[tuple[Any, ...]] = ()) -> pl.DataFrame:
    """A frame of that name with these rows, each a tuple in the order of its columns; raises KeyError for an unknown name."""
    return pl.DataFrame(list(rows), schema=EVENT_SCHEMAS[name], orient="row")


def no_events() -> EventFrames:
    """The frames of a ledger without entries."""
    return {name: event_frame(name) for name in EVENT_SCHEMAS}


def as_of(events: EventFrames, position: int) -> EventFrames:
    """The events as they stood when `position` was the last sealed one: rows of later entries are left out."""
    return {name: frame.filter(pl.col("position") <= position) for name, frame in events.items()}


def last_entry(events: EventFrames) -> tuple[int, str]:
    """Position and chain hash of the last entry that was read; (0, "") when none was."""
    entries = events["entries"]
    if entries.is_empty():
        return 0, ""
    row = entries.row(-1, named=True)
    return int(row["position"]), str(row["chain_hash"])

"""The contracts of the supply ledger's tables: sites, kits, kit movements and shipments, as the pipelines write them.

SDTM has no home for supply, so the columns are our own; `COLUMNS` is their definition. Dates are calendar dates at the place
concerned, moments are UTC. `position` is the ledger position that a row comes from.

The states below are stated again, not imported: a contract that asked the service for its own rules could not catch it
breaking them. A test compares the two.
"""

from collections.abc import Mapping
from zoneinfo import available_timezones

import polars as pl

from data_contracts.bulk import (
    known_kit_or_lot,
    lot_where_it_was_left,
    named_or_of_lot,
    never_more_than_there,
    one_row_each,
)
from data_contracts.joins import found_in, looked_up
from data_contracts.rule import (
    ColumnType,
    Frames,
    Rule,
    between,
    filled,
    holds,
    matches,
    member,
    ordered_columns,
    present,
    typed,
    unique,
)

# Column -> (type, required): text, date, moment or integer.
COLUMNS: Mapping[str, Mapping[str, tuple[ColumnType, bool]]] = {
    "sites": {
        "study_id": ("text", True),
        "site_id": ("text", True),
        "name": ("text", True),
        "country": ("text", True),
        "depot_id": ("text", True),
        "timezone": ("text", True),
        "status": ("text", True),
        "opened_on": ("date", True),
    },
    "kits": {
        "study_id": ("text", True),
        "kit_number": ("text", False),
        "kit_type": ("text", True),
        "lot_id": ("text", True),
        "expiry_date": ("date", True),
        "last_ship_date": ("date", True),
        "last_count_date": ("date", True),
        "last_dispense_date": ("date", True),
        "status": ("text", True),
        "place_kind": ("text", True),
        "place": ("text", False),
        "shipment_id": ("text", False),
        "subject_id": ("text", False),
        "visit_number": ("text", False),
        "dispensed_on": ("date", False),
        "quantity": ("integer", True),
    },
    "kit_movements": {
        "study_id": ("text", True),
        "position": ("integer", True),
        "kit_number": ("text", False),
        "act": ("text", True),
        "moved_at": ("moment", True),
        "moved_on": ("date", True),
        "from_status": ("text", False),
        "from_place_kind": ("text", False),
        "from_place": ("text", False),
        "to_status": ("text", True),
        "to_place_kind": ("text", True),
        "to_place": ("text", False),
        "shipment_id": ("text", False),
        "subject_id": ("text", False),
        "visit_number": ("text", False),
        "lot": ("text", False),
        "quantity": ("integer", True),
    },
    "shipments": {
        "study_id": ("text", True),
        "shipment_id": ("text", True),
        "from_kind": ("text", True),
        "from_place": ("text", True),
        "to_kind": ("text", True),
        "to_place": ("text", True),
        "status": ("text", True),
        "kit_count": ("integer", True),
        "requested_on": ("date", True),
        "dispatched_on": ("date", False),
        "expected_on": ("date", False),
        "received_on": ("date", False),
        "carrier": ("text", False),
        "tracking_number": ("text", False),
        "run_id": ("text", False),
    },
    "inventory": {
        "study_id": ("text", True),
        "place_kind": ("text", True),
        "place": ("text", False),
        "country": ("text", False),
        "kit_type": ("text", True),
        "lot_id": ("text", False),
        "expiry_date": ("date", True),
        "status": ("text", True),
        "kits": ("integer", True),
    },
    "stock_over_time": {
        "study_id": ("text", True),
        "on_date": ("date", True),
        "place_kind": ("text", True),
        "place": ("text", False),
        "kit_type": ("text", True),
        "status": ("text", True),
        "change": ("integer", True),
        "kits": ("integer", True),
    },
}
KEYS: Mapping[str, tuple[str, ...]] = {
    "sites": ("study_id", "site_id"),
    "kits": ("study_id", "kit_number"),
    "kit_movements": ("study_id", "position", "kit_number"),
    "shipments": ("study_id", "shipment_id"),
    "inventory": ("study_id", "place_kind", "place", "kit_type", "lot_id", "expiry_date", "status"),
    "stock_over_time": ("study_id", "on_date", "place_kind", "place", "kit_type", "status"),
}
POSSIBLE_STATES: Mapping[str, tuple[str, ...]] = {
    "depot": ("depot_available", "requested", "quarantined", "expired", "damaged"),
    "transit": ("in_transit", "quarantined", "returned", "returned_unused"),
    "site": (
        "site_available",
        "requested",
        "assigned",
        "quarantined",
        "expired",
        "damaged",
        "returned",
        "returned_unused",
    ),
    "subject": ("dispensed",),
    "returned": ("returned", "returned_unused"),
    "destroyed": ("destroyed",),
    "lost": ("lost",),
    "other_study": ("transferred",),
}
PLACES_WITH_HOLDER = ("depot", "transit", "site", "subject", "returned", "other_study")
SHIPMENT_ENDS = ("depot", "site")
PARCEL_END = "subject"
"""Where a parcel goes, a shipment to a subject's home."""
SHIPMENT_STATES = (
    "proposed",
    "requested",
    "confirmed",
    "in_transit",
    "received",
    "refused",
    "cancelled",
    "lost",
)


def sites() -> list[Rule]:
    """Sites: one row each, in a time zone that exists."""
    return [
        *column_rules("sites"),
        member("sites", "timezone", sorted(available_timezones()), "the IANA time zones"),
        matches("sites", "country", r"^[A-Z]{2,3}$", "country is an ISO 3166-1 code"),
    ]


def kits() -> list[Rule]:
    """Kits: each in one place and in a state that is possible there, where its last movement left it, never dispensed late."""

    def as_last_moved(frames: Frames) -> pl.Series:
        moves = frames.others["kit_movements"].sort("position", descending=True)
        at = [
            frames.own[own].eq_missing(looked_up(frames.own, ["study_id", "kit_number"], moves, moved))
            for own, moved in (
                ("status", "to_status"),
                ("place_kind", "to_place_kind"),
                ("place", "to_place"),
            )
        ]
        return (at[0] & at[1] & at[2]) | frames.own["kit_number"].is_null()

    dispensed = pl.col("dispensed_on")
    return [
        *column_rules("kits", one_row_each("kits", [*COLUMNS["kits"]], [*KEYS["kits"]])),
        *named_or_of_lot("kits", "lot_id"),
        lot_where_it_was_left(),
        possible_state("kits", "status", "place_kind"),
        _holder("kits", "place_kind", "place"),
        holds(
            "kits",
            "windows-ordered",
            ["last_dispense_date", "last_ship_date", "last_count_date", "expiry_date"],
            "last ship, count and dispense dates follow each other, before expiry",
            (pl.col("last_ship_date") <= pl.col("last_count_date"))
            & (pl.col("last_count_date") <= pl.col("last_dispense_date"))
            & (pl.col("last_dispense_date") < pl.col("expiry_date")),
        ),
        holds(
            "kits",
            "dispensed-in-time",
            ["dispensed_on", "last_dispense_date"],
            "no kit is dispensed after its last dispense date",
            dispensed <= pl.col("last_dispense_date"),
        ),
        holds(
            "kits",
            "dispensed-to-subject",
            ["subject_id", "status", "dispensed_on"],
            "a dispensed kit names its subject and the date",
            (pl.col("status") != "dispensed")
            | (pl.col("subject_id").is_not_null() & dispensed.is_not_null()),
        ),
        holds(
            "kits",
            "site-known",
            ["place", "place_kind", "study_id"],
            "a kit at a site is at one of the sites",
            lambda frames: (
                found_in(frames.own, ["study_id", "place"], frames.others["sites"], ["study_id", "site_id"])
                | (frames.own["place_kind"] != "site")
            ),
            needs={"sites": ["study_id", "site_id"]},
        ),
        holds(
            "kits",
            "conserved",
            ["place", "status", "place_kind", "kit_number", "study_id"],
            "a kit is where its last movement left it",
            as_last_moved,
            needs={
                "kit_movements": [
                    "study_id",
                    "kit_number",
                    "position",
                    "to_status",
                    "to_place_kind",
                    "to_place",
                ]
            },
        ),
    ]


def kit_movements() -> list[Rule]:
    """Kit movements: each starts where the one before ended, and none dispenses past the kit's last dispense date."""
    kit = ["study_id", "kit_number"]

    def continuous(frames: Frames) -> pl.Series:
        rows = frames.own.with_row_index("row").sort(*kit, "position")
        before = [pl.col(f"to_{name}").shift(1).over(kit) for name in ("status", "place_kind", "place")]
        from_ = [pl.col(f"from_{name}") for name in ("status", "place_kind", "place")]
        fits = pl.all_horizontal(start.eq_missing(end) for start, end in zip(from_, before, strict=True))
        # Bulk supply is followed by lot and quantity (bulk.py).
        rows = rows.with_columns(fits=fits | pl.col("kit_number").is_null())
        return rows.sort("row")["fits"]

    def in_time(frames: Frames) -> pl.Series:
        limit = looked_up(frames.own, kit, frames.others["kits"], "last_dispense_date")
        handed_out = frames.own["act"].is_in(["dispense", "confirm_dispensing"])
        return (frames.own["moved_on"] <= limit) | ~handed_out

    return [
        *column_rules(
            "kit_movements",
            one_row_each("kit_movements", [*COLUMNS["kit_movements"]], [*KEYS["kit_movements"]]),
        ),
        *named_or_of_lot("kit_movements", "lot"),
        never_more_than_there(),
        between("kit_movements", "position", 1, None),
        possible_state("kit_movements", "to_status", "to_place_kind"),
        _holder("kit_movements", "to_place_kind", "to_place"),
        holds(
            "kit_movements",
            "continuous",
            [
                "from_place",
                "from_status",
                "from_place_kind",
                "to_status",
                "to_place_kind",
                "to_place",
                "position",
                *kit,
            ],
            "a movement starts in the state and place where the kit's movement before it ended; the first starts nowhere",
            continuous,
        ),
        known_kit_or_lot(),
        holds(
            "kit_movements",
            "dispensed-in-time",
            ["moved_on", "act", "kit_number", "study_id"],
            "no kit is dispensed after its last dispense date",
            in_time,
            needs={"kits": [*kit, "last_dispense_date"]},
        ),
    ]


def shipments() -> list[Rule]:
    """Shipments: dates that fit the status and follow each other, to a known site."""
    dispatched, received = pl.col("dispatched_on"), pl.col("received_on")
    status = pl.col("status")
    return [
        *column_rules("shipments"),
        member("shipments", "status", SHIPMENT_STATES, "the states of a shipment"),
        between("shipments", "kit_count", 0, None),
        member("shipments", "from_kind", SHIPMENT_ENDS, "where a shipment can leave from"),
        member("shipments", "to_kind", (*SHIPMENT_ENDS, PARCEL_END), "where a shipment can go"),
        holds(
            "shipments",
            "dispatched_on.of-status",
            ["dispatched_on", "status"],
            "a shipment that left has a dispatch date, one that waits or was cancelled has none",
            pl.when(status.is_in(["in_transit", "received", "lost"]))
            .then(dispatched.is_not_null())
            .when(status.is_in(["proposed", "requested", "confirmed", "refused", "cancelled"]))
            .then(dispatched.is_null()),
        ),
        holds(
            "shipments",
            "received_on.of-status",
            ["received_on", "status"],
            "a shipment has a receipt date exactly when it is received",
            received.is_not_null() == (status == "received"),
        ),
        holds(
            "shipments",
            "dates-ordered",
            ["dispatched_on", "requested_on", "received_on"],
            "a shipment is requested, dispatched and received in this order",
            (dispatched >= pl.col("requested_on")).fill_null(True) & (received >= dispatched).fill_null(True),
        ),
        holds(
            "shipments",
            "site-known",
            ["to_place", "to_kind", "from_place", "from_kind", "study_id"],
            "a shipment's sites are sites of the study",
            lambda frames: _known_end(frames, "from") & _known_end(frames, "to"),
            needs={"sites": ["study_id", "site_id"]},
        ),
    ]


def _known_end(frames: Frames, end: str) -> pl.Series:
    """Whether what stands at this end (`from` or `to`) of each shipment is no site, or one that there is."""
    place = frames.own.select("study_id", site_id=f"{end}_place")
    known = found_in(place, ["study_id", "site_id"], frames.others["sites"])
    return known | (frames.own[f"{end}_kind"] != "site")


def column_rules(name: str, once: Rule | None = None) -> list[Rule]:
    """What holds of every table here: its columns, their types, what must be filled, one row for a key (`once` says it otherwise)."""
    rules = [ordered_columns(name, COLUMNS[name])]
    for column, (kind, required) in COLUMNS[name].items():
        rules.append(present(name, column))
        if required:
            rules.append(filled(name, column))
        rules.append(typed(name, column, kind))
    return [*rules, once or unique(name, KEYS[name])]


def possible_state(name: str, status: str, place_kind: str) -> Rule:
    """The pair of state and place is one that kits can be in."""
    pairs = [f"{place} {state}" for place, states in POSSIBLE_STATES.items() for state in states]
    return holds(
        name,
        "possible-state",
        [status, place_kind],
        "a kit is in a state that is possible in its place",
        pl.concat_str(place_kind, pl.lit(" "), status).is_in(pairs),
    )


def _holder(name: str, place_kind: str, place: str) -> Rule:
    return holds(
        name,
        "holder-named",
        [place, place_kind],
        "a kit in a depot, in transit, at a site or with a subject names which",
        ~pl.col(place_kind).is_in(PLACES_WITH_HOLDER) | pl.col(place).is_not_null(),
    )

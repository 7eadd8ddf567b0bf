"""The memory of the kernel: everything that a replicate reads and writes, in three flat arrays and a record of where things are.

numba passes an array as seven values and counts its references, so a kernel that hands dozens of arrays from function to function takes
minutes to compile and loses most of its speed. Here a function takes

    at      a record: `at.sites_rate` is where `plan.sites.rate` begins, `at.calendar_days` is a number of the plan
    ints    whole numbers, floats    numbers, words    64-bit words (random streams, calendars)

so `plan.sites.depot[site]` is `ints[at.sites_depot + site]`, and row `site`, column `lot` of what is kept by site and lot is
`ints[at.stock + site * at.lots_size + lot]`. What the kernel keeps itself is listed below, with its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, get_type_hints

import numpy as np
from numpy.typing import NDArray

from simulation.engines.compiled.tailoring import tailored_record
from simulation.engines.draws import SITE_PURPOSES
from simulation.engines.outcomes import N_OUTCOMES
from simulation.engines.plan import TrialPlan
from simulation.engines.trace import COLUMNS

PURPOSES: Final = len(SITE_PURPOSES)

LEVELS: Final = 13
(
    AT_SITES,
    IN_TRANSIT,
    AT_DEPOTS,
    SUBJECTS,
    ON_STUDY,
    CLOSED,
    EVENTS,
    FREE_SHIPMENT,
    FULL,
    DECISIONS,
    LEAVERS,
    UNSERVED,
    FREE_REVIEW,
) = range(LEVELS)
"""Places after `at.level`: kits by place, subjects so far and on study, whether screening is closed, events written down, the first free
place for a shipment, and whether the memory for subjects was too small; decisions and drop-outs that are entered;
the subject (from 1) whose visit lacked a kit last; the first free place for a review."""

COST_OF_KITS: Final = 0
COST_OF_SHIPMENTS: Final = 1
CO2: Final = 2
MONEY: Final = 3

OWN_INTS: Final = (
    "tally",
    "level",
    "opened",
    "arrivals",
    "next_arrival",
    "subjects_of",
    "first_subject",
    "since",
    "wanted",
    "due",
    "needed",
    "raised",
    "sharing",
    "shares",
    "within",
    "given",
    "blocks",
    "usable",
    "countries",
    "stock",
    "ordered",
    "depot_stock",
    "inventory",
    "last_order",
    "first_screened",
    "on_the_way",
    "active_subjects",
    "found",
    "used_in",
    "depot_countries",
    "depot_needs",
    "depot_share",
    "slot_arrives",
    "slot_ordered",
    "slot_approved",
    "slot_leaves",
    "slot_contents",
    "asked_by_sites",
    "asked",
    "due_by_day",
    "uncovered",
    "days_ahead",
    "picked",
    "pick_type",
    "pick_released",
    "pick_place",
    "pick_pile",
    "pick_taken",
    "taken",
    "allocated",
    "block_size",
    "block_left",
    "cap_counts",
    "quarantine",
    "drawn_excursions",
    "block_base",
    "central_next",
    "scheduled",
    "forced_counts",
    "arm_there",
    "unused_count",
    "unused_arm",
    "unused_there",
    "unused_skipped",
    "margin_counts",
    "margin_rows",
    "turns",
    "subject_last_try",
    "subject_replaces",
    "subject_titrated",
    "sought",
    "subject_site",
    "subject_number",
    "subject_arm",
    "subject_visit",
    "subject_day0",
    "subject_leaves",
    "subject_level",
    "subject_state",
    "subject_skipped",
    "subject_next",
    "listed",
    "arriving",
    "next_shipment",
    "shipment_site",
    "shipment_day",
    "shipment_approved",
    "shipment_leaves",
    "shipment_after",
    "contents",
    "coming_excursion",
    "reviewing",
    "next_review",
    "review_site",
    "review_number",
    "review_contents",
    "released",
    "next_released",
    "trace",
)
OWN_FLOATS: Final = (
    "money",
    "own_rate",
    "operational",
    "excursion_time",
    "chances",
    "arm_chances",
    "restricted",
    "base",
    "slope",
)
OWN_WORDS: Final = (
    "stream",
    "depot_stream",
    "site_calendar",
    "decision_calendar",
    "visit_calendar",
    "leaving_calendar",
    "replacing_calendar",
    "changed",
    "ordering",
)
SIZES: Final = (
    "site_count",
    "places",
    "site_words",
    "subject_words",
    "capacity",
    "shipments",
    "reviews",
    "arrival_count",
    "trace_room",
    "unused_room",
)


class Memory(NamedTuple):
    """A record of places, and the three arrays."""

    at: NDArray[Any]
    ints: NDArray[np.int64]
    floats: NDArray[np.float64]
    words: NDArray[np.uint64]


def memory_for(plan: TrialPlan, capacity: int, trace_room: int = 0, *, tailored: bool = False) -> Memory:
    """The memory for a plan, so many subjects and events, with the plan in it. Without room for events none is written down.

    `tailored`: by its type, the record of places tells the compiler what it is for this plan (places.py).
    """
    sites, lots = len(plan.sites.words), plan.lots.size
    capacity = max(capacity, plan.present.subjects)
    sizes = {
        "site_count": sites,
        "places": sites + plan.depots,
        "site_words": -(-sites // 64),
        "subject_words": -(-capacity // 64),
        "capacity": capacity,
        "shipments": sites * (plan.lanes.longest_days + 1) + 1 + plan.present.shipments,
        "reviews": reviews_at_once(plan),
        "arrival_count": len(plan.lots.arrival_day),
        "trace_room": trace_room,
        "unused_room": unused_room(plan, capacity),
    }
    days = plan.calendar.days
    groups, event_arms = plan.allocation.groups, plan.allocation.arm_count
    own = {
        "tally": N_OUTCOMES,
        "level": LEVELS,
        "stock": sites * lots,
        "ordered": sites * plan.kits.size,
        "wanted": sizes["places"] * plan.kits.size,
        **dict.fromkeys(("sharing", "shares", "within", "given", "blocks", "countries"), sizes["places"]),
        "due": 3 * plan.kits.size,
        "needed": plan.kits.size,
        "raised": plan.kits.size,
        "usable": plan.lots.countries + plan.depots,
        "used_in": plan.lots.countries,
        **_sizes_of_refills(plan),
        "depot_stock": plan.depots * lots,
        "taken": groups * event_arms,
        "allocated": groups,
        "block_size": groups,
        "block_left": groups,
        "cap_counts": plan.caps.size,
        "block_base": groups,
        **dict.fromkeys(("central_next", "scheduled", "sought"), 1),
        "forced_counts": plan.arm_supply.caps,
        **dict.fromkeys(("arm_there", "turns", "arm_chances", "restricted"), event_arms),
        "unused_count": groups,
        "unused_arm": groups * sizes["unused_room"],
        **dict.fromkeys(("unused_there", "unused_skipped"), sizes["unused_room"]),
        "margin_counts": plan.minimization.margins * plan.minimization.units,
        "margin_rows": plan.minimization.rows * plan.minimization.units,
        "chances": max(event_arms, plan.minimization.units),
        "listed": capacity + 2,
        "arriving": days,
        "next_shipment": sizes["shipments"],
        "shipment_site": sizes["shipments"],
        "shipment_day": sizes["shipments"],
        **dict.fromkeys(
            ("shipment_approved", "shipment_leaves", "shipment_after"),
            sizes["shipments"] if plan.ordering.statuses else 0,
        ),
        "contents": sizes["shipments"] * lots,
        "inventory": plan.kits.size,
        "found": plan.kits.size,
        **dict.fromkeys((name for name in OWN_INTS if name.startswith("pick")), lots),
        "trace": trace_room * len(COLUMNS),
        "released": days if plan.production.size > 0 else 1,
        "next_released": plan.production.arrivals,
        "quarantine": sites * lots if plan.excursions.on else 1,
        "reviewing": days if plan.excursions.on else 1,
        **dict.fromkeys(("next_review", "review_site", "review_number"), sizes["reviews"]),
        "review_contents": sizes["reviews"] * lots,
        "money": MONEY,
        "stream": PURPOSES * sites,
        "site_calendar": days * sizes["site_words"],
        **dict.fromkeys(
            ("decision_calendar", "visit_calendar", "leaving_calendar"), days * sizes["subject_words"]
        ),
        "replacing_calendar": days * sizes["subject_words"] if plan.replacing.replaces else 0,
        "changed": sizes["site_words"],
        "ordering": sizes["site_words"],
        **dict.fromkeys((name for name in OWN_INTS if name.startswith("subject_")), capacity),
    }
    places: dict[str, float] = dict(sizes)
    parts: dict[str, list[NDArray[Any]]] = {"i": [], "f": [], "u": []}
    filled = {"i": 0, "f": 0, "u": 0}

    def put(name: str, values: NDArray[Any]) -> None:
        kind = values.dtype.kind
        places[name] = filled[kind]
        parts[kind].append(values.reshape(-1))
        filled[kind] += values.size

    for name, value in named_parts(plan):
        if isinstance(value, np.ndarray):
            put(name, value)
        else:
            places[name] = value
    for names, dtype in ((OWN_INTS, np.int64), (OWN_FLOATS, np.float64), (OWN_WORDS, np.uint64)):
        for name in names:
            put(name, np.zeros(own.get(name, sites), dtype))
    tables = {name: value for name, value in named_parts(plan) if isinstance(value, np.ndarray)}
    at = np.zeros(1, tailored_record(RECORD, places, tables) if tailored else RECORD)
    for name, place in places.items():
        at[name] = place
    return Memory(at, *(np.concatenate(parts[kind]) for kind in ("i", "f", "u")))


def reviews_at_once(plan: TrialPlan) -> int:
    """The most reviews that can be under way: by site, of a shipment for each day of order and of one find in storage a day."""
    if not plan.excursions.on:
        return 1
    review = max(plan.excursions.longest_review, 1)
    return len(plan.sites.words) * (plan.lanes.longest_days + 2 * review + 4) + 1


def unused_room(plan: TrialPlan, capacity: int) -> int:
    """Entries of a list that a run can hold unused: those that forced randomization passed over, and those that it looked ahead to.

    It grows with the capacity, which is doubled where it was too small.
    """
    if not plan.arm_supply.looked_at or plan.allocation.live:
        return 0
    passed_over = min(2 * capacity, (1 << 20) // max(plan.allocation.groups, 1))
    return max(passed_over, 64) * max(capacity // max(plan.subjects_expected, 1), 1)


def _sizes_of_refills(plan: TrialPlan) -> dict[str, int]:
    """What is kept of depots that another one refills; nothing where there are none."""
    refills = plan.refills
    depots = plan.depots if refills.order else 0
    slots, asked = depots * refills.slots, depots * plan.kits.size * refills.horizon
    return {
        "depot_countries": depots * plan.lots.countries,
        "depot_needs": refills.order,
        "depot_share": depots * plan.kits.size,
        **dict.fromkeys(("slot_arrives", "slot_ordered", "slot_approved", "slot_leaves"), slots),
        "slot_contents": slots * plan.lots.size,
        **dict.fromkeys(("asked_by_sites", "asked"), asked),
        "due_by_day": plan.kits.size * refills.horizon,
        **dict.fromkeys(("uncovered", "days_ahead"), refills.horizon),
        "depot_stream": PURPOSES * depots,
    }


def named_parts(plan: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every array and number of a plan, as topic_field."""
    for field, value in zip(plan._fields, plan, strict=True):
        if hasattr(value, "_fields"):
            yield from named_parts(value, f"{prefix}{field}_")
        else:
            yield f"{prefix}{field}", value


def _plan_names(topic: type, prefix: str = "") -> Iterator[tuple[str, type]]:
    for field, kind in get_type_hints(topic).items():
        if hasattr(kind, "_fields"):
            yield from _plan_names(kind, f"{prefix}{field}_")
        else:
            yield f"{prefix}{field}", np.float64 if kind is float else np.int64


RECORD: Final = np.dtype(
    [*_plan_names(TrialPlan), *((name, np.int64) for name in (*SIZES, *OWN_INTS, *OWN_FLOATS, *OWN_WORDS))]
)
"""Where everything is: a place in its array, or a number of the plan."""

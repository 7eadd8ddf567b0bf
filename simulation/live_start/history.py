"""How a study came to its present state, week by week, in the weekly series of a replicate: what a chart shows to the left of day 0."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
from sqlalchemy import select

from allocation.ledger.database import Database
from allocation.ledger.kit_follower import WITHOUT_KITS, KitFollower
from allocation.ledger.schema import ledger_entry, ledger_seal
from allocation.rules.kit_status import KitStatus, Place
from simulation.live_start.study_state import StudyState

_SERIES = {
    KitStatus.SITE_AVAILABLE.value: "kits_at_sites",
    KitStatus.DEPOT_AVAILABLE.value: "kits_at_depots",
    KitStatus.REQUESTED.value: "kits_in_transit",
    KitStatus.IN_TRANSIT.value: "kits_in_transit",
    KitStatus.EXPIRED.value: "kits_expired",
    KitStatus.LOST.value: "kits_lost_damaged",
    KitStatus.DAMAGED.value: "kits_lost_damaged",
}
"""Of kits that no subject has had: what subjects lose was dispensed before."""


def history_of(database: Database, state: StudyState) -> pl.DataFrame:
    """`series`, `week` (-1 ends on the state's day), its last `date` and the `value` then, from the first whole week of the ledger on.

    The series are those randomized and screened so far, usable kits at sites and depots and on their way, and kits expired, and lost
    or damaged, so far.
    """
    weeks = max((state.at - state.begins_on).days // 7, 0)
    ends = [state.at - timedelta(days=7 * back) for back in range(weeks, -1, -1)]
    kits = _kits_at(database, state, ends)
    rows = []
    for place, (on, found) in enumerate(zip(ends, kits, strict=True)):
        counts = dict.fromkeys(_SERIES.values(), 0) | found
        counts["screened"] = sum(one.screened_on <= on for one in state.subjects)
        counts["randomized"] = sum(
            one.randomized_on is not None and one.randomized_on <= on for one in state.subjects
        )
        rows += [(name, place - len(ends), on, float(value)) for name, value in counts.items()]
    schema = {"series": pl.String, "week": pl.Int32, "date": pl.Date, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _kits_at(database: Database, state: StudyState, ends: list[date]) -> list[Counter[str]]:
    """The kits of each series at the end of each of these days (UTC), by the service's folds."""
    moments = [datetime.combine(on + timedelta(days=1), time(), UTC) for on in ends]
    query = (
        select(
            ledger_entry.c.recorded_at,
            ledger_entry.c.command,
            ledger_entry.c.subject_id,
            ledger_entry.c.site_id,
            ledger_entry.c.after_json,
        )
        .join_from(ledger_seal, ledger_entry)
        .where(
            ledger_seal.c.study_id == state.study_id,
            ledger_seal.c.position <= state.position,
            ledger_entry.c.command.not_in(WITHOUT_KITS),
        )
        .order_by(ledger_seal.c.position)
    )
    follower, found = KitFollower(), list[Counter[str]]()
    with database.read() as connection:
        for row in connection.execute(query):
            while row.recorded_at >= moments[len(found)]:
                found.append(_counted(follower))
            follower.fold(row, state.study_id)
    return found + [_counted(follower) for _ in range(len(ends) - len(found))]


def _counted(follower: KitFollower) -> Counter[str]:
    kept = (one for one in follower.kits.values() if one.place_kind != Place.SUBJECT.value)
    return Counter(_SERIES[one.status] for one in kept if one.status in _SERIES)

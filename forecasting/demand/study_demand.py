"""The demand of a running study by kit type, place and week: many replicates from its present state, as draws that are summed as asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forecasting.demand.errors import BadRequest
from forecasting.demand.study_start import StudyStart
from forecasting.demand.trace_demand import Demand, demand_of, due_table
from simulation.replicates.run import Engine, play_one
from simulation.replicates.workforce import workers_of_machine

Ints = NDArray[np.int64]

DAYS: Final = 7
"""Of a week."""
SCOPES: Final = ("study", "country", "depot", "site")
MOST_WEEKS: Final = 156
FEWEST_REPLICATES, MOST_REPLICATES = 100, 100_000
_AHEAD: Final = 8
"""Replicates that wait for each worker."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class StudyDemand:
    """Draws of the demand after the census, as rows in order of their week.

    `kits` of `kit_type` at `site` in `week` (from 0) of `replicate`, of a part (PARTS), `met` or not. `unserved`: (week, replicate, site)
    of each visit that lacked a kit. `newcomers`: randomized in the whole time, by replicate.
    """

    start: StudyStart
    weeks: int
    replicates: int
    seed: int
    week: Ints
    replicate: Ints
    site: Ints
    kit_type: Ints
    part: Ints
    met: Ints
    kits: Ints
    unserved: Ints
    newcomers: Ints

    @property
    def kit_types(self) -> tuple[str, ...]:
        """In the order of the protocol."""
        return self.start.live.names.kit_types

    @property
    def begins_on(self) -> date:
        """Day 0: the day after the census."""
        return self.start.census.at + timedelta(days=1)

    def day_after(self, weeks: int) -> date:
        """The day after so many weeks, which they do not include."""
        return self.begins_on + timedelta(days=DAYS * weeks)

    def places(self, scope: str) -> tuple[str, ...]:
        """The places of a scope, in their order."""
        names = self.start.live.names
        return {
            "study": (self.start.census.study_id,),
            "country": tuple(dict.fromkeys(one.country for one in self.start.protocol.sites)),
            "depot": names.depots,
            "site": names.sites,
        }[scope]

    def place_of_site(self, scope: str) -> Ints:
        """The place in a scope that each site belongs to."""
        sites = self.start.protocol.sites
        if scope == "country":
            countries = self.places("country")
            return np.array([countries.index(one.country) for one in sites], dtype=np.int64)
        if scope == "depot":
            return np.asarray(self.start.live.plan.sites.depot, dtype=np.int64)
        return np.arange(len(sites)) if scope == "site" else np.zeros(len(sites), dtype=np.int64)

    def draws(
        self, scope: str, first: int, end: int, part: int | None = None, met: bool | None = None
    ) -> Ints:
        """Kits from week `first` to before week `end`: replicates x places x kit types, the last column all kit types together.

        `part`: only of that part; `met`: only what was there, or was not.
        """
        begin, stop = np.searchsorted(self.week, [first, end])
        rows = np.arange(begin, stop)
        if part is not None:
            rows = rows[self.part[rows] == part]
        if met is not None:
            rows = rows[self.met[rows] == met]
        places, types = len(self.places(scope)), len(self.kit_types)
        place = self.place_of_site(scope)[self.site[rows]]
        at = (self.replicate[rows] * places + place) * types + self.kit_type[rows]
        found = np.bincount(at, self.kits[rows], self.replicates * places * types).astype(np.int64)
        found = found.reshape(self.replicates, places, types)
        return np.concatenate([found, found.sum(axis=2, keepdims=True)], axis=2)

    def unserved_visits(self, scope: str, first: int, end: int) -> Ints:
        """Visits that lacked a kit from week `first` to before week `end`: replicates x places."""
        begin, stop = np.searchsorted(self.unserved[:, 0], [first, end])
        rows = self.unserved[begin:stop]
        places = len(self.places(scope))
        at = rows[:, 1] * places + self.place_of_site(scope)[rows[:, 2]]
        return np.bincount(at, minlength=self.replicates * places).reshape(self.replicates, places)


def check_request(weeks: int, replicates: int) -> None:
    """Raises BadRequest for what cannot be forecast, by field."""
    if not 1 <= weeks <= MOST_WEEKS:
        raise BadRequest(
            f"{weeks} weeks cannot be forecast", field="--weeks", fix=f"name from 1 to {MOST_WEEKS}"
        )
    if not FEWEST_REPLICATES <= replicates <= MOST_REPLICATES:
        raise BadRequest(
            f"{replicates} replicates are too few for quantiles, or too many",
            field="--replicates",
            fix=f"name from {FEWEST_REPLICATES} to {MOST_REPLICATES:,}",
        )


def forecast_study_demand(
    start: StudyStart,
    weeks: int,
    replicates: int,
    seed: int = 1,
    engine: Engine = Engine.COMPILED,
    progress: Progress = lambda _done, _total: None,
) -> StudyDemand:
    """Play `replicates` from the census on and keep their demand. Raises BadRequest."""
    check_request(weeks, replicates)
    table = due_table(start.live.plan)

    def one(replicate: int) -> Demand:
        plan = start.plans[replicate % len(start.plans)]
        trace = play_one(plan, engine, seed, replicate, trace=True).trace
        if trace is None:
            raise AssertionError("an engine gave no trace though it was asked for one")
        return demand_of(plan, table, trace)

    found: list[Demand] = []
    for demand in _played(one, replicates, engine):
        found.append(demand)
        progress(len(found), replicates)
    return StudyDemand(
        start,
        weeks,
        replicates,
        seed,
        **_in_weeks(found),
        newcomers=_ints([one.newcomers for one in found]),
    )


def _played(one: Callable[[int], Demand], replicates: int, engine: Engine) -> Iterator[Demand]:
    """In their order; by threads, since the compiled engine runs without the interpreter's lock."""
    workers = workers_of_machine()
    if workers == 1 or engine is not Engine.COMPILED:
        yield from map(one, range(replicates))
        return
    with ThreadPoolExecutor(workers) as pool:
        yield one(0)  # the kernel is loaded, or compiled, by one of them
        size = _AHEAD * workers
        for first in range(1, replicates, size):
            yield from pool.map(one, range(first, min(first + size, replicates)))


def _in_weeks(found: list[Demand]) -> dict[str, Any]:
    replicate = np.repeat(np.arange(len(found)), [len(one.day) for one in found])
    rows = {
        name: np.concatenate([getattr(one, name) for one in found])
        for name in ("day", "site", "kit_type", "part", "met", "kits")
    }
    order = np.argsort(rows["day"] // DAYS, kind="stable")
    week = rows.pop("day") // DAYS
    unserved = np.concatenate(
        [
            np.column_stack([one.unserved[:, 0] // DAYS, np.full(len(one.unserved), at), one.unserved[:, 1]])
            for at, one in enumerate(found)
        ]
    )
    return {
        "week": week[order],
        "replicate": replicate[order],
        **{name: values[order] for name, values in rows.items()},
        "unserved": unserved[np.argsort(unserved[:, 0], kind="stable")],
    }


def _ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)

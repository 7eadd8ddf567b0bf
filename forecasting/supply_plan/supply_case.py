"""All that kits are planned by: demand, what is there and coming, and when each run that may be made is released, trial by trial."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocation.rules.expiry import last_allowed_day
from forecasting.supply_plan.beginning import Beginning, Trial
from forecasting.supply_plan.candidates import Choices, Run
from forecasting.supply_plan.cover import Stock
from forecasting.supply_plan.demand_tape import Array, DemandTape, Pair, record_demand
from simulation.engines.day_laws import LawTables
from simulation.engines.plan import Laws
from simulation.streams import word_of


@dataclass(frozen=True)
class MadeRun:
    """A run that may be made: the days (of each trial) on which it is labelled and released, and the last on which it may be shipped."""

    run: Run
    kit_type: int
    depots: tuple[int, ...]
    labelled: Array
    released: Array
    last: int


@dataclass(frozen=True)
class SupplyCase:
    """The case. `at_hand`: by depot and kit type what is there and what comes in any case; `at_sites`: kits at sites or on their way to
    them, by kit type; `kit_cost` by kit type, 1 where the protocol tells none."""

    beginning: Beginning
    trial: Trial
    tape: DemandTape
    runs: tuple[MadeRun, ...]
    at_hand: dict[Pair, list[Stock]]
    at_sites: Array
    kit_cost: tuple[float, ...]

    @property
    def kit_types(self) -> list[int]:
        """Those that something may be made of."""
        return sorted({one.kit_type for one in self.runs})

    def depots_of(self, kit_type: int) -> list[int]:
        """The depots that the kit type may be sent to."""
        return sorted({depot for one in self.runs if one.kit_type == kit_type for depot in one.depots})

    def there(self, kit_type: int) -> int:
        """Kits of a type that are there or come in any case, wherever they are."""
        at_depots = sum(
            one.kits for pair, all_ in self.at_hand.items() if pair[1] == kit_type for one in all_
        )
        return at_depots + int(self.at_sites[kit_type])


def supply_case(
    beginning: Beginning,
    choices: Choices,
    seed: int,
    trials: int,
    workers: int,
    report: Callable[[int, int], None],
) -> SupplyCase:
    """Play the trials 0 to `trials` - 1 with depots that never run out, and put the case together."""
    trial = beginning.trial()
    plan, names, day0 = trial.plan, trial.names, beginning.day0
    pairs = {
        (names.depots.index(depot), names.kit_types.index(run.campaign.kit_type))
        for run in choices.runs
        for depot in run.campaign.depots
    }
    tape = record_demand(beginning.unlimited(), pairs, seed, 0, trials, workers, report)
    runs = []
    for run in choices.runs:
        kit_type = names.kit_types.index(run.campaign.kit_type)
        labelled, released = _days_of(run, seed, trials, (run.begins - day0).days)
        last = last_allowed_day(run.expires.toordinal(), int(plan.kits.dns_days[kit_type]))
        depots = tuple(names.depots.index(depot) for depot in run.campaign.depots)
        runs.append(MadeRun(run, kit_type, depots, labelled, released, last - day0.toordinal()))
    costs = plan.kits.cost if (plan.kits.cost > 0).all() else np.ones(plan.kits.size)
    return SupplyCase(
        beginning,
        trial,
        tape,
        tuple(runs),
        _at_hand(trial, seed, trials),
        _at_sites(trial),
        tuple(float(one) for one in costs),
    )


def _days_of(run: Run, seed: int, trials: int, begins: int) -> tuple[Array, Array]:
    """The days of a run's labelling and release in each trial; drawn by its own code, whatever other runs there are."""
    laws = (run.campaign.lead_days, run.campaign.label_days, run.campaign.release_days)
    tables = LawTables()
    places = [tables.add(law) for law in laws]
    random = np.random.default_rng([seed, int(word_of(run.code))])
    made, labelled, released = (drawn_days(tables.laws(), place, random.random(trials)) for place in places)
    return begins + made, begins + made + labelled + released


def drawn_days(laws: Laws, law: int, uniform: NDArray[np.float64]) -> Array:
    """Days by a law of a plan, for numbers that are uniform on [0, 1)."""
    cumulative = laws.cumulative[laws.start[law] + 1 : laws.start[law + 1]]
    found: Array = laws.first[law] + np.searchsorted(cumulative, uniform, side="right").astype(np.int64)
    return found


def _at_hand(trial: Trial, seed: int, trials: int) -> dict[Pair, list[Stock]]:
    """What each depot has and gets in any case. A lot counts for a depot that may use it in every country that it supplies."""
    plan, names = trial.plan, trial.names
    lots, made = plan.lots, plan.production
    found: dict[Pair, list[Stock]] = defaultdict(list)

    def add(depot: int, lot: int, comes: Array, kits: int) -> None:
        countries = np.unique(plan.sites.country[plan.sites.depot == depot])
        if kits > 0 and (lots.released.reshape(lots.size, -1)[lot, countries] == 1).all():
            kit_type = int(lots.kit_type[lot])
            expiry = int(lots.expiry_ordinal[lot])
            last = last_allowed_day(expiry, int(plan.kits.dns_days[kit_type])) - plan.calendar.first_ordinal
            found[depot, kit_type].append(Stock(kits, comes, last))

    for lot, depot, day, kits in zip(
        lots.arrival_lot, lots.arrival_depot, lots.arrival_day, lots.arrival_kits, strict=True
    ):
        add(int(depot), int(lot), np.full(trials, int(day)), int(kits))
    for depot, row in enumerate(plan.present.depot_stock.reshape(-1, max(lots.size, 1))):
        for lot, kits in enumerate(row):
            add(depot, lot, np.zeros(trials, dtype=np.int64), int(kits))
    for at in range(made.arrivals):
        lot = int(made.lot[at])
        random = np.random.default_rng([seed, int(word_of(names.lots[lot]))])
        days = sum(
            drawn_days(plan.laws, int(made.laws[3 * int(made.made[at]) + stage]), random.random(trials))
            for stage in range(3)
        )
        add(int(made.depot[at]), lot, np.maximum(int(made.day[at]) + days, 0), int(made.kits[at]))
    return dict(found)


def _at_sites(trial: Trial) -> Array:
    """Kits at sites, and on their way to them, by kit type; of a trial that begins empty there are none."""
    plan = trial.plan
    kits = np.zeros(plan.kits.size, dtype=np.int64)
    size = max(plan.lots.size, 1)
    for held in (plan.present.stock, plan.present.contents):
        by_lot = held.reshape(-1, size).sum(axis=0) if held.size else np.zeros(size, dtype=np.int64)
        np.add.at(kits, plan.lots.kit_type, by_lot[: plan.lots.size])
    return kits

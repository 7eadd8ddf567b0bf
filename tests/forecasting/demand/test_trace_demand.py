"""The demand in a trace: nothing is lost, what was lacking counts as demand, and it is told apart by what is known of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings

from forecasting.demand.trace_demand import CORRELATED, NEW, PREDICTABLE, Demand, demand_of, due_table
from simulation.engines import events, simpy_twin
from simulation.engines import outcomes as out
from simulation.engines.plan import TrialPlan
from tests.simulation.engines.small_study import small_plan
from tests.simulation.engines.small_trials import PROTOCOL, SCENARIO, plans


def rows(demand: Demand, *columns: str) -> pl.DataFrame:
    """Kits by these columns, in order."""
    frame = pl.DataFrame({name: getattr(demand, name) for name in (*columns, "kits")})
    return frame.group_by(columns).agg(pl.col("kits").sum()).sort(columns)


@settings(max_examples=12, deadline=None)
@given(plan=plans())
def test_every_kit_and_every_visit_without_one_is_in_the_demand(plan: TrialPlan) -> None:
    one = simpy_twin.play(plan, 3, 0, trace=True)
    assert one.trace is not None
    demand = demand_of(plan, due_table(plan), one.trace)
    met = demand.met == 1
    assert demand.kits[met].sum() == one.outcomes[out.KITS_DISPENSED]
    handed = one.trace[one.trace[:, 2] == events.DISPENSED]
    by_type = np.bincount(handed[:, 5], handed[:, 7], plan.kits.size)
    assert np.bincount(demand.kit_type[met], demand.kits[met], plan.kits.size).tolist() == by_type.tolist()
    unserved = one.outcomes[out.MISSED_DISPENSINGS] + one.outcomes[out.OUT_OF_STOCK]
    assert len(demand.unserved) == unserved
    assert ((~met).sum() >= unserved) if unserved else met.all()
    assert np.all(demand.kits > 0)
    assert demand.newcomers == one.outcomes[out.RANDOMIZED]
    # Nobody was on study before, so nothing could be predicted.
    assert not (demand.part == PREDICTABLE).any()


def test_the_demand_of_sites_without_stock_is_that_of_sites_that_have_plenty() -> None:
    def of(kits: int) -> Demand:
        def change(protocol: dict[str, Any], scenario: dict[str, Any]) -> None:
            protocol["dispensing"][0]["kits"][0]["quantity"] = 2
            for lot in scenario["lots"]:
                lot["arrivals"][0]["kits"] = kits

        plan = small_plan((SCENARIO, PROTOCOL), change)
        trace = simpy_twin.play(plan, 1, 0, trace=True).trace
        assert trace is not None
        return demand_of(plan, due_table(plan), trace)

    plenty, little = of(5000), of(30)
    assert len(plenty.unserved) < 5  # before the first shipments
    assert (little.met == 0).sum() > 50
    columns = ("day", "site", "kit_type")
    assert rows(little, *columns).equals(rows(plenty, *columns))
    assert rows(little, "kit_type")["kits"].min() > 0


def titrated_plan() -> Any:
    """One arm; kits 0 with any dose, kit 1 on the low and kit 2 on the high level; the dose is titrated at the last of three visits."""
    kit_types = [0, 1] * 3 + [0, 2] * 3
    present = SimpleNamespace(
        subjects=2, arm=np.array([0, -1]), level=np.array([0, 0]), visit=np.array([1, 0])
    )
    return SimpleNamespace(
        arms=1,
        doses=SimpleNamespace(levels=2, start=np.array([0]), titrated=np.array([0, 0, 1])),
        visits=SimpleNamespace(
            size=3,
            line_start=np.arange(0, len(kit_types) + 1, 2),
            line_kit_type=np.array(kit_types),
            line_quantity=np.ones(len(kit_types), dtype=np.int64),
        ),
        kits=SimpleNamespace(size=3),
        present=present,
    )


def event(day: int, kind: int, subject: int, kit_type: int = -1, quantity: int = 1) -> list[int]:
    return [day, 7, kind, 0, subject, kit_type, 0 if kit_type >= 0 else -1, quantity]


def test_what_a_titration_to_come_may_change_is_correlated_and_a_lost_kit_too() -> None:
    trace = np.array(
        [
            event(1, events.VISITED, 0, quantity=1),
            event(1, events.DISPENSED, 0, 0),
            event(1, events.DISPENSED, 0, 1, 2),  # one of the two in place of one that was lost
            event(1, events.KIT_REPLACED, 0, 1),
            event(3, events.RANDOMIZED, 1, quantity=0),
            event(3, events.VISITED, 1, quantity=0),
            event(3, events.DISPENSED, 1, 0),
            event(3, events.DISPENSED, 1, 1),
            event(9, events.VISITED, 0, quantity=2),
            event(9, events.NOT_DISPENSED, 0, 2, 1),  # it was moved up, and there was no kit 2
        ]
    )
    plan = titrated_plan()
    demand = demand_of(plan, due_table(plan), trace)
    found = sorted(
        zip(
            demand.day.tolist(),
            demand.kit_type.tolist(),
            demand.part.tolist(),
            demand.met.tolist(),
            demand.kits.tolist(),
            strict=True,
        )
    )
    assert found == [
        (1, 0, PREDICTABLE, 1, 1),
        (1, 1, PREDICTABLE, 1, 1),
        (1, 1, CORRELATED, 1, 1),
        (3, 0, NEW, 1, 1),
        (3, 1, NEW, 1, 1),
        (9, 0, PREDICTABLE, 0, 1),
        (9, 2, CORRELATED, 0, 1),
    ]
    assert demand.unserved.tolist() == [[9, 0]]
    assert demand.newcomers == 1

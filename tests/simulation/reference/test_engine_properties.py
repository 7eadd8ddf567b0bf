"""What holds for every trial: kits are conserved, and a site's subjects do not depend on other sites or on the supply."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulation.engines import compiled, outcomes, simpy_twin
from simulation.engines.events import SCREENED
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of
from simulation.engines.trace import COLUMNS
from tests.simulation.reference.inventory_cases import Policy, protocol_of, scenario_of

pytestmark = pytest.mark.slow

WHERE_KITS_END = (
    outcomes.KITS_LEFT,
    outcomes.KITS_LEFT_SITES,
    outcomes.KITS_LEFT_TRANSIT,
    outcomes.KITS_DISPENSED,
    outcomes.KITS_EXPIRED_SITE,
    outcomes.KITS_EXPIRED_DEPOT,
    outcomes.KITS_LOST,
    outcomes.KITS_DAMAGED,
)

trials = st.builds(
    lambda sites, rate, trigger, more, lead, longer, kits: plan_of(
        protocol_of(Policy(trigger, trigger + more), lead, sites),
        scenario_of(rate, 120, {"law": "uniform", "min_days": 0, "max_days": longer}, lots=[lot(kits)]),
    ),
    sites=st.integers(1, 6),
    rate=st.floats(0.01, 2),
    trigger=st.integers(0, 5),
    more=st.integers(1, 9),
    lead=st.integers(1, 20),
    longer=st.integers(0, 10),
    kits=st.integers(1, 400),
)


def lot(kits: int) -> dict[str, object]:
    """A lot that may run out."""
    return {
        "code": "LOT",
        "kit_type": "KIT",
        "manufactured_on": "2024-12-01",
        "expires_on": "2199-12-31",
        "arrivals": [{"depot": "DEP", "on": "2025-01-01", "kits": kits}],
    }


@settings(max_examples=40, deadline=None)
@given(trials, st.integers(0, 2**32))
def test_kits_are_conserved_in_both_engines(plan: TrialPlan, seed: int) -> None:
    for ended in (compiled.play(plan, seed, 0), simpy_twin.play(plan, seed, 0)):
        assert ended.outcomes[outcomes.KITS_PRODUCED] == ended.outcomes[list(WHERE_KITS_END)].sum()
        assert (ended.outcomes[list(WHERE_KITS_END)] >= 0).all()


def screenings(plan: TrialPlan, seed: int) -> NDArray[np.int64]:
    """(site, day) of everybody who was screened, in that order."""
    trace = compiled.play(plan, seed, 0, trace=True).trace
    rows = trace[trace[:, COLUMNS.index("kind")] == SCREENED][
        :, [COLUMNS.index("site"), COLUMNS.index("day")]
    ]
    return rows[np.lexsort(rows.T[::-1])]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.floats(0.01, 2), st.integers(0, 2**32))
def test_another_site_changes_no_arrival_of_the_others(sites: int, rate: float, seed: int) -> None:
    few, more = (
        screenings(plan_of(protocol_of(Policy(1, 4), 5, number), scenario_of(rate, 120)), seed)
        for number in (sites, sites + 1)
    )
    assert (few == more[more[:, 0] < sites]).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9), st.integers(1, 20), st.integers(0, 2**32))
def test_supply_changes_no_arrival(trigger: int, lead: int, seed: int) -> None:
    scenario = scenario_of(0.2, 120)
    base, other = (
        screenings(plan_of(protocol_of(policy, days, 4), scenario), seed)
        for policy, days in ((Policy(0, 1), 3), (Policy(trigger, trigger + 3), lead))
    )
    assert (base == other).all()

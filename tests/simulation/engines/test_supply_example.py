"""The example of a supply side that can go wrong is played: its campaigns arrive, and excursions are found and settled."""

from __future__ import annotations

from simulation.engines import simpy_twin
from simulation.engines.plan_of_production import lots_in_order
from simulation.engines.plan_of_study import plan_of
from simulation.engines.trace import as_frame
from simulation.scenario import load_scenario_and_protocol
from tests.conftest import REPOSITORY
from tests.simulation.engines.supply_trial import outcomes_of
from tests.simulation.engines.test_trace_equality import check_conserved


def test_the_example_of_campaigns_and_excursions_is_played() -> None:
    file = REPOSITORY / "studies" / "rtsm-bench-100-supply-scenario.yaml"
    scenario, protocol = load_scenario_and_protocol(file)
    first_months = scenario.model_copy(update={"duration_days": 180})
    replicate = simpy_twin.play(plan_of(protocol, first_months), scenario.seed, 0, trace=True)
    check_conserved(replicate)
    assert replicate.trace is not None
    codes = [lot.code for lot in lots_in_order(protocol, scenario)]
    arrived = as_frame(replicate.trace).filter(kind="lot_arrived")
    days = {codes[lot]: day for lot, day in arrived.select("lot", "day").rows()}
    assert set(days) == {"LA", "LB", "LB2", "CA-1", "CB-1"}
    begins = (scenario.campaigns[0].starts_on - scenario.starts_on).days
    assert all(begins + 40 <= days[code] <= begins + 104 for code in ("CA-1", "CB-1"))
    assert 33 + 3 <= days["LB2"] <= 33 + 12
    of = outcomes_of(replicate)
    assert of["kits_produced"] == 2400 + 2200 + 200 + 2 * 864
    assert of["kits_quarantined"] > of["kits_excursion_rejected"] > 0
    assert of["kits_lost"] + of["kits_damaged"] > 0

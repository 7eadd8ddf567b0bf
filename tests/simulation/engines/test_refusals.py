"""What the engines do not play is refused by name, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from allocation.study.protocol import Protocol
from simulation.engines.plan_of_study import plan_of
from simulation.errors import NotSimulated
from simulation.scenario import Scenario, load_scenario_and_protocol
from simulation.twin import Twin
from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (
            {"randomization": {"method": "big_stick", "block_sizes": [], "parameters": {"b": 3}}},
            "randomization[0].method",
        ),
        ({"randomization": {"supply_gate": "all_kit_types"}}, "randomization[0].supply_gate"),
        ({"randomization": {"forced": "FR1"}}, "randomization[0].forced"),
        ({"supply": {"eligible_subjects": "screened"}}, "supply.eligible_subjects"),
    ],
)
def test_what_the_engines_do_not_play_is_refused_by_name(change: dict[str, Any], field, bench_trial) -> None:
    scenario, protocol = bench_trial
    document = protocol.model_dump(mode="json")
    for part, values in change.items():
        target = document[part][0] if part == "randomization" else document[part]
        target |= values
    with pytest.raises(NotSimulated) as refused:
        plan_of(Protocol.model_validate(document), scenario)
    assert refused.value.field == field
    assert refused.value.fix


def test_the_demo_can_be_played_by_the_engines() -> None:
    scenario, protocol = load_scenario_and_protocol(REPOSITORY / "studies" / "demo-scenario.yaml")
    plan = plan_of(protocol, scenario)
    assert len(plan.sites.words) == 40
    assert plan.doses.levels == 3
    assert plan.resupply.windows
    assert plan.resupply.fair_share


def test_the_twin_of_the_service_refuses_days_of_approval(bench_trial) -> None:
    scenario, protocol = bench_trial
    document = scenario.model_dump(mode="json")
    document["drop_out"]["per_visit_probability"] = 0
    document["site_stock_at_start"] = "none"
    document["shipping"]["approval_days"] = {"law": "fixed", "min_days": 2}
    with pytest.raises(NotSimulated) as refused:
        Twin(protocol, Scenario.model_validate(document))
    assert refused.value.field == "shipping.approval_days"


def test_the_twin_of_the_service_refuses_what_only_the_engines_play(bench_trial) -> None:
    scenario, protocol = bench_trial
    with pytest.raises(NotSimulated) as refused:
        Twin(protocol, scenario)
    assert refused.value.field == "drop_out.per_visit_probability"

"""What the engines do not play is refused by name, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from allocation.study.protocol import Protocol
from simulation.engines.plan_of_study import plan_of
from simulation.errors import NotSimulated
from simulation.scenario import Scenario, load_scenario_and_protocol
from simulation.scenario_checks import scenario_inconsistencies
from simulation.twin import Twin
from tests.conftest import REPOSITORY

POOL = {
    "code": "P",
    "level": "depot",
    "automatic": True,
    "items": [{"kit_type": "KA", "item": "TABLETS"}],
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"randomization": {"method": "list", "block_sizes": []}}, "randomization[0].method"),
        (
            {"randomization": {"block_assignment": "dynamic", "forced": "FR1"}},
            "randomization[0].block_assignment",
        ),
        ({"supply": {"eligible_subjects": "screened"}}, "supply.eligible_subjects"),
        ({"dosing": {"same_lot": "where_possible"}}, "dosing.same_lot"),
        ({"dosing": {"partial": True}}, "dosing.partial"),
        ({"kit_types": {"reusable": True}}, "kit_types"),
        ({"supply": {"pools": [POOL]}}, "supply.pools"),
    ],
)
def test_what_the_engines_do_not_play_is_refused_by_name(change: dict[str, Any], field, bench_trial) -> None:
    scenario, protocol = bench_trial
    document = protocol.model_dump(mode="json")
    for part, values in change.items():
        target = document[part][0] if isinstance(document[part], list) else document[part]
        target |= values
    with pytest.raises(NotSimulated) as refused:
        plan_of(Protocol.model_validate(document), scenario)
    assert refused.value.field == field
    assert refused.value.fix


def test_kits_handed_out_before_randomization_are_refused_by_name(bench_trial) -> None:
    scenario, protocol = bench_trial
    document = protocol.model_dump(mode="json")
    document["visits"][0]["dispensing"] = True
    for entry in document["dispensing"]:
        entry["visits"] = [document["visits"][0]["code"], *entry["visits"]]
    with pytest.raises(NotSimulated) as refused:
        plan_of(Protocol.model_validate(document), scenario)
    assert refused.value.field == "visits"


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


@pytest.mark.parametrize(
    ("part", "values", "field"),
    [
        ("supply", {"order_approval": "all"}, "supply.order_approval"),
        ("supply", {"on_event": True}, "supply.on_event"),
        ("supply", {"pack_by_scan": True}, "supply.pack_by_scan"),
        ("randomization", {"forced": "FR1"}, "randomization[0].forced"),
        ("randomization", {"supply_gate": "all_kit_types"}, "randomization[0].supply_gate"),
        ("depot", {"min_buffer": 20, "max_buffer": 40}, "depots"),
    ],
)
def test_the_twin_of_the_service_refuses_what_it_does_nothing_for_in_the_service(
    part: str, values: dict[str, Any], field: str
) -> None:
    scenario, protocol = load_scenario_and_protocol(REPOSITORY / "studies" / "demo-scenario.yaml")
    document = protocol.model_dump(mode="json")
    if part == "depot":
        document["supply"]["parameters"].append({"level": "depot", "key": "USD", "parameters": values})
    else:
        (document[part][0] if part == "randomization" else document[part]).update(values)
    with pytest.raises(NotSimulated) as refused:
        Twin(Protocol.model_validate(document), scenario)
    assert refused.value.field == field
    assert refused.value.fix


def test_the_twin_of_the_service_refuses_what_only_the_engines_play(bench_trial) -> None:
    scenario, protocol = bench_trial
    with pytest.raises(NotSimulated) as refused:
        Twin(protocol, scenario)
    assert refused.value.field == "drop_out.per_visit_probability"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (
            {"drop_out": {"after_missed_dispensing_probability": 0.1}},
            "drop_out.after_missed_dispensing_probability",
        ),
        ({"excursions": {"shipment_probability": 0.1}}, "excursions.shipment_probability"),
        ({"excursions": {"per_site_month": 0.1}}, "excursions.per_site_month"),
        (
            {
                "campaigns": [
                    {
                        "code": "LD10",
                        "kit_type": "K10",
                        "starts_on": "2025-09-01",
                        "lead_days": {"min_days": 40},
                        "kits_by_depot": {"EUD": 40},
                        "shelf_life_months": 18,
                    }
                ]
            },
            "campaigns",
        ),
    ],
)
def test_the_twin_of_the_service_refuses_what_it_lacks_of_the_supply_side(
    change: dict[str, Any], field: str
) -> None:
    scenario, protocol = load_scenario_and_protocol(REPOSITORY / "studies" / "demo-scenario.yaml")
    document = scenario.model_dump(mode="json")
    for part, values in change.items():
        document[part] = document[part] | values if isinstance(values, dict) else values
    with pytest.raises(NotSimulated) as refused:
        Twin(protocol, Scenario.model_validate(document))
    assert refused.value.field == field
    lot = {**scenario.lots[0].model_dump(mode="json"), "release_delay_days": {"min_days": 3}}
    waiting = Scenario.model_validate(scenario.model_dump(mode="json") | {"lots": [lot]})
    with pytest.raises(NotSimulated) as refused:
        Twin(protocol, waiting)
    assert refused.value.field == "lots[0].release_delay_days"


def test_waiting_for_supply_is_refused_where_nobody_is_refused_for_supply(bench_trial) -> None:
    scenario, protocol = bench_trial
    waiting = scenario.model_copy(
        update={"screening": scenario.screening.model_copy(update={"supply_wait_days": 7})}
    )
    [problem] = scenario_inconsistencies(waiting, protocol)
    assert problem.path == ("screening", "supply_wait_days")
    assert "supply_gate" in problem.fix
    without_drop_out = scenario.drop_out.model_copy(update={"per_visit_probability": 0.0})
    with pytest.raises(NotSimulated) as refused:
        Twin(protocol, waiting.model_copy(update={"drop_out": without_drop_out}))
    assert refused.value.field == "screening.supply_wait_days"

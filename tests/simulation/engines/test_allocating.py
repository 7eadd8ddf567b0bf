"""How the engines randomize: supply gates, forced randomization, and every way of allocating, shown by what comes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from allocation.study.protocol import Protocol
from simulation.engines import compiled, events
from simulation.engines.outcomes import OUTCOMES
from simulation.engines.plan_of_study import plan_of
from simulation.scenario import Scenario

NAMES = [column.name for column in OUTCOMES]


def trial(
    bench_trial: Any,
    event: dict[str, Any],
    *,
    kits_of_b: int = 4000,
    stock: str = "up_to_level",
    **screening: Any,
) -> tuple[Protocol, Scenario]:
    """Six sites that recruit fast for three months; B may be scarce, and without stock at the start the first shipment is waited for."""
    scenario, protocol = bench_trial
    study, played = protocol.model_dump(mode="json"), scenario.model_dump(mode="json")
    study["sites"] = study["sites"][:6]
    study["visits"] = study["visits"][:2]
    for entry in study["dispensing"]:
        entry["visits"] = ["V1"]
    study["randomization"][0] |= event
    study["supply"]["run_weekdays"] = [0, 1, 2, 3, 4] if stock == "none" else []
    played |= {"duration_days": 90, "site_stock_at_start": stock}
    played["activation"]["delay_days"] = {"law": "fixed", "min_days": 0}
    played["recruitment"] |= {"screened_per_site_month": 10, "gamma_shape": None}
    played["screening"] |= screening
    for lot in played["lots"]:
        lot["arrivals"][0]["kits"] = 4000 if lot["kit_type"] == "KA" else kits_of_b
    return Protocol.model_validate(study), Scenario.model_validate(played)


def played(trial: tuple[Protocol, Scenario], replicate: int = 0) -> tuple[dict[str, float], np.ndarray]:
    """The outcomes by name, and the trace."""
    one = compiled.play(plan_of(*trial), 5, replicate)
    assert one.trace is not None
    return dict(zip(NAMES, one.outcomes, strict=True)), one.trace


def arms_of(trace: np.ndarray) -> list[int]:
    return [int(row[7]) for row in trace if row[2] == events.RANDOMIZED]


def test_a_gate_turns_away_whom_a_site_without_kits_would_have_randomized(bench_trial) -> None:
    open_to_all, _ = played(trial(bench_trial, {}, kits_of_b=30))
    gated, _ = played(trial(bench_trial, {"supply_gate": "all_kit_types"}, kits_of_b=30))
    assert open_to_all["refused_for_supply"] == 0
    assert gated["refused_for_supply"] > 0
    assert gated["randomized"] < open_to_all["randomized"]
    assert gated["out_of_stock"] < open_to_all["out_of_stock"]


def test_a_gate_on_chosen_kit_types_asks_for_no_other(bench_trial) -> None:
    chosen = {"supply_gate": "chosen_kit_types", "gate_kit_types": ["KA"]}
    outcomes, _ = played(trial(bench_trial, chosen, kits_of_b=30))
    assert outcomes["refused_for_supply"] == 0
    assert outcomes["out_of_stock"] > 0


@pytest.mark.parametrize(
    ("mode", "forces", "refuses"),
    [("FR0a", False, True), ("FR0b", False, True), ("FR1", True, False), ("FR2", True, False)],
)
@pytest.mark.parametrize("method", ["permuted_block", "block_urn"])
def test_only_the_forcing_modes_give_another_arm_than_the_scheduled_one(
    method: str, mode: str, forces: bool, refuses: bool, bench_trial
) -> None:
    design = {"method": "block_urn", "parameters": {"lambda": 2}, "block_sizes": []}
    event = {"forced": mode} | (design if method == "block_urn" else {})
    outcomes, trace = played(trial(bench_trial, event, kits_of_b=60))
    assert (outcomes["forced_randomizations"] > 0) == forces
    assert (outcomes["refused_for_supply"] > 0) == refuses
    assert np.count_nonzero(trace[:, 2] == events.FORCED) == outcomes["forced_randomizations"]
    given = arms_of(trace)
    assert (given.count(0) > given.count(1) + 20) == forces


def test_entries_passed_over_come_back_only_where_they_are_back_filled(bench_trial) -> None:
    def missing_b(mode: str) -> int:
        base = trial(bench_trial, {"forced": mode, "held_by": "site"}, kits_of_b=16)
        study, played_as = base[0].model_dump(mode="json"), base[1].model_dump(mode="json")
        for lot in played_as["lots"]:
            if lot["kit_type"] == "KB":
                lot["arrivals"].append({"depot": "DEP", "on": "2025-02-15", "kits": 4000})
        trace = played((Protocol.model_validate(study), Scenario.model_validate(played_as)))[1]
        return arms_of(trace).count(0) - arms_of(trace).count(1)

    assert missing_b("FR2") < missing_b("FR1") / 2


def test_a_cap_on_forced_randomization_refuses_whoever_would_be_forced_after_it(bench_trial) -> None:
    protocol, scenario = trial(bench_trial, {"forced": "FR1"}, kits_of_b=30)
    study = protocol.model_dump(mode="json")
    study["caps"].append({"kind": "forced_randomization", "scope": "study", "key": "", "limit": 3})
    outcomes, _ = played((Protocol.model_validate(study), scenario))
    assert outcomes["forced_randomizations"] == 3
    assert outcomes["refused_for_supply"] > 0


def test_who_may_wait_for_a_shipment_is_randomized_later_instead_of_lost(bench_trial) -> None:
    gate = {"supply_gate": "all_kit_types"}
    lost, _ = played(trial(bench_trial, gate, stock="none"))
    waited, _ = played(trial(bench_trial, gate, stock="none", supply_wait_days=14))
    assert lost["refused_for_supply"] > 0
    assert waited["refused_for_supply"] < lost["refused_for_supply"] / 2
    assert waited["randomized"] > lost["randomized"] > 0


def test_nobody_waits_longer_than_screening_may_take(bench_trial) -> None:
    gate = {"supply_gate": "all_kit_types"}
    protocol, scenario = trial(bench_trial, gate, stock="none", supply_wait_days=14)
    study = protocol.model_dump(mode="json")
    study["screening"]["max_days_to_randomization"] = 0
    outcomes, trace = played((Protocol.model_validate(study), scenario))
    assert outcomes["refused_for_supply"] > 0
    assert not any(row[2] == events.REFUSED_FOR_SUPPLY and row[7] == 0 for row in trace)


def largest_imbalance(arms: list[int]) -> int:
    steps = np.cumsum([1 if arm == 0 else -1 for arm in arms])
    return int(np.abs(steps).max())


def test_a_design_keeps_its_bound_whether_drawn_from_a_list_or_at_randomization(bench_trial) -> None:
    stick = {"method": "big_stick", "block_sizes": [], "parameters": {"b": 2}}
    complete = {"method": "complete", "block_sizes": [], "parameters": {}}
    for drawn in ("from_list", "at_randomization"):
        _, trace = played(trial(bench_trial, stick | {"drawn": drawn}))
        assert len(arms_of(trace)) > 100
        assert largest_imbalance(arms_of(trace)) == 2
    assert largest_imbalance(arms_of(played(trial(bench_trial, complete))[1])) > 4


def test_the_event_states_arms_and_ratio_of_its_own(bench_trial) -> None:
    ratio = {"ratio": [{"arm": "B", "ratio": 2}, {"arm": "A", "ratio": 1}], "block_sizes": [3]}
    given = arms_of(played(trial(bench_trial, ratio))[1])
    assert abs(given.count(1) - 2 * given.count(0)) <= 2
    protocol, scenario = trial(bench_trial, {})
    study, played_as = protocol.model_dump(mode="json"), scenario.model_dump(mode="json")
    study["arms"].insert(0, {"code": "C", "name": "Arm C", "ratio": 1, "open": False})
    study["dispensing"].append({**study["dispensing"][0], "arm": "C"})
    played_as["drop_out"]["monthly_probability"]["C"] = 0
    closed = (Protocol.model_validate(study), Scenario.model_validate(played_as))
    assert set(arms_of(played(closed)[1])) == {1, 2}


def with_place(protocol: Protocol, source: str, levels: list[str]) -> Protocol:
    study = protocol.model_dump(mode="json")
    factor = {"code": "PLACE", "name": "Place", "source": source, "levels": levels}
    study["stratification"] = [factor | {"levels": [{"code": one, "label": one} for one in levels]}]
    study["randomization"][0]["factors"] = ["PLACE"]
    return Protocol.model_validate(study)


def imbalance_by_site(trace: np.ndarray) -> int:
    rows = [row for row in trace if row[2] == events.RANDOMIZED]
    sites = {int(row[3]) for row in rows}
    return max(abs(sum(1 - 2 * int(row[7]) for row in rows if row[3] == site)) for site in sites)


def test_a_factor_of_the_site_balances_within_sites_as_blocks_held_by_it_do(bench_trial) -> None:
    protocol, scenario = trial(bench_trial, {"block_sizes": [2]})
    sites = [site.code for site in protocol.sites]
    assert imbalance_by_site(played((protocol, scenario))[1]) > 1
    by_factor = played((with_place(protocol, "site", sites), scenario))[1]
    assert imbalance_by_site(by_factor) <= 1
    by_holder = played(trial(bench_trial, {"block_sizes": [2], "held_by": "site"}))[1]
    assert imbalance_by_site(by_holder) <= 1


def test_minimization_balances_each_site_better_than_complete_randomization(bench_trial) -> None:
    minimized = {
        "method": "minimization",
        "drawn": "at_randomization",
        "block_sizes": [],
        "parameters": {"p": 0.9},
    }
    protocol, scenario = trial(bench_trial, {"method": "complete", "block_sizes": [], "parameters": {}})
    sites = [site.code for site in protocol.sites]
    by_chance = with_place(protocol, "site", sites)
    study = by_chance.model_dump(mode="json")
    study["randomization"][0] |= minimized
    balanced = imbalance_by_site(played((Protocol.model_validate(study), scenario))[1])
    assert balanced < imbalance_by_site(played((by_chance, scenario))[1])
    assert balanced <= 4


def test_dynamic_blocks_are_those_of_one_central_list(bench_trial) -> None:
    """Each run takes whole blocks from one list, so that no run is out of balance by more than half a block."""
    dynamic = {"block_sizes": [4], "held_by": "site", "block_assignment": "dynamic"}
    _, trace = played(trial(bench_trial, dynamic))
    assert imbalance_by_site(trace) <= 2
    static = played(trial(bench_trial, {"block_sizes": [4], "held_by": "site"}))[1]
    assert arms_of(trace) != arms_of(static)


def test_memory_that_is_too_small_for_the_entries_passed_over_is_made_larger(bench_trial) -> None:
    """With one arm never at the sites, every second entry is passed over and kept."""
    plan = plan_of(*trial(bench_trial, {"forced": "FR2"}, kits_of_b=1))
    whole = compiled.play_batch(plan, 5, 0, 1)
    assert whole.frame()["forced_randomizations"][0] > 64
    small = compiled.play_batch(plan._replace(subjects_expected=16), 5, 0, 1)
    np.testing.assert_array_equal(small.outcomes, whole.outcomes)

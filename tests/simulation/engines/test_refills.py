"""Depots that another depot refills: by what is asked of them, at scheduled runs, sharing a shortage with sites."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from allocation.commands.depot_supply import DepotAt, DepotSituation, depot_need
from allocation.study.protocol import Protocol
from simulation.engines import phases
from simulation.engines.plan import TrialPlan
from simulation.engines.simpy_twin.depot import lots_of
from simulation.engines.simpy_twin.refills import asked_by_sites, depot_needs
from simulation.engines.simpy_twin.twin import Twin
from simulation.scenario import Scenario
from simulation.scenario_checks import scenario_inconsistencies
from tests.simulation.engines.small_study import of_kind, played, small_plan

DEP, LOW = -2, -3
"""The two depots in a trace."""


def add_low(protocol: dict[str, Any], parameters: dict[str, Any] | None, sites: int = 5) -> None:
    """A depot below the first one, four days from it, for the last so many sites; without parameters nobody refills it."""
    first, lane = protocol["depots"][0], protocol["lanes"][0]
    protocol["depots"].append({**first, "code": "LOW", "supplied_by": first["code"]})
    protocol["lanes"] += [
        {**lane, "country": None, "to_depot": "LOW", "lead_time_days": 4, "cost": 1000},
        {**lane, "depot": "LOW", "lead_time_days": 1},
    ]
    for site in protocol["sites"][-sites:]:
        site["depot"] = "LOW"
    if parameters is not None:
        protocol["supply"]["parameters"].append({"level": "depot", "key": "LOW", "parameters": parameters})


def plan_with_low(trial, parameters: dict[str, Any] | None, **supply: Any) -> TrialPlan:
    """The small study, all of its sites supplied by the lower depot."""

    def change(protocol, scenario) -> None:
        add_low(protocol, parameters)
        protocol["supply"] |= supply
        protocol["sites"] = protocol["sites"][:3]
        scenario["duration_days"] = 80

    return small_plan(trial, change)


def test_sites_of_a_lower_depot_get_kits_once_it_has_been_refilled(bench_trial) -> None:
    events, outcomes = played(plan_with_low(bench_trial, {"min_buffer": 20, "max_buffer": 40}))
    to_low = of_kind(events, "ordered").filter(pl.col("site") == LOW)
    # Its kits are for no country before the first of its sites has opened.
    assert to_low["day"].min() == 3
    assert set(to_low.filter(pl.col("day") == 3)["quantity"]) == {40}
    assert of_kind(events, "received").filter(pl.col("site") == LOW)["day"].min() == 7
    assert of_kind(events, "ordered").filter(pl.col("site") >= 0)["day"].min() == 7
    assert outcomes["kits_dispensed"] > 0
    assert outcomes["cost_shipments"] >= 1000 * to_low["day"].n_unique()


def test_a_depot_orders_ahead_for_what_its_sites_will_ask_of_it(bench_trial) -> None:
    def missing(windows: dict[str, int]) -> float:
        parameters = {"min_buffer": 0, "max_buffer": 0, "trigger": "below", **windows}
        _, outcomes = played(plan_with_low(bench_trial, parameters))
        return outcomes["missed_dispensings"] + outcomes["out_of_stock"]

    assert missing({"short_window": 30, "long_window": 60}) < missing({"short_window": 1, "long_window": 1})


def test_kits_at_the_depot_above_are_upstream_of_a_missed_dispensing(bench_trial) -> None:
    never = {"min_buffer": 0, "max_buffer": 0, "trigger": "below"}
    _, outcomes = played(plan_with_low(bench_trial, never))
    assert outcomes["missed_dispensings"] > 0
    assert outcomes["out_of_stock"] == 0
    _, nobody_refills = played(plan_with_low(bench_trial, None))
    assert nobody_refills["out_of_stock"] == outcomes["missed_dispensings"]


def test_a_paused_depot_and_reviews_by_event_order_nothing_for_it(bench_trial) -> None:
    parameters = {"min_buffer": 20, "max_buffer": 40}
    for plan in (
        plan_with_low(bench_trial, {**parameters, "paused": True}),
        plan_with_low(bench_trial, parameters, run_weekdays=[], on_event=True),
    ):
        events, _ = played(plan)
        assert of_kind(events, "ordered").is_empty()


@pytest.mark.parametrize(
    ("shortage", "to_sites", "to_low"), [("fair_share", [3, 4, 4, 4], 15), ("first_come", [10, 10, 10], 0)]
)
def test_sites_and_lower_depots_of_one_run_share_a_shortage(shortage, to_sites, to_low, bench_trial) -> None:
    """30 kits for four sites that are to be seeded with 10 each, and a depot that is to get 40."""

    def change(protocol, scenario) -> None:
        add_low(protocol, {"min_buffer": 39, "max_buffer": 40}, sites=1)
        protocol["supply"] |= {"seeding": "on_activation", "depot_shortage": shortage}
        protocol["supply"]["parameters"][0]["parameters"]["seed_quantity"] = 10
        scenario["duration_days"] = 5
        for lot in scenario["lots"]:
            lot["arrivals"] = [{"depot": "DEP", "on": "2025-01-04", "kits": 30}]

    events, _ = played(small_plan(bench_trial, change))
    first = of_kind(events, "ordered").filter((pl.col("day") == 3) & (pl.col("kit_type") == 0))
    assert sorted(first.filter(pl.col("site") >= 0)["quantity"]) == to_sites
    assert first.filter(pl.col("site") == LOW)["quantity"].sum() == to_low


def test_a_depot_needs_what_the_service_would_order_for_it(bench_trial) -> None:
    """On some days of a replicate, from the same stock, orders on their way and demand."""
    parameters = {"min_buffer": 5, "max_buffer": 9, "short_window": 20, "long_window": 45}
    documents = []

    def change(protocol, scenario) -> None:
        add_low(protocol, {**parameters, "trigger": "at"})
        scenario["duration_days"] = 60
        protocol["supply"]["run_weekdays"] = [0]
        documents.append(protocol)

    twin = Twin(small_plan(bench_trial, change), 1, 0)
    protocol = Protocol.model_validate(documents[0])
    lots = {kit_type: lots_of(twin, kit_type) for kit_type in (0, 1)}
    ordered = []

    def compare() -> None:
        asked = asked_by_sites(twin)
        (need,) = depot_needs(twin, asked)
        at = DepotAt("LOW", "DEP", ("DEU",), date.fromordinal(twin.today))
        coming = [order.contents for order in twin.depots.on_the_way[1]]
        situation = DepotSituation(
            at,
            protocol,
            {
                code: sum(twin.depots.stock[1][lot] for lot in lots[of])
                for of, code in enumerate(("KA", "KB"))
            },
            {
                code: sum(contents.get(lot, 0) for contents in coming for lot in lots[of])
                for of, code in enumerate(("KA", "KB"))
            },
            {code: tuple(asked[1, of]) for of, code in enumerate(("KA", "KB"))},
        )
        lines = {line.kit_type: line.ordered for line in depot_need(situation).lines}
        assert [lines.get("KA", 0), lines.get("KB", 0)] == need.lines
        ordered.append(sum(need.lines))

    def watch():
        for day in range(4, 60, 3):
            yield twin.until(day, phases.VISITS, 1 << 30)
            compare()

    twin.environment.process(watch())
    twin.run(trace=False)
    assert len([kits for kits in ordered if kits > 0]) >= 3


def test_lots_may_arrive_at_the_depot_above_where_that_refills_the_sites_depot(bench_trial) -> None:
    scenario, protocol = (one.model_dump(mode="json") for one in bench_trial)

    def refused(parameters: dict[str, Any] | None) -> list[str]:
        document = {**protocol, **{part: list(protocol[part]) for part in ("depots", "lanes")}}
        document["sites"] = [dict(site) for site in protocol["sites"]]
        document["supply"] = {**protocol["supply"], "parameters": list(protocol["supply"]["parameters"])}
        add_low(document, parameters)
        found = scenario_inconsistencies(Scenario.model_validate(scenario), Protocol.model_validate(document))
        return [one.message for one in found]

    assert refused({"min_buffer": 20, "max_buffer": 40}) == []
    assert all("is not at depot LOW" in message for message in refused(None))
    assert len(refused(None)) == 2


def test_a_refilled_depot_in_a_country_without_sites_may_have_a_delay_of_its_own_and_needs_some(
    bench_trial,
) -> None:
    scenario, protocol = (one.model_dump(mode="json") for one in bench_trial)
    add_low(protocol, {"min_buffer": 20, "max_buffer": 40})
    protocol["depots"][-1]["country"] = "LUX"

    def refused(delays: list[dict[str, Any]]) -> list[str]:
        shipping = {**scenario["shipping"], "lane_delays": delays}
        document = Scenario.model_validate({**scenario, "shipping": shipping})
        return [one.message for one in scenario_inconsistencies(document, Protocol.model_validate(protocol))]

    elsewhere = [{"country": one["code"], "days": {}} for one in protocol["countries"]]
    assert refused([*elsewhere, {"country": "LUX", "days": {"min_days": 9}}]) == []
    assert refused(elsewhere) == ["is a country without a delay"]


def test_a_site_and_a_depot_of_one_code_share_no_draw(bench_trial) -> None:
    def change(protocol, scenario) -> None:
        add_low(protocol, {"min_buffer": 20, "max_buffer": 40})
        protocol["sites"][0]["code"] = "LOW"

    plan = small_plan(bench_trial, change)
    assert not set(plan.sites.words.tolist()) & set(plan.refills.words.tolist())

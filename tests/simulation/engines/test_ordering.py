"""What holds orders back, when sites get their first shipment, which orders count as coming, and which lots are taken."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.simulation.engines.small_study import of_kind, played, small_plan


def supply(**switches: Any):
    """A change of the protocol's supply."""
    return lambda protocol, _: protocol["supply"].update(switches)


def test_no_order_that_is_not_urgent_has_fewer_kits_than_the_least(bench_trial) -> None:
    events, outcomes = played(small_plan(bench_trial, supply(min_shipment_kits=9)))
    kits = of_kind(events, "ordered").group_by("day", "site").agg(pl.col("quantity").sum())["quantity"]
    assert kits.min() >= 9
    _, without = played(small_plan(bench_trial, supply()))
    assert outcomes["orders"] < without["orders"]


def test_an_urgent_order_does_not_wait(bench_trial) -> None:
    def windows(protocol, scenario) -> None:
        protocol["supply"] |= {"min_shipment_kits": 50, "days_between_orders": 60}
        protocol["supply"]["parameters"][0]["parameters"] |= {"short_window": 30, "long_window": 60}

    events, _ = played(small_plan(bench_trial, windows))
    ordered = of_kind(events, "ordered")
    assert 0 < ordered.group_by("day", "site").agg(pl.col("quantity").sum())["quantity"].min() < 50


def test_a_site_without_urgent_need_waits_the_days_between_its_orders(bench_trial) -> None:
    events, outcomes = played(small_plan(bench_trial, supply(days_between_orders=21)))
    days = of_kind(events, "ordered").select("site", "day").unique().sort("site", "day")
    gaps = days.select(pl.col("day").diff().over("site").alias("gap"))["gap"]
    assert gaps.min() >= 21
    _, without = played(small_plan(bench_trial, supply()))
    assert outcomes["orders"] < without["orders"]


def test_a_paused_kit_type_is_not_sent_to_its_site_while_it_is_paused(bench_trial) -> None:
    def pause(protocol, scenario) -> None:
        site = protocol["sites"][1]["code"]
        for on, paused in (("2025-02-01", True), ("2025-04-01", False)):
            parameters = {"paused": paused, "valid_from": on}
            protocol["supply"]["parameters"].append(
                {"level": "site", "key": site, "kit_type": "KB", "parameters": parameters}
            )

    plan = small_plan(bench_trial, pause)
    ordered = of_kind(played(plan)[0], "ordered")
    first, last = 31, 90  # 1 February and 1 April from 1 January on
    during = ordered.filter(pl.col("day").is_between(first, last - 1))
    assert during.filter((pl.col("site") == 1) & (pl.col("kit_type") == 1)).is_empty()
    assert not during.filter((pl.col("site") == 1) & (pl.col("kit_type") == 0)).is_empty()
    assert not ordered.filter(
        (pl.col("site") == 1) & (pl.col("kit_type") == 1) & (pl.col("day") >= last)
    ).is_empty()


def test_orders_that_do_not_count_as_coming_are_ordered_again(bench_trial) -> None:
    _, all_count = played(small_plan(bench_trial, supply()))
    _, none_counts = played(small_plan(bench_trial, supply(pipeline_statuses=[])))
    _, on_the_road = played(small_plan(bench_trial, supply(pipeline_statuses=["in_transit"])))
    assert none_counts["kits_shipped"] > all_count["kits_shipped"]
    # Orders leave on the day on which they are made, so that on each later day they are in transit.
    assert on_the_road == all_count


def test_an_order_leaves_when_it_is_approved_and_counts_as_requested_until_then(bench_trial) -> None:
    def approval(days: int, counted: list[str]):
        def change(protocol, scenario) -> None:
            protocol["supply"] |= {"order_approval": "all", "pipeline_statuses": counted}
            scenario["shipping"]["approval_days"] = {"law": "fixed", "min_days": days}

        return change

    every = ["requested", "confirmed", "in_transit"]
    at_once, _ = played(small_plan(bench_trial, approval(0, every)))
    later, outcomes = played(small_plan(bench_trial, approval(5, every)))
    first = [of_kind(events, "received")["day"].min() for events in (at_once, later)]
    assert first[1] == first[0] + 5
    _, requested_count = played(small_plan(bench_trial, approval(5, ["requested", "in_transit"])))
    assert requested_count == outcomes
    _, proposed_do_not = played(small_plan(bench_trial, approval(5, ["confirmed", "in_transit"])))
    assert proposed_do_not["kits_shipped"] > outcomes["kits_shipped"]


def test_who_skipped_the_last_dispensing_is_no_demand_where_that_is_ignored(bench_trial) -> None:
    def skipping(ignored: bool):
        def change(protocol, scenario) -> None:
            protocol["supply"]["ignore_if_last_dispensing_skipped"] = ignored
            protocol["supply"]["parameters"][0]["parameters"] |= {
                "min_buffer": 0,
                "max_buffer": 0,
                "trigger": "below",
                "short_window": 30,
                "long_window": 60,
            }
            scenario["visits"]["missed_probability"] = 0.5

        return change

    _, counted = played(small_plan(bench_trial, skipping(False)))
    _, ignored = played(small_plan(bench_trial, skipping(True)))
    assert ignored["kits_shipped"] < counted["kits_shipped"]


def test_a_site_gets_its_first_shipment_on_the_day_of_its_first_screening(bench_trial) -> None:
    def seeding(protocol, scenario) -> None:
        protocol["supply"] |= {"seeding": "on_first_screening", "run_weekdays": []}

    events, _ = played(small_plan(bench_trial, seeding))
    first = {
        kind: of_kind(events, kind).group_by("site").agg(pl.col("day").min()).sort("site")
        for kind in ("screened", "ordered")
    }
    assert first["ordered"].equals(first["screened"])
    seeds = of_kind(events, "ordered").join(first["ordered"], on=["site", "day"])
    assert set(seeds["quantity"]) == {4}


def test_a_site_whose_depot_was_empty_is_seeded_by_a_later_run_and_not_resupplied_before(bench_trial) -> None:
    def empty(protocol, scenario) -> None:
        protocol["supply"]["seeding"] = "on_activation"
        for lot in scenario["lots"]:
            lot["arrivals"] = [{"depot": "DEP", "on": "2025-02-10", "kits": 500}]

    ordered = of_kind(played(small_plan(bench_trial, empty))[0], "ordered")
    seeds = ordered.filter(pl.col("day") == ordered["day"].min())
    assert seeds["day"].to_list() == [40] * 10
    assert set(seeds["quantity"]) == {4}


def _two_lots(switches: dict[str, Any]):
    def change(protocol, scenario) -> None:
        protocol["supply"] |= switches
        protocol["supply"]["parameters"][0]["parameters"]["long_window"] = 60
        for lot in list(scenario["lots"]):
            lot["expires_on"] = "2025-04-01"
            lot["arrivals"][0]["kits"] = 61
            later = {**lot, "code": f"{lot['code']}2", "expires_on": "2026-01-01"}
            scenario["lots"].append({**later, "arrivals": [{**lot["arrivals"][0], "kits": 900}]})

    return change


def test_the_kits_of_a_type_in_a_shipment_are_of_one_lot_where_that_is_required(bench_trial) -> None:
    def most_lots(choice: str) -> int:
        ordered = of_kind(
            played(small_plan(bench_trial, _two_lots({"same_lot_shipments": choice})))[0], "ordered"
        )
        return int(ordered.group_by("day", "site", "kit_type").len()["len"].max())

    assert most_lots("off") == 2
    assert most_lots("required") == 1


def test_min_shipments_sends_newer_lots_so_that_less_expires_at_sites(bench_trial) -> None:
    _, oldest = played(small_plan(bench_trial, _two_lots({"lot_choice": "min_wastage"})))
    _, newest = played(small_plan(bench_trial, _two_lots({"lot_choice": "min_shipments"})))
    assert newest["kits_expired_site"] < oldest["kits_expired_site"]
    assert newest["kits_expired_depot"] > oldest["kits_expired_depot"]


@pytest.mark.parametrize(("withheld", "shipped"), [(True, 0), (False, 4)])
def test_kits_that_would_expose_a_blinding_group_stay_at_the_depot_where_they_are_withheld(
    withheld, shipped, bench_trial
) -> None:
    """The depot has no kit of the one type, so that a shipment would have the other type alone."""

    def change(protocol, scenario) -> None:
        scenario["duration_days"] = 4
        protocol["sites"] = protocol["sites"][:1]
        protocol["supply"] |= {"withhold_exposed": withheld, "single_type_protection": True}
        protocol["supply"]["seeding"] = "on_activation"
        for kit_type in protocol["kit_types"]:
            kit_type["blinding_group"] = "GA"
        scenario["lots"][0]["arrivals"][0]["on"] = "2025-06-01"

    _, outcomes = played(small_plan(bench_trial, change))
    assert outcomes["kits_shipped"] == shipped

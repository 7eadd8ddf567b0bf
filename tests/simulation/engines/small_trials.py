"""Small trials for Hypothesis: the benchmark protocol with a few sites and subjects, and every feature drawn at random."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from allocation.study.protocol import Protocol
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of
from simulation.scenario import Scenario, load_scenario_and_protocol
from tests.conftest import REPOSITORY
from tests.simulation.engines.small_allocation import small_allocation

SCENARIO, PROTOCOL = load_scenario_and_protocol(REPOSITORY / "studies" / "rtsm-bench-100-scenario.yaml")


@st.composite
def day_laws(draw: st.DrawFn, most: int) -> dict[str, Any]:
    """A law of 0 to `most` days."""
    low = draw(st.integers(0, most))
    kind = draw(st.sampled_from(["fixed", "uniform", "gamma"]))
    if kind == "fixed":
        return {"law": "fixed", "min_days": low}
    high = draw(st.integers(low, most))
    if kind == "uniform":
        return {"law": "uniform", "min_days": low, "max_days": high}
    return {"law": "gamma", "min_days": low, "max_days": high, "mean_days": low + 1, "shape": 1.5}


@st.composite
def trials(draw: st.DrawFn) -> tuple[Protocol, Scenario]:
    """A protocol and a scenario that can be played."""
    protocol: dict[str, Any] = PROTOCOL.model_dump(mode="json")
    scenario: dict[str, Any] = SCENARIO.model_dump(mode="json")
    protocol["sites"] = protocol["sites"][: draw(st.integers(1, 4))]
    visits = draw(st.integers(1, 4))
    protocol["visits"] = protocol["visits"][: visits + 1]
    codes = [visit["code"] for visit in protocol["visits"]][1:]
    for entry in protocol["dispensing"]:
        entry["visits"] = codes
        entry["kits"][0]["quantity"] = draw(st.integers(1, 2))
    protocol["caps"][0]["limit"] = draw(st.integers(1, 30))
    protocol["randomization"][0]["block_sizes"] = [draw(st.sampled_from([2, 4]))]
    low = draw(st.integers(0, 3))
    protocol["supply"]["parameters"][0]["parameters"] |= {
        "min_buffer": low,
        "max_buffer": low + draw(st.integers(1, 4)),
        "trigger": draw(st.sampled_from(["at", "below"])),
    }
    protocol["supply"]["consolidation"] = draw(st.sampled_from(["all_types", "triggered_types_only"]))
    protocol["lanes"][0]["lead_time_days"] = draw(st.integers(0, 20))
    scenario["duration_days"] = draw(st.integers(1, 200))
    scenario["recruitment"]["screened_per_site_month"] = draw(st.sampled_from([0.5, 3.0, 30.0]))
    scenario["recruitment"]["gamma_shape"] = draw(st.sampled_from([None, 0.5, 2.0]))
    scenario["activation"]["delay_days"] = draw(day_laws(60))
    scenario["drop_out"]["per_visit_probability"] = draw(st.sampled_from([0.0, 0.3, 1.0]))
    scenario["visits"]["day_law"] = draw(st.sampled_from(["triangular", "uniform"]))
    scenario["shipping"]["lane_delays"] = [{"days": draw(day_laws(9))}]
    scenario["site_stock_at_start"] = draw(st.sampled_from(["none", "up_to_level", "seed_quantity"]))
    _recruitment(draw, protocol, scenario)
    _behaviour(draw, protocol, scenario)
    _supply(draw, protocol, scenario)
    _ordering(draw, protocol, scenario)
    small_allocation(draw, protocol, scenario)
    _depots(draw, protocol, scenario)
    for lot in scenario["lots"]:
        lot["arrivals"][0]["kits"] = draw(st.sampled_from([3, 40, 1000]))
        lot["arrivals"].append({"depot": "DEP", "on": "2025-02-01", "kits": draw(st.integers(1, 50))})
    _disruptions(draw, protocol, scenario)
    return Protocol.model_validate(protocol), Scenario.model_validate(scenario)


def _recruitment(draw: st.DrawFn, protocol: dict[str, Any], scenario: dict[str, Any]) -> None:
    """Seasons, pauses, decay, activation, screening, strata and caps."""
    chance = st.sampled_from([0.0, 0.3, 1.0])
    recruitment, site = scenario["recruitment"], protocol["sites"][0]["code"]
    recruitment["month_factors"] = draw(st.sampled_from([[], [0, 2, 1, 1, 1, 0, 3, 1, 1, 1, 1, 0.5]]))
    recruitment["monthly_decay"] = draw(st.sampled_from([0.0, 0.2]))
    recruitment["weekdays_only"] = draw(st.booleans())
    recruitment["pauses"] = draw(
        st.sampled_from([[], [{"site": site, "first_day": "2025-01-20", "last_day": "2025-03-01"}]])
    )
    scenario["activation"]["never_probability"] = draw(st.sampled_from([0.0, 0.0, 0.3]))
    scenario["screening"]["duration_days"] = draw(day_laws(20))
    scenario["screening"]["failure_probability"] = draw(chance.filter(lambda one: one < 1))
    protocol["screening"]["max_days_to_randomization"] = draw(st.sampled_from([None, 20, 31]))
    if draw(st.booleans()):
        protocol["stratification"] = [
            {"code": "SEX", "name": "Sex", "levels": [{"code": one, "label": one} for one in ("F", "M")]}
        ]
        scenario["population"]["strata"] = {"SEX": {"F": 0.25, "M": 0.75}}
        protocol["randomization"][0]["factors"] = ["SEX"]
    protocol["randomization"][0]["held_by"] = draw(st.sampled_from(["stratum", "site", "country"]))
    protocol["randomization"][0]["block_sizes"] = draw(st.sampled_from([[2], [4], [2, 6]]))
    at_cap = st.sampled_from(["refuse", "finish_screening"])
    protocol["caps"][0]["at_cap"] = draw(at_cap)
    for scope, key in (("site", site), ("country", "DEU"), ("study", "")):
        if draw(st.booleans()):
            kind = "screening" if scope == "study" else draw(st.sampled_from(["screening", "randomization"]))
            cap = {"kind": kind, "scope": scope, "key": key, "limit": draw(st.integers(0, 12))}
            protocol["caps"].append({**cap, "at_cap": draw(at_cap)})


def _behaviour(draw: st.DrawFn, protocol: dict[str, Any], scenario: dict[str, Any]) -> None:
    """Missed and late visits, weekdays, drop-out by time, and what happens to shipments."""
    chance = st.sampled_from([0.0, 0.2, 1.0])
    visits, shipping = scenario["visits"], scenario["shipping"]
    visits |= {"missed_probability": draw(chance), "late_probability": draw(chance)}
    visits |= {"late_days": draw(day_laws(9)), "weekdays_only": draw(st.booleans())}
    scenario["drop_out"]["monthly_probability"] = {"A": draw(chance), "B": 0.1}
    scenario["drop_out"]["periods"] = draw(st.sampled_from([[], [{"until_day": 30, "factor": 0.5}]]))
    shipping |= {"dispatch_days": draw(day_laws(3)), "weekday_receipt": draw(st.booleans())}
    shipping |= {"lost_probability": draw(chance), "damaged_probability": draw(chance)}
    shipping["lane_delays"][0] |= {
        "customs_hold_probability": draw(chance),
        "customs_hold_days": draw(day_laws(9)),
    }
    scenario["drop_out"]["after_missed_dispensing_probability"] = draw(chance)
    scenario["excursions"] = {
        "shipment_probability": draw(chance),
        "per_site_month": draw(st.sampled_from([0.0, 0.0, 1.0, 9.0])),
        "kit_types": draw(st.sampled_from([[], ["KA"]])),
        "review_days": {"law": "uniform", "min_days": 1, "max_days": draw(st.sampled_from([1, 5, 40]))},
        "released_probability": draw(st.sampled_from([0.0, 0.5, 1.0])),
    }
    scenario["costs"] = {"storage_per_kit_month": 0.8, "destruction_per_kit": 2.5, "lost_subject": 1000}


def _supply(draw: st.DrawFn, protocol: dict[str, Any], scenario: dict[str, Any]) -> None:
    """Runs, windows, dates, protection, seeding, shortage; countries, expiry, releases; doses."""
    supply = protocol["supply"]
    supply["run_weekdays"] = draw(st.sampled_from([[], [0, 1, 2, 3, 4], [2]]))
    supply["on_event"] = draw(st.booleans())
    supply["seeding"] = draw(st.sampled_from(["none", "on_activation"]))
    supply["depot_shortage"] = draw(st.sampled_from(["fair_share", "first_come"]))
    supply["single_kit_protection"] = draw(st.booleans())
    supply["single_type_protection"] = draw(st.booleans())
    supply["ignore_if_overdue_days"] = draw(st.sampled_from([None, 0, 10]))
    set_of_study = supply["parameters"][0]["parameters"]
    short = draw(st.sampled_from([0, 0, 9, 40]))
    set_of_study |= {
        "short_window": short,
        "long_window": short + draw(st.integers(0, 30)),
        "seed_quantity": 2,
    }
    set_of_study["long_window_from"] = draw(st.sampled_from(["today", "end_of_short_window"]))
    later = {**set_of_study, "max_buffer": set_of_study["max_buffer"] + 3, "valid_from": "2025-03-01"}
    supply["parameters"].append(
        {"level": "site", "key": protocol["sites"][-1]["code"], "kit_type": "KA", "parameters": later}
    )
    together = draw(st.booleans())
    for index, kit_type in enumerate(protocol["kit_types"]):
        kit_type["block_size"] = draw(st.sampled_from([1, 1, 3]))
        kit_type["blinding_group"] = "GA" if together or index == 0 else "GB"
        kit_type["expiry"] = draw(
            st.sampled_from([{}, {"dns_days": 20, "dnc_days": 12, "dnd_days": 5}, {"dns_days": 60}])
        )
        kit_type["valid_until_next_visit"] = draw(st.booleans())
    protocol["countries"].append({**protocol["countries"][0], "code": "FRA", "name": "France"})
    protocol["lanes"].append({**protocol["lanes"][0], "country": "FRA", "lead_time_days": 9, "cost": 310})
    for site in protocol["sites"][1::2]:
        site["country"] = "FRA"
    for index, lot in enumerate(list(scenario["lots"])):
        extra = {
            **lot,
            "code": f"{lot['code']}2",
            "arrivals": [{"depot": "DEP", "on": "2025-01-20", "kits": 12}],
        }
        extra["expires_on"] = draw(st.sampled_from(["2025-02-20", "2025-06-01", "2100-01-01"]))
        extra["released_for"] = draw(st.sampled_from([["*"], ["DEU"], ["FRA"]]))
        scenario["lots"].append(extra)
        if index == 0 and draw(st.booleans()):
            lot["expires_on"] = "2025-04-10"
    _production(draw, scenario)
    _doses(draw, protocol, scenario)


def _ordering(draw: st.DrawFn, protocol: dict[str, Any], scenario: dict[str, Any]) -> None:
    """Limits of orders, pauses, which orders count, approval, the first shipment, and which lots are taken."""
    supply = protocol["supply"]
    supply["seeding"] = draw(st.sampled_from(["none", "on_activation", "on_first_screening"]))
    supply["min_shipment_kits"] = draw(st.sampled_from([0, 0, 4, 9]))
    supply["days_between_orders"] = draw(st.sampled_from([0, 0, 5, 30]))
    supply["pipeline_statuses"] = draw(
        st.sampled_from([["requested", "confirmed", "in_transit"], ["in_transit"], ["confirmed"], []])
    )
    supply["ignore_if_last_dispensing_skipped"] = draw(st.booleans())
    supply["same_lot_shipments"] = draw(st.sampled_from(["off", "where_possible", "required"]))
    supply["withhold_exposed"] = draw(st.booleans())
    supply["lot_choice"] = draw(st.sampled_from(["min_wastage", "min_shipments"]))
    supply["order_approval"] = draw(st.sampled_from(["none", "manual", "all", "all"]))
    if supply["order_approval"] == "all":
        scenario["shipping"]["approval_days"] = draw(day_laws(9))
    set_of_study = supply["parameters"][0]["parameters"]
    bands = [{"from_subjects": at, "min_buffer": at, "max_buffer": 2 * at + 2} for at in (0, 1, 3)]
    set_of_study |= draw(
        st.sampled_from(
            [
                {},
                {"buffer_from": "computed", "confidence": "0.9", "enrolment_per_month": "1.5"},
                {"buffer_from": "bands", "bands": bands},
            ]
        )
    )
    if draw(st.booleans()):
        site, of_type = protocol["sites"][0]["code"], draw(st.sampled_from([None, "KB"]))
        for on, paused in (("2025-01-25", True), ("2025-03-10", False)):
            parameters = {"paused": paused, "valid_from": on}
            supply["parameters"].append(
                {"level": "site", "key": site, "kit_type": of_type, "parameters": parameters}
            )


def _production(draw: st.DrawFn, scenario: dict[str, Any]) -> None:
    """Campaigns, and lots that wait for their release."""
    for lot in scenario["lots"][:2]:
        lot["release_delay_days"] = draw(st.one_of(st.none(), day_laws(20)))
    scenario["campaigns"] = [
        {
            "code": f"C{kit_type}{number}",
            "kit_type": kit_type,
            "starts_on": draw(st.sampled_from(["2024-11-01", "2025-01-15"])),
            **draw(st.sampled_from([{}, {"every_days": 30, "until": "2025-04-20"}])),
            "lead_days": draw(day_laws(40)),
            "label_days": draw(day_laws(9)),
            "release_days": draw(day_laws(9)),
            **draw(st.sampled_from([{"kits": 20, "shares": {"DEP": 1.0}}, {"kits_by_depot": {"DEP": 7}}])),
            "yield_share": draw(st.sampled_from([1.0, 0.8])),
            **draw(st.sampled_from([{"shelf_life_days": 45}, {"shelf_life_months": 7}])),
            "released_for": draw(st.sampled_from([["*"], ["DEU"]])),
        }
        for number, kit_type in enumerate(draw(st.sampled_from([[], ["KA"], ["KA", "KB", "KA"]])))
    ]


def _depots(draw: st.DrawFn, protocol: dict[str, Any], scenario: dict[str, Any]) -> None:
    """A depot below the first one, and perhaps one between the two, refilled by parameters of their own."""
    chain = draw(st.sampled_from([[], ["LOW"], ["MID", "LOW"], ["MID", "LOW"]]))
    above = "DEP"
    for code in chain:
        top = protocol["depots"][0]
        country = draw(st.sampled_from(["DEU", "FRA"]))
        protocol["depots"].append({**top, "code": code, "country": country, "supplied_by": above})
        lanes = protocol["lanes"]
        there = {"site": None, "country": None, "to_depot": code, "lead_time_days": draw(st.integers(0, 12))}
        lanes.append({**lanes[0], "depot": above, "cost": 77, **there})
        lanes += [{**lane, "depot": code, "lead_time_days": 2} for lane in lanes[:2]]
        low, short = draw(st.integers(0, 6)), draw(st.sampled_from([0, 10, 30]))
        parameters = {
            "min_buffer": low,
            "max_buffer": low + draw(st.sampled_from([2, 20])),
            "short_window": short,
            "long_window": short + draw(st.integers(0, 30)),
            "trigger": draw(st.sampled_from(["at", "below"])),
            "long_window_from": draw(st.sampled_from(["today", "end_of_short_window"])),
        }
        supply = protocol["supply"]["parameters"]
        supply.append({"level": "depot", "key": code, "kit_type": None, "parameters": parameters})
        if draw(st.booleans()):
            pause = {"paused": True, "valid_from": "2025-02-15"}
            supply.append({"level": "depot", "key": code, "kit_type": "KA", "parameters": pause})
        above = code
    codes = ["DEP", *chain]
    for country in protocol["countries"]:
        country["depot"] = draw(st.sampled_from(codes))
    protocol["sites"][0]["depot"] = draw(st.sampled_from([None, *codes]))
    for lot in scenario["lots"]:
        for arrival in lot["arrivals"]:
            arrival["depot"] = draw(st.sampled_from(["DEP", *codes]))
    scenario["shipping"]["co2_kg_per_shipment"] = {"DEP": 1.5}


def _doses(draw: st.DrawFn, protocol: dict[str, Any], scenario: dict[str, Any]) -> None:
    if not draw(st.booleans()):
        return
    protocol["dose_levels"] = [
        {"code": one, "label": one, "order": at} for at, one in enumerate(("L1", "L2"))
    ]
    for arm in protocol["arms"]:
        arm["start_dose_level"] = "L1"
    first = protocol["dispensing"][0]
    twice = [{**first["kits"][0], "quantity": 2}, {"kit_type": "KB", "quantity": 1, "units_per_day": None}]
    protocol["dispensing"].insert(0, {**first, "dose_level": "L2", "kits": twice})
    limits = {"min_level": "L1", "max_level": "L2"}
    codes = [visit["code"] for visit in protocol["visits"]][2:]
    if codes:
        protocol["titration"] = [
            {"code": "T", "kind": "investigator", "arms": ["A"], "visits": codes, **limits}
        ]
        protocol["titration"][0]["forced_first"] = draw(st.sampled_from([None, "up", "maintain", "down"]))
        scenario["titration"] = [{"dose_level": None, "arm": None, "up": 0.5, "maintain": 0.2, "down": 0.3}]
    visit, level = draw(st.sampled_from(protocol["visits"][1:])), draw(st.sampled_from(["L1", "L2"]))
    if draw(st.booleans()):
        scheduled = {"kind": "scheduled", "arms": ["A"], "visits": [visit["code"]], "to_level": level}
        asked = [
            {**one, "visits": [at for at in codes if at != visit["code"]]} for one in protocol["titration"]
        ]
        protocol["titration"] = [*(one for one in asked if one["visits"]), {"code": "S", **scheduled}]


def _disruptions(draw: st.DrawFn, protocol: dict[str, Any], scenario: dict[str, Any]) -> None:
    """Depots lost for a time, changed rates, and an arm that closes."""
    lost = ("2025-01-01", "2025-01-09"), ("2025-01-11", "2025-02-13"), ("2025-02-15", "2026-01-01")
    scenario["shipping"]["outages"] = [
        {"depot": draw(st.sampled_from(protocol["depots"]))["code"], "first_day": first, "last_day": last}
        for first, last in draw(st.lists(st.sampled_from(lost), max_size=3))
    ]
    site = protocol["sites"][-1]["code"]
    scenario["recruitment"]["rate_changes"] = draw(
        st.sampled_from(
            [
                [],
                [
                    {"factor": 3.0, "first_day": "2025-01-20"},
                    {"factor": 0.5, "site": site, "last_day": "2025-03-01"},
                ],
            ]
        )
    )
    event, replaced = protocol["randomization"][0], scenario["replacement"]["probability"] > 0
    same_arm = replaced and protocol["screening"]["replacement"] == "same_arm"
    if event["drawn"] == "from_list" and event["forced"] == "none" and not same_arm:
        closing = st.fixed_dictionaries(
            {"arm": st.sampled_from(["A", "B"]), "on": st.sampled_from(["2024-12-01", "2025-02-10"])}
        )
        scenario["arm_closings"] = draw(st.sampled_from([[], [draw(closing)], [draw(closing)]]))


def plans() -> st.SearchStrategy[TrialPlan]:
    """The plans of such trials."""
    return trials().map(lambda trial: plan_of(*trial))

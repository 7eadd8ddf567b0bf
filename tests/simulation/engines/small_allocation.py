"""How small trials randomize: every method with parameters that show, ratios, factors of places, gates and forced randomization."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from allocation.study.protocol import Protocol
from simulation.scenario import Scenario

METHODS: tuple[tuple[str, dict[str, float]], ...] = (
    ("complete", {}),
    ("random_allocation_rule", {"n": 6}),
    ("truncated_binomial", {"n": 4}),
    ("biased_coin", {"p": 0.7}),
    ("big_stick", {"b": 1}),
    ("biased_coin_imbalance_tolerance", {"p": 0.7, "b": 2}),
    ("adjustable_biased_coin", {"a": 2}),
    ("generalized_biased_coin", {"gamma": 2}),
    ("wei_urn", {"alpha": 1, "beta": 2}),
    ("block_urn", {"lambda": 2}),
    ("ehrenfest_urn", {"b": 2}),
    ("maximal_procedure", {"n": 6, "b": 2}),
    ("mass_weighted_urn", {"alpha": 2}),
    ("minimization", {"p": 0.8}),
    ("minimization", {"q": 0.6, "simple_first": 2}),
    ("hu_hu", {"p": 0.85, "whole": 0.2, "stratum": 0.3}),
)
UNEQUAL = ("permuted_block", "complete", "random_allocation_rule", "block_urn", "mass_weighted_urn")


def small_allocation(draw: st.DrawFn, protocol: dict[str, Any], scenario: dict[str, Any]) -> None:
    """Draw how the first event of a trial allocates; where it does nothing, permuted blocks stay."""
    event = protocol["randomization"][0]
    for country, region in zip(protocol["countries"], ("R1", "R2"), strict=True):
        country["region"] = region
    if draw(st.booleans()):
        source, levels = draw(
            st.sampled_from(
                [
                    ("country", ["DEU", "FRA"]),
                    ("region", ["R2", "R1"]),
                    ("site", [*(site["code"] for site in protocol["sites"]), "LATER"]),
                ]
            )
        )
        protocol["stratification"].append(
            {
                "code": "PLACE",
                "name": "Place",
                "source": source,
                "weight": 2,
                "levels": [{"code": one, "label": one} for one in levels],
            }
        )
        event["factors"] = draw(st.permutations([*event["factors"], "PLACE"]))
    event["held_by"] = draw(st.sampled_from([event["held_by"], "region"]))
    if draw(st.sampled_from([True, True, False])):
        _another_method(draw, event)
    if event["method"] in UNEQUAL and draw(st.booleans()):
        event["ratio"] = [{"arm": "B", "ratio": 1}, {"arm": "A", "ratio": 2}]
        event["block_sizes"] = [3, 6] if event["block_sizes"] else []
    _supply_asked(draw, protocol, scenario, event)
    _replacing(draw, protocol, scenario)
    has_blocks = event["block_sizes"] or "n" in event["parameters"]
    if event["drawn"] == "from_list" and has_blocks and event["forced"] == "none":
        event["block_assignment"] = draw(st.sampled_from(["static", "dynamic"]))


def _replacing(draw: st.DrawFn, protocol: dict[str, Any], scenario: dict[str, Any]) -> None:
    """People who take the place of those who left, and kits that subjects lose."""
    chance = st.sampled_from([0.0, 0.5, 1.0])
    scenario["visits"]["kit_replaced_probability"] = draw(chance)
    protocol["screening"]["replacement"] = draw(st.sampled_from(["none", "next_entry", "same_arm"]))
    if protocol["screening"]["replacement"] != "none":
        scenario["replacement"] = {"probability": draw(chance), "most": draw(st.sampled_from([None, 3]))}
        scenario["replacement"]["days"] = {"law": "uniform", "min_days": 0, "max_days": 30}


def _another_method(draw: st.DrawFn, event: dict[str, Any]) -> None:
    method, parameters = draw(st.sampled_from(METHODS))
    adaptive = method in ("minimization", "hu_hu")
    if adaptive and not event["factors"]:
        return
    event |= {"method": method, "parameters": parameters, "block_sizes": []}
    event["drawn"] = (
        "at_randomization" if adaptive else draw(st.sampled_from(["from_list", "at_randomization"]))
    )
    if method == "minimization" and "p" in parameters and draw(st.booleans()):
        event["ratio"] = [{"arm": "A", "ratio": 2}, {"arm": "B", "ratio": 3}]
        event["ratio_rule"] = draw(st.sampled_from(["unit_arms", "biased_coin"]))
    event["measure"] = draw(st.sampled_from(["range", "variance", "sd"])) if adaptive else "range"


def _supply_asked(
    draw: st.DrawFn, protocol: dict[str, Any], scenario: dict[str, Any], event: dict[str, Any]
) -> None:
    event["supply_gate"] = draw(st.sampled_from(["none", "none", "all_kit_types", "chosen_kit_types"]))
    if event["supply_gate"] == "chosen_kit_types":
        event["gate_kit_types"] = ["KB"]
    modes = ["none", "FR0a", "FR0b", "FR1", "FR2"]
    event["forced"] = draw(st.sampled_from(modes if event["drawn"] == "from_list" else modes[:-1]))
    if event["forced"] == event["supply_gate"] == "none":
        return
    scenario["screening"]["supply_wait_days"] = draw(st.sampled_from([0, 0, 3, 40]))
    for scope, key in (("site", protocol["sites"][0]["code"]), ("country", "DEU"), ("study", "")):
        if draw(st.sampled_from([False, False, True])):
            limit = draw(st.integers(0, 3))
            protocol["caps"].append(
                {"kind": "forced_randomization", "scope": scope, "key": key, "limit": limit}
            )


@st.composite
def scarce_trials(draw: st.DrawFn, protocol: Protocol, scenario: Scenario) -> tuple[Protocol, Scenario]:
    """A trial that recruits fast with few kits of arm B, so that gates close and subjects are forced."""
    study: dict[str, Any] = protocol.model_dump(mode="json")
    played: dict[str, Any] = scenario.model_dump(mode="json")
    study["sites"], study["visits"] = study["sites"][:3], study["visits"][:3]
    study["sites"][1]["country"] = "FRA"
    for entry in study["dispensing"]:
        entry["visits"] = ["V1", "V2"]
    study["countries"].append({**study["countries"][0], "code": "FRA", "name": "France"})
    study["lanes"].append({**study["lanes"][0], "country": "FRA"})
    study["randomization"][0] |= {
        "held_by": draw(st.sampled_from(["stratum", "site", "country"])),
        "block_sizes": draw(st.sampled_from([[2], [2, 4]])),
    }
    study["supply"]["parameters"][0]["parameters"] |= {"min_buffer": 1, "max_buffer": 3}
    played |= {"duration_days": 120}
    played["drop_out"]["per_visit_probability"] = draw(st.sampled_from([0.02, 0.5]))
    study["caps"][0] |= {
        "limit": draw(st.sampled_from([8, 600])),
        "at_cap": draw(st.sampled_from(["refuse", "finish_screening"])),
    }
    study["caps"].append(
        {
            "kind": "screening",
            "scope": "site",
            "key": study["sites"][0]["code"],
            "limit": draw(st.sampled_from([4, 99])),
        }
    )
    played["activation"]["delay_days"] = {"law": "fixed", "min_days": 0}
    played["recruitment"]["screened_per_site_month"] = draw(st.sampled_from([4, 12]))
    for lot in played["lots"]:
        lot["arrivals"][0]["kits"] = 400 if lot["kit_type"] == draw(st.sampled_from(["KA", "KB"])) else 12
    small_allocation(draw, study, played)
    return Protocol.model_validate(study), Scenario.model_validate(played)

"""RTSM-BENCH-100 as a protocol and a scenario of this project: those of studies/, with other thresholds, sites, subjects or visits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from allocation.study.protocol import Protocol
from benchmarks.bench100 import DAYS_BETWEEN_VISITS, SITES, SUBJECTS, VISITS, Thresholds
from simulation.scenario import Scenario, load_scenario_and_protocol

SCENARIO = Path(__file__).parents[1] / "studies" / "rtsm-bench-100-scenario.yaml"


def bench100_study(
    thresholds: Thresholds, sites: int = SITES, subjects: int = SUBJECTS, visits: int = VISITS
) -> tuple[Protocol, Scenario]:
    """The study with these thresholds and of that size; what is recruited in a day grows with the subjects, so that it lasts as long."""
    scenario, protocol = load_scenario_and_protocol(SCENARIO)
    document = protocol.model_dump(mode="json")
    document["caps"][0]["limit"] = subjects
    document["study"]["planned_subjects"] = subjects
    document["sites"] = [document["sites"][0] | _named(number, sites) for number in range(1, sites + 1)]
    treated = [visit for visit in document["visits"] if visit["anchor"] == "randomization"]
    first, second = treated[0], treated[1]
    later = [second | _visit(number) for number in range(2, visits + 1)]
    document["visits"] = [visit for visit in document["visits"] if visit not in treated] + [first, *later]
    for entry in document["dispensing"]:
        entry["visits"] = [visit["code"] for visit in (first, *later)]
    parameters = document["supply"]["parameters"][0]["parameters"]
    parameters |= {"min_buffer": thresholds.trigger, "max_buffer": thresholds.up_to}
    assumed = scenario.model_dump(mode="json")
    assumed["recruitment"]["screened_per_site_month"] *= (subjects / SUBJECTS) / (sites / SITES)
    assumed["randomization_list"]["entries_per_stratum"] = max(subjects, 1)
    assumed["duration_days"] += DAYS_BETWEEN_VISITS * max(visits - VISITS, 0)
    for lot in assumed["lots"]:
        lot["arrivals"][0]["kits"] = 1_000_000
    return Protocol.model_validate(document), Scenario.model_validate(assumed)


def _named(number: int, of: int) -> dict[str, Any]:
    width = max(len(str(of)), 3)
    return {"code": f"S{number:0{width}}", "name": f"Site {number}"}


def _visit(number: int) -> dict[str, Any]:
    return {
        "code": f"V{number}",
        "number": number,
        "name": f"VISIT {number}",
        "target_day": DAYS_BETWEEN_VISITS * (number - 1) + 1,
    }

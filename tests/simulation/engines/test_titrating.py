"""How doses move in the engines: by the protocol's schedule, by what sites ask for, and by a first move that is prescribed."""

from __future__ import annotations

from typing import Any

import numpy as np

from allocation.study.protocol import Protocol
from simulation.engines import compiled, events
from simulation.engines.plan_of_study import plan_of
from simulation.scenario import Scenario


def kits_by_visit(
    bench_trial: Any, titration: list[dict[str, Any]], moves: dict[str, float]
) -> list[set[int]]:
    """Of each visit, how many kits subjects of arm A were handed out: one of the low dose, three of the high one."""
    scenario, protocol = bench_trial
    study, played = protocol.model_dump(mode="json"), scenario.model_dump(mode="json")
    study["sites"], study["visits"] = study["sites"][:3], study["visits"][:5]
    study["caps"][0]["limit"] = 20
    study["dose_levels"] = [
        {"code": one, "label": one, "order": at} for at, one in enumerate(("LOW", "HIGH"))
    ]
    for arm in study["arms"]:
        arm["start_dose_level"] = "LOW"
    for entry in study["dispensing"]:
        entry["visits"] = ["V1", "V2", "V3", "V4"]
    high = {**study["dispensing"][0], "dose_level": "HIGH"}
    high["kits"] = [{**high["kits"][0], "quantity": 3}]
    study["dispensing"].insert(0, high)
    study["titration"] = titration
    played["titration"] = [moves]
    played["duration_days"] = 200
    played["recruitment"] |= {"screened_per_site_month": 10, "gamma_shape": None}
    played["drop_out"]["per_visit_probability"] = 0
    plan = plan_of(Protocol.model_validate(study), Scenario.model_validate(played))
    trace = compiled.play(plan, 5, 0).trace
    assert trace is not None
    return [_handed_out(trace, visit) for visit in range(4)]


def _handed_out(trace: np.ndarray, visit: int) -> set[int]:
    came = [row for row in trace if row[2] == events.VISITED and row[7] == visit]
    given: dict[tuple[int, int], int] = {}
    for row in trace[trace[:, 2] == events.DISPENSED]:
        if row[5] == 0:
            given[int(row[0]), int(row[4])] = given.get((int(row[0]), int(row[4])), 0) + int(row[7])
    return {given[int(row[0]), int(row[4])] for row in came if (int(row[0]), int(row[4])) in given}


STAYS = {"up": 0.0, "maintain": 1.0, "down": 0.0}
ASKED = {"code": "T", "kind": "investigator", "arms": ["A"], "min_level": "LOW", "max_level": "HIGH"}


def test_the_schedule_moves_the_dose_of_its_arms_at_its_visit_and_it_stays_so(bench_trial) -> None:
    schedule = {"code": "S", "kind": "scheduled", "arms": ["A"], "visits": ["V3"], "to_level": "HIGH"}
    assert kits_by_visit(bench_trial, [schedule], STAYS) == [{1}, {1}, {3}, {3}]


def test_the_first_titration_is_the_prescribed_move_whatever_sites_ask_for_later(bench_trial) -> None:
    visits = {"visits": ["V2", "V3", "V4"]}
    asked = kits_by_visit(bench_trial, [ASKED | visits], STAYS)
    assert asked == [{1}, {1}, {1}, {1}]
    prescribed = kits_by_visit(bench_trial, [ASKED | visits | {"forced_first": "up"}], STAYS)
    assert prescribed == [{1}, {3}, {3}, {3}]
    then_down = kits_by_visit(
        bench_trial, [ASKED | visits | {"forced_first": "up"}], {"up": 0.0, "maintain": 0.0, "down": 1.0}
    )
    assert then_down == [{1}, {3}, {1}, {1}]

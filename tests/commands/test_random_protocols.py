"""On random protocols and for every path through them, the kits that the service hands out are those of arm, visit and dose.

Each arm, visit and dose level has a kit type of its own, whose name says what it is for: what is handed out can be read off it.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.dose_hold import HoldDosingRequest, ResumeDosingRequest, hold_dosing, resume_dosing
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit
from allocation.errors import TitrationRefused
from allocation.ledger.schema import kit, subject
from allocation.study.protocol import Protocol
from tests.api.trial import ARMS, STUDY
from tests.commands.desk import ACT, desk_at
from tests.commands.dosing_trial import BECAUSE, Lot, assert_sound, document, set_up

LEVELS = ("ZZD1", "ZZD2", "ZZD3")


def kit_type(arm: str, visit: str, level: str) -> str:
    return f"{arm}-{visit}-{level}"


@st.composite
def protocols(draw: Callable[..., Any]) -> dict[str, Any]:
    """Two to four dispensing visits after V2, some of them titrated by the investigator or the schedule; quantities 1 or 2."""
    visits = [f"V{number}" for number in range(2, 3 + draw(st.integers(1, 3)))]
    anchors = draw(st.lists(st.sampled_from(("randomization", "previous_visit")), min_size=4, max_size=4))
    data = document({"unscheduled": True})
    gap = draw(st.sampled_from((7, 14)))
    data["visits"] = [
        data["visits"][0],
        *(
            {
                "code": code,
                "number": int(code[1:]),
                "name": f"VISIT {code[1:]}",
                "epoch": "TRT",
                "anchor": anchors[place] if place else "randomization",
                "target_day": gap if place and anchors[place] == "previous_visit" else 1 + place * gap,
                "window_before": 2,
                "window_after": 3,
                "dispensing": True,
            }
            for place, code in enumerate(visits)
        ),
    ]
    data["dose_levels"] = [
        {"code": code, "label": f"Dose level {order}", "order": order} for order, code in enumerate(LEVELS, 1)
    ]
    titrated = draw(st.lists(st.sampled_from(visits[1:]), unique=True))
    scheduled = [code for code in visits[1:] if code not in titrated and draw(st.booleans())]
    data["titration"] = []
    if titrated:
        data["titration"].append(
            {
                "code": "T",
                "kind": "investigator",
                "arms": list(ARMS),
                "visits": titrated,
                "min_level": "ZZD1",
                "max_level": "ZZD3",
                "max_steps": draw(st.integers(1, 2)),
                "forced_first": draw(st.sampled_from((None, "up", "maintain"))),
            }
        )
    if scheduled:
        data["titration"].append(
            {"code": "S", "kind": "scheduled", "arms": list(ARMS), "visits": scheduled, "to_level": "ZZD2"}
        )
    cells = [(arm, visit, level) for arm in ARMS for visit in visits for level in LEVELS]
    quantity = draw(st.integers(1, 2))
    data["dispensing"] = [
        {
            "visits": [visit],
            "arm": arm,
            "dose_level": level,
            "kits": [{"kit_type": kit_type(arm, visit, level), "quantity": quantity}],
        }
        for arm, visit, level in cells
    ]
    like = data["kit_types"][0]
    data["kit_types"] = [{**like, "code": kit_type(*cell), "name": kit_type(*cell)} for cell in cells]
    return data


STEPS = st.tuples(
    st.sampled_from(("come", "come", "come", "miss", "without kits", "hold", "again")),
    st.sampled_from((None, None, "up", "down", "maintain")),
    st.integers(1, 2),
    st.integers(0, 9),
)
"""What a subject does at the next visit: how, which move is asked for, by how many steps, and how many days after the last visit's."""


@pytest.mark.slow
@settings(
    max_examples=5,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(data=protocols(), steps=st.lists(STEPS, min_size=4, max_size=8))
def test_kits_match_arm_visit_and_dose_and_missed_visits_are_never_dispensed(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any], steps: list[Any]
) -> None:
    folder: Path = tmp_path_factory.mktemp("trial")
    lots = tuple(Lot(one["code"], 4) for one in data["kit_types"])
    with desk_at(f"sqlite:///{folder / 'trial.db'}") as desk:
        set_up(desk, data, lots, seed=4)
        study = Protocol.model_validate(data)
        codes = iter([visit.code for visit in study.visits if visit.dispensing])
        who = desk.randomized(site_id="S01")
        numbers = count(1)
        given_at: list[str] = []
        missed: set[str] = set()
        for how, move, by, days in steps:
            desk.move(days=days)
            if how == "again":
                if given_at:
                    request = {"subject_id": who, "visit_number": f"50.{next(numbers)}", "epoch": "TRT"}
                    answer = dispense(desk.service, ACT, STUDY, DispenseRequest.model_validate(request))
                    assert_right(desk, data, who, given_at[-1], answer)
                continue
            code = next(codes, None)
            if code is None:
                break
            if how == "miss" and given_at:
                miss_visit(desk.service, ACT, STUDY, MissVisitRequest(subject_id=who, visit_code=code))
                missed.add(code)
                continue
            if how == "without kits" and given_at:
                visit = VisitRequest(subject_id=who, visit_code=code, override_reason="as it came")
                record_visit(desk.service, ACT, STUDY, visit)
                continue
            if how == "hold":
                hold_dosing(desk.service, BECAUSE, STUDY, HoldDosingRequest(subject_id=who))
                desk.move(days=3)
                resume_dosing(desk.service, BECAUSE, STUDY, ResumeDosingRequest(subject_id=who))
            request = {"subject_id": who, "visit_code": code, "override_reason": "as it came"}
            asked = {} if move is None else {"titration": move, "steps": by}
            try:
                answer = dispense(
                    desk.service, ACT, STUDY, DispenseRequest.model_validate({**request, **asked})
                )
            except TitrationRefused:
                answer = dispense(desk.service, ACT, STUDY, DispenseRequest.model_validate(request))
            given_at.append(code)
            assert_right(desk, data, who, code, answer)
        with desk.database.read() as connection:
            handed = connection.execute(select(kit.c.kit_type).where(kit.c.subject_id == who)).scalars()
            assert not {one.split("-")[1] for one in handed} & missed
        assert_sound(desk)


def assert_right(desk: Any, data: dict[str, Any], who: str, visit: str, answer: dict[str, Any]) -> None:
    """The kits of an answer are those of the subject's arm and dose and of that visit, in the protocol's quantity."""
    with desk.database.read() as connection:
        row = connection.execute(select(subject).where(subject.c.subject_id == who)).one()
        types = connection.execute(
            select(kit.c.kit_type).where(kit.c.kit_number.in_(answer["kit_numbers"]))
        ).scalars()
        found = Counter(types)
    quantity = data["dispensing"][0]["kits"][0]["quantity"]
    assert found == {kit_type(row.arm, visit, row.dose_level): quantity}
    label = next(one["label"] for one in data["dose_levels"] if one["code"] == row.dose_level)
    assert answer["dose_label"] == label
    assert timedelta(0) <= desk.now.date() - row.first_dose_on

"""Doses move by blinded labels within the protocol's limits; visits are early, late, missed, or never come; projections follow."""

from datetime import date, timedelta
from typing import Any

import pytest

from allocation.commands.participation import EndRequest, discontinue
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit
from allocation.views.blinded.subjects import projected_visits, subject_detail
from tests.api.trial import ARMS, KIT_TYPE_OF_ARM, STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.dosing_trial import assert_sound, document, give, refused, set_up

LEVELS = [
    {"code": f"ZZD{number}", "label": f"Dose level {number}", "order": number} for number in (1, 2, 3, 4)
]


def titrated(**titration: Any) -> dict[str, Any]:
    """Four levels, moved at V3 and V4; a level's kits are as many as its number."""
    data = document(dose_levels=LEVELS)
    data["titration"] = [
        {
            "code": "T",
            "kind": "investigator",
            "arms": list(ARMS),
            "visits": ["V3", "V4"],
            "min_level": "ZZD1",
            "max_level": "ZZD4",
            **titration,
        }
    ]
    data["visits"][2]["window"] = "soft"
    data["visits"][3] |= {"dispensing": True}
    data["dispensing"] = [
        {
            "visits": ["V2", "V3", "V4"],
            "arm": arm,
            "dose_level": level["code"],
            "kits": [{"kit_type": kit_type, "quantity": level["order"]}],
        }
        for arm, kit_type in KIT_TYPE_OF_ARM.items()
        for level in LEVELS
    ]
    return data


def test_a_forced_first_step_is_made_unasked_and_only_the_first_time(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, titrated(forced_first="up", max_steps=2), seed=12)
    who = desk.randomized()
    with refused(desk, "no-titration-here", "titration"):
        give(desk, who, "V2", titration="up")
    assert give(desk, who, "V2")["dose_label"] == "Dose level 1"
    desk.move(days=14)
    for other in ({"titration": "maintain"}, {"titration": "up", "steps": 2}, {"dose_label": "Dose level 3"}):
        with refused(desk, "titration-refused"):
            give(desk, who, "V3", **other)
    answer = give(desk, who, "V3")
    assert (answer["dose_label"], len(answer["kit_numbers"])) == ("Dose level 2", 2)
    desk.move(days=14)
    assert give(desk, who, "V4")["dose_label"] == "Dose level 2"
    assert_sound(desk)


def test_the_dose_moves_by_steps_or_to_a_label_within_the_limits(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, titrated(max_steps=2, max_level="ZZD3"), seed=12)
    who = desk.randomized()
    give(desk, who, "V2")
    desk.move(days=14)
    with refused(desk, "titration-refused"):
        give(desk, who, "V3", titration="up", steps=3)
    with refused(desk, "titration-refused"):
        give(desk, who, "V3", titration="down")
    with refused(desk, "not-found", "dose_label") as why:
        give(desk, who, "V3", dose_label="20 mg")
    assert "Dose level 1, Dose level 2" in str(why.value)
    answer = give(desk, who, "V3", titration="up", steps=2)
    assert (answer["dose_label"], len(answer["kit_numbers"])) == ("Dose level 3", 3)
    desk.move(days=14)
    with refused(desk, "titration-refused"):
        give(desk, who, "V4", dose_label="Dose level 4")
    assert give(desk, who, "V4", dose_label="Dose level 1")["dose_label"] == "Dose level 1"
    assert_sound(desk)


def test_a_missed_visit_keeps_its_kits_and_the_next_one_gets_its_own(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, titrated(), seed=12)
    who = desk.randomized()
    give(desk, who, "V2")
    desk.move(days=14)
    miss_visit(desk.service, ACT, STUDY, MissVisitRequest(subject_id=who, visit_code="V3"))
    with refused(desk, "visit-on-record"):
        give(desk, who, "V3")
    desk.move(days=14)
    answer = give(desk, who, "V4", titration="up")
    assert (answer["dose_label"], len(answer["kit_numbers"])) == ("Dose level 2", 2)
    kits = subject_detail(desk.database, ACT.actor, STUDY, who).kits
    assert {one.visit_number for one in kits} == {"2", "4"}
    assert_sound(desk)


@pytest.mark.parametrize(
    ("days", "window", "timing"),
    [(17, "hard", "in_window"), (18, "hard", None), (18, "soft", "late"), (10, "hard", None)],
)
def test_a_late_visit_is_dispensed_in_its_window_and_outside_only_if_that_is_soft_or_overridden(
    empty_desk: Desk, days: int, window: str, timing: str | None
) -> None:
    data = document()
    data["visits"][2]["window"] = window
    desk = set_up(empty_desk, data)
    who = desk.randomized()
    give(desk, who, "V2")
    desk.move(days=days)
    if timing is None:
        with refused(desk, "visit-outside-window", "visit_date"):
            give(desk, who, "V3")
        assert len(give(desk, who, "V3", override_reason="travelling")["kit_numbers"]) == 1
    else:
        assert give(desk, who, "V3")["window"] == timing
    assert_sound(desk)


def test_the_visit_and_its_transaction_have_dates_of_their_own(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, document())
    who = desk.randomized()
    came = desk.now.date()
    desk.move(days=2)
    give(desk, who, "V2", visit_date=came)
    seen = next(
        one for one in subject_detail(desk.database, ACT.actor, STUDY, who).visits if one.visit_code == "V2"
    )
    assert (seen.visit_date, seen.recorded_on) == (came, came + timedelta(days=2))


def expected(desk: Desk, who: str) -> list[tuple[str, date, bool]]:
    shown = projected_visits(desk.database, ACT.actor, STUDY, who, now=desk.now)
    return [(one.visit_code, one.target, one.estimated) for one in shown.visits]


def test_visits_are_projected_from_their_anchor_and_follow_the_actual_date_of_the_one_before(
    empty_desk: Desk,
) -> None:
    data = document()
    data["visits"][2] |= {"anchor": "first_dose", "window": "soft"}
    data["visits"][3] |= {"anchor": "previous_visit", "target_day": 14}
    desk = set_up(empty_desk, data)
    who = desk.randomized()
    start = desk.now.date()
    assert expected(desk, who) == [("V2", start, False)]  # the first dose is not known yet
    desk.move(days=2)
    give(desk, who, "V2")
    first_dose = start + timedelta(days=2)
    v3 = first_dose + timedelta(days=14)
    assert expected(desk, who) == [("V3", v3, False), ("V4", v3 + timedelta(days=14), True)]
    desk.move(days=19)
    give(desk, who, "V3")
    assert expected(desk, who) == [("V4", desk.now.date() + timedelta(days=14), False)]
    discontinue(desk.service, ACT, STUDY, EndRequest(subject_id=who, end_reason="ADVERSE EVENT"))
    assert expected(desk, who) == []
    assert run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["sites"] == 1
    assert_sound(desk)


def test_a_visit_that_is_anchored_to_a_randomization_event_is_counted_from_it(empty_desk: Desk) -> None:
    data = document()
    data["visits"][3] |= {"anchor_event": "RAND"}
    desk = set_up(empty_desk, data)
    who = desk.randomized()
    assert ("V4", desk.now.date() + timedelta(days=28), False) in expected(desk, who)
    record_visit(
        desk.service,
        ACT,
        STUDY,
        VisitRequest(subject_id=who, visit_code="V4", override_reason="came early"),
    )
    assert expected(desk, who) == []

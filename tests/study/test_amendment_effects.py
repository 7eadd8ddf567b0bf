"""What an amendment does to a subject on study: nothing done is asked for again, nothing is skipped or given twice."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.study.amendment_effects import demand_by_week, effect_on_subject, path_on, plan_of
from allocation.study.protocol import Protocol
from allocation.study.subject_schedule import SubjectPath, visits_ahead
from tests.api.trial import ARMS, KIT_TYPE_OF_ARM, protocol

DAY_1 = date(2026, 3, 2)
ARM = ARMS[0]
KIT = KIT_TYPE_OF_ARM[ARM]


def trial(version: int, visits: list[tuple[str, str, int, int, bool]], quantity: int = 1) -> Protocol:
    """The small trial with these treatment visits: code, number, day, days of the window to each side, dispensing."""
    document: dict[str, Any] = protocol(version)
    document["visits"] = document["visits"][:1] + [
        {
            "code": code,
            "number": number,
            "name": f"VISIT {number}",
            "epoch": "TRT",
            "target_day": day,
            "window_before": days,
            "window_after": days,
            "dispensing": dispensing,
        }
        for code, number, day, days, dispensing in visits
    ]
    giving = [code for code, *_, dispensing in visits if dispensing]
    document["titration"] = []
    document["dispensing"] = [
        {"visits": giving, "arm": arm, "kits": [{"kit_type": kind, "quantity": quantity}]}
        for arm, kind in KIT_TYPE_OF_ARM.items()
    ]
    return Protocol.model_validate(document)


OLD = [("V2", "2", 1, 3, True), ("V3", "3", 15, 3, True), ("V4", "4", 29, 3, True), ("V5", "5", 43, 3, False)]


def on_study(*done: str, missed: tuple[str, ...] = ()) -> SubjectPath:
    days = {code: DAY_1 + timedelta(days=day - 1) for code, _, day, _, _ in OLD if code in done}
    given = frozenset(code for code, *_, dispensing in OLD if dispensing and code in done)
    return SubjectPath(
        "S01-0001",
        DAY_1 - timedelta(days=7),
        randomized_on=DAY_1,
        first_dose_on=DAY_1,
        arm=ARM,
        dose_level="ZZD1",
        done={"V1": DAY_1 - timedelta(days=7), **days},
        missed=frozenset(missed),
        dispensed=given,
        version=1,
    )


def changed(change: Callable[[list[tuple[str, str, int, int, bool]]], None], quantity: int = 1) -> Protocol:
    visits = list(OLD)
    change(visits)
    return trial(2, visits, quantity)


def test_an_added_a_moved_and_a_dropped_visit_and_other_kits_are_told_with_their_windows() -> None:
    new = changed(lambda visits: visits.__setitem__(2, ("V4", "4", 36, 5, True)), quantity=2)
    new = new.model_copy(
        update={
            "visits": (
                *(
                    visit.model_copy(update={"optional": True}) if visit.code == "V5" else visit
                    for visit in new.visits
                ),
                new.visits[2].model_copy(
                    update={"code": "V3A", "number": 3.5, "target_day": 22, "dispensing": False}
                ),
            )
        }
    )
    today = DAY_1 + timedelta(days=5)
    effect = effect_on_subject(plan_of(trial(1, OLD)), plan_of(new), on_study("V2"), today, today)
    told = [
        (one.visit, one.change, one.old and one.old.target, one.new and one.new.target)
        for one in effect.visits
    ]
    assert told == [
        ("V3A", "added", None, date(2026, 3, 23)),
        ("V4", "moved", date(2026, 3, 30), date(2026, 4, 6)),
        ("V5", "dropped", date(2026, 4, 13), None),
    ]
    moved = effect.visits[1]
    assert moved.new is not None
    assert (moved.new.opens, moved.new.closes) == (date(2026, 4, 1), date(2026, 4, 11))
    assert [(one.visit, one.old, one.new) for one in effect.kits] == [
        ("V3", ((KIT, 1),), ((KIT, 2),)),
        ("V4", ((KIT, 1),), ((KIT, 2),)),
    ]


def test_visits_due_before_the_version_takes_effect_go_by_the_old_one() -> None:
    new = changed(lambda _: None, quantity=2)
    today = DAY_1 + timedelta(days=5)
    later = effect_on_subject(
        plan_of(trial(1, OLD)), plan_of(new), on_study("V2"), today, DAY_1 + timedelta(days=20)
    )
    assert [one.visit for one in later.kits] == ["V4"]
    assert demand_by_week(later.before, today) == {(date(2026, 3, 9), KIT): 1, (date(2026, 3, 23), KIT): 1}
    assert demand_by_week(later.after, today) == {(date(2026, 3, 9), KIT): 1, (date(2026, 3, 23), KIT): 2}


def test_the_same_schedule_in_a_new_version_changes_nothing() -> None:
    today = DAY_1 + timedelta(days=5)
    effect = effect_on_subject(plan_of(trial(1, OLD)), plan_of(trial(2, OLD)), on_study("V2"), today, today)
    assert not effect.changes
    assert effect.before == effect.after != ()


def test_a_dose_level_that_the_new_version_has_no_kits_for_is_told_as_a_hole() -> None:
    new = trial(2, OLD)
    only = tuple(row.model_copy(update={"dose_level": "ZZD2"}) for row in new.dispensing)
    holed = new.model_copy(update={"dispensing": only})
    today = DAY_1 + timedelta(days=5)
    effect = effect_on_subject(plan_of(trial(1, OLD)), plan_of(holed), on_study("V2"), today, today)
    assert effect.hole
    assert effect.changes


NUMBERS = ("2.5", "3.5", "4.5", "6")


@st.composite
def amended(draw: st.DrawFn) -> Protocol:
    """Every visit may move and change its window, one may begin or stop to dispense, and visits come in between."""
    visits = [
        (
            code,
            number,
            day + draw(st.integers(-6, 12)) if code != "V2" else day,
            draw(st.integers(0, 9)),
            dispensing,
        )
        for code, number, day, _, dispensing in OLD
    ]
    if draw(st.booleans()):
        place = draw(st.integers(1, 3))
        code, number, day, days, dispensing = visits[place]
        visits[place] = (code, number, day, days, not dispensing)
    for number in draw(st.sets(st.sampled_from(NUMBERS))):
        day = round(14 * (float(number) - 2)) + 1 + draw(st.integers(-6, 6))
        visits.append((f"V{number.replace('.', 'A')}", number, max(day, 2), 3, draw(st.booleans())))
    return trial(2, sorted(visits, key=lambda visit: float(visit[1])))


@settings(max_examples=150, deadline=None)
@given(
    new=amended(),
    came=st.integers(0, 4),
    missed=st.sets(st.sampled_from(["V3", "V4"])),
    wait=st.integers(0, 40),
)
def test_no_amendment_asks_for_a_done_visit_or_skips_or_doubles_a_dispensing(
    new: Protocol, came: int, missed: set[str], wait: int
) -> None:
    old = trial(1, OLD)
    codes = [code for code, *_ in OLD]
    gone = [code for code in codes[:came] if code not in missed]
    path = on_study(*gone, missed=tuple(missed & set(codes[:came])))
    today = DAY_1 + timedelta(days=wait)
    effect = effect_on_subject(plan_of(old), plan_of(new), path, today, today)
    assert not effect.hole
    # The subject goes on under the new version to the end.
    given: list[str] = [one.visit for one in effect.after]
    asked: list[str] = []
    walker = path
    while coming := visits_ahead(new, walker):
        visit, window = coming[0]
        asked.append(visit.code)
        walker = replace(walker, done={**walker.done, visit.code: window.target})
    assert not set(asked) & (set(path.done) | path.missed)
    assert len(set(asked)) == len(asked)
    assert len(set(given)) == len(given)
    assert given == [code for code in asked if _dispenses(new, code)]
    still = [one.visit for one in effect.before if _dispenses(new, one.visit)]
    assert set(still) <= set(given), "a dispensing that both versions have is not skipped"
    assert {one.visit for one in effect.visits if one.change == "added"} <= {
        visit.code for visit in new.visits
    } - set(path.done)


def _dispenses(version: Protocol, code: str) -> bool:
    visit = version.visit(code)
    return visit is not None and visit.dispensing


@pytest.mark.parametrize(
    ("day", "done"),
    [(0, {"V1"}), (1, {"V1", "V2"}), (15, {"V1", "V2", "V3"}), (99, {"V1", "V2", "V3", "V4", "V5"})],
)
def test_the_path_on_a_day_has_the_visits_whose_target_lies_before_it(day: int, done: set[str]) -> None:
    path = path_on(trial(1, OLD), on_study(), DAY_1, DAY_1 + timedelta(days=day))
    assert set(path.done) == done
    assert path.dispensed == done & {"V2", "V3", "V4"}

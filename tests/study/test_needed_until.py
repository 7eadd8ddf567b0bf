"""How long kits may be in use: until the last day of the next dispensing visit's window, by the schedule as it stands then."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.study.protocol import Protocol
from allocation.study.subject_schedule import SubjectPath, needed_until, visits_ahead
from allocation.study.yaml_files import load_protocol

STUDIES = Path(__file__).resolve().parents[2] / "studies"
DAY_1 = date(2026, 3, 2)
DEMO = load_protocol(STUDIES / "demo.yaml")
PILOT = load_protocol(STUDIES / "cdisc-pilot.yaml")


@settings(max_examples=60, deadline=None)
@given(
    study=st.sampled_from((DEMO, PILOT)),
    done=st.sets(st.integers(0, 11), max_size=6),
    missed=st.sets(st.integers(0, 11), max_size=3),
    at=st.one_of(st.none(), st.integers(0, 11)),
    day=st.integers(0, 300),
)
def test_it_is_the_first_dispensing_visit_that_is_still_ahead(
    study: Protocol, done: set[int], missed: set[int], at: int | None, day: int
) -> None:
    visits = sorted(study.visits, key=lambda one: one.number)
    on = DAY_1 + timedelta(days=day)
    path = SubjectPath(
        "1",
        DAY_1,
        randomized_on=DAY_1,
        cohort=study.cohorts[0].code if study.cohorts else None,
        done={visits[index].code: DAY_1 + timedelta(days=7 * index) for index in done if index < len(visits)},
        missed=frozenset(visits[index].code for index in missed - done if index < len(visits)),
    )
    visit = None if at is None or at >= len(visits) else visits[at]
    came = replace(path, first_dose_on=on, done={**path.done, **({visit.code: on} if visit else {})})
    ahead = [window for one, window in visits_ahead(study, came) if one.dispensing]
    assert needed_until(study, path, visit, on) == (ahead[0].closes if ahead else None)


def test_nothing_is_needed_after_the_last_dispensing_visit() -> None:
    last = max((one for one in PILOT.visits if one.dispensing), key=lambda one: one.number)
    path = SubjectPath("1", DAY_1, randomized_on=DAY_1)
    assert needed_until(PILOT, path, last, DAY_1 + timedelta(days=160)) is None


@pytest.mark.parametrize("late", [0, 3])
def test_it_follows_the_actual_date_where_the_next_visit_does(late: int) -> None:
    visits = [
        one.model_copy(update={"anchor": "previous_visit", "target_day": 28}) for one in DEMO.visits[-1:]
    ]
    path = SubjectPath("1", DAY_1, randomized_on=DAY_1)
    first = DEMO.visits[0].model_copy(
        update={"dispensing": True, "optional": False, "cohorts": (), "strata": ()}
    )
    then = visits[0].model_copy(
        update={"dispensing": True, "optional": False, "cohorts": (), "strata": (), "window_after": 5}
    )
    study = DEMO.model_copy(update={"visits": (first, then)})
    on = DAY_1 + timedelta(days=late)
    assert needed_until(study, path, first, on) == on + timedelta(days=28 + 5)

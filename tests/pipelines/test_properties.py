"""What holds for every course of a trial, on random stories: one DM row a subject, arms or reasons, no day 0, SE without gaps."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.datasets import PRODUCTS, Product, datasets_of, derive
from pipelines.verdicts import check_product
from tests.pipelines.story import Story

SCREENED = date(2026, 2, 1)
REASONS = ("COMPLETED", "ADVERSE EVENT", "DEATH", "LOST TO FOLLOW-UP")


def _text(day: date) -> str:
    return day.strftime("%m-%d")


@st.composite
def courses(draw: st.DrawFn) -> dict[str, Any]:
    """How one subject fares: how far, when, in which arm, and how it ended."""
    return {
        "reaches": draw(
            st.sampled_from(["screened", "failed", "eligible", "randomized", "treated", "titrated", "late"])
        ),
        "arm": draw(st.sampled_from("AB")),
        "gaps": draw(st.lists(st.integers(0, 20), min_size=8, max_size=8)),
        "ended": draw(st.booleans()),
        "reason": draw(st.sampled_from(REASONS)),
        "dose_known": draw(st.booleans()),
        "early": draw(st.booleans()),
        "follow_up": draw(st.booleans()),
        "unscheduled": draw(st.booleans()),
        "missed": draw(st.booleans()),
    }


def _tell(story: Story, subject: str, course: dict[str, Any]) -> None:
    day, gaps = SCREENED, iter(course["gaps"])

    def later() -> str:
        nonlocal day
        day += timedelta(days=next(gaps))
        return _text(day)

    story.screened(subject, later(), site=f"S{1 + int(subject) % 2}")
    if course["reaches"] == "screened":
        return
    if course["reaches"] == "failed":
        story.failed(subject, later())
        return
    story.eligible(subject, later())
    if course["reaches"] == "eligible":
        return
    story.randomized(subject, later(), course["arm"], number=f"R{subject}")
    level = {"A": "L1", "B": "L2"}[course["arm"]]
    if course["reaches"] in ("treated", "titrated", "late"):
        story.visited(subject, "V2", _text(day), "L1")
    if course["unscheduled"]:
        story.unscheduled(subject, "2.1", later())
    if course["reaches"] in ("titrated", "late"):
        story.visited(subject, "V3", later(), None if course["early"] else level)
    if course["reaches"] == "late":
        if course["missed"]:
            story.missed(subject, "V3T")
        story.visited(subject, "V4", later())
    if not course["ended"]:
        return
    ended = later()
    last_dose = (
        _text(day - timedelta(days=1)) if course["dose_known"] and course["reaches"] != "randomized" else None
    )
    story.ended(
        subject,
        ended,
        course["reason"],
        last_dose=last_dose,
        died=ended if course["reason"] == "DEATH" else None,
    )
    if course["follow_up"] and course["reason"] != "DEATH":
        story.visited(subject, "FU1", later())


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """A trial with up to six subjects and a cut-off after the last of their days."""
    story = Story(cut_off="12-31")
    for index, course in enumerate(draw(st.lists(courses(), min_size=1, max_size=6))):
        _tell(story, str(1001 + index), course)
    return story


SETTINGS = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(story=stories(), product=st.sampled_from(PRODUCTS))
def test_every_course_of_a_trial_gives_datasets_that_agree(story: Story, product: Product) -> None:
    made = {name: frame.to_dicts() for name, frame in derive(story.events(), product).items()}
    dm = made["sdtm/dm"]
    assert [row["SUBJID"] for row in dm] == sorted(story.site_of, key=lambda one: (story.site_of[one], one))
    by_subject = {row["USUBJID"]: row for row in dm}
    for row in dm:
        assert (row["ARMNRS"] is None) == (row["ARM"] is not None and row["ACTARM"] is not None)
        assert (row["ARMCD"] is None) == (row["ARM"] is None)
        assert not (row["ARMNRS"] and row["RFENDTC"])
        assert row["RFPENDTC"] >= max(row[name] or "" for name in ("DMDTC", "RFENDTC", "RFXENDTC", "DTHDTC"))
    for name, rows in made.items():
        if name.startswith("sdtm/"):
            assert not any(row[column] == 0 for row in rows for column in row if column.endswith("DY"))
    _elements_without_gaps(made["sdtm/se"], by_subject)
    _exposure_in_order(made["sdtm/ex"], by_subject)
    for name, number in (
        ("sdtm/ds", "DSSEQ"),
        ("sdtm/da", "DASEQ"),
        ("sdtm/ex", "EXSEQ"),
        ("sdtm/se", "SESEQ"),
    ):
        for subject in by_subject:
            found = [row[number] for row in made[name] if row["USUBJID"] == subject]
            assert found == list(range(1, len(found) + 1))


def _elements_without_gaps(rows: list[dict[str, Any]], subjects: dict[str, Any]) -> None:
    assert {row["USUBJID"] for row in rows} == set(subjects)
    for subject, dm in subjects.items():
        own = [row for row in rows if row["USUBJID"] == subject]
        assert own[0]["ETCD"] == "SCRN"
        assert own[0]["SESTDTC"] == dm["DMDTC"]
        assert own[-1]["SEENDTC"] == dm["RFPENDTC"]
        for before, after in pairwise(own):
            assert before["SEENDTC"] == after["SESTDTC"]
            assert before["SESTDTC"] <= before["SEENDTC"]


def _exposure_in_order(rows: list[dict[str, Any]], subjects: dict[str, Any]) -> None:
    for subject, dm in subjects.items():
        own = [row for row in rows if row["USUBJID"] == subject]
        assert bool(own) == (dm["ACTARM"] is not None)
        assert dm["RFXSTDTC"] == (own[0]["EXSTDTC"] if own else None)
        for before, after in pairwise(own):
            assert before["EXSTDTC"] <= before["EXENDTC"] < after["EXSTDTC"]
        for row in own:
            assert row["EXENDTC"] is None or row["EXSTDTC"] <= row["EXENDTC"] <= dm["RFPENDTC"]


@pytest.mark.slow
@settings(deadline=None, max_examples=3, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories())
def test_every_course_of_a_trial_keeps_the_contracts(story: Story) -> None:
    events = story.events()
    for product in PRODUCTS:
        derived = derive(events, product)
        # A story moves no kits, so the supply ledger has nothing to say of the kits that it hands out.
        sdtm = {name: frame for name, frame in derived.items() if name.startswith("sdtm/")}
        frames = {
            **sdtm,
            **{one.name: derived[one.name].clear() for one in datasets_of(product) if one.name not in sdtm},
        }
        verdicts = check_product(product, frames, {})
        broken = {name: verdict.failures for name, verdict in verdicts.items() if not verdict.passed}
        assert broken == {}

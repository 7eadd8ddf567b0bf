"""A version that moves the subjects on study from a visit on: each visit by its own version, in dispensing, supply, views and preview."""

from datetime import date, timedelta
from typing import Any

import pytest

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit
from allocation.errors import NotFound
from allocation.study.protocol import Protocol
from allocation.views.unblinded.amendments import preview_amendment
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.test_versions_by_country import (
    DEU,
    amend,
    assert_replays,
    dispense_at,
    entries,
    next_version,
    on_day,
    put,
    versions_of,
    visits_ahead_of,
)


def from_visit(visit: str, version: int = 2, **more: Any) -> dict[str, Any]:
    """The next version, with V3 allowed until 9 days after its day, for subjects on study from `visit` on."""
    document = next_version(version, amendment_rule="from_visit", amendment_visit=visit, **more)
    for one in document["visits"]:
        if one["code"] == "V3":
            one["window_after"] = 9
    return document


def ahead(desk: Desk, who: str) -> list[str]:
    return [one.visit_code for one in visits_ahead_of(desk, who)]


def last(desk: Desk, command: str) -> Any:
    return [one for one in entries(desk) if one.command == command][-1]


def test_a_visit_before_the_named_one_follows_the_old_version_and_the_named_one_the_new(desk: Desk) -> None:
    subject_id = desk.randomized(DEU)
    amend(desk, from_visit("V3"))
    assert ahead(desk, subject_id) == ["V2", "V3", "V3A", "V4"]
    assert len(dispense_at(desk, subject_id, "V2")) == 1
    # Dynamic DND: the next dispensing visit is one of the new version, and so is its window.
    day_1 = date.fromisoformat(last(desk, "dispense").after["dispensed_on"])
    assert last(desk, "dispense").after["record"]["needed_until"] == str(day_1 + timedelta(days=14 + 9))
    on_day(desk, 14)
    desk.resupply()
    due = {
        site["site_id"]: sum(one[4] for one in site["kit_types"])
        for site in last(desk, "run_resupply").after["sites"]
    }
    assert due[DEU] == 2
    assert len(dispense_at(desk, subject_id, "V3")) == 2
    assert versions_of(desk, "dispense") == [1, 2]
    assert_replays(desk)


def test_an_added_visit_before_the_named_one_is_not_in_the_schedule_of_who_was_on_study(desk: Desk) -> None:
    old = desk.randomized(DEU)
    amend(desk, from_visit("V4"))
    new = desk.randomized(DEU)
    assert (ahead(desk, old), ahead(desk, new)) == (["V2", "V3", "V4"], ["V2", "V3", "V3A", "V4"])
    for subject_id in (old, new):
        dispense_at(desk, subject_id, "V2")
    desk.resupply()
    on_day(desk, 15)
    assert [len(dispense_at(desk, subject_id, "V3")) for subject_id in (old, new)] == [1, 2]
    on_day(desk, 22)
    before = desk.state()
    with pytest.raises(NotFound) as refusal:
        record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=old, visit_code="V3A"))
    assert refusal.value.field == "visit_code"
    assert desk.state() == before
    on_day(desk, 29)
    record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=old, visit_code="V4"))
    assert versions_of(desk, "record_visit")[-1] == 2
    assert_replays(desk)


def test_who_missed_or_passed_the_named_visit_follows_with_the_next_one(desk: Desk) -> None:
    passed, missed = desk.randomized(DEU), desk.randomized(DEU)
    for subject_id in (passed, missed):
        dispense_at(desk, subject_id, "V2")
    amend(desk, from_visit("V2", quantity=3))
    assert ahead(desk, passed) == ["V3", "V3A", "V4"]
    desk.resupply()
    on_day(desk, 15)
    assert len(dispense_at(desk, passed, "V3")) == 3
    amend(desk, from_visit("V3", 3))
    miss_visit(desk.service, ACT, STUDY, MissVisitRequest(subject_id=missed, visit_code="V3"))
    on_day(desk, 22)
    record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=missed, visit_code="V3A"))
    assert (versions_of(desk, "miss_visit"), versions_of(desk, "record_visit")[-1]) == ([3], 3)
    assert_replays(desk)


def test_a_country_gets_such_a_version_with_its_approval(desk: Desk) -> None:
    french = desk.randomized("S02")
    document = from_visit("V3")
    amend(desk, document, DEU=desk.now)
    assert ahead(desk, french) == ["V2", "V3", "V4"]
    put(desk, document, "FRA")
    assert ahead(desk, french) == ["V2", "V3", "V3A", "V4"]
    dispense_at(desk, french, "V2")
    assert versions_of(desk, "dispense") == [1]
    assert_replays(desk)


def previewed(desk: Desk, document: dict[str, Any], **moments: Any) -> Any:
    return preview_amendment(
        desk.database, SYSTEM_ACTOR, Protocol.model_validate(document), desk.now, **moments
    )


def test_the_preview_shows_the_change_from_the_named_visit_on(desk: Desk) -> None:
    subject_id = desk.randomized(DEU)
    assert previewed(desk, from_visit("V4")).subjects == ()
    (told,) = previewed(desk, from_visit("V3")).subjects
    assert [(one.visit_code, one.change) for one in told.visits] == [("V3", "moved"), ("V3A", "added")]
    assert (told.subject_id, [one.visit_code for one in told.kits]) == (subject_id, ["V3"])


def test_the_preview_compares_with_a_loaded_version_that_is_in_force_by_then(desk: Desk) -> None:
    desk.randomized(DEU)
    month = desk.now + timedelta(days=5)
    amend(desk, next_version(), at=month)
    third = next_version(3)
    told = previewed(desk, third, effective_at=month + timedelta(days=1))
    assert (told.subjects, told.demand) == ((), ())
    third["dispensing"][-1]["kits"][0]["quantity"] = 4
    third["dispensing"][1]["kits"][0]["quantity"] = 4
    (changed,) = previewed(desk, third, effective_at=month + timedelta(days=1)).subjects
    (kits,) = changed.kits
    assert (changed.version, kits.visit_code) == (2, "V3")
    assert (kits.old[0].quantity, kits.new[0].quantity) == (2, 4)


def test_the_preview_lists_who_is_in_screening_and_what_changes_for_them(desk: Desk) -> None:
    subject_id = desk.screened(DEU)
    document = next_version()
    document["screening"] = {**document["screening"], "max_days_to_randomization": 9, "age_min": 90}
    told = previewed(desk, document)
    assert (told.subjects_in_screening, told.subjects) == (1, ())
    (one,) = told.screening
    assert (one.subject_id, one.version, one.age_refused) == (subject_id, 1, True)
    assert one.randomize_by is not None
    screened_on = desk.now.date()
    assert one.randomize_by.new == screened_on + timedelta(days=9)
    assert previewed(desk, next_version()).screening == ()

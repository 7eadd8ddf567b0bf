"""What follows from the EDC's word, whichever comes first: its fact, or the act here. Contradictions are found in both orders."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.edc_facts import ReceiveEdcRequest, receive_edc_facts
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.screening import EligibilityRequest, record_eligibility
from allocation.commands.service import Act
from allocation.commands.stratum_correction import CorrectStratumRequest, correct_stratum
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit
from allocation.edc.facts import EdcMessage, Fact, SubjectFacts
from allocation.errors import DomainRefusal
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.schema import ledger_entry, subject, subject_measurement, subject_visit
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from allocation.views.blinded.edc import edc_log
from tests.api.conftest import module_url
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk, desk_at
from tests.edc.unified import unified_protocol

__all__ = ["module_url"]

FAILED = {
    "item": {"item": "DSDECOD"},
    "values": ["SCREEN FAILURE"],
    "form": "DS",
    "date": {"item": "DSSTDAT"},
}
CLEARED = {"IT.IN01": "Y", "IT.EX01": "N", "IT.SEV": "1"}


def desk_of(url: str, mode: str, **more: Any) -> Iterator[Desk]:
    document = unified_protocol(mode=mode, screen_failure=FAILED, outgoing=None, **more)
    document["edc"]["required_forms"] = document["edc"]["required_forms"][1:]
    with desk_at(url) as empty:
        yield empty.set_up(document=Protocol.model_validate(document), blocks=4)


@pytest.fixture(scope="module")
def desk(module_url: str) -> Iterator[Desk]:
    """A unified trial that the tests of the module share."""
    yield from desk_of(module_url, "unified")


@pytest.fixture(scope="module")
def aside(
    module_url: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """A standalone trial on a database of the same kind: the EDC's word is compared."""
    if module_url.startswith("sqlite"):
        url = f"sqlite:///{tmp_path_factory.mktemp('aside') / 'rtsm.db'}"
    else:
        url = request.getfixturevalue("postgres_server").fresh_url()
    yield from desk_of(url, "standalone")


def tell(desk: Desk, who: str, *, days_ago: float = 0, ds: str | None = None, **values: str | None) -> None:
    """The EDC says these values (item -> value), and how far the form DS is."""
    desk.move(seconds=1)
    at = desk.now - timedelta(days=days_ago)
    facts = [
        Fact(
            kind="item",
            event="SE.V4" if item == "IT.VISDAT" else "SE.V1",
            form="IE" if item in ("IT.IN01", "IT.EX01") else "F",
            item=item,
            value=value,
            at=at,
        )
        for item, value in values.items()
    ]
    if ds is not None:
        facts.append(Fact(kind="form", event="SE.V1", form="DS", value=ds, at=at))
    message = EdcMessage(
        message_id=f"M.{desk.now:%d%H%M%S}",
        source="odm-xml",
        file_type="Snapshot",
        created_at=desk.now,
        sha256="0" * 64,
        subjects=(SubjectFacts(subject_key=who, facts=tuple(facts)),),
    )
    receive_edc_facts(
        desk.service, Act(SYSTEM_ACTOR), STUDY, ReceiveEdcRequest(message=message, config_version=1)
    )


def row_of(desk: Desk, who: str) -> Any:
    with desk.database.read() as connection:
        return connection.execute(select(subject).where(subject.c.subject_id == who)).one()


def contradictions(desk: Desk, who: str) -> list[tuple[str, str, str, str]]:
    found = edc_log(desk.database, SYSTEM_ACTOR, STUDY, now=desk.now).contradictions
    return [(one.about, one.kind, one.here, one.in_edc) for one in found if one.subject_id == who]


def cleared(desk: Desk, **more: str) -> str:
    """A subject whom the EDC has cleared."""
    who = desk.screened(factors={})
    tell(desk, who, **CLEARED | more)
    return who


def randomized(desk: Desk, **more: str) -> str:
    who = cleared(desk, **more)
    randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who))
    return who


# Screen failure -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("was_eligible", [False, True])
def test_a_disposition_of_the_edc_records_the_screen_failure_with_its_date_and_criteria(
    desk: Desk, was_eligible: bool
):
    who = cleared(desk) if was_eligible else desk.screened(factors={})
    desk.move(days=2)
    day = (desk.now - timedelta(days=1)).date()
    tell(desk, who, **{"IT.IN01": "N", "DSDECOD": "SCREEN FAILURE", "DSSTDAT": day.isoformat()})
    row = row_of(desk, who)
    assert (row.status, row.eligible, row.ended_on, row.end_reason) == (
        "screen_failed",
        False,
        day,
        "SCREEN FAILURE",
    )
    with desk.database.read() as connection:
        query = (
            select(ledger_entry.c.after_json)
            .where(ledger_entry.c.subject_id == who, ledger_entry.c.command == "record_eligibility")
            .order_by(ledger_entry.c.entry_id.desc())
        )
        said = connection.execute(query).scalars().first()
    assert said is not None
    assert '"failed_criteria":["IN01"]' in said
    assert '"source":"edc"' in said
    with pytest.raises(DomainRefusal):
        randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who))
    assert contradictions(desk, who) == []


def test_a_disposition_form_that_is_complete_while_a_criterion_is_unmet_is_a_screen_failure_and_neither_alone(
    desk: Desk,
):
    who = desk.screened(factors={})
    tell(desk, who, ds="complete", **{"IT.IN01": "Y"})
    assert row_of(desk, who).status == "screening"
    tell(desk, who, ds="open", **{"IT.IN01": "N"})
    assert row_of(desk, who).status == "screening", "an unmet criterion closes the gate and no more"
    tell(desk, who, ds="complete")
    assert row_of(desk, who).status == "screen_failed"


def test_a_screen_failure_that_was_said_before_screening_or_dated_impossibly_still_counts(desk: Desk):
    tell(desk, "S01-8001", DSDECOD="SCREEN FAILURE", DSSTDAT="1999-01-01")
    desk.screened(subject_id="S01-8001", factors={})
    row = row_of(desk, "S01-8001")
    assert (row.status, row.ended_on) == ("screen_failed", row.screened_on)


def test_a_screen_failure_that_the_edc_takes_back_stays_and_is_shown(desk: Desk):
    who = desk.screened(factors={})
    tell(desk, who, DSDECOD="SCREEN FAILURE")
    tell(desk, who, DSDECOD=None)
    assert row_of(desk, who).status == "screen_failed"
    assert contradictions(desk, who) == [
        ("screening", "screen failure", "screen failure", "no screen failure")
    ]
    tell(desk, who, DSDECOD="SCREEN FAILURE")
    assert contradictions(desk, who) == []


def test_a_screen_failure_of_a_randomized_subject_changes_nothing_and_is_shown(desk: Desk):
    who = randomized(desk)
    before = row_of(desk, who)
    tell(desk, who, DSDECOD="SCREEN FAILURE")
    assert row_of(desk, who) == before
    assert contradictions(desk, who) == [("screening", "screen failure", "randomized", "screen failure")]


def test_beside_a_standalone_trial_a_screen_failure_is_compared_in_both_orders(aside: Desk):
    found = [("screening", "screen failure", "eligible", "screen failure")]
    first = aside.eligible()
    tell(aside, first, DSDECOD="SCREEN FAILURE")
    assert (row_of(aside, first).status, contradictions(aside, first)) == ("eligible", found)
    second = aside.screened()
    tell(aside, second, DSDECOD="SCREEN FAILURE")
    assert (row_of(aside, second).status, contradictions(aside, second)) == ("screening", [])
    record_eligibility(aside.service, ACT, STUDY, EligibilityRequest(subject_id=second, eligible=True))
    assert contradictions(aside, second) == found


# Both orders ----------------------------------------------------------------------------------------------------------------


def act_visit(desk: Desk, who: str, code: str = "V4") -> None:
    request = VisitRequest(subject_id=who, visit_code=code, override_reason="late")
    record_visit(desk.service, ACT, STUDY, request)


def act_missed(desk: Desk, who: str) -> None:
    miss_visit(desk.service, ACT, STUDY, MissVisitRequest(subject_id=who, visit_code="V4"))


@pytest.mark.parametrize("fact_first", [True, False], ids=["the fact came first", "the act came first"])
@pytest.mark.parametrize("act", [act_visit, act_missed])
def test_a_visit_that_the_edc_dates_otherwise_is_found_whichever_came_first(
    aside: Desk, act: Any, fact_first: bool
):
    who = aside.randomized()
    day = aside.now.date() - timedelta(days=1)
    steps = [lambda: tell(aside, who, **{"IT.VISDAT": day.isoformat()}), lambda: act(aside, who)]
    for step in steps if fact_first else reversed(steps):
        step()
    here = aside.now.date().isoformat() if act is act_visit else "missed"
    assert contradictions(aside, who) == [("visit V4", "visit date", here, day.isoformat())]


@pytest.mark.parametrize("fact_first", [True, False], ids=["the fact came first", "the act came first"])
def test_a_stratum_that_the_edc_knows_otherwise_is_found_whichever_came_first(aside: Desk, fact_first: bool):
    who = aside.eligible()
    steps = [
        lambda: tell(aside, who, **{"IT.SEV": "2"}),
        lambda: randomize(
            aside.service, ACT, STUDY, RandomizeRequest(subject_id=who, factors={"SEVERITY": "MILD"})
        ),
    ]
    for step in steps if fact_first else reversed(steps):
        step()
    found = [("factor SEVERITY", "mis-stratification", "MILD", "SEVERE")]
    assert contradictions(aside, who) == found
    # The truth recorded beside the allocation settles it; another level than the EDC's does not.
    act = replace(ACT, reason="source data checked")
    truth = CorrectStratumRequest(subject_id=who, factors={"SEVERITY": "SEVERE"})
    correct_stratum(aside.service, act, STUDY, truth)
    assert contradictions(aside, who) == []
    assert row_of(aside, who).stratum == "SEVERITY=MILD"
    tell(aside, who, **{"IT.SEV": "1"})
    assert contradictions(aside, who) == [("factor SEVERITY", "mis-stratification", "SEVERE", "MILD")]


@pytest.mark.parametrize("fact_first", [True, False], ids=["the fact came first", "the act came first"])
def test_an_eligibility_that_the_edc_denies_is_found_whichever_came_first(desk: Desk, fact_first: bool):
    who = desk.screened(factors={})
    steps = [
        lambda: tell(desk, who, **{"IT.IN01": "N"}),
        lambda: record_eligibility(
            desk.service, ACT, STUDY, EligibilityRequest(subject_id=who, eligible=True)
        ),
    ]
    for step in steps if fact_first else reversed(steps):
        step()
    assert contradictions(desk, who) == [("eligibility", "eligibility", "eligible", "not met: IN01")]


def test_a_visit_that_could_not_be_recorded_yet_is_recorded_when_the_subject_is_ready_for_it(desk: Desk):
    who = randomized(desk)
    tomorrow = (desk.now + timedelta(days=1)).date()
    tell(desk, who, **{"IT.VISDAT": tomorrow.isoformat()})
    assert contradictions(desk, who) == [
        ("visit V4", "visit not recorded", "future-date", tomorrow.isoformat())
    ]
    desk.move(days=1)
    unscheduled = VisitRequest(subject_id=who, visit_number="1.5")
    record_visit(desk.service, ACT, STUDY, unscheduled)
    assert contradictions(desk, who) == []
    with desk.database.read() as connection:
        query = select(subject_visit.c.visit_date).where(
            subject_visit.c.subject_id == who, subject_visit.c.visit_code == "V4"
        )
        assert connection.execute(query).scalar() == tomorrow


# Measures -------------------------------------------------------------------------------------------------------------------


def weights(desk: Desk, who: str) -> list[tuple[int, str]]:
    """Days ago, and kilograms."""
    with desk.database.read() as connection:
        rows = connection.execute(
            select(subject_measurement)
            .where(subject_measurement.c.subject_id == who)
            .order_by(subject_measurement.c.measured_on)
        )
        return [((desk.now.date() - row.measured_on).days, row.value) for row in rows]


def test_a_weight_is_corrected_by_the_edc_that_gave_it_and_a_snapshot_that_repeats_it_is_no_new_measurement(
    desk: Desk,
):
    who = desk.screened(factors={})
    tell(desk, who, **{"IT.WEIGHT": "17500"})
    tell(desk, who, **{"IT.WEIGHT": "71500"})
    assert weights(desk, who) == [(0, "71.5")]
    desk.move(days=30)
    tell(desk, who, **{"IT.WEIGHT": "71500"})
    assert weights(desk, who) == [(30, "71.5")], "as old as it was"
    tell(desk, who, **{"IT.WEIGHT": "73000"})
    assert weights(desk, who) == [(30, "71.5"), (0, "73")]


def test_a_weight_of_the_site_stays_and_the_edcs_other_one_is_shown_whichever_came_first(desk: Desk):
    who = desk.screened(factors={})
    record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=who, visit_number="1.5", weight_kg="70.5"))
    tell(desk, who, **{"IT.WEIGHT": "71500"})
    assert (weights(desk, who), contradictions(desk, who)) == (
        [(0, "70.5")],
        [("weight", "measurement", "70.5", "71.5")],
    )
    other = desk.screened(factors={})
    tell(desk, other, **{"IT.WEIGHT": "71500"})
    record_visit(
        desk.service, ACT, STUDY, VisitRequest(subject_id=other, visit_number="1.5", weight_kg="70.5")
    )
    assert (weights(desk, other), contradictions(desk, other)) == (
        [(0, "70.5")],
        [("weight", "measurement", "70.5", "71.5")],
    )


def test_the_ledger_verifies_and_its_replay_gives_the_same_state(desk: Desk):
    assert verify_ledger(desk.database, STUDY).difference is None
    before = desk.state()
    rebuild_projections(desk.database, STUDY)
    assert desk.state() == before

"""REDCap: records fetched by its documented calls become facts, incrementally, and a fetch that says nothing new changes nothing."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.edc_transfers import Arrival, take_transfer
from allocation.commands.service import Act
from allocation.edc.redcap import SENDER, RedcapUnavailable, fetch_records, read_records
from allocation.errors import DomainRefusal
from allocation.study.edc import Edc
from allocation.study.protocol import Protocol
from allocation.views.blinded.edc import edc_readiness
from tests.api.trial import STUDY
from tests.commands.desk import Desk, desk_at
from tests.edc.http_stand_ins import RedcapProject, serving
from tests.edc.unified import unified_protocol

TOKEN = "8A7F2B0E4C"
MAP = {
    "time_zone": "Europe/Berlin",
    "criteria": [{"criteria": ["IN01"], "item": "in01", "met_by": ["1"]}, {"criteria": ["EX01"], "item": "ex01", "met_by": ["0"]}],
    "factors": [{"factor": "SEVERITY", "item": "severity", "levels": {"1": "MILD", "2": "SEVERE"}}],
    "weight": None,
    "visit_dates": [{"visit": "V4", "event": "week_4_arm_1", "item": "visdat"}],
    "required_forms": [{"form": "eligibility", "event": "screening_arm_1", "randomization": True}],
    "form_status": {"source": "item", "name": "{form}_complete", "complete": ["1"], "validated": ["2"]},
    "outgoing": None,
}  # fmt: skip


def record(subject_id: str, event: str = "screening_arm_1", **fields: str) -> dict[str, str]:
    return {
        "record_id": subject_id,
        "redcap_event_name": event,
        "redcap_repeat_instrument": "",
        "redcap_repeat_instance": "",
        **fields,
    }


def whole(subject_id: str, complete: str = "2") -> dict[str, str]:
    return record(
        subject_id, in01="1", ex01="0", severity="2", initials="JD", visdat="", eligibility_complete=complete
    )


@pytest.fixture
def desk(database_url: str):
    with desk_at(database_url) as empty:
        yield empty.set_up(document=Protocol.model_validate(unified_protocol(**MAP)))


def pull(desk: Desk, url: str, since: datetime | None = None, token: str = TOKEN) -> dict[str, object]:
    began = desk.now
    body = fetch_records(url, token, since, ZoneInfo("Europe/Berlin"))
    return take_transfer(
        desk.service,
        Act(SYSTEM_ACTOR),
        STUDY,
        Arrival(SENDER, facts_until=began),
        lambda edc: read_records(body, edc, began),
    )


def test_a_record_clears_a_subject_and_an_unchanged_one_leaves_no_entry(desk: Desk):
    subject_id = desk.screened()
    project = RedcapProject(TOKEN, [("2026-03-05 08:00:00", whole(subject_id, complete="1"))])
    with serving(project) as url:
        answer = pull(desk, url)
        # Three items and the form; what is empty and was never known is no news.
        assert (answer["subjects"], answer["facts"]) == (1, 4)
        assert answer["unmapped"] == ["initials"]
        assert _missing(desk, subject_id) == ("form eligibility at screening_arm_1 is not validated",)
        before = desk.state()
        desk.move(minutes=1)
        again = pull(desk, url)
        assert (again["facts"], again["repeated"]) == (0, 1)
        assert desk.state() == before
        project.records = [("2026-03-05 12:00:00", whole(subject_id))]
        desk.move(minutes=1)
        assert pull(desk, url)["facts"] == 1
        assert _missing(desk, subject_id) == ()
        # Back to what it was before: news, though the very same record came before.
        project.records = [("2026-03-05 12:01:00", whole(subject_id, complete="1"))]
        desk.move(minutes=1)
        assert pull(desk, url)["facts"] == 1
        assert _missing(desk, subject_id) == ("form eligibility at screening_arm_1 is not validated",)


def _missing(desk: Desk, subject_id: str) -> tuple[str, ...]:
    return edc_readiness(desk.database, SYSTEM_ACTOR, STUDY, subject_id, now=desk.now).missing


def test_only_what_changed_is_asked_for_in_the_servers_own_time_and_with_an_overlap(desk: Desk):
    project = RedcapProject(
        TOKEN, [("2026-03-01 08:00:00", whole("S01-0001")), ("2026-03-02 08:00:00", whole("S01-0002"))]
    )
    with serving(project) as url:
        since = datetime(2026, 3, 2, 7, 5, tzinfo=UTC)  # 08:05 in Berlin
        body = fetch_records(url, TOKEN, since, ZoneInfo("Europe/Berlin"))
    assert [one["record_id"] for one in json.loads(body)] == ["S01-0002"]
    (asked,) = project.asked
    assert asked["dateRangeBegin"] == "2026-03-02 07:55:00"
    assert (asked["content"], asked["format"], asked["type"], asked["rawOrLabel"]) == (
        "record",
        "json",
        "flat",
        "raw",
    )


def test_a_wrong_token_is_refused_without_being_told(desk: Desk):
    before = desk.state()
    with serving(RedcapProject(TOKEN)) as url, pytest.raises(RedcapUnavailable) as refused:
        pull(desk, url, token="SECRET-AND-WRONG")
    assert "403: You do not have permissions" in str(refused.value)
    assert "SECRET" not in str(refused.value)
    assert desk.state() == before


def test_a_server_that_is_not_there_is_named_as_such():
    with serving(RedcapProject(TOKEN)) as url:
        pass
    with pytest.raises(RedcapUnavailable, match="does not answer"):
        fetch_records(url, TOKEN, None, ZoneInfo("UTC"))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        b"[1]",
        b"[{}]",
        b'[{"record_id": ""}]',
        b'[{"record_id": null}]',
        b'[{"record_id": [1]}]',
        b"\xff",
    ],
)
def test_an_answer_that_is_no_list_of_records_is_refused(body):
    with pytest.raises(DomainRefusal) as refused:
        read_records(body, Edc.model_validate(MAP), datetime.now(UTC))
    assert refused.value.code == "edc-malformed"


def test_what_is_null_is_empty_and_numbers_are_as_they_were_sent():
    body = b'[{"record_id": 7, "redcap_event_name": null, "redcap_repeat_instance": 2, "in01": 1, "severity": null}]'
    (told,) = read_records(body, Edc.model_validate(MAP), datetime.now(UTC)).subjects
    assert told.subject_key == "7"
    assert [(one.event, one.form, one.form_repeat, one.item, one.value) for one in told.facts] == [
        ("", "", "2", "in01", "1"),
        ("", "", "2", "severity", None),
    ]


def test_repeated_instruments_and_events_are_places_of_their_own():
    first = record("1", in01="1") | {"redcap_repeat_instrument": "elig", "redcap_repeat_instance": "1"}
    second = record("1", in01="0") | {"redcap_repeat_instrument": "elig", "redcap_repeat_instance": "2"}
    message = read_records(
        json.dumps([first, second]).encode(), Edc.model_validate(MAP), datetime.now(UTC) - timedelta(days=1)
    )
    (told,) = message.subjects
    assert [(one.event, one.form, one.form_repeat, one.value) for one in told.facts] == [
        ("screening_arm_1", "elig", "1", "1"),
        ("screening_arm_1", "elig", "2", "0"),
    ]

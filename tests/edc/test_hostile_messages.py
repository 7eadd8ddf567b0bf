"""What is not signed, not fresh, not well formed or not sane is refused: nothing changes, and the transfer log says why."""

import hashlib
import hmac
import io
import json
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR, Grant
from allocation.access.grants import grant_role, revoke_grant
from allocation.commands import edc_facts
from allocation.edc import receiving
from allocation.edc.field_map import wanted_by
from allocation.edc.odm_xml import read_odm_xml
from allocation.edc.signing import issue_key, revoke_key
from allocation.errors import DomainRefusal, StateChanged
from allocation.study.edc import Edc
from tests.api.trial import PASSWORD, STUDY
from tests.edc.conftest import UnifiedTrial
from tests.edc.unified import PATH, Item, cleared, edc_map, odm, signed_headers

GOOD = odm({"S01-0001": cleared()}, "F.good")

BILLION_LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE ODM [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>
<ODM FileOID="&d;" FileType="Snapshot" CreationDateTime="2026-03-05T08:00:00Z"/>"""

EXTERNAL_ENTITY = b"""<?xml version="1.0"?>
<!DOCTYPE ODM [<!ENTITY x SYSTEM "file:///etc/hostname">]>
<ODM FileOID="&x;" FileType="Snapshot" CreationDateTime="2026-03-05T08:00:00Z"/>"""

PARAMETER_ENTITY = b"""<?xml version="1.0"?>
<!DOCTYPE ODM SYSTEM "http://127.0.0.1:9/odm.dtd" [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x">%x;]>
<ODM FileOID="F" FileType="Snapshot" CreationDateTime="2026-03-05T08:00:00Z"/>"""

HEAD = '<ODM FileOID="F" FileType="Snapshot" CreationDateTime="2026-03-05T08:00:00Z">'


def json_odm(clinical: Any, **root: Any) -> bytes:
    head = {
        "FileOID": "F",
        "FileType": "Snapshot",
        "CreationDateTime": "2026-03-05T08:00:00Z",
        "ODMVersion": "2.0",
    }
    return json.dumps(head | root | {"ClinicalData": clinical}).encode()


MALFORMED = {
    "empty": b"",
    "not XML": b"hello",
    "cut off after whole subjects": GOOD[:-40],
    "another root": b"<html><body/></html>",
    "entities that expand": BILLION_LAUGHS,
    "an external entity": EXTERNAL_ENTITY,
    "an external DTD": PARAMETER_ENTITY,
    "no FileOID": GOOD.replace(b"FileOID", b"FileId"),
    "no CreationDateTime": GOOD.replace(b"CreationDateTime", b"Created"),
    "a date that is none": GOOD.replace(b"2026-03-05T08:00:00Z", b"yesterday"),
    "another version": GOOD.replace(b'ODMVersion="1.3.2"', b'ODMVersion="1.2"'),
    "neither snapshot nor transactional": GOOD.replace(b"Transactional", b"Whatever"),
    "a subject without a key": GOOD.replace(b"SubjectKey", b"Key"),
    "an item without an OID": GOOD.replace(b"ItemOID", b"Item"),
    "another namespace": GOOD.replace(b"http://www.cdisc.org/ns/odm/v1.3", b"urn:example:odm"),
    "the first moment of a calendar": GOOD.replace(b"<ns0:ODM ", b'<ns0:ODM AsOfDateTime="0001-01-01T00:00:00" '),
    "a vendor's elements too deep": (HEAD + '<v:x xmlns:v="urn:v">' * 100 + "</v:x>" * 100 + "</ODM>").encode(),
    "an unknown encoding": b'<?xml version="1.0" encoding="klingon"?>' + HEAD.encode() + b"</ODM>",
    "wrong UTF-8": HEAD.encode() + b"\xff\xfe</ODM>",
    "elements too deep": (HEAD + "<x>" * 100 + "</x>" * 100 + "</ODM>").encode(),
    "data inside an item": (
        HEAD + '<ClinicalData><SubjectData SubjectKey="1"><ItemData ItemOID="A"><SubjectData SubjectKey="2"/>'
        "</ItemData></SubjectData></ClinicalData></ODM>"
    ).encode(),
    "an overlong value": odm({"S01-0001": [Item("IT.IN01", "Y" * 1001)]}, "F.long"),
    "an overlong key": odm({"S" * 201: [Item("IT.IN01", "Y")]}, "F.longkey"),
    "JSON cut off": json_odm([])[:-3],
    "JSON with one name twice": b'{"FileOID": "F", "FileOID": "G"}',
    "JSON with NaN": b'{"FileOID": NaN}',
    "JSON with a number of 5000 digits": json_odm([{"SubjectData": [{"SubjectKey": "S", "StudyEventData": [
        {"StudyEventOID": "E", "ItemGroupData": [{"ItemGroupOID": "IE", "ItemData": [{"ItemOID": "IT.IN01", "Value": "#"}]}]}
    ]}]}]).replace(b'"#"', b"1" * 5000),
    "JSON with a list in a list": json_odm([[{"SubjectData": []}]]),
    "JSON without a subject's key": json_odm([{"SubjectData": [{"StudyEventData": []}]}]),
    "JSON without an event's OID": json_odm([{"SubjectData": [{"SubjectKey": "S", "StudyEventData": [{}]}]}]),
    "JSON with a word for a subject": json_odm([{"SubjectData": ["S01-0001"]}]),
    "JSON without a FileType": b'{"FileOID": "F", "CreationDateTime": "2026-03-05T08:00:00Z"}',
    "JSON of another kind": b'{"resourceType": "Patient"}',
    "JSON too deep": b'{"a":' * 100_000,
    "JSON nested too deep": json_odm([{"ItemGroupData": json.loads('{"ItemGroupData":[' * 80 + "]}" * 80)}]),
    "JSON with a half character": json_odm([{"SubjectData": [{"SubjectKey": "\ud800", "StudyEventData": [
        {"StudyEventOID": "E", "ItemGroupData": [{"ItemGroupOID": "IE", "ItemData": [{"ItemOID": "IT.IN01", "Value": "Y"}]}]}
    ]}]}]),
    "JSON with a zero character": json_odm([{"SubjectData": [{"SubjectKey": "S", "StudyEventData": [
        {"StudyEventOID": "E", "ItemGroupData": [{"ItemGroupOID": "IE", "ItemData": [{"ItemOID": "IT.IN01", "Value": "\0"}]}]}
    ]}]}]),
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_a_message_that_cannot_be_read_is_refused_whole_and_listed(unified: UnifiedTrial, what: str):
    before = unified.trial.state()
    unified.trial.clock.move(seconds=1)
    started = time.monotonic()
    answer = unified.edc.push(MALFORMED[what])
    assert time.monotonic() - started < 5
    assert (answer.status_code, answer.json()["code"]) == (422, "edc-malformed"), answer.text
    assert answer.json()["fix"]
    assert unified.trial.state() == before
    last = unified.trial.clients["monitor"].get(f"{PATH}/edc/log").json()["transfers"][0]
    assert (last["outcome"], last["code"], last["facts"]) == ("refused", "edc-malformed", 0)
    assert "root:" not in answer.text


def test_only_a_right_and_fresh_signature_of_a_key_in_force_is_taken(unified: UnifiedTrial):
    edc, trial = unified.edc, unified.trial
    now = trial.clock()
    right = signed_headers(edc.key_id, edc.key, GOOD, now)
    late = int(now.timestamp())
    wrong = {
        "no signature": {},
        "no timestamp": right | {"X-RTSM-Timestamp": ""},
        "another body": signed_headers(edc.key_id, edc.key, GOOD + b" ", now),
        "another study": signed_headers(edc.key_id, edc.key, GOOD, now, "OTHER-STUDY"),
        "another key": signed_headers(edc.key_id, "00" * 32, GOOD, now),
        "an unknown id": signed_headers("edc-000000000000", edc.key, GOOD, now),
        "a moved timestamp": right | {"X-RTSM-Timestamp": str(late + 1)},
        "no number": right | {"X-RTSM-Timestamp": "now"},
        "no hexadecimal": right | {"X-RTSM-Signature": "v1=ü"},
    }
    for step in (-301, 301):
        text = f"v1:{STUDY}:{late + step}:{hashlib.sha256(GOOD).hexdigest()}"
        wrong[f"{step} s off"] = _signed(edc.key_id, edc.key, str(late + step), text)
    before = trial.state()
    transfers = trial.clients["monitor"].get(f"{PATH}/edc/log").json()["transfers"]
    details = set()
    for what, headers in wrong.items():
        sent = {name: value.encode() for name, value in headers.items()}
        answer = edc.http.post(f"{PATH}/edc/odm", content=GOOD, headers=sent)
        assert (answer.status_code, answer.json()["code"]) == (401, "edc-signature-refused"), what
        if what != "no signature":
            details.add(answer.json()["detail"])
    assert len(details) == 1, "the answer does not tell what was wrong"
    assert trial.state() == before
    assert trial.clients["monitor"].get(f"{PATH}/edc/log").json()["transfers"] == transfers


def _signed(key_id: str, key: str, timestamp: str, text: str) -> dict[str, str]:
    value = hmac.new(bytes.fromhex(key), text.encode(), hashlib.sha256).hexdigest()
    return {"X-RTSM-Key": key_id, "X-RTSM-Timestamp": timestamp, "X-RTSM-Signature": f"v1={value}"}


def test_a_replayed_transfer_is_refused_and_the_message_signed_again_changes_nothing(unified: UnifiedTrial):
    edc, trial = unified.edc, unified.trial
    body = odm({"S01-7001": cleared()}, "F.replay")
    headers = signed_headers(edc.key_id, edc.key, body, trial.clock())
    first = edc.http.post(f"{PATH}/edc/odm", content=body, headers=headers)
    assert (first.status_code, first.json()["subjects"]) == (200, 1)
    before = trial.state()
    again = edc.http.post(f"{PATH}/edc/odm", content=body, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "edc-replayed")
    trial.clock.move(seconds=1)
    answer = edc.push(body).json()
    assert (answer["subjects"], answer["facts"], answer["repeated"]) == (0, 0, 1)
    assert trial.state() == before


def test_a_message_from_the_future_is_refused(unified: UnifiedTrial):
    trial = unified.trial
    before = trial.state()
    for body in (
        odm({"S01-7002": cleared()}, "F.future", created="2026-03-09T08:00:00Z"),
        odm({"S01-7002": [Item("IT.IN01", "Y", at="2031-01-01T00:00:00Z")]}, "F.future.2"),
    ):
        answer = unified.edc.push(body)
        assert (answer.status_code, answer.json()["code"]) == (422, "edc-future")
    assert trial.state() == before


def test_a_fault_in_the_middle_takes_the_whole_message_back(
    unified: UnifiedTrial, monkeypatch: pytest.MonkeyPatch
):
    """Two subjects have been stored when the third is met by a refusal."""
    before, met = unified.trial.state(), []

    def fails(_transaction: Any, key: str) -> bool:
        met.append(key)
        if len(met) == 3:
            raise StateChanged("a fault")
        return False

    monkeypatch.setattr(edc_facts, "_came_before", fails)
    answer = unified.edc.push(odm({f"S01-700{number}": cleared() for number in (3, 4, 5)}, "F.half"))
    assert (answer.status_code, len(met)) == (409, 3)
    assert unified.trial.state() == before


def test_an_account_that_the_protocol_does_not_name_or_without_the_role_cannot_send(
    unified: UnifiedTrial, secret: bytes
):
    trial = unified.trial
    create_account(trial.database, SYSTEM_ACTOR, "second.edc", "Another EDC", PASSWORD, trial.clock)
    with pytest.raises(DomainRefusal, match="does not hold the role edc"):
        issue_key(trial.database, SYSTEM_ACTOR, STUDY, "second.edc", secret, trial.clock)
    grant = Grant("edc", STUDY)
    grant_role(trial.database, SYSTEM_ACTOR, "second.edc", grant, trial.clock)
    key_id, key = issue_key(trial.database, SYSTEM_ACTOR, STUDY, "second.edc", secret, trial.clock)

    def push() -> tuple[int, str]:
        trial.clock.move(seconds=1)
        headers = signed_headers(key_id, key, GOOD, trial.clock())
        answer = unified.edc.http.post(f"{PATH}/edc/odm", content=GOOD, headers=headers)
        return answer.status_code, answer.json()["code"]

    assert push() == (422, "edc-sender-unknown")
    revoke_grant(trial.database, SYSTEM_ACTOR, "second.edc", grant, trial.clock, reason="left")
    assert push() == (403, "not-permitted")
    revoke_key(trial.database, SYSTEM_ACTOR, STUDY, key_id, trial.clock, reason="left")
    assert push() == (401, "edc-signature-refused")


def test_a_key_is_refused_under_another_secret_and_without_one(
    unified: UnifiedTrial, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    monkeypatch.setenv("RTSM_EDC_SECRET", "another secret of the same installation")
    assert unified.edc.push(GOOD).status_code == 401
    monkeypatch.delenv("RTSM_EDC_SECRET")
    monkeypatch.setenv("RTSM_HOME", str(tmp_path))
    assert unified.edc.push(GOOD).status_code == 401
    forged = signed_headers(unified.edc.key_id, "", GOOD, unified.trial.clock())
    assert unified.edc.http.post(f"{PATH}/edc/odm", content=GOOD, headers=forged).status_code == 401


def test_a_message_that_is_too_large_is_read_no_further(
    unified: UnifiedTrial, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(receiving, "LARGEST", 100_000)
    before = unified.trial.state()
    answer = unified.edc.push(odm({"S01-7005": cleared()}, "F.large") + b" " * 200_000)
    assert (answer.status_code, answer.json()["code"]) == (422, "edc-too-large")
    assert unified.trial.state() == before


def large_message(subjects: int, items: int) -> Iterator[bytes]:
    """Subjects whose items nobody mapped, behind two that matter."""
    few = odm({"S01-7006": cleared(), "S01-7007": cleared("2")}, "F.big").decode()
    at = few.index("</", few.rindex("</ns0:SubjectData>") + 2)
    yield few[:at].encode()
    for number in range(subjects):
        filler = "".join(
            f'<ns0:ItemData ItemOID="IT.X{index % 50}" Value="{index:060}"/>' for index in range(items)
        )
        yield (
            f'<ns0:SubjectData SubjectKey="S02-{number}"><ns0:StudyEventData StudyEventOID="E"><ns0:FormData FormOID="LB">'
            f'<ns0:ItemGroupData ItemGroupOID="G">{filler}</ns0:ItemGroupData></ns0:FormData></ns0:StudyEventData>'
            "</ns0:SubjectData>"
        ).encode()
    yield few[at:].encode()


def test_a_large_message_is_taken(unified: UnifiedTrial):
    body = b"".join(large_message(subjects=100, items=400))
    assert len(body) > 3_500_000
    answer = unified.edc.push(body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["subjects"] == 2
    assert len(answer.json()["unmapped"]) == 50


def test_a_stream_is_read_in_memory_that_does_not_grow_with_it():
    wanted = wanted_by(Edc.model_validate(edc_map()))
    peaks = []
    for subjects in (5, 200):
        stream = io.BytesIO(b"".join(large_message(subjects, items=100)))
        tracemalloc.start()
        reader = read_odm_xml(stream, ZoneInfo("UTC"), wanted)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(reader.found) == 2 * (4 + 3), "four items and three required forms of each"
        assert len(reader.passed_over) == 50
    assert peaks[1] < peaks[0] * 1.5, peaks

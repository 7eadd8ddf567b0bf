"""The ODM samples that odmlib carries, through all of the receiving path: read, mapped, kept, followed, and asked by the gate."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import odmlib.odm_1_3_2.model as odm_1_3_2
import pytest
from odmlib.loader import ODMLoader
from odmlib.odm_loader import XMLODMLoader
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.edc_transfers import Arrival, take_transfer
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.service import Act
from allocation.edc.receiving import ReceivedBody
from allocation.errors import DomainRefusal
from allocation.ledger.schema import subject, subject_measurement, subject_visit
from allocation.study.edc import Edc
from allocation.study.protocol import Protocol
from allocation.views.blinded.edc import edc_readiness
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk, desk_at
from tests.edc.unified import unified_protocol

SAMPLES = Path(__file__).parent / "odmlib_samples"
SNAPSHOT = "odm-data-snapshot.xml"
MAP = {
    "time_zone": "Asia/Seoul",
    "criteria": [
        {"criteria": ["IN01"], "form": "DM", "item": "IT.AGEU", "met_by": ["YEARS"]},
        {"criteria": ["EX01"], "form": "DS", "item": "IT.DSYN", "met_by": ["Yes"]},
    ],
    "factors": [
        {
            "factor": "SEVERITY",
            "item": "IT.ETHNIC",
            "levels": {"HISPANIC/LATINO": "SEVERE", "OTHER": "MILD"},
        }
    ],
    "weight": {"item": "IT.PT_WEIGHT", "measured_on": {"item": "IT.VISITDTC"}},
    "visit_dates": [{"visit": "V4", "event": "SE.VISIT 1", "form": "DS", "item": "IT.DSSTDTC"}],
    "required_forms": [{"form": "DM", "randomization": True, "status": "complete"}],
    # The file has no status of forms: one that is there counts.
    "form_status": {"name": "FormOID", "complete": ["DM"], "validated": []},
    "outgoing": None,
}


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    with desk_at(database_url) as empty:
        yield empty.set_up(document=Protocol.model_validate(unified_protocol(**MAP)))


def take(desk: Desk, content: bytes) -> dict[str, Any]:
    with closing(ReceivedBody()) as body:
        body.add(content)
        return take_transfer(desk.service, Act(SYSTEM_ACTOR), STUDY, Arrival(None), body.read_odm)


def load(desk: Desk, name: str) -> dict[str, Any]:
    return take(desk, (SAMPLES / name).read_bytes())


def read(content: bytes, **edc: Any) -> Any:
    with closing(ReceivedBody()) as body:
        body.add(content)
        return body.read_odm(Edc.model_validate(edc))


def missing(desk: Desk, subject_id: str) -> tuple[str, ...]:
    return edc_readiness(desk.database, SYSTEM_ACTOR, STUDY, subject_id, now=desk.now).missing


def by_odmlib(name: str) -> Any:
    """The sample as odmlib reads it."""
    loader = ODMLoader(XMLODMLoader(model_package="odm_1_3_2"))
    loader.open_odm_document(str(SAMPLES / name))
    return loader.root()


def transactional(file_oid: str, subject_data: Any) -> bytes:
    """A transactional file as odmlib writes it."""
    root = odm_1_3_2.ODM(
        FileOID=file_oid,
        FileType="Transactional",
        ODMVersion="1.3.2",
        CreationDateTime="2022-03-10T09:00:00",
    )
    clinical = odm_1_3_2.ClinicalData(StudyOID="1001_virus", MetaDataVersionOID="v1.0.0")
    clinical.SubjectData.append(subject_data)
    root.ClinicalData.append(clinical)
    text: str = root.to_xml_string()
    return text.encode()


def test_the_samples_are_the_files_that_their_readme_names():
    readme = (SAMPLES / "README.md").read_text("utf-8")
    named = dict(re.findall(r"\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|", readme))
    found = {file.name: file for file in SAMPLES.iterdir() if file.suffix in (".xml", ".json")}
    assert named == {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in found.items()}


def test_a_real_snapshot_clears_one_subject_gives_its_level_weight_and_visit_and_names_what_the_other_lacks(
    desk: Desk,
):
    for who in ("SS_0001", "SS_0002"):
        desk.screened(subject_id=who, screened_on=date(2022, 2, 10), factors={})
    answer = load(desk, SNAPSHOT)
    assert (answer["message_id"], answer["subjects"], answer["superseded"]) == (
        "Study-Virus-20220308071610",
        2,
        0,
    )
    assert {"IT.AETERM", "IT.BRTHDAT", "IT.SEX"} < set(answer["unmapped"])
    assert missing(desk, "SS_0001") == ()
    assert missing(desk, "SS_0002") == ("criterion EX01 is not answered", "factor SEVERITY is not known")
    with desk.database.read() as connection:
        rows = {row.subject_id: row for row in connection.execute(select(subject))}
        weights = connection.execute(select(subject_measurement)).all()
        visits = connection.execute(select(subject_visit).where(subject_visit.c.visit_code == "V4")).all()
    assert (rows["SS_0001"].status, rows["SS_0001"].factors_json) == ("eligible", '{"SEVERITY":"SEVERE"}')
    assert (rows["SS_0002"].status, rows["SS_0002"].factors_json) == ("screening", "{}")
    # Stated at two visits, with one date: one measurement, by its date.
    assert [(row.subject_id, row.value, row.measured_on) for row in weights] == [
        ("SS_0001", "56", date(2022, 2, 12))
    ]
    assert [(row.subject_id, row.visit_date) for row in visits] == [("SS_0001", date(2022, 2, 12))]
    assert load(desk, SNAPSHOT)["repeated"] == 2
    with pytest.raises(DomainRefusal) as refused:
        randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id="SS_0002"))
    assert refused.value.code == "edc-not-ready"
    # A transactional file that odmlib writes: an item changed as of its own moment, and a form removed.
    event = odm_1_3_2.StudyEventData(StudyEventOID="SE.VISIT 1", StudyEventRepeatKey="1")
    event.FormData.append(odm_1_3_2.FormData(FormOID="DS", TransactionType="Remove"))
    gone = odm_1_3_2.SubjectData(SubjectKey="SS_0001", TransactionType="Update")
    gone.StudyEventData.append(event)
    assert take(desk, transactional("T.1", gone))["subjects"] == 1
    assert missing(desk, "SS_0001") == ("criterion EX01 is not answered",)
    item = odm_1_3_2.ItemData(ItemOID="IT.DSYN", Value="Yes", TransactionType="Insert")
    item.AuditRecord = odm_1_3_2.AuditRecord(UserRef=odm_1_3_2.UserRef(UserOID="U.1"))
    item.AuditRecord.LocationRef = odm_1_3_2.LocationRef(LocationOID="S01")
    item.AuditRecord.DateTimeStamp = odm_1_3_2.DateTimeStamp(_content="2022-03-11T09:00:00+09:00")
    group = odm_1_3_2.ItemGroupData(ItemGroupOID="IG.DS", ItemGroupRepeatKey="1")
    group.ItemData.append(item)
    event = odm_1_3_2.StudyEventData(StudyEventOID="SE.VISIT 1", StudyEventRepeatKey="1")
    event.FormData.append(odm_1_3_2.FormData(FormOID="DS", TransactionType="Upsert"))
    event.FormData[0].ItemGroupData.append(group)
    back = odm_1_3_2.SubjectData(SubjectKey="SS_0001", TransactionType="Update")
    back.StudyEventData.append(event)
    assert take(desk, transactional("T.2", back))["facts"] == 1
    assert missing(desk, "SS_0001") == ()
    request = RandomizeRequest(subject_id="SS_0001", override_reason="rescreened")
    assert randomize(desk.service, ACT, STUDY, request)["status"] == "randomized"


def test_the_snapshot_says_the_same_as_json_by_odmlib():
    from_xml = read((SAMPLES / SNAPSHOT).read_bytes(), **MAP)
    from_json = read(by_odmlib(SNAPSHOT).to_json().encode(), **MAP)
    assert (from_xml.source, from_json.source) == ("odm-xml", "odm-json")
    assert from_json.subjects == from_xml.subjects
    assert len(from_xml.subjects) == 2
    assert {fact.at for told in from_xml.subjects for fact in told.facts} == {
        datetime(2022, 3, 7, 22, 16, 10, tzinfo=UTC)
    }


def test_clinical_data_of_two_metadata_versions_are_one_subject_and_wait_until_their_moment_has_come(
    desk: Desk,
):
    before = desk.state()
    with pytest.raises(
        DomainRefusal
    ) as refused:  # the sample was made in August 2026, and the trial is in March
        load(desk, "test_clinical_data_01.xml")
    assert refused.value.code == "edc-future"
    assert desk.state() == before
    message = read(
        (SAMPLES / "test_clinical_data_01.xml").read_bytes(), weight={"item": "LBORRES", "group": "LB"}
    )
    (told,) = message.subjects
    assert told.subject_key == "1000"
    assert [(one.event, one.form, one.item_group, one.value) for one in told.facts] == [
        ("Screen", "LABDATA", "LB", "245"),
        ("VISIT_1", "LABDATA", "LB", "300"),
    ]
    desk.move(days=200)
    later = load(desk, "test_clinical_data_01.xml")
    assert (later["subjects"], later["facts"]) == (0, 0)
    assert later["unmapped"] == ["USUBJID", "SEX", "LBDTC", "LBTESTCD", "LBORRES", "AETERM", "AESTDTC"]


OTHERS = sorted(
    {file.name for file in SAMPLES.iterdir() if file.suffix in (".xml", ".json")}
    - {SNAPSHOT, "test_clinical_data_01.xml"}
)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_of_subjects_says_nothing_of_them(name: str):
    """Metadata of 1.3.2 and 2.0, reference data, rows of datasets; one file uses a prefix that it does not declare."""
    content = (SAMPLES / name).read_bytes()
    if name == "test_odm_001.xml":
        with pytest.raises(DomainRefusal, match="not well-formed"):
            read(content, **MAP)
    else:
        message = read(content, **MAP)
        assert message.subjects == ()
        assert message.message_id in content.decode()

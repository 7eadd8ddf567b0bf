"""What is sent is ODM by CDISC's own schema, read by odmlib, and the same bytes whatever the treatment labels are."""

import json
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import odmlib.odm_1_3_2.model as odm_1_3_2
import pytest
import xmlschema
from defusedxml.ElementTree import fromstring
from odmlib.loader import ODMLoader
from odmlib.odm_loader import XMLODMLoader
from sqlalchemy import select

from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit
from allocation.edc.schema import edc_outbox
from allocation.edc.sending import send_waiting
from allocation.study.protocol import Protocol
from tests.api.conftest import Trial, trial_at
from tests.api.trial import AS_IS, PERMUTED, STUDY
from tests.commands.desk import ACT, Desk, desk_at
from tests.edc.http_stand_ins import EdcInbox, serving
from tests.edc.unified import ODM, PATH, unified_protocol

ODM_2 = "http://www.cdisc.org/ns/odm/v2.0"


def standalone(**out: Any) -> dict[str, Any]:
    outgoing = {"study_oid": "ST.1", "metadata_version_oid": "MDV.1", "events": {"V2": "SE.BASE"}}
    document = unified_protocol(mode="standalone", outgoing=outgoing | out)
    document["stratification"][0]["source"] = "entered"
    document["dosing"] = {"unscheduled": True}
    return document


def play(trial: Trial, people: int) -> list[str]:
    """Screen, randomize, dispense, visit, miss and refuse (six people: until the list runs out); gives what the blinded EDC and its
    watchers get."""
    coordinator, pharmacist = trial.clients["coordinator"], trial.clients["pharmacist"]
    subjects = []
    for index in range(people):
        body = {
            "site_id": "S01",
            "sex": "F",
            "age": 30,
            "factors": {"SEVERITY": ("MILD", "SEVERE")[index % 2]},
        }
        subjects.append(
            {"subject_id": coordinator.done(f"{PATH}/subjects", body, key=f"s{index}")["subject_id"]}
        )
        coordinator.done(f"{PATH}/eligibility", {**subjects[-1], "eligible": True}, key=f"e{index}")
        coordinator.post(f"{PATH}/randomizations", subjects[-1], key=f"r{index}")
        coordinator.post(f"{PATH}/randomizations", subjects[-1], key=f"again{index}")
        asked = {**subjects[-1], "visit_code": "V2"}
        given = pharmacist.post(f"{PATH}/dispensings", asked, key=f"d{index}").json()
        if index == 1:
            asked = {**subjects[-1], "visit_number": "2.1"}
            pharmacist.done(f"{PATH}/dispensings", asked, key="more kits")
        elif "kit_numbers" in given:  # a site that has no other one of its type refuses
            lost = {
                **subjects[-1],
                "kit_number": given["kit_numbers"][0],
                "found": "lost",
                "reason": "a train",
            }
            pharmacist.post(f"{PATH}/kit-replacements", lost, key=f"l{index}")
    trial.clock.move(days=14)
    for index, who in enumerate(subjects):
        asked = {**who, "visit_code": "V3", "titration": ("up", "maintain")[index % 2]}
        pharmacist.post(f"{PATH}/dispensings", asked, key=f"t{index}")
    coordinator.post(f"{PATH}/missed-visits", {**subjects[0], "visit_code": "V4"}, key="miss")
    coordinator.post(f"{PATH}/visits", {**subjects[1], "visit_number": "3.1"}, key="unscheduled")
    inbox = EdcInbox(plan=[422, 503])
    with serving(inbox) as url:
        send_waiting(trial.database, STUDY, url, None, trial.clock)
    logs = [
        trial.clients[who].get(f"{PATH}/edc/log").text for who in ("edc.system", "monitor", "coordinator")
    ]
    readiness = [
        trial.clients["edc.system"].get(f"{PATH}/edc/subjects/{one['subject_id']}").text for one in subjects
    ]
    return [*map(repr, inbox.taken), *logs, *readiness]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("database_kind", "people", "out"),
    [
        ("sqlite", 6, {}),
        pytest.param("postgresql", 3, {}, marks=pytest.mark.postgres),
        ("sqlite", 3, {"format": "odm-2.0-json"}),
    ],
    ids=["sqlite-xml", "postgresql-xml", "sqlite-json"],
)
def test_permuting_the_treatment_labels_changes_no_byte_that_the_edc_gets(
    database_kind, people, tmp_path, request, out
):
    with ExitStack() as stack:
        urls = [f"sqlite:///{tmp_path / 'one.db'}", f"sqlite:///{tmp_path / 'two.db'}"]
        if database_kind == "postgresql":
            pool = request.getfixturevalue("migrated_postgres")
            urls = [stack.enter_context(pool.lend()) for _ in urls]
        one, two = (
            stack.enter_context(trial_at(url, labels, document=standalone(**out)))
            for url, labels in zip(urls, (AS_IS, PERMUTED), strict=True)
        )
        first, second = play(one, people), play(two, people)
        for mine, twins in zip(first, second, strict=True):
            assert mine == twins
        assert not [text for text in first if "ZZ" in text]
        assert sum("RTSM.RANDNO" in text for text in first) == people
        assert sum("RTSM.KITNO" in text for text in first) >= people - 2
        assert sum("UNSCHEDULED" in text for text in first) == 2
        assert sum("RTSM.KITREPL" in text for text in first) >= 1
        arms = f"{PATH}/unblinded/subjects"
        assert one.clients["statistician"].get(arms).content != two.clients["statistician"].get(arms).content


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The messages of one trial in each format, by format."""
    found = {}
    for kind in ("odm-1.3.2-xml", "odm-2.0-json"):
        folder: Path = tmp_path_factory.mktemp("trial")
        with desk_at(f"sqlite:///{folder / 'rtsm.db'}") as desk:
            document = standalone(format=kind)
            desk.set_up(document=Protocol.model_validate(document))
            _play_at_desk(desk)
            with desk.database.read() as connection:
                query = select(edc_outbox.c.body).order_by(edc_outbox.c.entry_id)
                found[kind] = list(connection.execute(query).scalars())
    return found


def _play_at_desk(desk: Desk) -> None:
    """Each kind of message once or more."""
    for number in range(2):
        who = desk.randomized()
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_number="2.1"))
        record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=who, visit_number="2.1"))
        if number == 0:
            miss_visit(desk.service, ACT, STUDY, MissVisitRequest(subject_id=who, visit_code="V4"))


def test_every_xml_message_is_valid_by_the_schema_of_odm_1_3_2_and_says_what_happened(sent):
    schema = xmlschema.XMLSchema(str(files("odmlib") / "schemas" / "odm" / "1.3.2" / "ODM1-3-2.xsd"))
    by_event: dict[str, dict[str, str]] = {}
    for text in sent["odm-1.3.2-xml"]:
        schema.validate(text)
        loader = ODMLoader(XMLODMLoader(model_package="odm_1_3_2"))
        loader.load_odm_string(text)
        document: odm_1_3_2.ODM = loader.root()
        subject = document.ClinicalData[0].SubjectData[0]
        assert (subject.TransactionType, document.FileType) == ("Upsert", "Transactional")
        event = subject.StudyEventData[0]
        if subject.SubjectKey == "S01-0001":
            for group in event.FormData[0].ItemGroupData:
                for item in group.ItemData:
                    by_event.setdefault(event.StudyEventOID, {})[item.ItemOID] = item.Value
    assert by_event["V1"] == {"RTSM.VISDAT": "2026-03-04", "RTSM.VISSTAT": "done"}
    assert by_event["SE.BASE"] | {"RTSM.KITNO": "?"} == {
        "RTSM.RANDNO": "R7919",
        "RTSM.RANDDAT": "2026-03-04",
        "RTSM.VISDAT": "2026-03-04",
        "RTSM.VISSTAT": "done",
        "RTSM.DISPDAT": "2026-03-04",
        "RTSM.KITNO": "?",
    }
    assert by_event["V4"] == {"RTSM.VISSTAT": "missed"}
    assert by_event["UNSCHEDULED"]["RTSM.VISNUM"] == "2.1"


def as_xml(name: str, element: Any) -> ElementTree.Element:
    """ODM 2.0 JSON as the XML that it stands for: plain members are attributes, objects and lists are elements."""
    made = ElementTree.Element(f"{{{ODM_2}}}{name}")
    for key, value in element.items():
        if key == "_content":
            made.text = value
        elif isinstance(value, (dict, list)):
            made.extend(as_xml(key, one) for one in (value if isinstance(value, list) else [value]))
        else:
            made.set(key, value)
    return made


def test_every_json_message_is_valid_by_the_schema_of_odm_2_0_and_says_the_same_as_xml(sent):
    schema = xmlschema.XMLSchema(str(files("odmlib") / "schemas" / "odm" / "2.0" / "ODM.xsd"))
    assert len(sent["odm-2.0-json"]) == len(sent["odm-1.3.2-xml"])
    for text, twin in zip(sent["odm-2.0-json"], sent["odm-1.3.2-xml"], strict=True):
        document = as_xml("ODM", json.loads(text))
        schema.validate(document)
        mine = [(one.get("ItemOID"), one[0].text) for one in document.iter(f"{{{ODM_2}}}ItemData")]
        theirs = [
            (one.get("ItemOID"), one.get("Value")) for one in fromstring(twin).iter(f"{{{ODM}}}ItemData")
        ]
        assert mine == theirs
        assert mine

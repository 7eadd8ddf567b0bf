"""What messages say: moments, removals, nested groups, typed items, ODM 2.0 in XML and JSON, unmapped items, duplicates."""

import json
import re
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from allocation.edc.receiving import ReceivedBody
from allocation.errors import DomainRefusal
from allocation.study.edc import Edc
from tests.edc.unified import ODM, Item, edc_map, odm

MORE = {
    "criteria": [{"criteria": ["IN01"], "item": "IT.IN01"}, {"criteria": ["EX01"], "item": "IT.EX01"}],
    "time_zone": "Europe/Berlin",
}
EDC = Edc.model_validate(edc_map(**MORE))
HEAD = f'<ODM xmlns="{ODM}" FileOID="F" FileType="Snapshot" CreationDateTime="2026-03-05T09:00:00"'


def read(body: bytes | str, edc: Edc = EDC) -> Any:
    with closing(ReceivedBody()) as received:
        received.add(body if isinstance(body, bytes) else body.encode())
        return received.read_odm(edc)


def facts(message: Any) -> list[tuple[str, ...]]:
    """Subject, kind, event, form, group, item, value and UTC time of each fact."""
    return [
        (told.subject_key, one.kind, one.event, one.form, one.item_group, one.item, one.value, f"{one.at.astimezone(UTC):%m-%dT%H:%M}")
        for told in message.subjects
        for one in told.facts
    ]  # fmt: skip


def clinical(inner: str, after: str = "") -> str:
    return (
        f'{HEAD}><ClinicalData StudyOID="S" MetaDataVersionOID="1"><SubjectData SubjectKey="1"><StudyEventData '
        f'StudyEventOID="E">{inner}</StudyEventData></SubjectData>{after}</ClinicalData></ODM>'
    )


def form(inner: str, attributes: str = "") -> str:
    return f'<FormData FormOID="IE" {attributes}><ItemGroupData ItemGroupOID="G">{inner}</ItemGroupData></FormData>'


def test_a_moment_is_that_of_the_nearest_audit_record_else_that_of_the_file():
    audit = "<AuditRecord><DateTimeStamp>{}</DateTimeStamp></AuditRecord>"
    text = clinical(
        form(
            f'<ItemData ItemOID="IT.IN01" Value="Y">{audit.format("2026-03-01T10:00:00Z")}</ItemData>'
            '<ItemData ItemOID="IT.EX01" Value="N"/>'
            '<ItemData ItemOID="IT.WEIGHT" Value="1" AuditRecordID="A.1"/>'
        ),
        '<AuditRecords><AuditRecord ID="A.1"><DateTimeStamp>2026-03-02T10:00:00+02:00</DateTimeStamp></AuditRecord></AuditRecords>',
    )
    times = {row[5]: row[7] for row in facts(read(text)) if row[1] == "item"}
    # The file's own moment has no offset and is in the EDC's zone, an hour ahead of UTC.
    assert times == {"IT.IN01": "03-01T10:00", "IT.EX01": "03-05T08:00", "IT.WEIGHT": "03-02T08:00"}


def test_typed_items_null_items_and_context_are_what_they_say():
    text = clinical(
        form(
            '<ItemDataString ItemOID="IT.IN01">Y</ItemDataString><ItemData ItemOID="IT.EX01" IsNull="Yes"/>'
            '<ItemDataFloat ItemOID="IT.WEIGHT">71.5</ItemDataFloat>'
            '<ItemData ItemOID="IT.SEV" Value="2" TransactionType="Context"/>'
        )
    )
    values = {row[5]: row[6] for row in facts(read(text)) if row[1] == "item"}
    assert values == {"IT.IN01": "Y", "IT.EX01": None, "IT.WEIGHT": "71.5"}


def test_a_removed_form_takes_all_under_it_away_and_a_removed_item_only_itself():
    text = clinical(
        form('<ItemData ItemOID="IT.IN01" Value="Y"/>', 'TransactionType="Remove"')
        + form('<ItemData ItemOID="IT.EX01" Value="N" TransactionType="Remove"/>', 'FormRepeatKey="2"')
    )
    assert [row[1:7] for row in facts(read(text))] == [
        ("removal", "E", "IE", "", "", None),
        ("item", "E", "IE", "G", "IT.IN01", None),
        ("form", "E", "IE", "", "", "open"),
        ("item", "E", "IE", "G", "IT.EX01", None),
    ]


def test_a_forms_state_is_told_by_an_attribute_a_flag_or_an_item_in_the_edcs_own_words():
    attribute = clinical(form("", 'xmlns:v="urn:v" v:Status="locked"'))
    assert [row[6] for row in facts(read(attribute))] == ["validated"]
    assert [row[6] for row in facts(read(attribute.replace("locked", "started")))] == ["open"]
    flagged = Edc.model_validate(
        edc_map(form_status={"source": "flag", "name": "CL.DONE", "complete": ["C"], "validated": ["V"]})
    )
    flag = '<Annotation SeqNum="1"><Flag><FlagValue CodeListOID="CL.DONE">C</FlagValue></Flag></Annotation>'
    text = clinical(form("").replace("<ItemGroupData", flag + "<ItemGroupData"))
    assert [row[6] for row in facts(read(text, flagged))] == ["complete"]
    told = Edc.model_validate(
        edc_map(
            form_status={"source": "item", "name": "{form}_complete", "complete": ["1"], "validated": ["2"]}
        )
    )
    text = clinical(form('<ItemData ItemOID="IE_complete" Value="2"/>'))
    assert [row[1:7] for row in facts(read(text, told))] == [("form", "E", "IE", "", "", "validated")]


V2_XML = f"""{HEAD.replace("v1.3", "v2.0")} ODMVersion="2.0"><ClinicalData StudyOID="S" MetaDataVersionOID="1">
<SubjectData SubjectKey="1"><StudyEventData StudyEventOID="E"><ItemGroupData ItemGroupOID="IE" Status="verified">
<ItemGroupData ItemGroupOID="SECTION" ItemGroupRepeatKey="1"><ItemData ItemOID="IT.IN01"><Value>Y</Value></ItemData>
<ItemData ItemOID="IT.EX01"><Value>N</Value><AuditRecord><DateTimeStamp>2026-03-01T10:00:00Z</DateTimeStamp></AuditRecord></ItemData>
</ItemGroupData></ItemGroupData></StudyEventData></SubjectData></ClinicalData></ODM>"""

V2_JSON = {
    "FileOID": "F", "FileType": "Snapshot", "CreationDateTime": "2026-03-05T09:00:00", "ODMVersion": "2.0",
    "ClinicalData": {"StudyOID": "S", "MetaDataVersionOID": "1", "SubjectData": [{"SubjectKey": "1", "StudyEventData": [
        {"StudyEventOID": "E", "ItemGroupData": [{"ItemGroupOID": "IE", "Status": "verified", "ItemGroupData": [
            {"ItemGroupOID": "SECTION", "ItemGroupRepeatKey": "1", "ItemData": [
                {"ItemOID": "IT.IN01", "Value": "Y"},
                {"ItemOID": "IT.EX01", "Value": [{"_content": "N"}],
                 "AuditRecord": {"DateTimeStamp": {"_content": "2026-03-01T10:00:00Z"}}},
            ]}]}]}]}]},
}  # fmt: skip


def test_odm_2_says_the_same_in_xml_and_in_json_and_its_outer_item_group_is_the_form():
    message = read(V2_XML)
    assert facts(message) == [
        ("1", "form", "E", "IE", "", "", "validated", "03-05T08:00"),
        ("1", "item", "E", "IE", "SECTION", "IT.IN01", "Y", "03-05T08:00"),
        ("1", "item", "E", "IE", "SECTION", "IT.EX01", "N", "03-01T10:00"),
    ]
    from_json = read(json.dumps(V2_JSON))
    assert facts(from_json) == facts(message)
    assert (message.source, from_json.source) == ("odm-xml", "odm-json")
    wrapped = json.dumps({"ODM": V2_JSON}).encode("utf-8-sig")
    assert facts(read(wrapped)) == facts(message)


def test_what_nobody_mapped_is_listed_and_not_kept():
    body = odm({"1": [Item("IT.IN01", "Y"), Item("IT.NAME", "Jane"), Item("IT.BIRTH", "1980-01-01")]}, "F")
    message = read(body)
    assert message.unmapped == ("IT.NAME", "IT.BIRTH")
    assert "Jane" not in message.model_dump_json()
    assert [row[5] for row in facts(message) if row[1] == "item"] == ["IT.IN01"]


def test_a_subject_and_an_item_that_stand_twice_are_one_and_the_later_place_counts():
    body = odm({"1": [Item("IT.IN01", "N")]}, "F").decode()
    data = body[body.index("<ns0:SubjectData") : body.index("</ns0:ClinicalData")]
    message = read(body.replace(data, data + data.replace('Value="N"', 'Value="Y"')))
    (told,) = message.subjects
    items = [one for one in told.facts if one.kind == "item"]
    assert [one.value for one in sorted(items, key=lambda one: one.ordinal)] == ["N", "Y"]


def test_data_of_the_study_itself_are_no_subjects():
    text = (
        f'{HEAD.replace("v1.3", "v2.0")}><ClinicalData StudyOID="S" MetaDataVersionOID="1">'
        '<ItemGroupData ItemGroupOID="X"><ItemData ItemOID="IT.IN01" Value="Y"/></ItemGroupData></ClinicalData></ODM>'
    )
    assert read(text).subjects == ()


def test_the_files_moment_is_when_its_data_were_so_if_it_says_that():
    body = odm({"1": [Item("IT.IN01", "Y")]}, "F", AsOfDateTime="2026-03-04T08:00:00Z")
    message = read(body)
    assert message.created_at == datetime(2026, 3, 5, 8, tzinfo=UTC)
    assert {row[7] for row in facts(message)} == {"03-04T08:00"}


def test_what_a_vendor_adds_is_passed_over_and_never_stands_in_for_odms_own():
    text = clinical(
        form(
            '<ItemData xmlns:v="urn:v" ItemOID="IT.IN01" v:Value="N" Value="Y"><v:Query><v:ItemData ItemOID="IT.EX01" Value="Y"/>'
            "</v:Query></ItemData>"
            '<v:ItemGroupData xmlns:v="urn:v" ItemGroupOID="G"><ItemData ItemOID="IT.EX01" Value="Y"/></v:ItemGroupData>'
        )
    )
    values = {row[5]: row[6] for row in facts(read(text)) if row[1] == "item"}
    assert values == {"IT.IN01": "Y"}


def test_numbers_in_json_keep_every_digit():
    text = re.sub('"Value": "Y"', '"Value": 71.50', json.dumps(V2_JSON))
    values = {row[5]: row[6] for row in facts(read(text)) if row[1] == "item"}
    assert values["IT.IN01"] == "71.50"


def test_data_of_another_study_are_refused_where_the_protocol_names_its_own():
    body = odm({"1": [Item("IT.IN01", "Y")]}, "F")  # of ST.1
    assert read(body, Edc.model_validate(edc_map(study_oids=["ST.1"]))).subjects
    with pytest.raises(DomainRefusal, match=r"data of study 'ST\.1'"):
        read(body, Edc.model_validate(edc_map(study_oids=["ST.1(PROD)"])))

"""What the EDC is told, as ODM: randomization, visits and dispensings, in words that tell no arm.

The only facts that can be written are the fields of `OutgoingFact`: it has no place for an arm, a kit type, a lot or a dose. Kit numbers
go out sorted, since the order in which kits are chosen follows their types.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from xml.etree import ElementTree

from allocation.ledger.canonical import canonical_json
from allocation.ledger.entry import moment_text
from allocation.study.edc import Outgoing
from allocation.study.protocol import Protocol

NAMESPACE: Final = "http://www.cdisc.org/ns/odm/v1.3"
XML: Final = "application/xml"
JSON: Final = "application/json"

KIND_OF_COMMAND: Final = {
    "screen": "visit",
    "randomize": "randomization",
    "record_visit": "visit",
    "miss_visit": "visit",
    "dispense": "dispensing",
}
"""Command of an entry -> the kind of fact that it is for the EDC."""


@dataclass(frozen=True, slots=True)
class OutgoingFact:
    """One message: what happened to a subject at an event of the EDC. `rows`: the item groups, each (ItemOID, value) in order."""

    message_id: str
    created_at: datetime
    subject_key: str
    site_id: str
    event: str
    event_repeat: int
    rows: tuple[tuple[tuple[str, str], ...], ...]


def fact_of_entry(
    protocol: Protocol,
    out: Outgoing,
    command: str,
    after: dict[str, Any],
    message_id: str,
    created_at: datetime,
    subject_key: str,
    site_id: str,
) -> OutgoingFact | None:
    """The fact that an entry is for the EDC; None when it is none, or the study does not send its kind.

    What the EDC itself has said is not said back to it, and a visit that is not in its plan has no event there.
    """
    kind = KIND_OF_COMMAND.get(command)
    if kind is None or kind not in out.facts or after.get("source") == "edc":
        return None
    items = out.items
    rows: list[tuple[tuple[str, str], ...]]
    occurrence = 1
    if command == "randomize":
        event = protocol.event(after["event"])
        visit = None if event is None else event.visit
        rows = [
            (
                (items.randomization_number, after["randomization_number"]),
                (items.randomization_date, after["randomized_on"]),
            )
        ]
    else:
        visit, occurrence = after["visit"]["visit_code"], after["visit"]["occurrence"]
        rows = [_visit_items(out, after["visit"])]
    if visit is None:
        return None
    if command == "dispense":
        rows[0] = (*rows[0], (items.dispensing_date, after["dispensed_on"]))
        if out.kit_numbers:
            rows += [((items.kit_number, one),) for one in sorted(kit["kit_number"] for kit in after["kits"])]
    return OutgoingFact(
        message_id,
        created_at,
        subject_key,
        site_id,
        out.events.get(visit, visit),
        occurrence,
        tuple(rows),
    )


def written(out: Outgoing, fact: OutgoingFact) -> tuple[str, str]:
    """The message's media type and text: the same bytes whenever it is written."""
    if out.format == "odm-2.0-json":
        return JSON, _as_json(out, fact)
    return XML, _as_xml(out, fact)


def _visit_items(out: Outgoing, visit: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    dated = () if visit["visit_date"] is None else ((out.items.visit_date, visit["visit_date"]),)
    return (*dated, (out.items.visit_status, visit["status"]))


def _as_xml(out: Outgoing, fact: OutgoingFact) -> str:
    upsert: Any = {"TransactionType": "Upsert"}
    root = ElementTree.Element(
        "ODM",
        {
            "xmlns": NAMESPACE,
            "ODMVersion": "1.3.2",
            "FileType": "Transactional",
            "FileOID": fact.message_id,
            "CreationDateTime": moment_text(fact.created_at),
            "SourceSystem": "OpenRTSM",
        },
    )
    data = ElementTree.SubElement(
        root, "ClinicalData", StudyOID=out.study_oid, MetaDataVersionOID=out.metadata_version_oid
    )
    subject = ElementTree.SubElement(data, "SubjectData", SubjectKey=fact.subject_key, **upsert)
    ElementTree.SubElement(subject, "SiteRef", LocationOID=fact.site_id)
    event = ElementTree.SubElement(
        subject,
        "StudyEventData",
        StudyEventOID=fact.event,
        StudyEventRepeatKey=str(fact.event_repeat),
        **upsert,
    )
    form = ElementTree.SubElement(event, "FormData", FormOID=out.form, **upsert)
    for number, row in enumerate(fact.rows, start=1):
        group = ElementTree.SubElement(
            form, "ItemGroupData", ItemGroupOID=out.group, ItemGroupRepeatKey=str(number), **upsert
        )
        for oid, value in row:
            ElementTree.SubElement(group, "ItemData", ItemOID=oid, Value=value)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _as_json(out: Outgoing, fact: OutgoingFact) -> str:
    upsert = {"TransactionType": "Upsert"}
    groups = [
        {
            "ItemGroupOID": out.group,
            "ItemGroupRepeatKey": str(number),
            **upsert,
            "ItemData": [{"ItemOID": oid, "Value": [{"_content": value}]} for oid, value in row],
        }
        for number, row in enumerate(fact.rows, start=1)
    ]
    event = {
        "StudyEventOID": fact.event,
        "StudyEventRepeatKey": str(fact.event_repeat),
        **upsert,
        "ItemGroupData": [{"ItemGroupOID": out.form, **upsert, "ItemGroupData": groups}],
    }
    subject = {
        "SubjectKey": fact.subject_key,
        **upsert,
        "SiteRef": {"LocationOID": fact.site_id},
        "StudyEventData": [event],
    }
    document = {
        "ODMVersion": "2.0",
        "FileType": "Transactional",
        "FileOID": fact.message_id,
        "CreationDateTime": moment_text(fact.created_at),
        "SourceSystem": "OpenRTSM",
        "ClinicalData": [
            {
                "StudyOID": out.study_oid,
                "MetaDataVersionOID": out.metadata_version_oid,
                "SubjectData": [subject],
            }
        ],
    }
    return canonical_json(document)

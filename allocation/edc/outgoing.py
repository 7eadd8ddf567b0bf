"""What the EDC is told, as ODM: randomization, visits and dispensings, in words that tell no arm.

The only facts that can be written are the fields of `OutgoingFact`: it has no place for an arm, a kit type, a lot or a dose. Kit numbers
go out sorted, since the order in which kits are chosen follows their types. Each message is an upsert under keys that follow from its
entry alone, so that the EDC may take it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from xml.etree import ElementTree

from allocation.ledger.canonical import canonical_json
from allocation.ledger.entry import moment_text
from allocation.rules.bulk_units import serialized_only
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
    "confirm_dispensing": "dispensing",
    "replace_kit": "dispensing",
}
"""Command of an entry -> the kind of fact that it is for the EDC; kits that await confirmation are no dispensing yet."""

Row = tuple[tuple[str, str], ...]
"""An item group: (ItemOID, value) in order."""


@dataclass(frozen=True, slots=True)
class OutgoingFact:
    """One message: what happened to a subject at an event of the EDC. `rows`: repeat key and items of each item group."""

    message_id: str
    created_at: datetime
    kind: str
    subject_key: str
    site_id: str
    event: str
    event_repeat: str
    rows: tuple[tuple[str, Row], ...]


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

    What the EDC itself has said is not said back to it.
    """
    awaits = bool(after.get("awaits_confirmation"))
    kind = "visit" if command == "dispense" and awaits else KIND_OF_COMMAND.get(command)
    if kind is None or kind not in out.facts or after.get("source") == "edc":
        return None
    if command == "randomize":
        randomization = protocol.event(after["event"])
        visit = None if randomization is None else randomization.visit
        place = None if visit is None else (out.events.get(visit, visit), str(after["occurrence"]))
    else:
        place = _event_of(out, after.get("visit") or after)
    rows = _rows(out, command, after, awaits=awaits)
    if place is None or not rows:
        return None
    return OutgoingFact(message_id, created_at, kind, subject_key, site_id, *place, tuple(rows))


def _event_of(out: Outgoing, visit: dict[str, Any]) -> tuple[str, str] | None:
    """StudyEventOID and repeat key of a visit. An unscheduled one has its own number for a key: 3.1, and 3.1-2 for the second of that."""
    code, occurrence = visit["visit_code"], visit["occurrence"]
    if code is not None:
        return out.events.get(code, code), str(occurrence)
    if out.unscheduled is None:
        return None
    number: str = visit["visit_number"]
    return out.unscheduled, number if occurrence == 1 else f"{number}-{occurrence}"


def _rows(out: Outgoing, command: str, after: dict[str, Any], *, awaits: bool) -> list[tuple[str, Row]]:
    """The item groups: what the event has once, then a row for each kit."""
    items = out.items
    # Units of bulk supply have no number that anybody could compare.
    labelled = serialized_only([kit["kit_number"] for kit in after.get("kits", ())])
    numbers = sorted(labelled) if out.kit_numbers else []
    if command == "replace_kit":
        # Its row has the number of the kit as its key: it stands beside those of the visit's other kits.
        found = ((items.kit_replaced, after["replaced"]), (items.kit_found, after["found"]))
        return [(one, ((items.kit_number, one), *found)) for one in numbers if not awaits]
    if command == "randomize":
        once: Row = (
            (items.randomization_number, after["randomization_number"]),
            (items.randomization_date, after["randomized_on"]),
        )
    elif command == "confirm_dispensing":
        once = ((items.dispensing_date, after["handed_on"]),) if after["kits"] else ()
    else:
        once = _visit_items(out, after["visit"])
        if command == "dispense" and not awaits:
            once = (*once, (items.dispensing_date, after["dispensed_on"]))
    rows = [("1", once)] if once else []
    if not awaits:
        rows += [(str(at), ((items.kit_number, one),)) for at, one in enumerate(numbers, start=2)]
    return rows


def written(out: Outgoing, fact: OutgoingFact) -> tuple[str, str]:
    """The message's media type and text: the same bytes whenever it is written."""
    if out.format == "odm-2.0-json":
        return JSON, _as_json(out, fact)
    return XML, _as_xml(out, fact)


def _visit_items(out: Outgoing, visit: dict[str, Any]) -> Row:
    number = ((out.items.visit_number, visit["visit_number"]),) if visit["visit_code"] is None else ()
    dated = () if visit["visit_date"] is None else ((out.items.visit_date, visit["visit_date"]),)
    return (*number, *dated, (out.items.visit_status, visit["status"]))


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
        StudyEventRepeatKey=fact.event_repeat,
        **upsert,
    )
    form = ElementTree.SubElement(event, "FormData", FormOID=out.form, **upsert)
    for key, row in fact.rows:
        group = ElementTree.SubElement(
            form, "ItemGroupData", ItemGroupOID=out.group, ItemGroupRepeatKey=key, **upsert
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
            "ItemGroupRepeatKey": key,
            **upsert,
            "ItemData": [{"ItemOID": oid, "Value": [{"_content": value}]} for oid, value in row],
        }
        for key, row in fact.rows
    ]
    event = {
        "StudyEventOID": fact.event,
        "StudyEventRepeatKey": fact.event_repeat,
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

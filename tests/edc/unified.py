"""The small blinded trial with an EDC, and the messages that this EDC sends."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import httpx

from tests.api.trial import STUDY, protocol

ODM = "http://www.cdisc.org/ns/odm/v1.3"
VENDOR = "urn:an-edc"
SENDER = "edc.system"
PATH = f"/studies/{STUDY}"


def edc_map(**changes: Any) -> dict[str, Any]:
    """The map of a unified study: two criteria, the factor, weight, a visit's date, two required forms."""
    return {
        "mode": "unified",
        "criteria": [
            {"criteria": ["IN01"], "form": "IE", "item": "IT.IN01"},
            {"criteria": ["EX01"], "form": "IE", "item": "IT.EX01"},
        ],
        "factors": [{"factor": "SEVERITY", "item": "IT.SEV", "levels": {"1": "MILD", "2": "SEVERE"}}],
        "weight": {"item": "IT.WEIGHT", "unit": "g"},
        "visit_dates": [{"visit": "V4", "event": "SE.V4", "item": "IT.VISDAT"}],
        "required_forms": [
            {"form": "IE", "randomization": True},
            {"form": "VS", "event": "SE.V3", "visits": ["V3"], "status": "complete"},
        ],
        "form_status": {"name": "Status", "complete": ["entered"], "validated": ["verified", "locked"]},
        "senders": [{"account": SENDER}, {"account": "redcap"}],
        "outgoing": {"study_oid": "ST.1", "metadata_version_oid": "MDV.1", "events": {"V2": "SE.BASE"}},
    } | changes


def unified_protocol(**changes: Any) -> dict[str, Any]:
    """The small blinded protocol, with a second criterion, whose EDC decides."""
    document = protocol()
    document["criteria"].append({"code": "EX01", "category": "EXCLUSION", "text": "Pregnant"})
    document["stratification"][0]["source"] = "edc"
    document["edc"] = edc_map(**changes)
    return document


@dataclass
class Item:
    """A value at a place, as of a moment of its own if there is one."""

    oid: str
    value: str | None
    form: str = "IE"
    event: str = "SE.V1"
    at: str | None = None
    transaction: str | None = None
    status: str | None = None


def cleared(severity: str = "1", **more: Any) -> list[Item]:
    """What the EDC says of a subject who may be randomized."""
    return [
        Item("IT.IN01", "Y", status="verified", **more),
        Item("IT.EX01", "N", status="verified", **more),
        Item("IT.SEV", severity, form="DM", **more),
        Item("IT.WEIGHT", "71500", form="VS", **more),
    ]


def odm(
    subjects: dict[str, list[Item]], file_oid: str, created: str = "2026-03-05T08:00:00Z", **root: str
) -> bytes:
    """An ODM 1.3.2 file with these items, each in a form of its own.

    The prefixes are written out: those that ElementTree chooses depend on what the process has loaded before.
    """
    spaces = {"xmlns:ns0": ODM, "xmlns:ns1": VENDOR}
    attributes = {**spaces, "FileType": "Transactional", "ODMVersion": "1.3.2", **root}
    document = ElementTree.Element(
        "ns0:ODM", {**attributes, "FileOID": file_oid, "CreationDateTime": created}
    )
    data = ElementTree.SubElement(
        document, "ns0:ClinicalData", {"StudyOID": "ST.1", "MetaDataVersionOID": "MDV.1"}
    )
    for key, items in subjects.items():
        subject = ElementTree.SubElement(data, "ns0:SubjectData", {"SubjectKey": key})
        for item in items:
            event = ElementTree.SubElement(subject, "ns0:StudyEventData", {"StudyEventOID": item.event})
            form = ElementTree.SubElement(event, "ns0:FormData", {"FormOID": item.form})
            if item.at is not None:
                audit = ElementTree.SubElement(form, "ns0:AuditRecord")
                ElementTree.SubElement(audit, "ns0:DateTimeStamp").text = item.at
            if item.status is not None:
                form.set("ns1:Status", item.status)
            group = ElementTree.SubElement(form, "ns0:ItemGroupData", {"ItemGroupOID": "IG"})
            attributes = {"ItemOID": item.oid}
            if item.value is not None:
                attributes["Value"] = item.value
            if item.transaction is not None:
                attributes["TransactionType"] = item.transaction
            ElementTree.SubElement(group, "ns0:ItemData", attributes)
    return ElementTree.tostring(document, encoding="utf-8", xml_declaration=True)


def signed_headers(
    key_id: str, key: str, body: bytes, now: datetime, study_id: str = STUDY
) -> dict[str, str]:
    """The signature's headers as the README describes them, made without the product's own code."""
    timestamp = str(int(now.timestamp()))
    text = f"v1:{study_id}:{timestamp}:{hashlib.sha256(body).hexdigest()}"
    signature = hmac.new(bytes.fromhex(key), text.encode(), hashlib.sha256).hexdigest()
    return {"X-RTSM-Key": key_id, "X-RTSM-Timestamp": timestamp, "X-RTSM-Signature": f"v1={signature}"}


@dataclass
class EdcSystem:
    """An EDC that pushes its messages over HTTP, and whose clock is the trial's."""

    http: httpx.Client
    clock: Any
    key_id: str
    key: str

    def push(self, body: bytes, media_type: str = "application/xml") -> httpx.Response:
        headers = signed_headers(self.key_id, self.key, body, self.clock())
        return self.http.post(
            f"{PATH}/edc/odm", content=body, headers={**headers, "Content-Type": media_type}
        )

    def tell(self, subjects: dict[str, list[Item]], file_oid: str, **more: str) -> dict[str, Any]:
        answer = self.push(odm(subjects, file_oid, **more))
        assert answer.status_code == 200, answer.text
        return answer.json()

"""REDCap: fetching records by its API (content=record, format=json, type=flat), and reading them as facts.

REDCap tells no moments of values, so a record counts as of the fetch, and only what differs from what is known is kept. A form's
status is REDCap's own field `{form}_complete`: 0 incomplete, 1 unverified, 2 complete.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx

from allocation.edc.certificates import trusted_certificates
from allocation.edc.facts import EdcMessage
from allocation.edc.field_map import Picked, item_fact
from allocation.edc.refusals import malformed, too_large
from allocation.errors import RTSMError
from allocation.ledger.entry import moment_text
from allocation.study.edc import Edc

SENDER: Final = "redcap"
OVERLAP: Final = timedelta(minutes=10)
"""How far a fetch goes back behind the one before: what was being saved then is not missed, and what is fetched twice changes nothing."""

LARGEST: Final = 64 * 1024 * 1024
TIMEOUT_SECONDS: Final = 60

_OWN_FIELDS: Final = ("redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance")


class RedcapUnavailable(RTSMError):
    """REDCap did not answer, or refused the call."""

    default_code = "redcap-unavailable"


def fetch_records(
    url: str, token: str, since: datetime | None, zone: ZoneInfo, transport: httpx.BaseTransport | None = None
) -> bytes:
    """The records that were created or changed since a moment (None: all), as REDCap sends them.

    `zone`: of the REDCap server, whose own time `dateRangeBegin` is in. Raises RedcapUnavailable (its message never holds the token),
    DomainRefusal for an answer that is too large.
    """
    form = {
        "token": token,
        "content": "record",
        "action": "export",
        "format": "json",
        "type": "flat",
        "rawOrLabel": "raw",
        "returnFormat": "json",
    }
    if since is not None:
        form["dateRangeBegin"] = (since - OVERLAP).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    parts: list[bytes] = []
    size = 0
    try:
        with (
            httpx.Client(
                timeout=TIMEOUT_SECONDS, transport=transport, verify=trusted_certificates()
            ) as client,
            client.stream("POST", url, data=form) as answer,
        ):
            for part in answer.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > LARGEST:
                    raise too_large(LARGEST)
            status = answer.status_code
    except httpx.HTTPError as error:
        raise RedcapUnavailable(
            f"REDCap does not answer: {type(error).__name__}", fix="check the address, and try again"
        ) from error
    if status != 200:
        raise RedcapUnavailable(
            f"REDCap answered {status}: {_reason(b''.join(parts))}",
            fix="check the token and its rights to export",
        )
    return b"".join(parts)


def read_records(body: bytes, edc: Edc, fetched_at: datetime) -> EdcMessage:
    """The message that fetched records are. The first field of a record is its id. Raises DomainRefusal for another answer."""
    try:
        records = json.loads(body.decode(), parse_int=str, parse_float=str)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise malformed("REDCap's answer is not JSON", "check that the address is that of the API") from None
    if not isinstance(records, list) or not all(isinstance(one, dict) and one for one in records):
        raise malformed("REDCap's answer is no list of records", "check that the address is that of the API")
    picked = Picked(edc)
    ordinal = 0
    for record in records:
        id_field, *_ = record
        subject_key = _text(record[id_field])
        if not subject_key:
            raise malformed("a record has no id")
        address = {
            "event": _text(record.get("redcap_event_name")) or "",
            "form": _text(record.get("redcap_repeat_instrument")) or "",
            "form_repeat": _text(record.get("redcap_repeat_instance")) or "",
        }
        for name, value in record.items():
            if name == id_field or name in _OWN_FIELDS:
                continue
            fact = item_fact({**address, "item": name}, _text(value), fetched_at, ordinal)
            picked.add_item(subject_key, fact)
            ordinal += 1
    return EdcMessage(
        message_id=f"redcap.{moment_text(fetched_at)}",
        source="redcap",
        file_type="Snapshot",
        created_at=fetched_at,
        sha256=hashlib.sha256(body).hexdigest(),
        says_only_changes=True,
        subjects=picked.subjects(),
        unmapped=tuple(picked.unmapped),
    )


def _text(value: Any) -> str | None:
    if isinstance(value, (dict, list)):
        raise malformed("a field of REDCap's answer holds more than a value", "fetch it as type flat")
    return None if value is None or value == "" else str(value)


def _reason(body: bytes) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return "no reason given"
    return (
        str(answer.get("error", "no reason given"))[:200] if isinstance(answer, dict) else "no reason given"
    )

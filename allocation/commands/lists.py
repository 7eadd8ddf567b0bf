"""Randomization lists: uploaded by the statistician or generated from a seed, then activated under signature. Never edited."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field, StrictBool, field_validator
from sqlalchemy import select

from allocation.access.signing import require_signature
from allocation.commands.list_faults import list_faults
from allocation.commands.list_numbers import MOST_DIGITS, new_entries
from allocation.commands.list_runs import generator_version
from allocation.commands.list_versions import (
    ProtocolVersion,
    asked_version,
    basis_under,
    event_under,
    lists_in_use,
    made_for,
    versions_drawing,
)
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, FileRefused, NotFound
from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.list_history import MADE_FOR_VERSION, list_in_use
from allocation.ledger.schema import randomization_list, study
from allocation.plain_values import Whole
from allocation.rules.list_checks import whole_number
from allocation.rules.list_choice import lists_retired_by, same_basis
from allocation.study.model import Code
from allocation.study.randomization_design import RandomizationEvent

ACTIVATION = "randomization list activated"
"""The meaning of the signature on a list's activation."""


MOST_ENTRIES = 100_000
"""Entries of one run of a list: far more than a trial has subjects."""

LARGEST_SEED = 2**63 - 1


class UploadedEntry(CommandRequest):
    """A row of a statistician's list. `holder`: the site, country or region that holds the run, empty for the study.

    `stratum`: the key of the run; holder and stratum are empty in the one central run of dynamic blocks. A `sequence` or `block` that
    is no whole number stays the text that it is, and is refused with its line.
    """

    line: Whole
    holder: str = ""
    stratum: str = ""
    sequence: Whole | str
    block: Whole | str | None = None
    randomization_number: str
    arm: str

    @field_validator("sequence", "block", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        return whole_number(value.strip()) if isinstance(value, str) else value

    @field_validator("block", mode="before")
    @classmethod
    def _no_block(cls, value: object) -> object:
        return None if value == "" else value


class UnreadableCell(CommandRequest):
    """What could not be read of a file: the line, the column (empty for the whole line), and why."""

    line: int
    column: str = ""
    message: str


class UploadListRequest(CommandRequest):
    """A master randomization list (MRL) for one randomization event.

    `keep_draft`: a list with faults is kept as a draft with its faults, in place of being refused; it can never be activated, and is
    replaced by uploading the list again under its id. `file_sha256` and `sheet` say which file the entries were read from.
    """

    list_id: Code
    event: Code
    protocol_version: ProtocolVersion = None
    entries: tuple[UploadedEntry, ...] = Field(min_length=1)
    unreadable: tuple[UnreadableCell, ...] = ()
    allow_truncated_last_block: StrictBool = False
    keep_draft: StrictBool = False
    file_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    sheet: str | None = Field(default=None, max_length=31)


class GenerateListRequest(CommandRequest):
    """A list to generate by the event's method, from a seed. Without a `seed` one is drawn; either way it is kept, unblinded.

    `entries_per_stratum`: at least so many in each run (in all, for dynamic blocks, which are one run). `number_digits`: the length of
    a randomization number; without it, 7, or as many as keep the numbers apart from those of the study's other lists.
    """

    list_id: Code
    event: Code
    protocol_version: ProtocolVersion = None
    entries_per_stratum: Whole = Field(ge=1, le=MOST_ENTRIES)
    seed: Whole | None = Field(default=None, ge=0, le=LARGEST_SEED)
    number_digits: Whole | None = Field(default=None, ge=5, le=MOST_DIGITS)


class ActivateListRequest(CommandRequest):
    """Put a validated list into use for its event; with a `protocol_version` that is still to come, for when that is in force."""

    list_id: Code
    protocol_version: ProtocolVersion = None


def _lock_study(transaction: Transaction) -> None:
    """One after another with other lists of the study, and with the loading of versions."""
    locked = select(study.c.study_id).where(study.c.study_id == transaction.study_id).with_for_update()
    transaction.connection.execute(locked)


def _lock_lists(transaction: Transaction, list_id: str) -> None:
    """Store one list after the other, so that their numbers stay apart, and only where the id is free or names a draft."""
    _lock_study(transaction)
    exists = select(randomization_list.c.state).where(
        randomization_list.c.study_id == transaction.study_id, randomization_list.c.list_id == list_id
    )
    if transaction.connection.execute(exists).scalar() not in (None, "draft"):
        raise DomainRefusal(
            f"list {list_id} exists; a list is never edited",
            code="list-exists",
            field="list_id",
            fix="give the new list another id",
        )


def _store(
    transaction: Transaction,
    request: UploadListRequest | GenerateListRequest,
    version: int,
    event: RandomizationEvent,
    method: str,
    entries: list[list[Any]],
    faults: list[str],
    **more: Any,
) -> dict[str, Any]:
    sha256 = sha256_hex(canonical_json(entries))
    state = "draft" if faults else "validated"
    after = {
        "list_id": request.list_id,
        "event": request.event,
        "state": state,
        "method": method,
        "sha256": sha256,
        "made_for": made_for(transaction, version, event),
        "entries": entries,
        "faults": faults,
        **more,
    }
    answer = {
        "list_id": request.list_id,
        "state": state,
        "protocol_version": version,
        "entries": len(entries),
        "sha256": sha256,
        "file_sha256": more.get("file_sha256"),
        "faults": len(faults),
    }
    return transaction.append(after, answer=answer)


def upload_list(service: Service, act: Act, study_id: str, request: UploadListRequest) -> dict[str, Any]:
    """Check and store an uploaded list; answers its hash and length.

    Raises FileRefused with every fault by line, unless it is to be kept as a draft; DomainRefusal for an id that is taken.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        version = asked_version(transaction, request.protocol_version)
        event = event_under(transaction, version, request.event)
        _lock_lists(transaction, request.list_id)
        faults = list_faults(transaction, transaction.protocol_of(version), event, request)
        if faults and not request.keep_draft:
            raise FileRefused("randomization list", faults)
        entries = [
            [entry.holder, entry.stratum, entry.sequence, entry.block, entry.randomization_number, entry.arm]
            for entry in request.entries
        ]
        origin = {"file_sha256": request.file_sha256, "sheet": request.sheet}
        return _store(transaction, request, version, event, "list", entries, faults, **origin)

    return execute(service, act, study_id, "upload_list", request, body)


def generate_randomization_list(
    service: Service, act: Act, study_id: str, request: GenerateListRequest
) -> dict[str, Any]:
    """Generate and store a list by the event's method; answers its hash and length.

    Seed, number of digits and generator version stand in the entry, so that the same list can be made again on any machine. Raises
    DomainRefusal when the given seed makes numbers that the study has already.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        version = asked_version(transaction, request.protocol_version)
        event = event_under(transaction, version, request.event)
        generator = generator_version(event)
        if generator is None:
            raise DomainRefusal(
                f"event {event.code} draws from a {event.method}",
                code="list-not-generated",
                field="event",
                fix="upload the statistician's list",
            )
        _lock_lists(transaction, request.list_id)
        seed, digits, entries = new_entries(
            transaction,
            transaction.protocol_of(version),
            event,
            request.entries_per_stratum,
            request.seed,
            request.number_digits,
        )
        made = {"seed": seed, "number_digits": digits, "generator_version": generator}
        return _store(transaction, request, version, event, event.method, entries, [], **made)

    return execute(service, act, study_id, "generate_list", request, body)


def activation_content(list_id: str, sha256: str, protocol_version: int | None = None) -> dict[str, Any]:
    """What the signature of an activation covers: the list, and the protocol version where one was asked for."""
    content: dict[str, Any] = {"list_id": list_id, "sha256": sha256}
    return content if protocol_version is None else {**content, "protocol_version": protocol_version}


def activate_list(service: Service, act: Act, study_id: str, request: ActivateListRequest) -> dict[str, Any]:
    """Put a validated list into use, signed (`ACTIVATION`), for the version in force or one to come.

    It is drawn from wherever that version is in force. A list that no version in force anywhere, or to come, draws from any more is
    retired. Raises NotFound, SignatureRefused, DomainRefusal when the list is not validated or was made for another version.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        _lock_study(transaction)
        columns = randomization_list.c
        query = select(randomization_list).where(
            columns.study_id == study_id, columns.list_id == request.list_id
        )
        found = transaction.connection.execute(query).first()
        if found is None:
            raise NotFound(
                f"list {request.list_id!r} is not stored", field="list_id", fix="upload or generate it first"
            )
        if found.state != "validated":
            raise DomainRefusal(
                f"list {request.list_id} is {found.state}",
                code="list-state",
                field="list_id",
                fix="activate a validated list",
            )
        version = asked_version(transaction, request.protocol_version)
        event = event_under(transaction, version, found.event)
        new = list_in_use(found.list_id, found.made_for_json)
        if not same_basis(new.basis, basis_under(transaction, version, event)):
            asked_then = json.loads(found.made_for_json).get(MADE_FOR_VERSION)
            raise _outdated(found.list_id, found.event, version, asked_then)
        require_signature(
            act.signature,
            ACTIVATION,
            activation_content(found.list_id, found.sha256, request.protocol_version),
            username=act.actor.username,
        )
        active = lists_in_use(transaction, found.event)
        after = {
            "list_id": found.list_id,
            "event": found.event,
            "protocol_version": version,
            "retires": list(lists_retired_by(new, active, versions_drawing(transaction, found.event))),
            "activated_on": transaction.today.isoformat(),
        }
        answer = {
            "list_id": found.list_id,
            "state": "active",
            "protocol_version": version,
            "retired": after["retires"],
        }
        return transaction.append(after, before={"state": found.state}, answer=answer)

    return execute(service, act, study_id, "activate_list", request, body)


def _outdated(list_id: str, event: str, version: int, stored_for: int | None) -> DomainRefusal:
    own = f", for version {stored_for}," if stored_for else ""
    return DomainRefusal(
        f"list {list_id} was made{own} by other rules than version {version} has for event {event}",
        code="list-outdated",
        field="list_id",
        fix=f"upload or generate a list for version {version}, or activate this one with the protocol_version that it was made for",
    )

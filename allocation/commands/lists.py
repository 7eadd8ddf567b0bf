"""Randomization lists: uploaded by the statistician or generated from a seed, then activated under signature. Never edited."""

from __future__ import annotations

import secrets
from typing import Any

from pydantic import Field, StrictBool
from sqlalchemy import select

from allocation.access.signing import require_signature
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, FileRefused, NotFound
from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.schema import randomization_list, site
from allocation.plain_values import Whole
from allocation.rules.blocks import VERSION, BlockDesign, StratumPlan, generate_list
from allocation.rules.list_checks import ListRow, check_list
from allocation.study.model import Code
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import RandomizationEvent
from allocation.study.strata import strata_of, stratum_key

ACTIVATION = "randomization list activated"
"""The meaning of the signature on a list's activation."""

HOLDER_SEPARATOR = " @ "
"""Between stratum and holder where a rule wants one key for both."""

MOST_ENTRIES = 100_000
"""Entries of one run of a list: far more than a trial has subjects."""

LARGEST_SEED = 2**63 - 1


class UploadedEntry(CommandRequest):
    """A row of a statistician's list. `holder` is the site or country that holds the run, empty for the study."""

    line: Whole
    holder: str = ""
    stratum: str
    sequence: Whole = Field(ge=1, le=MOST_ENTRIES)
    block: Whole | None = Field(default=None, ge=1, le=MOST_ENTRIES)
    randomization_number: str = Field(min_length=1, max_length=40)
    arm: str


class UploadListRequest(CommandRequest):
    """A master randomization list (MRL) for one randomization event."""

    list_id: Code
    event: Code
    entries: tuple[UploadedEntry, ...] = Field(min_length=1)
    allow_truncated_last_block: StrictBool = False


class GenerateListRequest(CommandRequest):
    """A list to generate by stratified permuted blocks. Without a `seed` one is drawn; either way it is kept, unblinded."""

    list_id: Code
    event: Code
    entries_per_stratum: Whole = Field(ge=1, le=MOST_ENTRIES)
    seed: Whole | None = Field(default=None, ge=0, le=LARGEST_SEED)


class ActivateListRequest(CommandRequest):
    """Put a validated list into use for its event."""

    list_id: Code


def _event(protocol: Protocol, code: str) -> RandomizationEvent:
    event = protocol.event(code)
    if event is None:
        known = ", ".join(one.code for one in protocol.randomization)
        raise NotFound(
            f"randomization event {code!r} is not in the protocol", field="event", fix=f"one of {known}"
        )
    return event


def _ratio(protocol: Protocol, event: RandomizationEvent) -> tuple[tuple[str, int], ...]:
    return tuple((arm.code, arm.ratio) for arm in protocol.arms if not event.arms or arm.code in event.arms)


def _holders(transaction: Transaction, event: RandomizationEvent) -> list[str]:
    """Who holds runs of entries: the protocol's and the opened sites, the countries, or the study as a whole."""
    protocol = transaction.protocol
    if event.held_by == "site":
        opened = transaction.connection.execute(
            select(site.c.site_id).where(site.c.study_id == transaction.study_id)
        ).scalars()
        return sorted({one.code for one in protocol.sites} | set(opened))
    if event.held_by == "country":
        return [country.code for country in protocol.countries]
    return [""]


def _not_a_holder(event: RandomizationEvent) -> str:
    """What is wrong with a holder that may not hold entries of the event."""
    if event.held_by in ("site", "country"):
        return f"is not a {event.held_by} of the study; name one"
    return "is given, but the study holds the entries of every stratum; leave it empty"


def _key(holder: str, stratum: str) -> str:
    return f"{stratum}{HOLDER_SEPARATOR}{holder}" if holder else stratum


def _store(
    transaction: Transaction,
    request: UploadListRequest | GenerateListRequest,
    method: str,
    entries: list[list[Any]],
    **more: Any,
) -> dict[str, Any]:
    exists = select(randomization_list.c.list_id).where(
        randomization_list.c.study_id == transaction.study_id, randomization_list.c.list_id == request.list_id
    )
    if transaction.connection.execute(exists).first() is not None:
        raise DomainRefusal(
            f"list {request.list_id} exists; a list is never edited",
            code="list-exists",
            field="list_id",
            fix="give the new list another id",
        )
    sha256 = sha256_hex(canonical_json(entries))
    after = {
        "list_id": request.list_id,
        "event": request.event,
        "state": "validated",
        "method": method,
        "sha256": sha256,
        "entries": entries,
        **more,
    }
    answer = {"list_id": request.list_id, "state": "validated", "entries": len(entries), "sha256": sha256}
    return transaction.append(after, answer=answer)


def upload_list(service: Service, act: Act, study_id: str, request: UploadListRequest) -> dict[str, Any]:
    """Check and store an uploaded list; answers its hash and length. Raises FileRefused with every fault by line."""

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        protocol = transaction.protocol
        event = _event(protocol, request.event)
        holders = _holders(transaction, event)
        used_holders = {entry.holder for entry in request.entries}
        problems = [
            f"line {entry.line}: holder {entry.holder!r} {_not_a_holder(event)}"
            for entry in request.entries
            if entry.holder not in holders
        ]
        strata = [stratum_key(levels, event.factors) for levels in strata_of(protocol, event)]
        rows = [
            ListRow(
                entry.line,
                entry.randomization_number,
                _key(entry.holder, entry.stratum),
                entry.sequence,
                entry.block,
                entry.arm,
            )
            for entry in request.entries
        ]
        keys = [_key(holder, stratum) for holder in holders if holder in used_holders for stratum in strata]
        faults = check_list(
            rows,
            dict(_ratio(protocol, event)),
            keys,
            allow_truncated_last_block=request.allow_truncated_last_block,
        )
        problems += [
            f"line {fault.line}: {fault.message}" if fault.line else fault.message for fault in faults
        ]
        if problems:
            raise FileRefused("randomization list", problems)
        entries = [
            [entry.holder, entry.stratum, entry.sequence, entry.block, entry.randomization_number, entry.arm]
            for entry in request.entries
        ]
        return _store(transaction, request, "list", entries)

    return execute(service, act, study_id, "upload_list", request, body)


def generate_randomization_list(
    service: Service, act: Act, study_id: str, request: GenerateListRequest
) -> dict[str, Any]:
    """Generate and store a list by the event's block sizes; answers its hash and length.

    Seed and generator version stand in the entry, so that the same list can be made again on any machine.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        protocol = transaction.protocol
        event = _event(protocol, request.event)
        if event.method != "permuted_block":
            raise DomainRefusal(
                f"event {event.code} draws from a {event.method}",
                code="list-not-generated",
                field="event",
                fix="upload the statistician's list",
            )
        seed = secrets.randbits(63) if request.seed is None else request.seed
        runs = [
            (holder, stratum_key(levels, event.factors))
            for holder in _holders(transaction, event)
            for levels in strata_of(protocol, event)
        ]
        design = BlockDesign(
            ratio=_ratio(protocol, event),
            block_sizes=event.block_sizes,
            strata=tuple(
                StratumPlan(_key(holder, stratum), request.entries_per_stratum) for holder, stratum in runs
            ),
        )
        of_key = {_key(holder, stratum): (holder, stratum) for holder, stratum in runs}
        entries = [
            [*of_key[one.stratum], one.sequence, one.block, one.number, one.arm]
            for one in generate_list(design, seed)
        ]
        return _store(transaction, request, "permuted_block", entries, seed=seed, generator_version=VERSION)

    return execute(service, act, study_id, "generate_list", request, body)


def activation_content(list_id: str, sha256: str) -> dict[str, Any]:
    """What the signature of an activation covers."""
    return {"list_id": list_id, "sha256": sha256}


def activate_list(service: Service, act: Act, study_id: str, request: ActivateListRequest) -> dict[str, Any]:
    """Put a validated list into use, signed (`ACTIVATION`); the list in use before is retired.

    Raises NotFound, SignatureRefused, DomainRefusal when the list is not validated.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        query = (
            select(randomization_list)
            .where(randomization_list.c.study_id == study_id, randomization_list.c.list_id == request.list_id)
            .with_for_update()
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
        require_signature(
            act.signature,
            ACTIVATION,
            activation_content(found.list_id, found.sha256),
            username=act.actor.username,
        )
        after = {
            "list_id": found.list_id,
            "event": found.event,
            "activated_on": transaction.today.isoformat(),
        }
        return transaction.append(
            after, before={"state": found.state}, answer={"list_id": found.list_id, "state": "active"}
        )

    return execute(service, act, study_id, "activate_list", request, body)

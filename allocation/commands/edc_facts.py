"""Receiving what the EDC says of subjects: an entry for each subject of a message, all of them or none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import Field
from sqlalchemy import select

from allocation.commands.edc_following import follow_edc_of
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.edc.facts import EdcMessage, Fact, SubjectFacts
from allocation.edc.field_map import matches
from allocation.edc.known import subject_named_by
from allocation.errors import DomainRefusal, StateChanged
from allocation.ledger.canonical import sha256_hex
from allocation.ledger.entry import moment_text
from allocation.ledger.projections.edc import ADDRESS
from allocation.ledger.schema import edc_fact, ledger_entry, study, subject
from allocation.rules.edc_order import stamp_of

AHEAD: Final = timedelta(hours=26)
"""How far ahead of our clock the EDC's moments may be: a local time taken for UTC is at most 14 hours off. Anything later would stay
the newest for ever, whatever is corrected."""

LISTED: Final = 500


class ReceiveEdcRequest(CommandRequest):
    """A message as the map of version `config_version` picked its facts. `sender`: an account, redcap, or None for the operator."""

    message: EdcMessage
    config_version: int = Field(ge=1)
    sender: str | None = None


def receive_edc_facts(
    service: Service, act: Act, study_id: str, request: ReceiveEdcRequest
) -> dict[str, Any]:
    """Keep a message's facts and do what follows from them; answers how many there were, and what was new or not understood.

    A subject whose facts came before under the same message id is passed over. An older fact never takes the place of a newer one, but is
    recorded. Raises DomainRefusal for a sender that the protocol does not name, or a moment in the future; StateChanged when the protocol's
    map changed meanwhile.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        # Messages of a study are taken one after another: of a subject not screened yet there is no row to lock.
        transaction.connection.execute(
            select(study.c.study_id).where(study.c.study_id == study_id).with_for_update()
        )
        _check_sender(transaction, request.sender)
        if transaction.version != request.config_version:
            raise StateChanged(
                "the protocol changed while the message was read", fix="send the message again"
            )
        _refuse_future(request.message, transaction.now)
        counts = {"subjects": 0, "facts": 0, "superseded": 0, "repeated": 0}
        unknown: list[str] = []
        # In the order of keys, so that two acts lock sites and subjects in one order.
        for one in sorted(request.message.subjects, key=lambda told: told.subject_key):
            # The message is read by the map of the study; what follows is decided by the version that each subject goes by.
            transaction.version = request.config_version
            _receive(transaction, request.message, one, counts, unknown)
        transaction.version = request.config_version
        return {
            "message_id": request.message.message_id,
            **counts,
            "unknown_subjects": unknown[:LISTED],
            "unmapped": list(request.message.unmapped),
        }

    return execute(service, act, study_id, "receive_edc_facts", request, body)


def _check_sender(transaction: Transaction, sender: str | None) -> None:
    """Without a sender it is the operator of the machine who loads a file: nobody else comes by that way."""
    if sender is None and transaction.role == "system":
        return
    if sender not in {one.account for one in transaction.protocol.edc.senders}:
        raise DomainRefusal(
            f"the protocol does not name {sender} as a sender",
            code="edc-sender-unknown",
            field="edc.senders",
            fix="name the account in the study's protocol",
        )


def _refuse_future(message: EdcMessage, now: datetime) -> None:
    moments = [message.created_at, *(fact.at for one in message.subjects for fact in one.facts)]
    if max(moments) > now + AHEAD:
        raise DomainRefusal(
            f"the message tells of {moment_text(max(moments))}, which is in the future",
            code="edc-future",
            field="body",
            fix="check the clock and the time zone of the EDC; nothing of the message was kept",
        )


def _receive(
    transaction: Transaction,
    message: EdcMessage,
    told: SubjectFacts,
    counts: dict[str, int],
    unknown: list[str],
) -> None:
    standing = _standing(transaction, told.subject_key)
    facts: Sequence[Fact] = told.facts
    if message.says_only_changes:
        facts = [fact for fact in facts if _value_in(standing, fact) != fact.value]
        told = told.model_copy(update={"facts": tuple(facts)})
    key = sha256_hex(f"{message.message_id}:{told.subject_key}:{told.sha256}")
    if not facts or _came_before(transaction, key):
        counts["repeated"] += 1
    else:
        superseded = sum(_is_older(standing, fact, message) for fact in facts)
        after = {
            "message_id": message.message_id,
            "created_at": moment_text(message.created_at),
            "file_type": message.file_type,
            "source": message.source,
            "message_sha256": message.sha256,
            "subject_key": told.subject_key,
            "facts": [fact.payload() for fact in facts],
            "superseded": superseded,
        }
        subject_id, site_id = _place(transaction, told)
        transaction.append(
            after,
            answer={"message_id": message.message_id, "facts": len(facts)},
            subject_id=subject_id,
            site_id=site_id,
            key=f"edc:{key}",
        )
        counts["subjects"] += 1
        counts["facts"] += len(facts)
        counts["superseded"] += superseded
    named = _named(transaction, told)
    if named is None or not _is_screened(transaction, named):
        unknown.append(told.subject_key)
        return
    transaction.at_visit(named)
    follow_edc_of(transaction, named)


def _place(transaction: Transaction, told: SubjectFacts) -> tuple[str | None, str | None]:
    """The subject here and its site, as far as the EDC has said before now who that is."""
    named = _named(transaction, told)
    if named is None or not _is_screened(transaction, named):
        return None, None
    return named, transaction.at_subject(named).site_id


def _named(transaction: Transaction, told: SubjectFacts) -> str | None:
    """The screening number: the key itself, or what an item says, in this message or before it."""
    edc = transaction.protocol.edc
    known = subject_named_by(transaction.connection, transaction.study_id, edc, told.subject_key)
    if known is not None or edc.subject.item is None:
        return known
    item = edc.subject.item
    return next((fact.value for fact in told.facts if fact.value is not None and matches(item, fact)), None)


def _is_screened(transaction: Transaction, subject_id: str) -> bool:
    query = select(subject.c.subject_id).where(
        subject.c.study_id == transaction.study_id, subject.c.subject_id == subject_id
    )
    return transaction.connection.execute(query).first() is not None


def _standing(transaction: Transaction, subject_key: str) -> dict[tuple[str, ...], Any]:
    rows = transaction.connection.execute(
        select(edc_fact).where(
            edc_fact.c.study_id == transaction.study_id, edc_fact.c.subject_key == subject_key
        )
    )
    return {tuple(getattr(row, name) for name in ADDRESS): row for row in rows}


def _value_in(standing: dict[tuple[str, ...], Any], fact: Fact) -> str | None:
    row = standing.get(fact.address)
    return None if row is None else row.value


def _is_older(standing: dict[tuple[str, ...], Any], fact: Fact, message: EdcMessage) -> bool:
    row = standing.get(fact.address)
    if row is None:
        return False
    own = stamp_of(fact.at, message.created_at, message.message_id, fact.ordinal, fact.value)
    return own <= stamp_of(row.source_at, row.message_at, row.message_id, row.ordinal, row.value)


def _came_before(transaction: Transaction, key: str) -> bool:
    query = select(ledger_entry.c.entry_id).where(
        ledger_entry.c.study_id == transaction.study_id,
        ledger_entry.c.actor == transaction.act.actor.username,
        ledger_entry.c.idempotency_key == f"edc:{key}",
    )
    return transaction.connection.execute(query).first() is not None

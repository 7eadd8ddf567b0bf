"""A transfer from the EDC, however it comes: noted, read under the study's map, taken whole or refused whole, and its outcome noted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from allocation.access.permissions import authorize
from allocation.commands.edc_facts import ReceiveEdcRequest, receive_edc_facts
from allocation.commands.service import Act, Service
from allocation.edc.facts import EdcMessage
from allocation.edc.schema import edc_transfer
from allocation.errors import DomainRefusal, RTSMError
from allocation.ledger.canonical import canonical_json
from allocation.study.edc import Edc
from allocation.views.study_at import study_at

Read = Callable[[Edc], EdcMessage]
"""Fetches, where it must be fetched, and reads the message under the study's map. Raises DomainRefusal for one that cannot be read, and
RTSMError where it cannot be had."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a message came. `sender`: account, or redcap; None: the operator loads a file. `signature`: of a push; taken once."""

    sender: str | None
    signature: str | None = None
    facts_until: datetime | None = None


def take_transfer(service: Service, act: Act, study_id: str, arrival: Arrival, read: Read) -> dict[str, Any]:
    """Read a message and receive its facts; answers as `receive_edc_facts` does.

    The signature is used up before the message is read, so that the same transfer cannot be taken twice, not even at once. Raises
    NotPermitted, and DomainRefusal for a replayed or refused message, which then stands in the transfer log with its reason, as does one
    that could not be had.
    """
    authorize(act.actor, "edc.receive", study_id)
    now = service.clock()
    with service.database.read() as connection:
        at = study_at(connection, study_id, now)
    transfer_id = _noted(service, study_id, arrival, now)
    try:
        message = read(at.protocol.edc)
        request = ReceiveEdcRequest(message=message, config_version=at.version, sender=arrival.sender)
        answer = receive_edc_facts(service, act, study_id, request)
    except RTSMError as refusal:
        _close(service, transfer_id, outcome="refused", code=refusal.code, detail=refusal.message)
        raise
    _close(
        service,
        transfer_id,
        outcome="accepted" if answer["subjects"] or not answer["repeated"] else "repeated",
        message_id=message.message_id,
        sha256=message.sha256,
        facts_until=arrival.facts_until,
        subjects=answer["subjects"],
        facts=answer["facts"],
        superseded=answer["superseded"],
        repeated=answer["repeated"],
        unmapped_json=canonical_json(answer["unmapped"]),
    )
    return answer


def _noted(service: Service, study_id: str, arrival: Arrival, now: datetime) -> int:
    try:
        with service.database.write() as connection:
            noted = connection.execute(
                insert(edc_transfer)
                .values(
                    study_id=study_id,
                    sender=arrival.sender or "operator",
                    signature=arrival.signature,
                    came_at=now,
                    outcome="arrived",
                    subjects=0,
                    facts=0,
                    superseded=0,
                    repeated=0,
                    unmapped_json="[]",
                )
                .returning(edc_transfer.c.transfer_id)
            )
            return int(noted.scalar_one())
    except IntegrityError as error:
        raise DomainRefusal(
            "this very transfer came before",
            code="edc-replayed",
            field="X-RTSM-Signature",
            fix="sign again to send a message again: what came before changes nothing",
        ) from error


def _close(service: Service, transfer_id: int, **values: Any) -> None:
    with service.database.write() as connection:
        connection.execute(
            update(edc_transfer).where(edc_transfer.c.transfer_id == transfer_id).values(**values)
        )

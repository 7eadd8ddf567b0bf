"""Putting an event's method into use: its seed is drawn or given, and the act is signed, as for a list."""

from __future__ import annotations

import secrets
from typing import Any

from pydantic import Field
from sqlalchemy import func, select

from allocation.access.signing import require_signature
from allocation.commands.list_versions import ProtocolVersion, asked_version
from allocation.commands.live_draws import GENERATOR
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal
from allocation.ledger.reader import protocol_at
from allocation.ledger.schema import randomization_method
from allocation.study.allocation_scheme import event_named, runs_of, scheme_hash
from allocation.study.model import Code
from allocation.views.study_at import study_at

METHOD_ACTIVATION = "randomization method activated"
"""The meaning of the signature on the activation of a method."""


class ActivateMethodRequest(CommandRequest):
    """Put the method of an event that draws at randomization into use.

    `protocol_version`: the loaded version by which the event draws, in force or to come. Without a `seed` one is drawn; either way it is
    kept, unblinded. Activating again begins a new stream; numbers given stay.
    """

    event: Code
    protocol_version: ProtocolVersion = None
    seed: int | None = Field(default=None, ge=0, lt=2**63)


def method_content(event: str, method: str, version: int) -> dict[str, Any]:
    """What the signature of an activation covers: event, method, and the protocol version that states its parameters."""
    return {"event": event, "method": method, "protocol_version": version}


def content_to_sign(
    service: Service, study_id: str, event: str, version: int | None, field: str = "event"
) -> dict[str, Any]:
    """What the signature of an activation covers under the loaded `version`; None: under the one in force.

    Raises NotFound for a study or version that is not loaded, and for an event that it does not have, naming `field`.
    """
    if version is None:
        with service.database.read() as connection:
            protocol = study_at(connection, study_id, service.clock()).protocol
    else:
        protocol = protocol_at(service.database, study_id, version)
    return method_content(event, event_named(protocol, event, field).method, protocol.study.version)


def activate_method(
    service: Service, act: Act, study_id: str, request: ActivateMethodRequest
) -> dict[str, Any]:
    """Activate an event's method, signed (`METHOD_ACTIVATION`); answers event, method and activation number, never the seed.

    Raises NotFound for an unknown event, DomainRefusal for one that draws from a list, SignatureRefused.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        version = asked_version(transaction, request.protocol_version)
        protocol = transaction.protocol_of(version)
        event = event_named(protocol, request.event)
        if not event.draws_live:
            raise DomainRefusal(
                f"event {event.code} draws from a list",
                code="draws-from-list",
                field="event",
                fix="activate its list instead",
            )
        require_signature(
            act.signature,
            METHOD_ACTIVATION,
            method_content(event.code, event.method, version),
            username=act.actor.username,
        )
        table = randomization_method.c
        query = select(func.max(table.activation)).where(
            table.study_id == study_id, table.event == event.code
        )
        activation = (transaction.connection.execute(query).scalar() or 0) + 1
        seed = secrets.randbits(63) if request.seed is None else request.seed
        after = {
            "event": event.code,
            "activation": activation,
            "method": event.method,
            "protocol_version": version,
            "seed": str(seed),
            "generator": GENERATOR,
            "schemes": sorted({scheme_hash(protocol, event, run.ratio) for run in runs_of(protocol, event)}),
            "activated_on": transaction.today.isoformat(),
        }
        answer = {"event": event.code, "method": event.method, "activation": activation, "state": "active"}
        return transaction.append(after, answer=answer)

    return execute(service, act, study_id, "activate_method", request, body)

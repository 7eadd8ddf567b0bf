"""For which protocol version a list or a method is stored or activated: one in force, or one that is loaded and still to come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import bindparam, select

from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.list_history import FIRST_VERSION, MADE_FOR_VERSION, list_in_use
from allocation.ledger.schema import randomization_list, study_version
from allocation.ledger.versions import countries_in_force
from allocation.plain_values import Whole
from allocation.rules.list_choice import ListInUse, VersionInForce
from allocation.study.allocation_scheme import event_named
from allocation.study.list_basis import list_basis
from allocation.study.randomization_design import RandomizationEvent

ProtocolVersion = Annotated[Whole | None, Field(ge=1, lt=2**31)]
"""The loaded protocol version that a list or an activation is for, in force or to come; None: the latest in force anywhere."""

_LISTS = (
    select(
        randomization_list.c.list_id,
        randomization_list.c.state,
        randomization_list.c.made_for_json,
    )
    .where(
        randomization_list.c.study_id == bindparam("study"),
        randomization_list.c.event == bindparam("event"),
        randomization_list.c.state.in_(("active", "validated")),
    )
    .order_by(randomization_list.c.list_id)
    .with_for_update()
)
"""The lists in use, and those that may come into use, locked: a draw that waits for an activation sees what it has changed."""


def lists_in_use(transaction: Transaction, event: str) -> list[ListInUse]:
    """The event's active lists, by their ids. They stay locked: two desks draw one after the other."""
    rows = transaction.connection.execute(_LISTS, {"study": transaction.study_id, "event": event})
    return [list_in_use(row.list_id, row.made_for_json) for row in rows if row.state == "active"]


def asked_version(transaction: Transaction, version: int | None) -> int:
    """The version that a list or an activation is for: the one in force, or the one asked for.

    Raises NotFound for a version that is not loaded, DomainRefusal for one that is in force nowhere any more.
    """
    if version is None:
        return transaction.version
    if version not in _loaded(transaction):
        raise NotFound(
            f"version {version} of study {transaction.study_id} is not loaded",
            field="protocol_version",
            fix="load it with `rtsm study amend FILE`",
        )
    if version < _oldest(transaction):
        raise DomainRefusal(
            f"version {version} of study {transaction.study_id} is in force nowhere any more",
            code="version-superseded",
            field="protocol_version",
            fix="leave it out for the version in force",
        )
    return version


def event_under(transaction: Transaction, version: int, code: str) -> RandomizationEvent:
    """The event under that version, which draws from a list. Raises NotFound, DomainRefusal."""
    event = event_named(transaction.protocol_of(version), code)
    if event.draws_live:
        raise DomainRefusal(
            f"event {code} draws at the moment of randomization",
            code="no-list-needed",
            field="event",
            fix="activate its method instead",
        )
    return event


def basis_under(transaction: Transaction, version: int, event: RandomizationEvent) -> dict[str, Any]:
    """What a list for the event is made by under that version."""
    known = transaction.service.list_bases
    key = (transaction.study_id, version, event.code)
    if key not in known:
        known[key] = list_basis(transaction.protocol_of(version), event)
    return known[key]


def made_for(transaction: Transaction, version: int, event: RandomizationEvent) -> dict[str, Any]:
    """What is stored with a list for the event under that version: the version, the first one that says the same, and its basis."""
    basis = basis_under(transaction, version, event)
    same = (one.version for one in _drawing(transaction, event.code) if one.basis == basis)
    return {MADE_FOR_VERSION: version, FIRST_VERSION: min(same), **basis}


def versions_drawing(transaction: Transaction, code: str) -> list[VersionInForce]:
    """Every version, in force anywhere or to come, under which the event draws from a list."""
    oldest = _oldest(transaction)
    return [one for one in _drawing(transaction, code) if one.version >= oldest]


def _drawing(transaction: Transaction, code: str) -> Iterator[VersionInForce]:
    for version in _loaded(transaction):
        event = transaction.protocol_of(version).event(code)
        if event is not None and not event.draws_live:
            yield VersionInForce(version, basis_under(transaction, version, event))


def _loaded(transaction: Transaction) -> list[int]:
    query = select(study_version.c.version).where(study_version.c.study_id == transaction.study_id)
    return list(transaction.connection.execute(query.order_by(study_version.c.version)).scalars())


def _oldest(transaction: Transaction) -> int:
    """The oldest version that is in force in a country of the study; a country where none is yet may still get the first."""
    in_force = countries_in_force(transaction.connection, transaction.study_id, transaction.now)
    countries = {one.code for one in transaction.protocol.countries}
    return min((in_force.get(country, 1) for country in countries), default=transaction.version)

"""A lot whose kits were lent to other studies: what the study that lent them decides about the lot reaches all of them, in one transaction.

A lot has one id in all studies that pool it, so an act on it is done in each of them to the whole lot there, with an entry in each ledger
and mail to the places of each. It goes from whoever lent to whoever took, on through further lending, and never back. Whoever may decide in
the study that lent needs no role in the others: they took kits of a lot that it answers for. There it is an act of the system that names
the study and the person.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.access.permissions import COMMAND_PERMISSIONS, may
from allocation.commands.kit_scope import in_whole_study
from allocation.commands.transaction import Transaction
from allocation.errors import StateChanged
from allocation.ledger.schema import kit, lot
from allocation.rules.kit_status import Place


def studies_lent_to(connection: Connection, study_id: str, lot_id: str) -> list[str]:
    """The other studies that have, or had, kits of the lot from this one, directly or by way of others; by id."""
    found, left = set[str](), [study_id]
    while left:
        query = select(kit.c.place).where(
            kit.c.study_id == left.pop(),
            kit.c.lot_id == lot_id,
            kit.c.place_kind == Place.OTHER_STUDY.value,
        )
        new = set(connection.execute(query.distinct()).scalars()) - found - {study_id}
        found |= new
        left += sorted(new)
    return sorted(found)


def enter_with_borrowers(transaction: Transaction, lot_id: str) -> list[Transaction]:
    """Act on a lot in the whole study and in all that it was lent to; gives the transactions of those.

    Places are locked in the order of the studies' ids, as where kits are lent, so that nobody waits in a circle. Raises NotFound,
    NotPermitted, StateChanged where kits are being lent on at this moment.
    """
    transaction.in_study()  # whoever may not act here is not told where kits went
    reached = studies_lent_to(transaction.connection, transaction.study_id, lot_id)
    others = [_in_other_study(transaction, one) for one in reached]
    for one in sorted([transaction, *others], key=lambda one: one.study_id):
        in_whole_study(one)
    if studies_lent_to(transaction.connection, transaction.study_id, lot_id) != reached:
        raise StateChanged(
            "kits of this lot were lent to another study meanwhile; nothing was done", fix="try again"
        )
    return others


def _in_other_study(transaction: Transaction, study_id: str) -> Transaction:
    act, role = transaction.act, transaction.role
    reason = f"{act.reason.strip()} (decided in study {transaction.study_id} by {act.actor.username}, {role})"
    return Transaction(
        transaction.connection,
        transaction.service,
        replace(act, actor=SYSTEM_ACTOR, idempotency_key=None, reason=reason, signature=None),
        study_id,
        transaction.command,
        transaction.request_sha256,
        transaction.now,
    )


def lot_there(other: Transaction, lot_id: str) -> Row[Any] | None:
    """The other study's row of the lot, locked; None where it has none, which lending does not leave."""
    query = select(lot).where(lot.c.study_id == other.study_id, lot.c.lot_id == lot_id)
    return other.connection.execute(query.with_for_update()).first()


def decided_in(transaction: Transaction) -> dict[str, Any]:
    """For the payload of the entry in another study: where it was decided, and by whom."""
    return {
        "decided_in": {
            "study_id": transaction.study_id,
            "actor": transaction.act.actor.username,
            "role": transaction.role,
        }
    }


def may_see_subjects(transaction: Transaction, other_study: str) -> bool:
    """Whether whoever acts may do the same in the other study, and so see its subjects."""
    return may(transaction.act.actor, COMMAND_PERMISSIONS[transaction.command], other_study)

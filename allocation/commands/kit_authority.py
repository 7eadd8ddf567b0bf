"""Asking for what the table of kit states says that an act takes: the role where the kit is, a reason, a signature."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from allocation.access.signing import require_signature
from allocation.commands.transaction import Transaction
from allocation.errors import NotPermitted, RTSMError
from allocation.rules.kit_status import Act, Transition, rows_of


def require_reason_and_signature(
    transaction: Transaction, kit_act: Act, content: dict[str, Any] | None = None
) -> None:
    """Refuse the act without the reason, or the signature of `content`, that the table asks for.

    Asked before any kit is looked at: all rows of an act that a command does on its own ask the same. Raises DomainRefusal
    (`reason-missing`), SignatureRefused.
    """
    act = transaction.act
    asked = {(row.by.reason, row.by.signature) for row in rows_of(kit_act)}
    if any(reason for reason, _ in asked):
        act.require_reason(f"{kit_act} of kits needs a reason")
    for meaning in sorted(meaning for _, meaning in asked if meaning is not None):
        if content is None:
            raise RTSMError(f"{kit_act} is signed, but nothing says what for", code="not-authorized")
        require_signature(act.signature, meaning, content, username=act.actor.username)


def require_roles(transaction: Transaction, rows: Iterable[Transition]) -> None:
    """Refuse an act on kits in places where the actor's role does not do it by the table. Raises NotPermitted."""
    for row in set(rows):
        if transaction.role not in row.by.roles | {"system"}:
            raise NotPermitted(
                f"{transaction.act.actor.username} may not do {row.act} to kits in place {row.from_place}",
                field="actor",
                fix="ask somebody who holds the stock there",
            )

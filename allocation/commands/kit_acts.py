"""What is done to kits where they are: quarantine, release, rejection, damage, loss, destruction. One act is one ledger entry.

Where kits are named by number, each must allow the act. Where a lot, a shipment or a site is named, all of it that allows the act is
taken, and the answer counts the others; when there is nothing to take, nothing is written. A lot is quarantined in every study that has
kits of it from this one (lent_lots.py). Answers name kits by number and tell nothing
of what is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row

from allocation.commands.certificates import Certificate, certificate_facts
from allocation.commands.excursion_settling import open_excursions
from allocation.commands.kit_authority import require_reason_and_signature, require_roles
from allocation.commands.kit_scope import ChosenKits, KitScopeRequest, chosen_kits
from allocation.commands.lent_lots import decided_in, enter_with_borrowers
from allocation.commands.lot_expiry import dates_where_they_are
from allocation.commands.lot_quantities import units_for
from allocation.commands.service import Act, Service
from allocation.commands.transaction import Transaction, earlier_answer, execute
from allocation.errors import DomainRefusal
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus, Place, Transition, check_transition, rows_of
from allocation.rules.lot_status import (
    LOT_TRANSITIONS,
    NEVER_AGAIN,
    LotAct,
    LotStatus,
    kit_never_used,
    lot_never_used,
)
from allocation.rules.return_process import check_direct_destruction

RECALLED: Final = LotStatus.RECALLED.value
"""The status of a lot that was recalled: none of its kits is ever released again."""
LOT_MOVES: Final = {
    "quarantined": frozenset(
        row.from_status.value for row in LOT_TRANSITIONS if row.act == LotAct.QUARANTINE
    ),
    "released": frozenset({LotStatus.QUARANTINED.value}),
}
"""What a lot becomes when all of it is quarantined or released from there -> the statuses that it leaves for that."""


class DestroyKitsRequest(KitScopeRequest):
    """Kits that were destroyed, and the certificate of it."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class KitCommand:
    """A command that does one act of the table. `lot_becomes`: the status of a lot that is named as a whole."""

    act: KitAct
    places: frozenset[Place] = frozenset({Place.DEPOT, Place.SITE})
    lot_becomes: str | None = None


_EVERYWHERE: Final = frozenset({Place.DEPOT, Place.SITE, Place.TRANSIT})

KIT_COMMANDS: Final[dict[str, KitCommand]] = {
    "quarantine_kits": KitCommand(KitAct.QUARANTINE, _EVERYWHERE, "quarantined"),
    "release_kits": KitCommand(KitAct.RELEASE, _EVERYWHERE, "released"),
    "reject_kits": KitCommand(KitAct.REJECT),
    "report_kits_damaged": KitCommand(KitAct.REPORT_DAMAGED),
    "report_kits_lost": KitCommand(KitAct.REPORT_LOST),
    "destroy_kits": KitCommand(KitAct.DESTROY),
}
"""The ledger's name of a command -> what it does. What is lost on its way is found at receipt."""

_OF_A_RETURN: Final = frozenset({KitStatus.RETURNED, KitStatus.RETURNED_UNUSED})
"""Such kits are settled with their return (commands/return_ends.py), after its gates, and by no act of their own."""


def kit_act_content(study_id: str, command: str, request: KitScopeRequest, reason: str) -> dict[str, Any]:
    """What the signature of an act on kits covers: the act, the kits as they were named, and the reason."""
    return {"study_id": study_id, "act": command, "kits": request.named, "reason": reason}


def quarantine_kits(service: Service, act: Act, study_id: str, request: KitScopeRequest) -> dict[str, Any]:
    """Put kits into quarantine: they can be neither shipped, assigned nor dispensed until they are released.

    Those of an open order leave it, those that are assigned to a subject are taken back from it, and those in transit are received into
    quarantine. Answers the kits. Raises DomainRefusal without a reason, NotFound, NotPermitted, KitTransitionRefused.
    """
    return _act_on_kits(service, act, study_id, "quarantine_kits", request)


def release_kits(service: Service, act: Act, study_id: str, request: KitScopeRequest) -> dict[str, Any]:
    """Release kits from quarantine, with a reason and signed; answers the kits.

    Raises DomainRefusal without a reason or for a kit that was recalled, SignatureRefused, NotFound, NotPermitted, KitTransitionRefused.
    """
    return _act_on_kits(service, act, study_id, "release_kits", request)


def reject_kits(service: Service, act: Act, study_id: str, request: KitScopeRequest) -> dict[str, Any]:
    """Reject kits in quarantine, with a reason and signed: they are as damaged ones from then on. Answers the kits.

    Raises as `release_kits`.
    """
    return _act_on_kits(service, act, study_id, "reject_kits", request)


def report_kits_damaged(
    service: Service, act: Act, study_id: str, request: KitScopeRequest
) -> dict[str, Any]:
    """Record that kits at a depot or site are damaged; answers the kits. Raises as `quarantine_kits`."""
    return _act_on_kits(service, act, study_id, "report_kits_damaged", request)


def report_kits_lost(service: Service, act: Act, study_id: str, request: KitScopeRequest) -> dict[str, Any]:
    """Record that kits of a depot or site are lost; answers the kits. Raises as `quarantine_kits`."""
    return _act_on_kits(service, act, study_id, "report_kits_lost", request)


def destroy_kits(service: Service, act: Act, study_id: str, request: DestroyKitsRequest) -> dict[str, Any]:
    """Record, with a reason and signed, that damaged or expired kits were destroyed under a certificate; answers the kits.

    Returned kits are destroyed with their return, and kits at a site too, unless the study lets sites destroy without a gate. Raises as
    `release_kits`, and DomainRefusal (`contradicting-date`, `certificate-differs`).
    """
    return _act_on_kits(service, act, study_id, "destroy_kits", request)


def _act_on_kits(
    service: Service, act: Act, study_id: str, name: str, request: KitScopeRequest
) -> dict[str, Any]:
    command = KIT_COMMANDS[name]

    def body(transaction: Transaction) -> dict[str, Any]:
        reaches = command.act == KitAct.QUARANTINE and request.lot_id is not None
        others = enter_with_borrowers(transaction, request.lot_id) if reaches and request.lot_id else []
        chosen = chosen_kits(transaction, request)
        content = kit_act_content(study_id, name, request, act.reason)
        require_reason_and_signature(transaction, command.act, content)
        held = open_excursions(transaction.connection, study_id) if command.act == KitAct.RELEASE else {}
        moving, left = _split(command, request, chosen, held)
        if request.bulk:
            moving, left = _so_many(transaction, request, moving), 0
        require_roles(transaction, [row for _, row in moving])
        if command.act == KitAct.DESTROY and any(row.from_place == Place.SITE for _, row in moving):
            check_direct_destruction(transaction.protocol.supply.returns.policy)
        lot_status = _lot_status(command, request, chosen.rows)
        also = (
            certificate_facts(transaction, request.certificate)
            if isinstance(request, DestroyKitsRequest)
            else {}
        )
        answer: dict[str, Any] = {"kits": [one.kit_number for one, _ in moving], "not_possible": left}
        if others:
            there = [_quarantined_there(transaction, other, request) for other in others]
            answer["other_studies"] = [one for one in there if one is not None]
        if not moving and lot_status is None:
            return answer
        return _append(transaction, request, chosen, [one for one, _ in moving], lot_status, answer, also)

    # An act that finds nothing to do writes nothing, so its retry would not meet its own earlier entry.
    answer = earlier_answer(service, act, study_id, name, request)
    return answer or execute(service, act, study_id, name, request, body)


def _quarantined_there(
    transaction: Transaction, other: Transaction, request: KitScopeRequest
) -> dict[str, Any] | None:
    """Quarantine the lot in a study that has kits of it from this one; None where nothing of it can be taken."""
    command = KIT_COMMANDS["quarantine_kits"]
    chosen = chosen_kits(other, request)
    moving, _ = _split(command, request, chosen, {})
    lot_status = _lot_status(command, request, chosen.rows)
    if not moving and lot_status is None:
        return None
    kits = [one for one, _ in moving]
    also = decided_in(transaction)
    _append(other, request, chosen, kits, lot_status, {}, also, follows=other.command)
    return {"study_id": other.study_id, "kits": [one.kit_number for one in kits]}


def _split(
    command: KitCommand, request: KitScopeRequest, chosen: ChosenKits, held: Mapping[str, str]
) -> tuple[list[tuple[Row[Any], Transition]], int]:
    """The kits that the act moves, each with its row of the table, and how many others there are.

    `held`: kits that an open excursion keeps in quarantine.
    """
    possible = {
        (row.from_status, row.from_place): row
        for row in rows_of(command.act)
        if row.from_place in command.places and row.from_status not in _OF_A_RETURN
    }
    moving = []
    for one in chosen.rows:
        status, place = KitStatus(one.status), Place(one.place_kind)
        recalled = command.act == KitAct.RELEASE and one.lot_status in NEVER_AGAIN
        row = possible.get((status, place))
        if row is not None and not recalled and one.kit_number in held:
            if request.kit_numbers:
                raise DomainRefusal(
                    f"kit {one.kit_number} is in the temperature excursion {held[one.kit_number]}",
                    code="excursion-open",
                    field="kit_numbers",
                    fix="settle the excursion: it is released there, by its stability budget",
                )
        elif row is not None and not recalled:
            moving.append((one, row))
        elif request.kit_numbers and row is not None:
            raise kit_never_used(one.kit_number, one.lot_status)
        elif request.kit_numbers:
            check_transition(one.kit_number, status, place, command.act)
            raise DomainRefusal(
                f"kit {one.kit_number} is {status}: that is not recorded by itself",
                code="kit-elsewhere",
                field="kit_numbers",
                fix="a kit in transit is found at receipt, one of a subject is replaced or returned, and a returned one is "
                "settled with its return",
            )
    return moving, len(chosen.rows) - len(moving)


def _so_many(
    transaction: Transaction, request: KitScopeRequest, possible: list[tuple[Row[Any], Transition]]
) -> list[tuple[Row[Any], Transition]]:
    """The units that are asked for, of those that allow the act. Raises DomainRefusal where these are too few."""
    where = f"there ({request.site_id or request.depot_id or request.shipment_id}) in a state that allows it"
    numbers = [one.kit_number for one, _ in possible]
    units = units_for(transaction.connection, transaction.study_id, numbers, request.bulk, where)
    taken = {number for some in units for number in some}
    return [(one, row) for one, row in possible if one.kit_number in taken]


def _lot_status(command: KitCommand, request: KitScopeRequest, rows: Sequence[Row[Any]]) -> str | None:
    """The new status of a lot that is named as a whole; None where it does not change. Raises DomainRefusal for a recalled lot."""
    if request.lot_id is None or command.lot_becomes is None or not rows:
        return None
    status = rows[0].lot_status
    if status in NEVER_AGAIN and command.act == KitAct.RELEASE:
        raise lot_never_used(status)
    # A lot that waits for its release, or is restricted, stays so when kits of it leave quarantine.
    allowed = LOT_MOVES[command.lot_becomes]
    return command.lot_becomes if status in allowed else None


def _append(
    transaction: Transaction,
    request: KitScopeRequest,
    chosen: ChosenKits,
    moving: list[Row[Any]],
    lot_status: str | None,
    answer: dict[str, Any],
    also: dict[str, Any],
    follows: str | None = None,
) -> dict[str, Any]:
    dates: list[list[str]] = []
    if transaction.command == "release_kits":
        # One that was set aside for another country when it went into quarantine carries the dates of there.
        connection, study_id = transaction.connection, transaction.study_id
        dates = dates_where_they_are(connection, study_id, transaction.protocol, moving)
    after = {
        "named": request.named,
        "moved_on": transaction.today.isoformat(),
        "kits": [[one.kit_number, one.status, one.place_kind, one.place] for one in moving],
        **({"dates": dates} if dates else {}),
        **({} if lot_status is None else {"lot_id": request.lot_id, "lot_status": lot_status}),
        **also,
    }
    depots = {one.place for one in moving if one.place_kind == Place.DEPOT}
    if chosen.site_id is None and len(depots) == 1 and len({one.place_kind for one in moving}) == 1:
        after["depot_id"] = depots.pop()
    return transaction.append(
        after,
        answer=answer,
        site_id=chosen.site_id,
        kit_numbers=tuple(one.kit_number for one in moving),
        follows=follows,
    )

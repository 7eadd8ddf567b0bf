"""Recalling a lot: everything of it that could still be used is quarantined at once, and what subjects have is asked back.

Every place that has kits of it is told by mail at once (allocation/notify, in the same transaction), and each site finds its own kits in
the view of recalls, too. Studies to which kits of the lot were lent are part of it (lent_lots.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, literal, select

from allocation.commands.kit_acts import RECALLED
from allocation.commands.kit_authority import require_reason_and_signature, require_roles
from allocation.commands.kit_scope import locked_lot
from allocation.commands.lent_lots import decided_in, enter_with_borrowers, lot_there, may_see_subjects
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, earlier_answer, execute, iso
from allocation.ledger.schema import device_use, kit, subject, subject_visit
from allocation.notify.acts import recalled_by_place
from allocation.notify.happening import Happening
from allocation.notify.outbox import people_at
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus, Place, rows_of
from allocation.study.model import Code

_STILL_OURS = {(row.from_status, row.from_place): row for row in rows_of(KitAct.RECALL)}
(_WITH_A_SUBJECT,) = rows_of(KitAct.ASK_BACK)


class RecallLotRequest(CommandRequest):
    """The lot to recall."""

    lot_id: Code


def recall_lot(service: Service, act: Act, study_id: str, request: RecallLotRequest) -> dict[str, Any]:
    """Recall a lot in one transaction and one entry; answers its kits with their places, and the subjects who had some.

    Kits at depots, in open orders, in transit, at sites and assigned to subjects go into quarantine, those with subjects are marked for
    return, and no kit of the lot is ever released again; also in every study that has kits of it from this one. The people of each place
    are told. Recalling it again writes nothing, tells
    nobody, and answers the present state. It UNBLINDS: the kits of a lot are of one type. Raises NotFound, NotPermitted.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        others = enter_with_borrowers(transaction, request.lot_id)
        found = locked_lot(transaction, request.lot_id)
        require_reason_and_signature(transaction, KitAct.RECALL)
        require_roles(transaction, [*_STILL_OURS.values(), _WITH_A_SUBJECT])
        elsewhere = [_recalled_there(transaction, other, request.lot_id) for other in others]
        recalled = _recalled(transaction, found)
        answer = {**recalled.answer, "other_studies": [one for one in elsewhere if one is not None]}
        if not recalled.changes:
            return answer
        return transaction.append(
            recalled.after,
            before={"lot_status": found.status},
            answer={**answer, "told": _told(transaction, recalled.after)},
            kit_numbers=recalled.numbers,
        )

    # A recall of a lot that was recalled writes nothing, so a retry would not meet its own earlier entry.
    answer = earlier_answer(service, act, study_id, "recall_lot", request)
    return answer or execute(service, act, study_id, "recall_lot", request, body)


@dataclass(frozen=True, slots=True)
class _Recalled:
    """What a recall does in one study, and what is answered of it. `changes`: whether it does anything."""

    changes: bool
    after: dict[str, Any]
    numbers: tuple[str, ...]
    answer: dict[str, Any]


def _recalled(transaction: Transaction, found: Row[Any]) -> _Recalled:
    query = (
        select(kit, subject.c.site_id)
        .outerjoin(
            subject, (subject.c.study_id == kit.c.study_id) & (subject.c.subject_id == kit.c.subject_id)
        )
        .where(kit.c.study_id == transaction.study_id, kit.c.lot_id == found.lot_id)
        .order_by(kit.c.kit_number)
        .with_for_update(of=kit)
    )
    rows = transaction.connection.execute(query).all()
    again = found.status == RECALLED
    taken = [one for one in rows if _state(one) in _STILL_OURS]
    asked = [one for one in rows if one.status == KitStatus.DISPENSED and one.return_asked_on is None]
    after = {
        "lot_id": found.lot_id,
        "lot_status": RECALLED,
        "recalled_on": transaction.today.isoformat(),
        "kits": [[one.kit_number, one.status, one.place_kind, one.place] for one in taken],
        "asked_back": [[one.kit_number, one.place] for one in asked],
    }
    return _Recalled(
        not again or bool(taken) or bool(asked),
        after,
        tuple(one.kit_number for one in (*taken, *asked)),
        _answer(transaction, found.lot_id, rows, again),
    )


def _recalled_there(transaction: Transaction, other: Transaction, lot_id: str) -> dict[str, Any] | None:
    """Recall the lot in a study that has kits of it from this one; gives what whoever recalls may know of that.

    Which kits are where follows from what was lent. Who has some is told to those who may recall in that study, and to nobody else.
    """
    found = lot_there(other, lot_id)
    if found is None:
        return None
    recalled = _recalled(other, found)
    told: list[dict[str, Any]] = []
    if recalled.changes:
        told = _told(other, recalled.after)
        other.append(
            {**recalled.after, **decided_in(transaction)},
            before={"lot_status": found.status},
            answer={},
            kit_numbers=recalled.numbers,
            follows=other.command,
        )
    answer = recalled.answer
    shown = may_see_subjects(transaction, other.study_id)
    kits = [
        one if shown or one["place_kind"] != Place.SUBJECT.value else {**one, "place": ""}
        for one in answer["kits"]
    ]
    return {
        "study_id": other.study_id,
        "recalled_before": answer["recalled_before"],
        "quarantined": answer["quarantined"],
        "kits": kits,
        "subjects_shown": shown,
        "subjects": answer["subjects"] if shown else [],
        "told": told,
    }


def _state(row: Any) -> tuple[KitStatus, Place]:
    return KitStatus(row.status), Place(row.place_kind)


def _answer(transaction: Transaction, lot_id: str, rows: Any, again: bool) -> dict[str, Any]:
    """The lot's kits as the recall leaves them, and who was given some, at which visit and when."""
    had = [one for one in rows if one.dispensed_on is not None] + _earlier_uses(transaction, lot_id)
    codes = _visit_codes(transaction, {one.subject_id for one in had})
    kits, subjects = [], []
    for one in rows:
        row = _STILL_OURS.get(_state(one))
        kits.append(
            {
                "kit_number": one.kit_number,
                "status": str(one.status if row is None else row.to_status),
                "place_kind": one.place_kind,
                "place": one.place,
            }
        )
    for one in had:
        subjects.append(
            {
                "subject_id": one.subject_id,
                "site_id": one.site_id,
                "kit_number": one.kit_number,
                "visit_number": one.visit_number,
                "visit_code": codes.get((one.subject_id, one.visit_number)),
                "dispensed_on": iso(one.dispensed_on),
                "return_asked": one.status == KitStatus.DISPENSED.value,
            }
        )
    return {
        "lot_id": lot_id,
        "recalled_before": again,
        "quarantined": sum(_state(one) in _STILL_OURS for one in rows),
        "kits": kits,
        "subjects": subjects,
        "told": [],
    }


def _told(transaction: Transaction, after: dict[str, Any]) -> list[dict[str, Any]]:
    """The depots and sites concerned, and how many of their people are sent mail: where it is nobody, somebody must call there."""
    act = (transaction.now, None, after, transaction.act.reason)
    places = recalled_by_place(
        Happening(transaction.connection, transaction.study_id, 0, transaction.command, *act)
    )
    people = people_at(transaction.connection, transaction.study_id, transaction.command, sorted(places))
    return [
        {"place_kind": place.kind, "place": place.key, "people": count} for place, count in people.items()
    ]


def _earlier_uses(transaction: Transaction, lot_id: str) -> list[Any]:
    """The uses of the lot's devices after which they were used again: those subjects had them, too, and gave them back."""
    ended = device_use.c
    query = (
        select(
            ended.kit_number,
            ended.subject_id,
            subject.c.site_id,
            ended.visit_number,
            ended.dispensed_on,
            literal(KitStatus.RETURNED.value).label("status"),
        )
        .join_from(
            device_use, kit, (kit.c.study_id == ended.study_id) & (kit.c.kit_number == ended.kit_number)
        )
        .join(subject, (subject.c.study_id == ended.study_id) & (subject.c.subject_id == ended.subject_id))
        .where(ended.study_id == transaction.study_id, kit.c.lot_id == lot_id, ended.outcome == "fit")
        .order_by(ended.kit_number, ended.use)
    )
    return list(transaction.connection.execute(query).all())


def _visit_codes(transaction: Transaction, who: set[str]) -> dict[tuple[str, str], str | None]:
    """(subject, visit number) -> the protocol's code of the visit."""
    if not who:
        return {}
    table = subject_visit.c
    rows = transaction.connection.execute(
        select(table.subject_id, table.visit_number, table.visit_code).where(
            table.study_id == transaction.study_id, table.dispensed | table.confirmation.is_not(None)
        )
    )
    return {(row.subject_id, row.visit_number): row.visit_code for row in rows if row.subject_id in who}

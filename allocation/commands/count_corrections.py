"""A count of what came back from a subject, corrected: the earlier count stays beside the right one.

Units of bulk supply are alike to those who count, so what is corrected is all that came back of a lot (on one day, where it was several),
and the right count is spread over the units again (rules/bulk_receipts.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pydantic import Field, model_validator
from sqlalchemy import Row, and_, or_, select

from allocation.commands.kit_counts import (
    CountedKit,
    CountedUnits,
    Units,
    count_of,
    kit_of_subject,
    told_to_site,
)
from allocation.commands.lot_quantities import lots_named_once
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.lot_units import units_among
from allocation.ledger.projections.kit_moves import chunks
from allocation.ledger.schema import kit, kit_count, return_kit, site_return
from allocation.plain_values import Day
from allocation.rules.bulk_receipts import spread_counts
from allocation.rules.kit_status import KitStatus
from allocation.rules.return_process import OPEN, ReturnState
from allocation.study.counted_units import KitContent, content_by_look
from allocation.study.model import Code


class CorrectedUnits(CountedUnits):
    """The right count of all units of a lot that came back (or, with `came_back` false, of all whose containers did not).

    `returned_on`: of those that were counted on this day; needed where it was several days.
    """

    returned_on: Day | None = None


class CorrectKitCountRequest(CommandRequest):
    """The right count of a kit that came back, or of what came back of lots of bulk supply."""

    subject_id: Code
    kit_number: Code | None = None
    returned_units: Units = Decimal(0)
    lost_units: Units = Decimal(0)
    used_units: Units | None = None
    bulk: tuple[CorrectedUnits, ...] = Field(default=(), max_length=500)

    @model_validator(mode="after")
    def _one_of_two(self) -> CorrectKitCountRequest:
        if (self.kit_number is None) == (not self.bulk):
            raise ValueError("name the kit by kit_number, or bulk by lot and quantity")
        if self.kit_number is not None and "returned_units" not in self.model_fields_set:
            raise ValueError("needs returned_units, the units that came back of the kit")
        if self.bulk and {"returned_units", "lost_units", "used_units"} & self.model_fields_set:
            raise ValueError("counts bulk lot by lot; give its units in bulk")
        lots_named_once(one.lot for one in self.bulk)
        return self


def correct_kit_count(
    service: Service, act: Act, study_id: str, request: CorrectKitCountRequest
) -> dict[str, Any]:
    """Correct the count of a kit that came back, or of lots of bulk supply, with a reason; the earlier count stays. Answers the new one.

    Raises NotFound, DomainRefusal without a reason, for an impossible count, and once a monitor has counted: then the difference
    stands in the reconciliation.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        act.require_reason("a correction needs a reason")
        if request.kit_number is None:
            return _correct_lots(transaction, act, row, request)
        held = kit_of_subject(transaction, row.subject_id, request.kit_number)
        latest = _latest_counts(transaction, [request.kit_number]).get(request.kit_number)
        if latest is None:
            raise NotFound(
                f"kit {request.kit_number} has not been counted",
                field="kit_number",
                fix="take it back from the subject first",
            )
        return_id = _declared_in(transaction, request.kit_number)
        if held.status != KitStatus.LOST.value and not (
            held.status == KitStatus.RETURNED.value and held.place == row.site_id
        ):
            raise _counted_by_others(request.kit_number)
        if not latest.came_back and request.returned_units:
            raise DomainRefusal(
                f"the container of kit {request.kit_number} did not come back",
                code="count-impossible",
                field="returned_units",
                fix="count its units as lost or used",
            )
        content = content_by_look(transaction.protocol)[held.kit_type]
        counted = CountedKit(
            kit_number=request.kit_number,
            returned_units=request.returned_units,
            lost_units=request.lost_units,
            used_units=request.used_units,
            came_back=latest.came_back,
        )
        return transaction.append(
            {**_corrected(transaction, held, counted, latest, content, return_id), "why": act.reason},
            before=_before(latest),
            answer={"subject_id": row.subject_id, **told_to_site(counted, content)},
            subject_id=row.subject_id,
            site_id=row.site_id,
            kit_numbers=(request.kit_number,),
        )

    return execute(service, act, study_id, "correct_kit_count", request, body)


def _correct_lots(
    transaction: Transaction, act: Act, row: Any, request: CorrectKitCountRequest
) -> dict[str, Any]:
    held = {one.kit_number: one for one in _kits_back(transaction, row)}
    units = sorted(
        units_among(transaction.connection, transaction.study_id, held),
        key=lambda unit: (unit.expiry, unit.pick_sequence),
    )
    latest = _latest_counts(transaction, [unit.number for unit in units])
    found_as = {True: KitStatus.RETURNED.value, False: KitStatus.LOST.value}
    looks = content_by_look(transaction.protocol)
    holds = {one.code: one.units_per_kit for one in transaction.protocol.kit_types}
    rows, before, told = [], [], []
    for one in request.bulk:
        numbers = [
            unit.number
            for unit in units
            if one.lot in (unit.lot, unit.blinded_lot)
            and latest[unit.number].came_back == one.came_back
            and held[unit.number].status == found_as[one.came_back]
            and one.returned_on in (None, latest[unit.number].returned_on)
        ]
        _require_all(one, [latest[number] for number in numbers], row.subject_id)
        returns = {number: _declared_in(transaction, number) for number in numbers}
        each = holds[held[numbers[0]].kit_type]
        spread = spread_counts(one.quantity, each, one.returned_units, one.lost_units, one.used_units)
        for number, part in zip(numbers, spread, strict=True):
            counted = CountedKit.model_construct(
                kit_number=number,
                returned_units=part.returned,
                lost_units=part.lost,
                used_units=part.used,
                came_back=one.came_back,
            )
            content = looks[held[number].kit_type]
            rows.append(
                _corrected(transaction, held[number], counted, latest[number], content, returns[number])
            )
            before.append({"kit_number": number, **_before(latest[number])})
            told.append(told_to_site(counted, content))
    return transaction.append(
        {"kits": rows, "why": act.reason},
        before={"kits": before},
        answer={"subject_id": row.subject_id, "kits": told},
        subject_id=row.subject_id,
        site_id=row.site_id,
        kit_numbers=tuple(one["kit_number"] for one in rows),
    )


def _kits_back(transaction: Transaction, row: Any) -> list[Row[Any]]:
    """The counted kits of the subject that are at its site or lost, locked."""
    back = and_(kit.c.status == KitStatus.RETURNED.value, kit.c.place == row.site_id)
    query = select(kit).where(
        kit.c.study_id == transaction.study_id,
        kit.c.subject_id == row.subject_id,
        or_(back, kit.c.status == KitStatus.LOST.value),
        kit.c.kit_number.in_(
            select(kit_count.c.kit_number).where(kit_count.c.study_id == transaction.study_id)
        ),
    )
    return list(transaction.connection.execute(query.order_by(kit.c.kit_number).with_for_update()))


def _require_all(one: CorrectedUnits, found: list[Any], subject_id: str) -> None:
    """All units of the lot that were counted are corrected together: which of them were meant could not be told apart."""
    on = "" if one.returned_on is None else f" on {one.returned_on}"
    if not found:
        raise NotFound(
            f"nothing of lot {one.lot} that subject {subject_id} brought back{on} can be corrected",
            field="bulk",
            fix="correct the lot or the day; what others have counted since is recorded by them",
        )
    days = sorted({latest.returned_on for latest in found})
    if len(days) > 1:
        raise DomainRefusal(
            f"lot {one.lot} came back from subject {subject_id} on {', '.join(map(str, days))}",
            code="count-ambiguous",
            field="bulk",
            fix="say by returned_on the count of which day is wrong",
        )
    if one.quantity != len(found):
        raise DomainRefusal(
            f"{len(found)} units of lot {one.lot} were counted{on}, not {one.quantity}",
            code="units-left-out",
            field="bulk",
            fix="give the right count of all of them together",
        )


def _latest_counts(transaction: Transaction, numbers: Iterable[str]) -> dict[str, Row[Any]]:
    """Kit number -> its latest count, of its latest use."""
    counts = kit_count.c
    found = {}
    for some in chunks(sorted(numbers)):
        query = select(kit_count).where(counts.study_id == transaction.study_id, counts.kit_number.in_(some))
        for row in transaction.connection.execute(query.order_by(counts.use, counts.revision)):
            found[row.kit_number] = row
    return found


def _corrected(
    transaction: Transaction,
    held: Any,
    counted: CountedKit,
    latest: Row[Any],
    content: KitContent,
    return_id: str | None,
) -> dict[str, Any]:
    return {
        **count_of(transaction, held, counted, content),
        "came_back": latest.came_back,
        "revision": latest.revision + 1,
        "returned_on": latest.returned_on.isoformat(),
        "return_id": return_id,
    }


def _before(latest: Row[Any]) -> dict[str, Any]:
    return {name: getattr(latest, name) for name in ("returned_units", "lost_units", "used_units")}


def _counted_by_others(number: str) -> DomainRefusal:
    return DomainRefusal(
        f"others have counted kit {number} since",
        code="kit-reconciled",
        field="kit_number",
        fix="the difference is recorded by whoever counts now",
    )


def _declared_in(transaction: Transaction, number: str) -> str | None:
    """The open return that declares the kit. Raises DomainRefusal when somebody has looked at that return already."""
    query = (
        select(site_return.c.return_id, site_return.c.state)
        .join_from(
            return_kit,
            site_return,
            (site_return.c.study_id == return_kit.c.study_id)
            & (site_return.c.return_id == return_kit.c.return_id),
        )
        .where(
            return_kit.c.study_id == transaction.study_id,
            return_kit.c.kit_number == number,
            site_return.c.state.in_([state.value for state in OPEN]),
        )
    )
    found = transaction.connection.execute(query).first()
    if found is None:
        return None
    if found.state != ReturnState.DECLARED:
        raise _counted_by_others(number)
    return str(found.return_id)

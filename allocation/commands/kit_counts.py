"""What comes back from a subject: each kit with its units counted. A count is corrected in count_corrections.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, model_validator
from sqlalchemy import select

from allocation.commands.kit_authority import require_reason_and_signature
from allocation.commands.lot_quantities import LotQuantity, units_for
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.schema import device_use, kit
from allocation.plain_values import Day
from allocation.rules.accountability import check_count, used_units
from allocation.rules.bulk_receipts import spread_counts
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus
from allocation.study.canonical import decimal_text
from allocation.study.counted_units import KitContent, content_by_look
from allocation.study.model import Code

Units = Annotated[Decimal, Field(max_digits=12, decimal_places=4)]


class CountedKit(CommandRequest):
    """A kit that was handed out, with units counted. `used_units`: what the subject says was taken; left out, it follows.

    `came_back` false: the container did not come back; then nothing of it is returned.
    """

    kit_number: Code
    returned_units: Units
    lost_units: Units = Decimal(0)
    used_units: Units | None = None
    came_back: bool = True

    @model_validator(mode="after")
    def _empty_hands(self) -> CountedKit:
        if not self.came_back and self.returned_units:
            raise ValueError("has units back of a container that is not; count them as lost or used")
        return self


class CountedUnits(LotQuantity):
    """So many units of a lot that the subject was given, with what they held in all counted: as `CountedKit`."""

    returned_units: Units = Field(ge=0)
    lost_units: Units = Field(default=Decimal(0), ge=0)
    used_units: Units | None = Field(default=None, ge=0)
    came_back: bool = True

    @model_validator(mode="after")
    def _empty_hands(self) -> CountedUnits:
        if not self.came_back and self.returned_units:
            raise ValueError("has units back of containers that are not; count them as lost or used")
        return self


class ReturnFromSubjectRequest(CommandRequest):
    """Kits that a subject brings back. `returned_on`: the site's date; left out, today."""

    subject_id: Code
    kits: tuple[CountedKit, ...] = Field(default=(), max_length=500)
    bulk: tuple[CountedUnits, ...] = Field(default=(), max_length=500)
    returned_on: Day | None = None

    @model_validator(mode="after")
    def _once(self) -> ReturnFromSubjectRequest:
        if len({one.kit_number for one in self.kits}) != len(self.kits):
            raise ValueError("name each kit once")
        if not self.kits and not self.bulk:
            raise ValueError("brings nothing back; give kits, or bulk by lot and quantity")
        return self


def return_from_subject(
    service: Service, act: Act, study_id: str, request: ReturnFromSubjectRequest
) -> dict[str, Any]:
    """Take kits back from a subject, units counted; answers each kit's count. A kit that a recall asked back is settled by it.

    Raises NotFound for a kit that the subject does not have, DomainRefusal for a kit that came back before, an impossible count or date,
    and without a reason where a container did not come back.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        if not all([*(one.came_back for one in request.kits), *(one.came_back for one in request.bulk)]):
            require_reason_and_signature(transaction, KitAct.REPORT_LOST)
        returned_on = request.returned_on or transaction.today
        looks = content_by_look(transaction.protocol)
        kits, answers, asked = [], [], []
        units = counted_units(transaction, row.subject_id, request.bulk)
        for one in sorted((*request.kits, *units), key=lambda counted: counted.kit_number):
            held = kit_of_subject(transaction, row.subject_id, one.kit_number)
            if held.status != KitStatus.DISPENSED.value:
                raise _not_with_subject(held, one.kit_number)
            _check_day(returned_on, held.dispensed_on, transaction.today)
            content = looks[held.kit_type]
            counted = count_of(transaction, held, one, content)
            kits.append(counted | {"came_back": one.came_back})
            answers.append(told_to_site(one, content))
            if held.return_asked_on is not None:
                asked.append(one.kit_number)
        after = {"returned_on": returned_on.isoformat(), "kits": kits, "asked_back": asked}
        answer = {
            "subject_id": row.subject_id,
            "returned_on": returned_on.isoformat(),
            "kits": answers,
            "asked_back": asked,
        }
        return transaction.append(
            after,
            before={"status": KitStatus.DISPENSED.value},
            answer=answer,
            subject_id=row.subject_id,
            site_id=row.site_id,
            kit_numbers=tuple(one["kit_number"] for one in kits),
        )

    return execute(service, act, study_id, "return_from_subject", request, body)


def counted_units(
    transaction: Transaction, subject_id: str, asked: Sequence[CountedUnits]
) -> list[CountedKit]:
    """Each unit of bulk supply that is brought back, with its part of the count. Raises DomainRefusal for more than the subject has."""
    if not asked:
        return []
    query = select(kit.c.kit_number, kit.c.kit_type).where(
        kit.c.study_id == transaction.study_id,
        kit.c.subject_id == subject_id,
        kit.c.status == KitStatus.DISPENSED.value,
    )
    type_of = {row.kit_number: row.kit_type for row in transaction.connection.execute(query)}
    where = f"with subject {subject_id}"
    found = units_for(transaction.connection, transaction.study_id, type_of, asked, where)
    content_of = {one.code: one.units_per_kit for one in transaction.protocol.kit_types}
    rows = []
    for one, numbers in zip(asked, found, strict=True):
        counts = spread_counts(
            one.quantity, content_of[type_of[numbers[0]]], one.returned_units, one.lost_units, one.used_units
        )
        rows += [
            CountedKit.model_construct(
                kit_number=number,
                returned_units=count.returned,
                lost_units=count.lost,
                used_units=count.used,
                came_back=one.came_back,
            )
            for number, count in zip(numbers, counts, strict=True)
        ]
    return rows


def kit_of_subject(transaction: Transaction, subject_id: str, number: str) -> Any:
    """The kit, which was handed out to the subject at some time. Whose else it is, and whether it exists, is not told."""
    found = transaction.connection.execute(
        select(kit)
        .where(
            kit.c.study_id == transaction.study_id,
            kit.c.kit_number == number,
            kit.c.subject_id == subject_id,
            kit.c.dispensed_on.is_not(None),
        )
        .with_for_update()
    ).first()
    if found is None:
        ended = device_use.c
        earlier = select(ended.use).where(
            ended.study_id == transaction.study_id,
            ended.kit_number == number,
            ended.subject_id == subject_id,
        )
        if transaction.connection.execute(earlier).first() is not None:
            raise DomainRefusal(
                f"kit {number} came back from subject {subject_id}, was inspected and is used again",
                code="kit-counted",
                field="kit_number",
                fix="its count stands as it was when it was inspected",
            )
        raise NotFound(
            f"kit {number} was not handed out to subject {subject_id}",
            field="kit_number",
            fix="correct the kit number",
        )
    return found


def _not_with_subject(held: Any, number: str) -> DomainRefusal:
    return DomainRefusal(
        f"kit {number} is {held.status}: the subject does not have it any more",
        code="kit-counted",
        field="kit_number",
        fix="correct its count instead, where it is wrong",
    )


def _check_day(returned_on: date, dispensed_on: date, today: date) -> None:
    if not dispensed_on <= returned_on <= today:
        raise DomainRefusal(
            f"{returned_on} is not between the dispensing on {dispensed_on} and today, {today}",
            code="contradicting-date",
            field="returned_on",
            fix="correct the date",
        )


def count_of(transaction: Transaction, held: Any, one: CountedKit, content: KitContent) -> dict[str, Any]:
    """The count of this use of the kit. What it may hold at most is asked by its look: the refusal would else tell what is in it."""
    check_count(one.kit_number, content.most, one.returned_units, one.lost_units, one.used_units)
    defined = transaction.protocol.kit_type(held.kit_type)
    assert defined is not None  # noqa: S101  (a type with loaded kits stays in the protocol)
    return {
        "kit_number": one.kit_number,
        "use": held.uses + 1,
        "dispensed_units": decimal_text(defined.units_per_kit),
        "returned_units": decimal_text(one.returned_units),
        "lost_units": decimal_text(one.lost_units),
        "used_units": None if one.used_units is None else decimal_text(one.used_units),
    }


def told_to_site(one: CountedKit, content: KitContent) -> dict[str, Any]:
    """The count for the site: used units follow only where all kits of the look hold the same."""
    used = one.used_units
    if used is None and content.units is not None:
        used = used_units(content.units, one.returned_units, one.lost_units)
    return {
        "kit_number": one.kit_number,
        "returned_units": decimal_text(one.returned_units),
        "lost_units": decimal_text(one.lost_units),
        "used_units": None if used is None else decimal_text(used),
    }

"""Kits come back from subjects: counted once, corrected beside the first count, and refused where a count cannot be."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.count_corrections import CorrectKitCountRequest, correct_kit_count
from allocation.commands.kit_counts import (
    ReturnFromSubjectRequest,
    return_from_subject,
)
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.service import Act
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.schema import kit, kit_count
from allocation.views.blinded.recalls import recalled_kits
from allocation.views.blinded.subject_accountability import subject_accountability
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.return_people import MONITOR, given, policy
from tests.commands.test_kit_acts import intact, kits

WHY = Act(SYSTEM_ACTOR, reason="counted again")


def back(who: str, number: str, returned: str, **more: Any) -> ReturnFromSubjectRequest:
    counted = {"kit_number": number, "returned_units": Decimal(returned), **more}
    return ReturnFromSubjectRequest.model_validate({"subject_id": who, "kits": [counted]})


def test_units_are_counted_and_compliance_follows_the_days_since_dispensing(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=policy())
    who, number = given(desk)
    desk.move(days=14)
    answer = return_from_subject(desk.service, ACT, STUDY, back(who, number, "20", lost_units="2"))
    assert answer["kits"] == [
        {"kit_number": number, "returned_units": "20", "lost_units": "2", "used_units": "13"}
    ]
    assert [(one.status, one.place) for one in kits(desk, kit_number=number)] == [("returned", "S01")]
    found = subject_accountability(desk.database, MONITOR, STUDY, who)
    (told,) = found.compliance
    assert (told.days, told.expected_units, told.used_units, told.percent) == (14, "14", "13", "92.9")
    assert found.kits[0].dispensed_units == "35"
    stock = update(kit).where(kit.c.kit_number == number).values(status="site_available")
    with pytest.raises(IntegrityError), desk.database.write() as connection:
        connection.execute(stock)
    intact(desk)


def test_a_correction_needs_a_reason_and_leaves_the_first_count_beside_it(desk: Desk) -> None:
    who, number = given(desk)
    return_from_subject(desk.service, ACT, STUDY, back(who, number, "20"))
    right = CorrectKitCountRequest(subject_id=who, kit_number=number, returned_units=Decimal(21))
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        correct_kit_count(desk.service, ACT, STUDY, right)
    assert caught.value.code == "reason-missing"
    assert desk.state() == before
    correct_kit_count(desk.service, WHY, STUDY, right)
    with desk.database.read() as connection:
        rows = connection.execute(select(kit_count).order_by(kit_count.c.revision)).all()
    assert [(row.revision, row.returned_units, row.reason) for row in rows] == [
        (0, "20", ""),
        (1, "21", "counted again"),
    ]
    (told,) = subject_accountability(desk.database, MONITOR, STUDY, who).kits
    assert (told.returned_units, told.used_units, told.corrections) == ("21", "14", 1)
    intact(desk)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"returned": "36"}, "returned_units"),
        ({"returned": "-1"}, "returned_units"),
        ({"returned": "20", "lost_units": "16"}, "lost_units"),
        ({"returned": "0", "lost_units": "-1"}, "lost_units"),
        ({"returned": "0", "used_units": "99"}, "used_units"),
    ],
)
def test_a_count_that_cannot_be_is_refused_by_field(sqlite_desk: Desk, more: Any, field: str) -> None:
    desk = sqlite_desk.set_up()
    who, number = given(desk)
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        return_from_subject(desk.service, ACT, STUDY, back(who, number, more.pop("returned"), **more))
    assert (caught.value.code, caught.value.field) == ("count-impossible", field)
    assert desk.state() == before


def test_a_kit_comes_back_once_from_the_subject_who_had_it_between_then_and_today(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up()
    who, number = given(desk)
    other = desk.randomized()
    request = back(who, number, "3")
    for wrong in (
        back(other, number, "3"),
        back(who, "NOKIT", "3"),
    ):
        with pytest.raises(NotFound):
            return_from_subject(desk.service, ACT, STUDY, wrong)
    for day in (desk.now.date().replace(year=2025), desk.now.date().replace(year=2027)):
        with pytest.raises(DomainRefusal, match="not between"):
            return_from_subject(desk.service, ACT, STUDY, request.model_copy(update={"returned_on": day}))
    first = return_from_subject(desk.service, Act(SYSTEM_ACTOR, "k1"), STUDY, request)
    assert return_from_subject(desk.service, Act(SYSTEM_ACTOR, "k1"), STUDY, request) == first
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        return_from_subject(desk.service, ACT, STUDY, request)
    assert caught.value.code == "kit-counted"
    assert desk.state() == before


def test_a_container_that_does_not_come_back_is_lost_with_a_reason(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up()
    who, number = given(desk)
    request = back(who, number, "0", lost_units="35", came_back=False)
    with pytest.raises(DomainRefusal) as caught:
        return_from_subject(desk.service, ACT, STUDY, request)
    assert caught.value.code == "reason-missing"
    return_from_subject(desk.service, WHY, STUDY, request)
    assert [one.status for one in kits(desk, kit_number=number)] == ["lost"]
    intact(desk)


def test_what_a_recall_asked_back_is_settled_when_it_comes(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up()
    who, number = given(desk)
    lot_id = kits(desk, kit_number=number)[0].lot_id
    recall_lot(desk.service, ACT, STUDY, RecallLotRequest(lot_id=lot_id))
    asked = [
        one.kit_number for one in recalled_kits(desk.database, SYSTEM_ACTOR, STUDY).kits if one.subject_id
    ]
    assert asked == [number]
    assert return_from_subject(desk.service, ACT, STUDY, back(who, number, "30"))["asked_back"] == [number]
    left = recalled_kits(desk.database, SYSTEM_ACTOR, STUDY).kits
    assert number not in {one.kit_number for one in left}

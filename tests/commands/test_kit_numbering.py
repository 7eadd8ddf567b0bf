"""A packager's list: numbers with gaps that follow nothing, from list to list none twice, and back in as CSV or XLSX."""

import io
from itertools import pairwise
from typing import Any

import pytest
from openpyxl import Workbook

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.inbound_files import read_kits, read_lots
from allocation.commands.kit_numbering import NumberKitsRequest, number_kits_of_lots
from allocation.commands.kits import load_kits
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.service import Act
from allocation.errors import DomainRefusal, FileRefused, NotFound, NotPermitted, RTSMError
from allocation.kit_list_files import kit_list_file
from allocation.ledger.replay import rebuild_projections
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.test_kit_acts import intact, kits


def numbered(desk: Desk, *lots: tuple[str, int], act: Act = ACT, **more: Any) -> list[dict[str, Any]]:
    asked = [{"lot_id": lot_id, "count": count} for lot_id, count in lots]
    request = NumberKitsRequest.model_validate({"lots": asked, **more})
    answer = number_kits_of_lots(desk.service, act, STUDY, request)
    rows: list[dict[str, Any]] = answer["kits"]
    return rows


def test_numbers_have_gaps_follow_no_lot_and_are_used_in_another_order(desk: Desk) -> None:
    rows = numbered(desk, ("ZZLOT1", 300), ("ZZLOT2", 300))
    numbers = [int(one["kit_number"]) for one in rows]
    assert len(set(numbers)) == 600
    assert all(100_000 <= number <= 999_999 for number in numbers)
    ordered = sorted(numbers)
    assert sum(after - before > 1 for before, after in pairwise(ordered)) > 590
    first_half = sorted(rows, key=lambda one: one["kit_number"])[:300]
    of_one = sum(one["lot_id"] == "ZZLOT1" for one in first_half)
    assert 110 < of_one < 190, "half of either lot, within five standard errors"
    by_pick = sorted(rows, key=lambda one: one["pick_sequence"])
    follows = sum(one["kit_number"] < two["kit_number"] for one, two in pairwise(by_pick))
    assert 240 < follows < 360
    assert {one["kit_type"] for one in rows if one["lot_id"] == "ZZLOT2"} == {"ZZKITB"}


def test_a_later_list_goes_on_and_a_retry_gets_the_same_list(desk: Desk) -> None:
    act = Act(SYSTEM_ACTOR, idempotency_key="packager")
    first = numbered(desk, ("ZZLOT1", 40), act=act, digits=5)
    before = desk.state()
    assert numbered(desk, ("ZZLOT1", 40), act=act, digits=5) == first
    assert desk.state() == before
    second = numbered(desk, ("ZZLOT3", 40))
    for name in ("kit_number", "pick_sequence"):
        assert len({one[name] for one in (*first, *second)}) == 80
    assert {len(one["kit_number"]) for one in second} == {5}
    with pytest.raises(DomainRefusal) as caught:
        numbered(desk, ("ZZLOT1", 1), digits=6)
    assert caught.value.code == "digits-fixed"
    intact(desk)
    state = desk.state()
    rebuild_projections(desk.database, STUDY)
    assert desk.state() == state


@pytest.mark.parametrize("name", ["kits.csv", "kits.xlsx"])
def test_the_list_comes_back_in_as_a_file(sqlite_desk: Desk, name: str) -> None:
    desk = sqlite_desk.set_up(stocked=False)
    rows = numbered(desk, ("ZZLOT1", 600), ("ZZLOT2", 600))
    request = read_kits(kit_list_file(rows, name), "D1")
    assert load_kits(desk.service, ACT, STUDY, request)["kits"] == 1200
    there = {one.kit_number: (one.lot_id, one.pick_sequence) for one in kits(desk)}
    assert all(there[one["kit_number"]] == (one["lot_id"], one["pick_sequence"]) for one in rows)
    again = {one["kit_number"] for one in numbered(desk, ("ZZLOT1", 100))}
    assert not again & set(there)
    intact(desk)


def test_what_cannot_be_numbered_is_refused_and_uses_up_no_number(desk: Desk) -> None:
    recall_lot(desk.service, ACT, STUDY, RecallLotRequest(lot_id="ZZLOT3"))
    before = desk.state()
    for lots, digits, code in (
        ((("NOLOT", 5),), None, "not-found"),
        ((("ZZLOT1", 5), ("ZZLOT3", 5)), None, "lot-recalled"),
        ((("ZZLOT1", 30_000), ("ZZLOT2", 30_000)), None, "too-many-kits"),
        ((("ZZLOT1", 226),), 3, "too-few-digits"),
    ):
        with pytest.raises(DomainRefusal) as caught:
            numbered(desk, *lots, digits=digits)
        assert caught.value.code == code
        assert isinstance(caught.value, NotFound) == (code == "not-found")
    blinded = Act(Actor("sue", "Sue", (Grant("supply_manager_blinded", STUDY),)))
    with pytest.raises(NotPermitted):
        numbered(desk, ("ZZLOT1", 5), act=blinded)
    assert desk.state() == before


def sheet(*rows: tuple[Any, ...]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def test_every_fault_of_a_workbook_is_named_by_its_line() -> None:
    header = ("kit_number", "kit_type", "lot_id", "pick_sequence")
    with pytest.raises(FileRefused) as caught:
        read_kits(
            sheet(header, (481516, "K", "L", 1), ("481517", "K", "L", 2.5), ("481518", "K", "L", 3)), "D1"
        )
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["line 2", "line 3"]
    with pytest.raises(FileRefused) as caught:
        read_kits(sheet(header, ("481516", "K", "L", 1), ("4815 17", "K", "L", 0)), "D1")
    assert {problem.split(" ")[1] for problem in caught.value.problems} == {"3:"}
    assert len(caught.value.problems) == 2
    lots = read_lots(sheet(("lot_id", "kit_type", "expiry_date"), ("L1", "K", "2028-06-30")))
    assert lots.lots[0].expiry_date.isoformat() == "2028-06-30"


def test_a_list_is_written_as_csv_or_xlsx_only() -> None:
    with pytest.raises(RTSMError, match=r"\.csv"):
        kit_list_file([], "kits.txt")

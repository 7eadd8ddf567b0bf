"""What the EDC is told of visits and kits: unscheduled ones, those that wait for confirmation, replaced ones. None overwrites another."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from defusedxml.ElementTree import fromstring
from sqlalchemy import select

from allocation.commands.confirming import ConfirmDispensingRequest, KitNotDispensed, confirm_dispensing
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_replacement import ReplaceKitRequest, replace_kit
from allocation.commands.visits import VisitRequest, record_visit
from allocation.edc.schema import edc_outbox
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk, desk_at
from tests.edc.unified import ODM, unified_protocol

Casebook = dict[tuple[str, str, str], dict[str, str]]
"""Event, its repeat key, repeat key of the item group -> item -> value."""


@contextmanager
def telling(url: str, dosing: dict[str, Any] | None = None, **out: Any) -> Iterator[Desk]:
    """A standalone trial that tells an EDC what happens."""
    document = unified_protocol(mode="standalone")
    document["edc"]["outgoing"] |= out
    document["dosing"] = document.get("dosing", {}) | (dosing or {})
    with desk_at(url) as empty:
        yield empty.set_up(document=Protocol.model_validate(document))


def casebook(desk: Desk, subject_id: str, *, times: int = 1) -> Casebook:
    """The subject as an EDC has it that takes each message so often: an upsert by its keys."""
    with desk.database.read() as connection:
        query = (
            select(edc_outbox.c.body)
            .where(edc_outbox.c.subject_id == subject_id)
            .order_by(edc_outbox.c.entry_id)
        )
        bodies = list(connection.execute(query).scalars())
    book: Casebook = {}
    for body in [body for body in bodies for _ in range(times)]:
        for event in fromstring(body).iter(f"{{{ODM}}}StudyEventData"):
            for group in event.iter(f"{{{ODM}}}ItemGroupData"):
                place = (
                    event.get("StudyEventOID"),
                    event.get("StudyEventRepeatKey"),
                    group.get("ItemGroupRepeatKey"),
                )
                items = {item.get("ItemOID"): item.get("Value") for item in group}
                book.setdefault(place, {}).update(items)  # type: ignore[arg-type]
    return book


def kinds(desk: Desk) -> list[str]:
    with desk.database.read() as connection:
        return list(connection.execute(select(edc_outbox.c.kind).order_by(edc_outbox.c.entry_id)).scalars())


def test_unscheduled_visits_and_their_dispensings_have_events_of_their_own_and_twice_is_once(
    database_url: str,
):
    with telling(database_url, {"unscheduled": True}) as desk:
        who = desk.randomized()
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
        desk.move(days=1)
        today = desk.now.date().isoformat()
        for number in ("2.1", "2.1", "2.2"):
            record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=who, visit_number=number))
        request = DispenseRequest(subject_id=who, visit_number="2.5")
        (kit,) = dispense(desk.service, ACT, STUDY, request)["kit_numbers"]
        book = casebook(desk, who)
        visit = {"RTSM.VISDAT": today, "RTSM.VISSTAT": "done"}
        unscheduled = {place: items for place, items in book.items() if place[0] == "UNSCHEDULED"}
        assert unscheduled == {
            ("UNSCHEDULED", "2.1", "1"): {"RTSM.VISNUM": "2.1", **visit},
            ("UNSCHEDULED", "2.1-2", "1"): {"RTSM.VISNUM": "2.1", **visit},
            ("UNSCHEDULED", "2.2", "1"): {"RTSM.VISNUM": "2.2", **visit},
            ("UNSCHEDULED", "2.5", "1"): {"RTSM.VISNUM": "2.5", **visit, "RTSM.DISPDAT": today},
            ("UNSCHEDULED", "2.5", "2"): {"RTSM.KITNO": kit},
        }
        assert casebook(desk, who, times=2) == book
        assert kinds(desk) == [
            "visit",
            "randomization",
            "dispensing",
            "visit",
            "visit",
            "visit",
            "dispensing",
        ]


def test_an_edc_without_unscheduled_visits_is_not_told_of_them(sqlite_url: str):
    with telling(sqlite_url, unscheduled=None) as desk:
        who = desk.screened()
        record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=who, visit_number="1.5"))
        assert kinds(desk) == ["visit"]


def test_kits_are_told_when_they_are_handed_out_and_not_when_they_are_assigned(database_url: str):
    with telling(database_url, {"confirmation": True}) as desk:
        who, other = desk.randomized(), desk.randomized()
        kits = {}
        for one in (who, other):
            request = DispenseRequest(subject_id=one, visit_code="V2")
            (kits[one],) = dispense(desk.service, ACT, STUDY, request)["kit_numbers"]
        assert [items for place, items in casebook(desk, who).items() if place[:2] == ("SE.BASE", "1")] == [
            {"RTSM.RANDNO": "R7919", "RTSM.RANDDAT": "2026-03-04", "RTSM.VISDAT": "2026-03-04", "RTSM.VISSTAT": "done"}
        ]  # fmt: skip
        desk.move(days=1)
        confirm_dispensing(
            desk.service, ACT, STUDY, ConfirmDispensingRequest(subject_id=who, handed_out=(kits[who],))
        )
        book = casebook(desk, who)
        assert book["SE.BASE", "1", "1"]["RTSM.DISPDAT"] == "2026-03-05"
        assert book["SE.BASE", "1", "2"] == {"RTSM.KITNO": kits[who]}
        before = kinds(desk)
        declined = KitNotDispensed(kit_number=kits[other], reason="declined")
        confirm_dispensing(
            desk.service, ACT, STUDY, ConfirmDispensingRequest(subject_id=other, not_dispensed=(declined,))
        )
        assert kinds(desk) == before
        assert not any("RTSM.DISPDAT" in items for items in casebook(desk, other).values())


@pytest.mark.parametrize("kit_numbers", [True, False])
def test_a_replaced_kit_stands_beside_the_one_that_it_replaces(sqlite_url: str, kit_numbers: bool):
    with telling(sqlite_url, kit_numbers=kit_numbers) as desk:
        who = desk.randomized()
        request = DispenseRequest(subject_id=who, visit_code="V2")
        (old,) = dispense(desk.service, ACT, STUDY, request)["kit_numbers"]
        act = replace(ACT, reason="broken")
        asked = ReplaceKitRequest(subject_id=who, kit_number=old, found="damaged")
        new = replace_kit(desk.service, act, STUDY, asked)["kit_number"]
        rows = {key: items for (event, _, key), items in casebook(desk, who).items() if event == "SE.BASE"}
        told = {
            "2": {"RTSM.KITNO": old},
            new: {"RTSM.KITNO": new, "RTSM.KITREPL": old, "RTSM.KITFND": "damaged"},
        }
        assert {key: items for key, items in rows.items() if key != "1"} == (told if kit_numbers else {})

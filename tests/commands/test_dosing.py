"""What is handed out depends on weight, area and age, on what there is, on lots, and on how long a kit stays valid."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from allocation.commands.visits import VisitRequest, record_visit
from allocation.ledger.reader import iter_sealed
from allocation.ledger.schema import subject_measurement
from allocation.ledger.sealing import seal_pending
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.dosing_trial import (
    Lot,
    assert_sound,
    dispensing,
    document,
    give,
    kit_type_of,
    refused,
    set_up,
)

PLANNED = {"planning_weight_kg": 70, "planning_height_cm": 170}


def last_entry(desk: Desk, command: str = "dispense") -> dict[str, Any]:
    seal_pending(desk.database)
    return [one.after for one in iter_sealed(desk.database, STUDY) if one.command == command][-1]


def by_weight() -> dict[str, Any]:
    """Arm A by bands of weight, arm B plainly, arm C 0.5 mg per kg made up of 10 and 20 mg; weights at most 10 days old."""
    a = {"visits": ["V2", "V3"], "arm": "ZZARMA"}
    light = {"measure": "weight", "below": 60}
    heavy = {"measure": "weight", "at_least": 60}
    dose = {
        "amount": "0.5",
        "unit": "mg",
        "per": "kg",
        "round_to": 10,
        "minimum": 10,
        "maximum": 100,
        "strengths": [{"kit_type": "ZZKITC", "amount": 20}, {"kit_type": "ZZKITB", "amount": 10}],
    }
    return document(
        {"measurements": {"weight_max_age_days": 10, **PLANNED}},
        dispensing=[
            {**a, "bands": [light], "kits": [{"kit_type": "ZZKITA", "quantity": 1}]},
            {**a, "bands": [heavy], "kits": [{"kit_type": "ZZKITA", "quantity": 2}]},
            dispensing(1)[1],
            {"visits": ["V2", "V3"], "arm": "ZZARMC", "dose": dose},
        ],
    )


def test_weight_decides_is_asked_of_every_arm_alike_and_must_be_fresh(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, by_weight())
    people = [desk.randomized() for _ in "ABC"]
    for who in people:
        with refused(desk, "measurement-missing", "weight_kg"):
            give(desk, who, "V2")
    with refused(desk, "implausible-measurement", "weight_kg"):
        give(desk, people[0], "V2", weight_kg=700)
    with refused(desk, "future-date", "measured_on"):
        give(desk, people[0], "V2", weight_kg=70, measured_on=desk.now.date() + timedelta(days=1))
    given = [
        give(desk, who, "V2", weight_kg=weight)["kit_numbers"]
        for who, weight in zip(people, ("59.9", "60", "60"), strict=True)
    ]
    assert [sorted(kit_type_of(desk, *kits)) for kits in given] == [
        ["ZZKITA"],
        ["ZZKITB"],
        ["ZZKITB", "ZZKITC"],
    ]
    decided = last_entry(desk)
    assert decided["dose"] == {
        "rule_version": "calculated-dose/1",
        "basis": "kg",
        "measured": "60",
        "counted": "60",
        "exact": "30.0",
        "rounded": "30",
        "dose": "30",
        "limited_by": "none",
    }
    assert decided["record"]["measured"] == [["weight", "60", desk.now.date().isoformat(), 0]]
    desk.move(days=14)
    for who in people:
        with refused(desk, "measurement-too-old", "weight_kg") as why:
            give(desk, who, "V3")
        assert "14 days ago; it may be 10 days old" in str(why.value)
    old = desk.now.date() - timedelta(days=10)
    assert len(give(desk, people[0], "V3", weight_kg=60, measured_on=old)["kit_numbers"]) == 2
    with desk.database.read() as connection:
        kept = connection.execute(
            select(subject_measurement.c.value, subject_measurement.c.measured_on)
            .where(subject_measurement.c.subject_id == people[0])
            .order_by(subject_measurement.c.measured_on)
        ).all()
    assert kept == [("59.9", date(2026, 3, 2)), ("60", old)]
    assert_sound(desk)


def test_a_measurement_of_the_same_day_corrects_the_one_before(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, by_weight())
    who = desk.randomized()
    record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=who, visit_number="1.1", weight_kg=50))
    record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=who, visit_number="1.2", weight_kg=80))
    assert len(give(desk, who, "V2")["kit_numbers"]) == 2
    assert_sound(desk)


def test_a_partial_dispensing_needs_the_protocol_and_the_site(empty_desk: Desk) -> None:
    lots = (Lot("ZZKITA", 2), Lot("ZZKITB"), Lot("ZZKITC"))
    desk = set_up(empty_desk, document({"partial": True}, dispensing=dispensing(3)), lots)
    who = desk.randomized()
    with refused(desk, "no-usable-kit", "accept_partial"):
        give(desk, who, "V2")
    answer = give(desk, who, "V2", accept_partial=True)
    assert (len(answer["kit_numbers"]), answer["kits_short"]) == (2, 1)
    assert last_entry(desk)["short"] == {"ZZKITA": 1}
    desk.move(days=14)
    with refused(desk, "no-usable-kit"):  # nothing at all is no partial dispensing
        give(desk, who, "V3", accept_partial=True)
    assert_sound(desk)


def test_without_partial_dispensing_it_is_all_or_nothing(empty_desk: Desk) -> None:
    lots = (Lot("ZZKITA", 2), Lot("ZZKITB"), Lot("ZZKITC"))
    desk = set_up(empty_desk, document(dispensing=dispensing(3)), lots)
    who = desk.randomized()
    with refused(desk, "no-usable-kit"):
        give(desk, who, "V2", accept_partial=True)


@pytest.mark.parametrize("same_lot", ["off", "where_possible", "required"])
def test_kits_come_from_one_lot_where_that_is_asked_for(empty_desk: Desk, same_lot: str) -> None:
    early, late = date(2027, 1, 31), date(2027, 2, 28)
    lots = (Lot("ZZKITA", 1, early), Lot("ZZKITA", 3, late), Lot("ZZKITB"), Lot("ZZKITC"))
    data = document({"same_lot": same_lot}, dispensing=dispensing(2))
    desk = set_up(empty_desk, data, lots)
    who = desk.randomized()
    first = give(desk, who, "V2")["kit_numbers"]
    assert first == (["K000", "K100"] if same_lot == "off" else ["K100", "K101"])
    desk.move(days=14)
    if same_lot == "required":
        with refused(desk, "no-usable-kit"):
            give(desk, who, "V3")
    else:
        expected = ["K101", "K102"] if same_lot == "off" else ["K000", "K102"]
        assert give(desk, who, "V3")["kit_numbers"] == expected
    assert_sound(desk)


@pytest.mark.parametrize("days", [-1, 0])
@pytest.mark.parametrize("switch", ["on", "off by type", "off"])
def test_a_kit_must_stay_valid_until_the_end_of_the_next_window(
    empty_desk: Desk, days: int, switch: str
) -> None:
    """V3 is planned 14 days after V2 and its window closes 3 days later: on 19 March 2026 the kit must still be usable."""
    closes = date(2026, 3, 19)
    lots = (Lot("ZZKITA", 2, closes + timedelta(days=1 + days)), Lot("ZZKITB"), Lot("ZZKITC"))
    data = document({"valid_until_next_visit": switch != "off"})
    for kit_type in data["kit_types"]:
        kit_type["expiry"] = {"dns_days": 0, "dnc_days": 0, "dnd_days": 0}
        if switch == "off by type":
            kit_type["valid_until_next_visit"] = False
    desk = set_up(empty_desk, data, lots)
    who = desk.randomized()
    if switch == "on" and days < 0:
        with refused(desk, "no-usable-kit"):
            give(desk, who, "V2")
        return
    assert len(give(desk, who, "V2")["kit_numbers"]) == 1
    assert last_entry(desk)["record"]["needed_until"] == closes.isoformat()
    desk.move(days=14)
    if switch != "on" and days < 0:
        desk.move(
            days=3
        )  # the last day of the window is past the kit's last day: now it is refused for its own expiry
        with refused(desk, "no-usable-kit"):
            give(desk, who, "V3")
    else:
        assert (
            len(give(desk, who, "V3")["kit_numbers"]) == 1
        )  # nothing follows that dispenses: its DND alone decides
    assert_sound(desk)

"""Two desks that act at the same moment never get the same kit, list entry, screening number or order."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import func, select

from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.screening import ScreenRequest, screen
from allocation.commands.service import Service
from allocation.errors import DomainRefusal, NoUsableKit
from allocation.ledger.reader import subject_arm
from allocation.ledger.schema import kit, list_entry
from allocation.ledger.verify import verify_ledger
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk

DESKS = 6


def at_once(desk: Desk, acts: list[Callable[[Service], Any]]) -> list[Any]:
    """Run the acts on as many real connections, released together by a barrier; gives answers, or the refusals raised."""
    barrier = threading.Barrier(len(acts))

    def one(act: Callable[[Service], Any]) -> Any:
        service = Service(desk.database, lambda: desk.now)
        with desk.database.read() as connection:
            connection.execute(select(1))
        barrier.wait(timeout=30)
        try:
            return act(service)
        except DomainRefusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def test_desks_that_dispense_at_once_hand_out_different_kits(desk: Desk) -> None:
    subjects = [desk.randomized() for _ in range(DESKS)]
    answers = at_once(
        desk,
        [
            lambda service, who=who: dispense(
                service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2")
            )
            for who in subjects
        ],
    )
    numbers = [number for answer in answers if isinstance(answer, dict) for number in answer["kit_numbers"]]
    assert len(numbers) >= 2
    assert len(set(numbers)) == len(numbers)
    with desk.database.read() as connection:
        dispensed = connection.execute(
            select(func.count()).select_from(kit).where(kit.c.status == "dispensed")
        )
        assert dispensed.scalar_one() == len(numbers)
    assert all(isinstance(answer, (dict, NoUsableKit)) for answer in answers)
    assert verify_ledger(desk.database, STUDY).difference is None


def test_desks_that_want_the_last_kit_get_it_once(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(blocks=20)
    with desk.database.read() as connection:
        usable = connection.execute(
            select(func.count()).select_from(kit).where(kit.c.place == "S01", kit.c.kit_type == "ZZKITA")
        ).scalar_one()
    of_arm: list[str] = []
    while len(of_arm) < usable + 1:
        who = desk.randomized()
        if subject_arm(desk.database, STUDY, who) == "ZZARMA":
            of_arm.append(who)
    answers = at_once(
        desk,
        [
            lambda service, who=who: dispense(
                service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2")
            )
            for who in of_arm
        ],
    )
    assert sum(isinstance(answer, dict) for answer in answers) == usable
    assert [type(answer) for answer in answers if not isinstance(answer, dict)] == [NoUsableKit]
    assert verify_ledger(desk.database, STUDY).intact


def test_desks_that_randomize_at_once_use_entries_in_sequence_without_gap_or_repeat(desk: Desk) -> None:
    subjects = [desk.eligible() for _ in range(DESKS)]
    answers = at_once(
        desk,
        [
            lambda service, who=who: randomize(service, ACT, STUDY, RandomizeRequest(subject_id=who))
            for who in subjects
        ],
    )
    assert len({answer["randomization_number"] for answer in answers}) == DESKS
    with desk.database.read() as connection:
        used = connection.execute(
            select(list_entry.c.sequence)
            .where(list_entry.c.subject_id.is_not(None))
            .order_by(list_entry.c.sequence)
        ).scalars()
        assert list(used) == list(range(1, DESKS + 1))


def test_one_subject_randomized_at_two_desks_gets_one_number(desk: Desk) -> None:
    who = desk.eligible()
    request = RandomizeRequest(subject_id=who)
    answers = at_once(desk, [lambda service: randomize(service, ACT, STUDY, request)] * 2)
    refusals = [answer for answer in answers if isinstance(answer, DomainRefusal)]
    assert [refusal.code for refusal in refusals] == ["already-randomized"]


def test_subjects_screened_at_once_at_a_site_get_different_numbers(desk: Desk) -> None:
    request = ScreenRequest(site_id="S01", sex="F", age=40, factors={"SEVERITY": "MILD"})
    answers = at_once(desk, [lambda service: screen(service, ACT, STUDY, request)] * DESKS)
    assert sorted(answer["subject_id"] for answer in answers) == [f"S01-{n:04d}" for n in range(1, DESKS + 1)]


def test_a_cap_is_not_passed_by_desks_that_screen_at_once(desk: Desk) -> None:
    request = ScreenRequest(site_id="S02", sex="F", age=40, factors={"SEVERITY": "MILD"})
    answers = at_once(desk, [lambda service: screen(service, ACT, STUDY, request)] * 3)
    refusals = [answer.code for answer in answers if isinstance(answer, DomainRefusal)]
    assert refusals == ["cap-reached", "cap-reached"]


def test_two_resupply_runs_at_once_order_for_a_site_once(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(stocked=False)
    answers = at_once(desk, [lambda service: run_resupply(service, ACT, STUDY, RunResupplyRequest())] * 2)
    orders = [
        order["site_id"] for answer in answers if isinstance(answer, dict) for order in answer["orders"]
    ]
    assert sorted(set(orders)) == ["S01", "S02"]
    with desk.database.read() as connection:
        requested = connection.execute(
            select(func.count()).select_from(kit).where(kit.c.status == "requested")
        ).scalar_one()
    per_site = max(
        order["kits"] for answer in answers if isinstance(answer, dict) for order in answer["orders"]
    )
    assert requested == 2 * per_site
    assert verify_ledger(desk.database, STUDY).intact

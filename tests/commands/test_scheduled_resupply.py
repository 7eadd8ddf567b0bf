"""Runs that nobody asks for: by the schedule of the protocol version in force, and after an act that leaves a site with less."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from allocation.commands import resupply
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.resupply_explanation import explain_resupply
from allocation.commands.resupply_scheduler import ResupplyScheduler, scheduling_lease
from allocation.commands.scheduled_resupply import run_due_in, run_scheduled, run_waiting
from allocation.commands.service import Act, Service
from allocation.commands.studies import GO_LIVE, LoadStudyVersionRequest, load_study_version, version_content
from allocation.errors import NoUsableKit
from allocation.ledger.reader import SealedEntry, entries_backwards, last_entry, studies
from allocation.ledger.schema import kit, resupply_run, resupply_waiting, shipment
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from allocation.views.blinded.resupply_schedule import ResupplySchedule, resupply_schedule
from tests.api.trial import STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk
from tests.commands.test_order_limits import two_sites, with_supply
from tests.commands.test_resupply_golden import STARTED, rule_c_protocol, site_with_three_subjects
from tests.commands.test_two_desks import at_once


def run_due(service: Service) -> dict[str, list[str]]:
    """Make every run that is due now; gives the ids by study."""
    return {study_id: run_due_in(service, study_id) for study_id in studies(service.database)}


def schedule(desk: Desk) -> ResupplySchedule:
    return resupply_schedule(desk.database, ACT.actor, STUDY, now=desk.now)


def count(desk: Desk, column: Any) -> int:
    with desk.database.read() as connection:
        return int(connection.execute(select(func.count(column))).scalar_one())


def last_run(desk: Desk) -> SealedEntry:
    return next(iter(entries_backwards(desk.database, STUDY, ("run_resupply",), None)))


def by_event(desk: Desk, sai: int = 3) -> Desk:
    """A site at its trigger level, whose next kit less is one too few; its study decides by event."""
    document = with_supply(rule_c_protocol(14, 42, "today", len(STARTED) + sai), on_event=True)
    desk = site_with_three_subjects(desk, document)
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())  # answers what has waited since the set-up
    assert schedule(desk).sites_waiting == ()
    return desk


def test_the_schedule_moves_with_the_clock_and_with_the_protocol_version(empty_desk: Desk) -> None:
    """Loaded on Monday 2026-03-02 at 9:00, runs on workdays at 4:00 UTC; from Thursday noon on Sundays at 20:00."""
    desk = empty_desk
    document = with_supply(rule_c_protocol(14, 42, "today", 6), run_hour_utc=4)
    two_sites(desk, document, {"L1": 80})
    assert run_due(desk.service) == {STUDY: []}, "this morning's moment was before the study"
    desk.now = datetime(2026, 3, 3, 4, 0, 20, tzinfo=UTC)
    assert schedule(desk).due_since == datetime(2026, 3, 3, 4, tzinfo=UTC)
    (run_id,) = run_due(desk.service)[STUDY]
    assert run_due(desk.service) == {STUDY: []}, "once"
    found = schedule(desk)
    assert (found.last_run_id, found.last_scheduled_for) == (run_id, datetime(2026, 3, 3, 4, tzinfo=UTC))
    assert (found.due_since, found.next_at) == (None, datetime(2026, 3, 4, 4, tzinfo=UTC))
    assert count(desk, shipment.c.shipment_id) == 2, "both sites were seeded by it"

    later = with_supply(document, run_weekdays=[6], run_hour_utc=20).model_dump(mode="json")
    later["study"]["version"] = 2
    second = Protocol.model_validate(later)
    request = LoadStudyVersionRequest(protocol=second, effective_at=datetime(2026, 3, 5, 12, tzinfo=UTC))
    act = desk.signed(GO_LIVE, version_content(second))
    load_study_version(desk.service, act, request)
    desk.now = datetime(2026, 3, 8, 19, tzinfo=UTC)
    assert len(run_due(desk.service)[STUDY]) == 1, (
        "Wednesday's and Thursday's were missed, and are caught up once"
    )
    assert run_due(desk.service) == {STUDY: []}
    assert schedule(desk).last_scheduled_for == datetime(2026, 3, 5, 4, tzinfo=UTC)
    desk.now = datetime(2026, 3, 8, 20, tzinfo=UTC)
    assert len(run_due(desk.service)[STUDY]) == 1
    assert schedule(desk).next_at == datetime(2026, 3, 15, 20, tzinfo=UTC)
    seal_pending(desk.database)
    entry = last_run(desk)
    assert (entry.actor, entry.role, entry.config_version) == ("system", "system", 2)
    assert explain_resupply(desk.database, ACT.actor, STUDY, "S01").asked_by == (
        "the schedule of 2026-03-08 20:00 UTC",
    )


def test_two_schedulers_and_one_that_died_make_one_run(
    empty_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = empty_desk
    two_sites(desk, rule_c_protocol(14, 42, "today", 6), {"L1": 80})
    desk.move(days=1)
    order = resupply._order_for_site

    def dies(service: Any, act: Any, study_id: str, asked: Any, *more: Any) -> Any:
        if asked.site_id == "S02":
            raise ConnectionError("the machine went down")
        return order(service, act, study_id, asked, *more)

    monkeypatch.setattr(resupply, "_order_for_site", dies)
    with pytest.raises(ConnectionError):
        run_scheduled(desk.service, STUDY)
    monkeypatch.undo()
    assert (count(desk, shipment.c.shipment_id), count(desk, resupply_run.c.run_id)) == (1, 0)
    desk.move(minutes=7)
    made = at_once(desk, [lambda service: {"run": run_scheduled(service, STUDY)}] * 2)
    assert {one["run"] for one in made if isinstance(one, dict)} - {None} == {run_of_first_order(desk)}
    assert (count(desk, shipment.c.shipment_id), count(desk, resupply_run.c.run_id)) == (2, 1)
    assert verify_ledger(desk.database, STUDY).intact


def run_of_first_order(desk: Desk) -> str:
    with desk.database.read() as connection:
        return str(connection.execute(select(shipment.c.run_id).limit(1)).scalar_one())


def test_a_scheduled_run_orders_for_what_expired_without_any_transaction(empty_desk: Desk) -> None:
    desk = site_with_three_subjects(empty_desk, rule_c_protocol(14, 42, "today", len(STARTED) + 3))
    run_due(desk.service)
    assert count(desk, shipment.c.shipment_id) == 1
    desk.now = datetime(2030, 1, 31, 5, tzinfo=UTC)  # the lot's expiry date, a workday
    run_due(desk.service)
    seal_pending(desk.database)
    with desk.database.read() as connection:
        expired = connection.execute(
            select(func.count()).select_from(kit).where(kit.c.status == "expired", kit.c.place == "S01")
        ).scalar_one()
    assert expired == 3
    assert last_run(desk).after["sites"][0]["why"] == "the depot has nothing to ship", (
        "it is in need, and all is expired"
    )


def test_an_act_that_leaves_a_site_with_less_is_answered_by_an_order_that_says_so(empty_desk: Desk) -> None:
    desk = by_event(empty_desk)
    with desk.database.read() as connection:
        number = connection.execute(
            select(kit.c.kit_number).where(kit.c.status == "site_available").limit(1)
        ).scalar_one()
    act = Act(ACT.actor, reason="found open")
    quarantine_kits(desk.service, act, STUDY, KitScopeRequest(kit_numbers=(number,)))
    assert schedule(desk).sites_waiting == ("S01",)
    before = count(desk, shipment.c.shipment_id)
    made = at_once(desk, [lambda service: {"runs": run_waiting(service, STUDY)}] * 2)
    assert not [one for one in made if isinstance(one, Exception)]
    assert count(desk, shipment.c.shipment_id) == before + 1, "two at once order once"
    assert schedule(desk).sites_waiting == ()
    assert run_waiting(desk.service, STUDY) == []
    seal_pending(desk.database)
    entry = last_entry(desk.database, STUDY, "order_shipment", "S01")
    assert entry is not None
    assert [one[2] for one in entry.after["events"]] == ["quarantine_kits"]
    derived = Derivation(desk.database, STUDY).run()
    assert derived["order_shipment"] == before + 1


def test_explain_names_the_act_that_asked_for_an_order(empty_desk: Desk) -> None:
    desk = by_event(empty_desk)
    who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="D0"))
    assert len(run_waiting(desk.service, STUDY)) == 1
    found = explain_resupply(desk.database, ACT.actor, STUDY, "S01")
    (asked,) = found.asked_by
    assert asked.startswith("dispense, entry ")
    assert found.shipment_id is not None
    assert found.derives_to_the_same


def test_the_queue_is_written_with_the_act_or_not_at_all_and_only_where_the_study_says_so(
    empty_desk: Desk,
) -> None:
    desk = by_event(empty_desk, sai=1)
    who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="D0"))
    assert schedule(desk).sites_waiting == ("S01",)
    waiting = count(desk, resupply_waiting.c.entry_id)
    other = desk.randomized()
    with pytest.raises(NoUsableKit):
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=other, visit_code="D0"))
    assert count(desk, resupply_waiting.c.entry_id) == waiting


def test_without_on_event_the_desk_writes_to_no_queue(desk: Desk) -> None:
    who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    assert count(desk, resupply_waiting.c.entry_id) == 0


def test_a_site_that_cannot_be_decided_waits_longer_and_holds_up_no_other(
    empty_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = empty_desk
    two_sites(desk, with_supply(rule_c_protocol(14, 42, "today", 6), on_event=True), {"L1": 80})
    desk.resupply()
    for site_id in ("S01", "S02"):
        request = KitScopeRequest(site_id=site_id)
        quarantine_kits(desk.service, Act(ACT.actor, reason="alarm"), STUDY, request)
    need = resupply.site_need

    def refuses(situation: Any) -> Any:
        if situation.at.site_id == "S01":
            raise NoUsableKit("as a hole in the protocol would")
        return need(situation)

    monkeypatch.setattr(resupply, "site_need", refuses)
    assert len(run_waiting(desk.service, STUDY)) == 1
    assert schedule(desk).sites_waiting == ("S01",)
    assert run_waiting(desk.service, STUDY) == [], "not at once again"
    monkeypatch.undo()
    desk.move(seconds=31)
    assert len(run_waiting(desk.service, STUDY)) == 1
    assert schedule(desk).sites_waiting == ()


def test_of_several_processes_one_works_and_the_thread_does_it(empty_desk: Desk) -> None:
    desk = empty_desk
    two_sites(desk, rule_c_protocol(14, 42, "today", 6), {"L1": 80})
    desk.move(days=1)
    if desk.database.is_postgresql:
        with scheduling_lease(desk.database) as ours:
            assert ours
            ResupplyScheduler(desk.service).work()
        assert count(desk, resupply_run.c.run_id) == 0, "another process has the lease"
    thread = ResupplyScheduler(Service(desk.database, lambda: desk.now), interval=0.02)
    thread.start()
    try:
        for _ in range(500):
            if count(desk, resupply_run.c.run_id):
                break
            time.sleep(0.02)
    finally:
        thread.stop()
    assert count(desk, resupply_run.c.run_id) == 1
    assert schedule(desk).due_since is None

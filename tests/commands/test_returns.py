"""A return passes its gates in order, by different people, signed where it must be; what is found to differ is kept."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from allocation.access.actors import SYSTEM_ACTOR, Actor
from allocation.commands.kit_acts import destroy_kits, quarantine_kits, release_kits, report_kits_damaged
from allocation.commands.kit_counts import ReturnFromSubjectRequest, return_from_subject
from allocation.commands.return_ends import (
    Certificate,
    DestroyReturnedRequest,
    ReuseRequest,
    destroy_returned_kits,
    reuse_returned_kits,
)
from allocation.commands.return_shipping import (
    DispatchReturnRequest,
    ReceiveReturnRequest,
    dispatch_return,
    receive_return,
)
from allocation.commands.return_steps import ReturnRequest, return_lines
from allocation.commands.returns import (
    ApproveReturnRequest,
    DeclareReturnRequest,
    ReconcileReturnRequest,
    approve_return,
    declare_return,
    reconcile_return,
    withdraw_return,
)
from allocation.commands.service import Act
from allocation.commands.shipments import ReceiveRequest, receive_shipment
from allocation.errors import DomainRefusal, KitTransitionRefused, NotFound, NotPermitted, SignatureRefused
from allocation.ledger.export import export_ledger
from allocation.ledger.offline_verifier import verify
from allocation.ledger.schema import kit, return_kit, site_return
from allocation.rules.kit_authority import DESTROYED, REUSED
from allocation.rules.return_process import APPROVED
from allocation.views.blinded.returns import return_detail
from pipelines.datasets import derive
from pipelines.events.reading import read_events
from pipelines.supply.conservation import conservation_breaks
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.return_people import DEPOT, MANAGER, MONITOR, SITE, SUPPLY, given, policy, signed
from tests.commands.test_kit_acts import at_site, do, intact, kits

WHY = "end of the study at the site"


def declare(desk: Desk, *numbers: str, who: Actor = SITE, unused_as: str | None = "excess") -> str:
    request = DeclareReturnRequest.model_validate(
        {"site_id": "S01", "kit_numbers": numbers, "unused_as": unused_as}
    )
    return str(declare_return(desk.service, Act(who), STUDY, request)["return_id"])


def reconcile(desk: Desk, name: str, *findings: dict[str, Any], who: Actor = MONITOR) -> dict[str, Any]:
    request = ReconcileReturnRequest.model_validate({"return_id": name, "findings": findings})
    return reconcile_return(desk.service, Act(who), STUDY, request)


def approve(desk: Desk, name: str, who: Actor = MANAGER) -> dict[str, Any]:
    content_hash = return_detail(desk.database, who, STUDY, name).content_hash
    request = ApproveReturnRequest(return_id=name, content_hash=content_hash)
    act = signed(desk, who, "approve_return", request, APPROVED)
    return approve_return(desk.service, act, STUDY, request)


def ship(desk: Desk, name: str, who: Actor = SITE) -> dict[str, Any]:
    request = DispatchReturnRequest(return_id=name, carrier="Carrier", tracking_number="T9")
    return dispatch_return(desk.service, Act(who), STUDY, request)


def receive(desk: Desk, name: str, *findings: dict[str, Any]) -> dict[str, Any]:
    request = ReceiveReturnRequest.model_validate({"return_id": name, "findings": findings})
    return receive_return(desk.service, Act(DEPOT), STUDY, request)


def destroy(desk: Desk, name: str, *numbers: str, who: Actor = DEPOT, **certificate: Any) -> dict[str, Any]:
    told = {
        "number": "C-1",
        "destroyed_on": desk.now.date(),
        "place": "Incinerator Nord",
        "file_name": "c1.pdf",
        "file_sha256": "a" * 64,
        **certificate,
    }
    request = DestroyReturnedRequest(
        return_id=name, kit_numbers=numbers, certificate=Certificate.model_validate(told)
    )
    act = signed(desk, who, "destroy_returned_kits", request, DESTROYED, WHY)
    return destroy_returned_kits(desk.service, act, STUDY, request)


def reuse(desk: Desk, name: str, *numbers: str) -> dict[str, Any]:
    request = ReuseRequest(return_id=name, kit_numbers=numbers)
    act = signed(desk, SUPPLY, "reuse_returned_kits", request, REUSED, WHY)
    return reuse_returned_kits(desk.service, act, STUDY, request)


def came_back(desk: Desk) -> str:
    who, number = given(desk)
    counted = [{"kit_number": number, "returned_units": Decimal(20)}]
    request = ReturnFromSubjectRequest.model_validate({"subject_id": who, "kits": counted})
    return_from_subject(desk.service, ACT, STUDY, request)
    return number


def refused(what: Callable[[], Any]) -> str:
    with pytest.raises(DomainRefusal) as caught:
        what()
    return str(caught.value.code)


def states(desk: Desk, *numbers: str) -> dict[str, tuple[str, str, str]]:
    return {
        one.kit_number: (one.status, one.place_kind, one.place)
        for one in kits(desk)
        if one.kit_number in numbers
    }


def test_a_return_goes_from_the_site_to_reuse_and_destruction_through_every_gate(
    empty_desk: Desk, tmp_path: Path
) -> None:
    desk = empty_desk.set_up(document=policy(reuse=True))
    used = came_back(desk)
    unused, gone, torn = at_site(desk)[:3]
    do(desk, report_kits_damaged, kit_numbers=(torn,))
    name = declare(desk, used, unused, gone, torn)
    assert name == "S01-R001"
    assert states(desk, used, unused) == {
        used: ("returned", "site", "S01"),
        unused: ("returned_unused", "site", "S01"),
    }
    differs = (
        {"kit_number": used, "units": "19", "reason": "one tablet less"},
        {"kit_number": gone, "found": False, "reason": "not in the cabinet"},
    )
    assert reconcile(desk, name, *differs)["state"] == "reconciled"
    assert approve(desk, name)["state"] == "approved"
    assert ship(desk, name)["kits"] == sorted((used, unused, torn))
    assert (
        refused(lambda: receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(shipment_id=name)))
        == "shipment-of-return"
    )
    desk.move(days=3)
    missing = {"kit_number": torn, "found": "missing", "reason": "box was open"}
    assert receive(desk, name, missing)["kits"] == {"good": 2, "damaged": 0, "missing": 1}
    assert refused(lambda: reuse(desk, name, used)) == "kit-not-reusable"
    assert reuse(desk, name, unused)["left"] == 1
    assert destroy(desk, name)["state"] == "closed"
    assert states(desk, used, unused, gone, torn) == {
        used: ("destroyed", "destroyed", ""),
        unused: ("depot_available", "depot", "D1"),
        gone: ("lost", "lost", ""),
        torn: ("lost", "lost", ""),
    }
    with desk.database.read() as connection:
        lines = {one.kit_number: one for one in return_lines(connection, STUDY, name)}
        (row,) = connection.execute(select(site_return)).all()
    assert (row.declared_by, row.reconciled_by, row.approved_by) == ("anna", "mo", "pia")
    assert (lines[used].declared_units, lines[used].counted_units, lines[used].certificate) == (
        "20",
        "19",
        "C-1",
    )
    assert {one.settled_as for one in lines.values()} == {"destroyed", "reused", "missing"}
    assert lines[torn].discrepancy == "box was open"
    intact(desk)
    export_ledger(desk.database, STUDY, tmp_path / "ledger.jsonl")
    entries, _ = verify((tmp_path / "ledger.jsonl").read_text().splitlines())
    assert entries > 10
    movements = derive(read_events(desk.database, STUDY), "unblinded")["supply/kit_movements"]
    assert conservation_breaks(movements, read_events(desk.database, STUDY)["kit_movements"]).is_empty()


def test_no_gate_is_skipped_and_nobody_passes_one_for_the_own_work(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(document=policy(destruction_at_site=True))
    number = at_site(desk)[0]
    both = Actor("both", "Both", tuple(one.grants[0] for one in (SITE, MONITOR, MANAGER)))
    name = declare(desk, number, who=both)
    before = desk.state()
    assert refused(lambda: approve(desk, name)) == "return-gate"
    assert refused(lambda: ship(desk, name)) == "return-gate"
    assert refused(lambda: destroy(desk, name, who=SITE)) == "return-gate"
    assert refused(lambda: receive(desk, name)) == "return-gate"
    assert refused(lambda: reconcile(desk, name, who=both)) == "own-return"
    for who in (SITE, DEPOT, SUPPLY):
        with pytest.raises(NotPermitted):
            reconcile(desk, name, who=who)
    assert desk.state() == before
    reconcile(desk, name)
    assert refused(lambda: approve(desk, name, who=both)) == "own-return"
    assert refused(lambda: ship(desk, name)) == "return-gate"
    for column, name_of in (("reconciled_by", "both"), ("approved_by", "both"), ("approved_by", "mo")):
        with pytest.raises(IntegrityError), desk.database.write() as connection:
            connection.execute(update(site_return).values({column: name_of}))
    request = ApproveReturnRequest(return_id=name, content_hash="0" * 64)
    with pytest.raises(SignatureRefused):
        approve_return(desk.service, Act(MANAGER), STUDY, request)
    stale = signed(desk, MANAGER, "approve_return", request, APPROVED)
    assert refused(lambda: approve_return(desk.service, stale, STUDY, request)) == "return-changed"
    approve(desk, name)
    assert destroy(desk, name, who=SITE)["state"] == "closed"
    assert states(desk, number) == {number: ("destroyed", "destroyed", "")}
    intact(desk)


def test_a_study_without_gates_ships_at_once_and_destroys_nothing_at_a_site(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(document=policy(reconciliation=False, approval=False))
    first, second = at_site(desk)[:2]
    name = declare(desk, first)
    assert refused(lambda: destroy(desk, name, who=SITE)) == "no-destruction-at-site"
    assert ship(desk, name)["state"] == "in_transit"
    receive(desk, name)
    assert refused(lambda: reuse(desk, name, first)) == "no-reuse"
    do(desk, report_kits_damaged, kit_numbers=(second,))
    assert refused(lambda: do(desk, destroy_kits, kit_numbers=(second,))) == "no-destruction-at-site"


def test_direct_destruction_at_a_site_skips_no_gate_and_takes_no_kit_out_of_a_return(
    sqlite_desk: Desk,
) -> None:
    desk = sqlite_desk.set_up(document=policy(destruction_at_site=True))
    first, second = at_site(desk)[:2]
    do(desk, report_kits_damaged, kit_numbers=(first, second))
    assert refused(lambda: do(desk, destroy_kits, kit_numbers=(first,))) == "return-needed"
    declare(desk, first)
    assert refused(lambda: do(desk, destroy_kits, kit_numbers=(first,))) == "kit-elsewhere"


def test_a_return_that_is_taken_back_leaves_usable_kits_in_quarantine(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up()
    number = at_site(desk)[0]
    name = declare(desk, number)
    request = ReturnRequest(return_id=name)
    assert refused(lambda: withdraw_return(desk.service, Act(SITE), STUDY, request)) == "reason-missing"
    answer = withdraw_return(desk.service, Act(MANAGER, reason="still needed there"), STUDY, request)
    assert answer["quarantined"] == [number]
    assert do(desk, release_kits, kit_numbers=(number,))["kits"] == [number]
    assert declare(desk, number) == "S01-R002"
    assert refused(lambda: ship(desk, name)) == "return-gate"
    intact(desk)


def test_what_cannot_be_returned_is_refused_and_changes_nothing(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up()
    _, with_subject = given(desk)
    number, held = at_site(desk)[:2]
    before = desk.state()
    assert refused(lambda: declare(desk, number, unused_as=None)) == "reason-missing"
    assert refused(lambda: declare(desk, unused_as=None)) == "nothing-to-return"
    for one in (with_subject, at_site(desk, "S02")[0], "NOKIT"):
        with pytest.raises(NotFound, match="not at site"):
            declare(desk, one)
    with pytest.raises(NotPermitted):
        declare(desk, number, who=MONITOR)
    assert desk.state() == before
    do(desk, quarantine_kits, kit_numbers=(held,))
    name = declare(desk, number, held)
    before = desk.state()
    assert refused(lambda: declare(desk, number)) == "kit-not-returnable"
    with pytest.raises(KitTransitionRefused):
        do(desk, quarantine_kits, kit_numbers=(number,))
    with pytest.raises(NotFound):
        reconcile(desk, name, {"kit_number": "NOKIT", "found": False, "reason": "x"})
    wrong = {"kit_number": number, "units": "3", "reason": "x"}
    assert refused(lambda: reconcile(desk, name, wrong)) == "kit-unopened"
    with pytest.raises(NotFound):
        reconcile(desk, "S01-R009")
    assert desk.state() == before


def test_a_certificate_is_of_one_date_place_and_file_and_covers_several_returns(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(document=policy(reconciliation=False, approval=False))
    numbers = at_site(desk)[:2]
    names = [declare(desk, one) for one in numbers]
    for name in names:
        ship(desk, name)
        receive(desk, name)
    before = desk.state()
    future, past = date(2027, 1, 1), date(2026, 1, 1)
    assert refused(lambda: destroy(desk, names[0], destroyed_on=future)) == "contradicting-date"
    assert refused(lambda: destroy(desk, names[0], destroyed_on=past)) == "contradicting-date"
    with pytest.raises(NotFound):
        destroy(desk, names[0], numbers[1])
    assert desk.state() == before
    destroy(desk, names[0])
    assert refused(lambda: destroy(desk, names[1], place="Elsewhere")) == "certificate-differs"
    destroy(desk, names[1])
    with desk.database.read() as connection:
        told = connection.execute(select(return_kit.c.certificate)).scalars().all()
    assert told == ["C-1", "C-1"]
    assert {one.status for one in kits(desk) if one.kit_number in numbers} == {"destroyed"}


def test_a_kit_whose_lot_was_recalled_or_that_is_too_old_is_not_used_again(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up(document=policy(reuse=True, reconciliation=False, approval=False))
    number = at_site(desk)[0]
    name = declare(desk, number)
    ship(desk, name)
    receive(desk, name)
    with desk.database.write() as connection:
        old = update(kit).where(kit.c.kit_number == number).values(last_ship_date=date(2026, 1, 1))
        connection.execute(old)
    assert refused(lambda: reuse(desk, name, number)) == "kit-not-reusable"


def test_a_retry_of_a_step_gets_the_first_answer(sqlite_desk: Desk) -> None:
    desk = sqlite_desk.set_up()
    request = DeclareReturnRequest(site_id="S01", kit_numbers=(at_site(desk)[0],), unused_as="excess")
    act = Act(SYSTEM_ACTOR, idempotency_key="k1")
    first = declare_return(desk.service, act, STUDY, request)
    before = desk.state()
    assert declare_return(desk.service, act, STUDY, request) == first
    assert desk.state() == before

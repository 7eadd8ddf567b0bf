"""A retry returns the first answer; a refusal leaves ledger and projections as they were."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands import resupply
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.expiry import ExpireKitsRequest, expire_kits
from allocation.commands.kits import KitRow, LoadKitsRequest, load_kits
from allocation.commands.lists import ActivateListRequest, activate_list
from allocation.commands.participation import EndRequest, discontinue
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.screening import EligibilityRequest, ScreenRequest, record_eligibility, screen
from allocation.commands.service import Act
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit
from allocation.errors import (
    DomainRefusal,
    FileRefused,
    IdempotencyConflict,
    NotFound,
    NotPermitted,
    NoUsableKit,
    SignatureRefused,
)
from allocation.ledger.schema import ledger_entry, shipment, subject_visit
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY, protocol
from tests.commands.desk import ACT, Desk


def entries(desk: Desk) -> int:
    with desk.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(ledger_entry)).scalar_one())


def test_a_retry_returns_the_first_answer_and_writes_nothing(desk: Desk) -> None:
    who = desk.randomized()
    act = Act(SYSTEM_ACTOR, idempotency_key="click-1")
    request = DispenseRequest(subject_id=who, visit_code="V2")
    first = dispense(desk.service, act, STUDY, request)
    before = desk.state()
    assert dispense(desk.service, act, STUDY, request) == first
    assert desk.state() == before


def test_a_retry_of_a_screening_screens_nobody_twice(desk: Desk) -> None:
    act = Act(SYSTEM_ACTOR, idempotency_key="screen-1")
    request = ScreenRequest(site_id="S01", sex="M", age=30, factors={"SEVERITY": "MILD"})
    first = screen(desk.service, act, STUDY, request)
    count = entries(desk)
    assert screen(desk.service, act, STUDY, request) == first
    assert entries(desk) == count


def test_a_key_that_was_used_for_another_request_is_refused(desk: Desk) -> None:
    act = Act(SYSTEM_ACTOR, idempotency_key="screen-1")
    screen(desk.service, act, STUDY, ScreenRequest(site_id="S01", sex="M", age=30))
    with pytest.raises(IdempotencyConflict):
        screen(desk.service, act, STUDY, ScreenRequest(site_id="S01", sex="F", age=30))


def test_a_key_of_one_actor_is_free_for_another(desk: Desk) -> None:
    grants = (Grant("site_coordinator", STUDY, "site", "S01"),)
    request = ScreenRequest(site_id="S01", sex="M", age=30)
    answers = [
        screen(desk.service, Act(Actor(name, name, grants), idempotency_key="k"), STUDY, request)
        for name in ("ada", "ben")
    ]
    assert answers[0]["subject_id"] != answers[1]["subject_id"]


def refused(desk: Desk, kind: type[Exception], code: str, call: Any) -> None:
    """The call raises that refusal, and everything is as it was."""
    before = desk.state()
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert desk.state() == before


def test_bad_input_gets_its_own_error_and_changes_nothing(desk: Desk) -> None:
    service = desk.service
    who = desk.randomized()
    waiting = desk.screened()
    refused(
        desk,
        NotFound,
        "not-found",
        lambda: screen(service, ACT, STUDY, ScreenRequest(site_id="S99", sex="F", age=40)),
    )
    refused(
        desk,
        NotFound,
        "not-found",
        lambda: screen(service, ACT, "NO-STUDY", ScreenRequest(site_id="S01", sex="F", age=40)),
    )
    refused(
        desk,
        DomainRefusal,
        "age-outside-limits",
        lambda: screen(service, ACT, STUDY, ScreenRequest(site_id="S01", sex="F", age=17)),
    )
    refused(
        desk,
        DomainRefusal,
        "subject-exists",
        lambda: screen(service, ACT, STUDY, ScreenRequest(site_id="S01", subject_id=who, sex="F", age=40)),
    )
    refused(
        desk,
        NotFound,
        "not-found",
        lambda: screen(
            service, ACT, STUDY, ScreenRequest(site_id="S01", sex="F", age=40, factors={"SEVERITY": "HUGE"})
        ),
    )
    refused(
        desk,
        DomainRefusal,
        "future-date",
        lambda: screen(
            service, ACT, STUDY, ScreenRequest(site_id="S01", sex="F", age=40, screened_on=date(2030, 1, 1))
        ),
    )
    refused(
        desk,
        DomainRefusal,
        "already-randomized",
        lambda: randomize(service, ACT, STUDY, RandomizeRequest(subject_id=who)),
    )
    refused(
        desk,
        DomainRefusal,
        "not-eligible",
        lambda: randomize(service, ACT, STUDY, RandomizeRequest(subject_id=waiting)),
    )
    refused(
        desk,
        NotFound,
        "not-found",
        lambda: record_eligibility(
            service,
            ACT,
            STUDY,
            EligibilityRequest(subject_id=waiting, eligible=False, failed_criteria=("EX99",)),
        ),
    )
    refused(
        desk,
        DomainRefusal,
        "not-on-treatment",
        lambda: dispense(service, ACT, STUDY, DispenseRequest(subject_id=waiting, visit_code="V2")),
    )
    refused(
        desk,
        DomainRefusal,
        "no-dispensing-visit",
        lambda: dispense(service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V4")),
    )
    refused(
        desk,
        DomainRefusal,
        "visit-outside-window",
        lambda: dispense(service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V3")),
    )
    refused(
        desk,
        NotFound,
        "not-found",
        lambda: record_visit(service, ACT, STUDY, VisitRequest(subject_id=who, visit_code="V77")),
    )
    refused(
        desk,
        DomainRefusal,
        "planned-number",
        lambda: record_visit(service, ACT, STUDY, VisitRequest(subject_id=who, visit_number=2)),
    )
    refused(
        desk,
        DomainRefusal,
        "before-randomization",
        lambda: discontinue(
            service, ACT, STUDY, EndRequest(subject_id=who, end_reason="DEATH", ended_on=date(2020, 1, 1))
        ),
    )
    refused(
        desk,
        DomainRefusal,
        "site-open",
        lambda: open_site(service, ACT, STUDY, OpenSiteRequest(site_id="S01")),
    )
    refused(
        desk,
        DomainRefusal,
        "shipment-state",
        lambda: dispatch_shipment(service, ACT, STUDY, DispatchRequest(shipment_id="S01-S001")),
    )
    refused(
        desk,
        DomainRefusal,
        "shipment-state",
        lambda: receive_shipment(service, ACT, STUDY, ReceiveRequest(shipment_id="S01-S001")),
    )
    refused(
        desk,
        DomainRefusal,
        "list-state",
        lambda: activate_list(service, ACT, STUDY, ActivateListRequest(list_id="ZZMRL")),
    )


def test_a_repeating_visit_that_took_place_is_not_missed_and_an_optional_one_never(empty_desk: Desk) -> None:
    document = protocol()
    document["visits"] += [
        {"code": "R1", "number": 7, "name": "PHONE", "epoch": "TRT", "target_day": 40, "repeats": True},
        {"code": "O1", "number": 8, "name": "EXTRA", "epoch": "TRT", "anchor": "none", "optional": True},
    ]
    desk = empty_desk.set_up(document=Protocol.model_validate(document))
    who = desk.randomized()
    for occurrence in (1, 2):
        record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=who, visit_code="R1"))
        with desk.database.read() as connection:
            query = select(func.count()).where(subject_visit.c.visit_code == "R1")
            assert connection.execute(query).scalar_one() == occurrence
    for code, reason in (("R1", "visit-on-record"), ("O1", "optional-visit")):
        request = MissVisitRequest(subject_id=who, visit_code=code)
        refused(
            desk,
            DomainRefusal,
            reason,
            lambda request=request: miss_visit(desk.service, ACT, STUDY, request),
        )


def test_no_kit_is_handed_out_at_a_visit_before_screening(desk: Desk) -> None:
    who = desk.randomized()
    for code in ("V2", "V3"):
        request = DispenseRequest(
            subject_id=who, visit_code=code, visit_date=date(2025, 12, 24), override_reason="came early"
        )
        refused(
            desk,
            DomainRefusal,
            "before-screening",
            lambda request=request: dispense(desk.service, ACT, STUDY, request),
        )


def test_a_visit_is_recorded_once_done_or_missed(desk: Desk) -> None:
    who = desk.randomized()
    miss_visit(desk.service, ACT, STUDY, MissVisitRequest(subject_id=who, visit_code="V4"))
    refused(
        desk,
        DomainRefusal,
        "visit-on-record",
        lambda: record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=who, visit_code="V4")),
    )


def test_a_list_that_ran_out_randomizes_nobody(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(blocks=1)
    for _ in range(3):
        desk.randomized()
    left = desk.eligible()
    refused(
        desk,
        DomainRefusal,
        "list-exhausted",
        lambda: randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=left)),
    )


def test_without_a_usable_kit_nothing_is_dispensed_and_the_error_names_no_kit_type(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(stocked=False)
    who = desk.randomized()
    before = desk.state()
    with pytest.raises(NoUsableKit) as caught:
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    assert "ZZ" not in str(caught.value)
    assert desk.state() == before


def test_one_bad_kit_in_a_file_of_thousands_loads_none_and_names_its_line(desk: Desk) -> None:
    rows = [KitRow(kit_number=f"N{n}", kit_type="ZZKITA", lot_id="ZZLOT1", line=n + 2) for n in range(3000)]
    rows[1234] = replace_lot(rows[1234], "ZZLOT9")
    rows[2000] = rows[1999]
    before = desk.state()
    with pytest.raises(FileRefused) as caught:
        load_kits(desk.service, ACT, STUDY, LoadKitsRequest(depot_id="D1", kits=tuple(rows)))
    assert caught.value.problems[0].startswith("line 1236: lot_id 'ZZLOT9'")
    assert any("stands in the file twice" in problem for problem in caught.value.problems)
    assert desk.state() == before


def replace_lot(row: KitRow, lot_id: str) -> KitRow:
    return row.model_copy(update={"lot_id": lot_id})


def test_who_has_no_role_for_an_act_is_refused_before_anything_is_said_of_the_subject(desk: Desk) -> None:
    who = desk.screened()
    stranger = Act(Actor("eve", "Eve", (Grant("site_coordinator", STUDY, "site", "S02"),)))
    request = EligibilityRequest(subject_id=who, eligible=True)
    refused(
        desk,
        NotPermitted,
        "not-permitted",
        lambda: record_eligibility(desk.service, stranger, STUDY, request),
    )


def test_an_activation_without_a_signature_of_just_that_list_is_refused(empty_desk: Desk) -> None:
    from allocation.commands.lists import ACTIVATION, UploadListRequest, activation_content, upload_list
    from tests.api.trial import AS_IS, randomization_list

    desk = empty_desk
    desk.load()
    uploaded = UploadListRequest.model_validate(randomization_list(AS_IS))
    answer = upload_list(desk.service, ACT, STUDY, uploaded)
    request = ActivateListRequest(list_id="ZZMRL")
    other = desk.signed(ACTIVATION, activation_content("ZZMRL", "0" * 64))
    meaning = desk.signed("I have read this", activation_content("ZZMRL", answer["sha256"]))
    for act in (ACT, other, meaning):
        refused(
            desk,
            SignatureRefused,
            "signature-refused",
            lambda act=act: activate_list(desk.service, act, STUDY, request),
        )
    ours = desk.signed(ACTIVATION, activation_content("ZZMRL", answer["sha256"]))
    theirs = replace(ours, signature=replace(ours.signature, username="somebody.else"))
    refused(
        desk,
        SignatureRefused,
        "signature-refused",
        lambda: activate_list(desk.service, theirs, STUDY, request),
    )
    assert activate_list(desk.service, ours, STUDY, request)["state"] == "active"


def test_a_retry_of_turning_over_expired_kits_gives_their_number_again(desk: Desk) -> None:
    desk.move(days=400)
    act = Act(SYSTEM_ACTOR, idempotency_key="monday")
    first = expire_kits(desk.service, act, STUDY, ExpireKitsRequest())
    assert first["kits"] > 0
    before = desk.state()
    assert expire_kits(desk.service, act, STUDY, ExpireKitsRequest()) == first
    assert desk.state() == before


def test_a_resupply_run_sent_again_later_orders_and_expires_nothing_more(desk: Desk) -> None:
    act, request = Act(SYSTEM_ACTOR, idempotency_key="nightly"), RunResupplyRequest()
    first = run_resupply(desk.service, act, STUDY, request)
    for _ in range(3):
        who = desk.randomized()
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    desk.move(days=400)
    before = desk.state()
    assert run_resupply(desk.service, act, STUDY, request) == first
    assert desk.state() == before
    again = run_resupply(desk.service, Act(SYSTEM_ACTOR, idempotency_key="the night after"), STUDY, request)
    assert again["run_id"] != first["run_id"]
    assert desk.state() != before


def test_a_resupply_run_that_was_cut_off_goes_on_as_the_same_run(
    empty_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = empty_desk.set_up(stocked=False)
    act, request = Act(SYSTEM_ACTOR, idempotency_key="nightly"), RunResupplyRequest()
    order = resupply._order_for_site

    def lost(service: Any, act: Any, study_id: str, asked: Any, *shares: Any) -> Any:
        if asked.site_id == "S02":
            raise ConnectionError("the machine went down")
        return order(service, act, study_id, asked, *shares)

    monkeypatch.setattr(resupply, "_order_for_site", lost)
    with pytest.raises(ConnectionError):
        run_resupply(desk.service, act, STUDY, request)
    monkeypatch.undo()
    desk.move(days=1)
    answer = run_resupply(desk.service, act, STUDY, request)
    assert [one["shipment_id"] for one in answer["orders"]] == ["S01-S001", "S02-S001"]
    with desk.database.read() as connection:
        assert set(connection.execute(select(shipment.c.run_id)).scalars()) == {answer["run_id"]}
    assert run_resupply(desk.service, act, STUDY, request) == answer

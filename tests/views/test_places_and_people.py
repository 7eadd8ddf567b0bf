"""Subjects, stock, shipments and lists: what each view says agrees with what was done."""

from datetime import date

import pytest

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.visits import MissVisitRequest, miss_visit
from allocation.errors import NotFound, NotPermitted
from allocation.ledger.sealing import seal_pending
from allocation.views.blinded.shipments import list_shipments, shipment_detail
from allocation.views.blinded.stock import site_stock
from allocation.views.blinded.subjects import list_subjects, subject_detail
from allocation.views.unblinded.lists import list_statuses
from allocation.views.unblinded.records import ledger_page, protocol_document
from allocation.views.unblinded.stock import unblinded_stock
from allocation.views.unblinded.subjects import list_unblinded_subjects
from tests.api.trial import STUDY
from tests.views.conftest import ACT, enrol, ship

MONITOR = Actor("mo", "Mo", (Grant("monitor", STUDY),))
STATISTICIAN = Actor("stat", "Stat", (Grant("unblinded_statistician", STUDY),))


def test_a_subject_shows_its_visits_the_windows_to_come_and_its_kits(service):
    ship(service)
    subject_id = enrol(service, "S01")
    miss_visit(service, ACT, STUDY, MissVisitRequest(subject_id=subject_id, visit_code="V3"))
    seen = subject_detail(service.database, MONITOR, STUDY, subject_id)
    assert (seen.subject.status, seen.subject.stratum, seen.factors) == (
        "randomized",
        "SEVERITY=MILD",
        {"SEVERITY": "MILD"},
    )
    assert [(visit.visit_code, visit.status, visit.dispensed) for visit in seen.visits] == [
        ("V1", "done", False),
        ("V2", "done", True),
        ("V3", "missed", False),
    ]
    # Randomized on 5 March, day 1: week 4 (day 29) is on 2 April, three days either way.
    assert [(one.visit_code, one.earliest, one.target, one.latest) for one in seen.visits_ahead] == [
        ("V4", date(2026, 3, 30), date(2026, 4, 2), date(2026, 4, 5))
    ]
    (kit,) = seen.kits
    assert (kit.kit_group, kit.visit_number, kit.dispensed_on) == (
        "Bottle of 35 tablets",
        "2",
        date(2026, 3, 5),
    )
    with pytest.raises(NotFound):
        subject_detail(service.database, MONITOR, STUDY, "nobody")
    elsewhere = Actor("de", "De", (Grant("site_coordinator", STUDY, "site", "S02"),))
    with pytest.raises(NotFound):
        subject_detail(service.database, elsewhere, STUDY, subject_id)


def test_a_subject_who_has_ended_has_no_visits_ahead(service):
    ship(service)
    subject_id = enrol(service, "S01", until="discontinued")
    assert subject_detail(service.database, MONITOR, STUDY, subject_id).visits_ahead == ()


def test_subjects_are_listed_by_page_site_and_status(service):
    for _ in range(3):
        enrol(service, "S01", until="screening")
    failed = enrol(service, "S01", until="failed")
    other = enrol(service, "S02", until="screening")
    everyone = list_subjects(service.database, MONITOR, STUDY)
    ids = [one.subject_id for one in everyone.subjects]
    assert (everyone.total, ids) == (5, sorted(ids))
    page = list_subjects(service.database, MONITOR, STUDY, offset=1, limit=2)
    assert (page.total, [one.subject_id for one in page.subjects]) == (5, ids[1:3])
    assert [
        one.subject_id
        for one in list_subjects(service.database, MONITOR, STUDY, status="screen_failed").subjects
    ] == [failed]
    assert [
        one.subject_id for one in list_subjects(service.database, MONITOR, STUDY, site_id="S02").subjects
    ] == [other]


def test_a_sites_kits_are_usable_until_their_last_dispensing_date(service):
    ship(service)
    stock = site_stock(service.database, MONITOR, STUDY, "S01", now=service.clock())
    numbers = [kit.kit_number for kit in stock.kits]
    assert len(numbers) == 6
    assert numbers == sorted(numbers)
    assert all(kit.usable for kit in stock.kits)
    service.clock.move(days=212)  # past 29 September, the first lot's last day
    later = site_stock(service.database, MONITOR, STUDY, "S01", now=service.clock())
    assert {kit.last_dispense_date for kit in later.kits if not kit.usable} == {date(2026, 9, 29)}
    assert sum(kit.usable for kit in later.kits) == 4


def test_a_shipment_shows_its_kits_and_what_was_found_at_receipt(service):
    orders = run_resupply(service, ACT, STUDY, RunResupplyRequest())["orders"]
    shipment_id = next(order["shipment_id"] for order in orders if order["site_id"] == "S01")
    requested = shipment_detail(service.database, MONITOR, STUDY, shipment_id)
    numbers = [kit.kit_number for kit in requested.contents]
    assert (requested.shipment.status, requested.shipment.kits, len(numbers)) == ("requested", 6, 6)
    dispatch_shipment(service, ACT, STUDY, DispatchRequest(shipment_id=shipment_id, carrier="Carrier"))
    found = {numbers[0]: "damaged", numbers[1]: "lost"}
    receive_shipment(
        service,
        ACT,
        STUDY,
        ReceiveRequest.model_validate({"shipment_id": shipment_id, "dispositions": found}),
    )
    received = shipment_detail(service.database, MONITOR, STUDY, shipment_id)
    assert received.shipment.status == "received"
    assert {kit.kit_number: kit.disposition for kit in received.contents} == {
        number: found.get(number, "available") for number in numbers
    }
    assert [
        one.shipment_id
        for one in list_shipments(service.database, MONITOR, STUDY, status="received").shipments
    ] == [shipment_id]
    assert [
        one.to_place for one in list_shipments(service.database, MONITOR, STUDY, site_id="S02").shipments
    ] == ["S02"]
    with pytest.raises(NotFound):
        shipment_detail(service.database, MONITOR, STUDY, "none")


def test_unblinded_stock_and_subjects_name_types_lots_arms_and_list_entries(service):
    ship(service)
    first, second = enrol(service, "S01"), enrol(service, "S01", stratum="SEVERE")
    subjects = list_unblinded_subjects(service.database, STATISTICIAN, STUDY).subjects
    assert [(one.subject_id, one.arm, one.list_id, one.sequence, one.block) for one in subjects] == [
        (first, "ZZARMA", "ZZMRL", 1, 1),
        (second, "ZZARMC", "ZZMRL", 1, 1),
    ]
    stock = unblinded_stock(service.database, STATISTICIAN, STUDY, site_id="S01").stock
    assert {(one.kit_type, one.lot_id, one.kits) for one in stock} == {
        ("ZZKITA", "ZZLOT1", 1),
        ("ZZKITB", "ZZLOT2", 2),
        ("ZZKITC", "ZZLOT3", 1),
    }
    assert sum(one.kits for one in unblinded_stock(service.database, STATISTICIAN, STUDY).stock) == 60
    (status,) = list_statuses(service.database, STATISTICIAN, STUDY).lists
    assert (status.state, status.entries, status.used) == ("active", 12, 2)
    assert status.allocated == {"ZZARMA": 1, "ZZARMB": 0, "ZZARMC": 1}
    assert [(run.stratum, run.used, run.left, run.next_sequence) for run in status.runs] == [
        ("SEVERITY=MILD", 1, 5, 2),
        ("SEVERITY=SEVERE", 1, 5, 2),
    ]


def test_the_protocol_and_the_ledger_are_shown_whole_to_those_who_may_read_them(service):
    seal_pending(service.database)
    document = protocol_document(service.database, STATISTICIAN, STUDY)
    assert (document.version, document.protocol["study"]["id"]) == (1, STUDY)
    with pytest.raises(NotFound):
        protocol_document(service.database, STATISTICIAN, STUDY, 2)
    first = ledger_page(service.database, STATISTICIAN, STUDY, limit=3)
    rest = ledger_page(service.database, STATISTICIAN, STUDY, after=first.last_position)
    entries = first.entries + rest.entries
    assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[0].command == "load_study_version"
    beyond = ledger_page(service.database, STATISTICIAN, STUDY, after=10_000)
    assert (beyond.entries, beyond.last_position) == ((), len(entries))


@pytest.mark.parametrize(
    "view",
    [
        list_unblinded_subjects,
        unblinded_stock,
        list_statuses,
        protocol_document,
        ledger_page,
    ],
)
def test_unblinded_views_are_refused_to_blinded_roles(service, view):
    with pytest.raises(NotPermitted):
        view(service.database, MONITOR, STUDY)
    assert view(service.database, SYSTEM_ACTOR, STUDY).study_id == STUDY

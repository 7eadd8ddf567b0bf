"""The overview: counts that agree with what was done, within what the reader may see, in good time."""

import statistics
import time
from datetime import date, timedelta

import pytest
from sqlalchemy import Integer, cast, func, insert, select

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.expiry import ExpireKitsRequest, expire_kits
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.shipments import DispatchRequest, dispatch_shipment
from allocation.errors import NotFound, NotPermitted
from allocation.ledger.projections import FOLDS
from allocation.ledger.schema import kit, shipment, site, subject
from allocation.rules.kit_status import KitStatus, Place
from allocation.study.protocol import Protocol
from allocation.views.blinded.enrolment import expected_enrolment
from allocation.views.blinded.events import WORDS
from allocation.views.blinded.overview import study_overview
from tests.api.trial import STUDY, protocol
from tests.views.conftest import ACT, enrol, ship


def sponsor(*grants: Grant) -> Actor:
    return Actor("sponsor", "Sponsor", grants or (Grant("sponsor_blinded", STUDY),))


def counts(kits, **wanted):
    return sum(one.kits for one in kits if all(getattr(one, key) == value for key, value in wanted.items()))


def test_enrolment_counts_agree_with_what_was_done(service):
    ship(service)
    for until in ("screening", "failed", "eligible", "randomized", "dispensed", "discontinued"):
        enrol(service, "S01", until=until)
    enrol(service, "S02", until="failed")
    enrolment = study_overview(service.database, sponsor(), STUDY).enrolment
    expected = {
        "screened": 7,
        "in_screening": 2,
        "screen_failed": 2,
        "randomized": 3,
        "on_study": 2,
        "discontinued": 1,
        "completed": 0,
    }
    assert enrolment.total.model_dump() == expected
    by_site = {one.site_id: one.counts for one in enrolment.sites}
    assert (by_site["S01"].screened, by_site["S02"].screened, by_site["S02"].screen_failed) == (6, 1, 1)
    by_country = {one.country: one for one in enrolment.countries}
    assert (by_country["DEU"].counts.randomized, by_country["DEU"].planned_subjects) == (3, 25)
    assert (by_country["FRA"].open_sites, by_country["FRA"].planned_sites) == (1, 1)
    today = date(2026, 3, 5)
    assert [(one.day, one.subjects) for one in enrolment.screened_by_day] == [(today, 7)]
    assert [(one.day, one.subjects) for one in enrolment.randomized_by_day] == [(today, 3)]
    # 40 subjects from 2026-03-02 to 2026-06-10 are 100 days; three days are over.
    assert enrolment.plan.expected_by_now == 1.2


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 3, 1), 0.0),
        (date(2026, 3, 2), 0.0),
        (date(2026, 4, 21), 20.0),
        (date(2026, 6, 10), 40.0),
        (date(2027, 1, 1), 40.0),
    ],
)
def test_enrolment_is_expected_evenly_over_the_planned_period(today, expected):
    assert expected_enrolment(Protocol.model_validate(protocol()), today) == expected


def test_nothing_is_expected_where_no_period_is_planned():
    document = protocol()
    del document["study"]["planned_enrolment_end"]
    assert expected_enrolment(Protocol.model_validate(document), date(2026, 4, 1)) is None


def test_every_kit_is_counted_once_wherever_it_is(service):
    stock = study_overview(service.database, sponsor(), STUDY).stock
    assert counts(stock) == counts(stock, place_kind="depot", place="D1", status="depot_available") == 60
    ship(service)
    handed = 2
    for _ in range(handed):
        enrol(service, "S01")
    run_resupply(service, ACT, STUDY, RunResupplyRequest())
    seen = study_overview(service.database, sponsor(), STUDY)
    assert counts(seen.stock) == 60
    assert counts(seen.stock, place_kind="subject", place="", status="dispensed") == handed
    assert counts(seen.stock, place_kind="site", place="S01") == 6 - handed
    assert {one.kit_group for one in seen.stock} == {"Bottle of 35 tablets"}


def test_shipments_under_way_are_listed_until_they_arrive_and_are_late_after_their_day(service):
    order = run_resupply(service, ACT, STUDY, RunResupplyRequest())["orders"][0]
    requested = study_overview(service.database, sponsor(), STUDY).shipments_under_way
    assert {one.status for one in requested} == {"requested"}
    shipment_id = order["shipment_id"]
    dispatch_shipment(service, ACT, STUDY, DispatchRequest(shipment_id=shipment_id))
    on_time = study_overview(service.database, sponsor(), STUDY, now=service.clock()).shipments_under_way
    assert on_time[0].shipment_id == shipment_id, "what has an expected day comes first"
    assert not any(one.late for one in on_time)
    later = service.clock() + timedelta(days=3)
    overdue = study_overview(service.database, sponsor(), STUDY, now=later).shipments_under_way
    assert [one.shipment_id for one in overdue if one.late] == [shipment_id]


def test_expiries_ahead_are_those_within_the_days_asked_for(service):
    # Lots expire on 15 October, November and December 2026; with DND 15 the last day to dispense is 16 days before.
    none_yet = study_overview(service.database, sponsor(), STUDY, days_ahead=210)
    assert none_yet.expiries_ahead == ()
    one_lot = study_overview(service.database, sponsor(), STUDY, days_ahead=211).expiries_ahead
    assert [(one.last_dispense_date, one.days_left, one.kits) for one in one_lot] == [
        (date(2026, 9, 29), 211, 20)
    ]
    assert counts(study_overview(service.database, sponsor(), STUDY, days_ahead=400).expiries_ahead) == 60
    service.clock.move(days=240)
    expire_kits(service, ACT, STUDY, ExpireKitsRequest())
    seen = study_overview(service.database, sponsor(), STUDY, days_ahead=400)
    assert counts(seen.stock, status="expired") == 20
    assert counts(seen.expiries_ahead) == 40, "what has expired is no more ahead"


def test_events_come_latest_first_in_words_without_arms(service):
    ship(service)
    subject_id = enrol(service, "S01")
    events = study_overview(service.database, sponsor(), STUDY, events=3).events
    assert [one.text for one in events] == [
        f"1 kit dispensed to subject {subject_id} at site S01",
        f"Subject {subject_id} was randomized at site S01",
        f"Eligibility of subject {subject_id} was recorded",
    ]
    assert all("ZZ" not in one.text for one in study_overview(service.database, sponsor(), STUDY).events)


def test_every_command_of_the_ledger_has_its_words():
    assert set(WORDS) >= set(FOLDS)


def test_who_holds_a_part_of_the_study_sees_that_part(service):
    ship(service)
    enrol(service, "S01")
    enrol(service, "S02", until="screening")
    at_site = study_overview(service.database, sponsor(Grant("monitor", STUDY, "site", "S02")), STUDY)
    assert [one.site_id for one in at_site.enrolment.sites] == ["S02"]
    assert at_site.enrolment.total.screened == 1
    assert {one.place for one in at_site.stock} == {"S02"}
    assert {one.site_id for one in at_site.events} <= {"S02", None}
    in_country = study_overview(service.database, sponsor(Grant("monitor", STUDY, "country", "DEU")), STUDY)
    assert [one.site_id for one in in_country.enrolment.sites] == ["S01"]
    run_resupply(service, ACT, STUDY, RunResupplyRequest())
    depot = study_overview(service.database, sponsor(Grant("depot_operator", STUDY, "depot", "D1")), STUDY)
    assert depot.enrolment.sites == ()
    assert {one.place_kind for one in depot.stock} == {"depot"}
    assert depot.shipments_under_way


def test_a_depot_sees_what_came_to_it_and_left_it_and_not_what_another_depot_did(service):
    shipment_id, *_ = ship(service)
    enrol(service, "S01")

    def texts(*grants):
        return [one.text for one in study_overview(service.database, sponsor(*grants), STUDY).events]

    own = texts(Grant("depot_operator", STUDY, "depot", "D1"))
    with service.database.read() as connection:
        shipments = connection.execute(select(shipment).order_by(shipment.c.shipment_id)).all()
    expected = {
        text
        for one in shipments
        for text in (
            f"A shipment to site {one.to_place} was requested",
            f"A shipment of {one.kit_count} kits to site {one.to_place} left the depot",
            f"A shipment of {one.kit_count} kits arrived at site {one.to_place}",
        )
    }
    assert shipment_id in {one.shipment_id for one in shipments}
    assert {text for text in own if "shipment" in text} == expected
    assert "Kits arrived at a depot" in own
    assert not any("Subject" in text or "dispensed" in text for text in own)
    another = texts(Grant("depot_operator", STUDY, "depot", "D2"))
    assert not any("shipment" in text or "Kits arrived" in text for text in another)
    assert "The resupply run looked at every site's stock" in another
    # Two grants show each event once.
    both = texts(Grant("depot_operator", STUDY, "depot", "D1"), Grant("depot_operator", STUDY, "depot", "D2"))
    assert both == own


def test_a_study_is_not_shown_to_those_who_hold_nothing_in_it(service):
    with pytest.raises(NotPermitted):
        study_overview(service.database, sponsor(Grant("sponsor_blinded", "OTHER")), STUDY)
    with pytest.raises(NotFound):
        study_overview(service.database, SYSTEM_ACTOR, "OTHER")


@pytest.mark.slow
def test_the_overview_of_a_large_trial_is_quick_enough_to_be_asked_every_second(service):
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(400)]
    sites = [
        {
            "study_id": STUDY,
            "site_id": f"X{n:03d}",
            "name": "Site",
            "country": "DEU",
            "depot_id": "D1",
            "timezone": "UTC",
            "status": "open",
            "opened_on": days[0],
        }
        for n in range(200)
    ]
    subjects = [
        {
            "study_id": STUDY,
            "subject_id": f"X{n % 200:03d}-{n:05d}",
            "site_id": f"X{n % 200:03d}",
            "country": "DEU",
            "status": "randomized",
            "screened_on": days[n % 400],
            "randomized_on": days[n % 400],
            "factors_json": "{}",
        }
        for n in range(5000)
    ]
    at_first_site = []
    for n in range(250):
        handed = n % 2 == 1
        at_first_site.append(
            {
                "study_id": STUDY,
                "kit_number": f"X{n:03d}-",
                "kit_type": "ZZKITA",
                "lot_id": "ZZLOT1",
                "pick_sequence": 1000 + n,
                "expiry_date": days[399],
                "last_ship_date": days[300],
                "last_count_date": days[300],
                "last_dispense_date": days[300 + n % 99],
                "status": (KitStatus.DISPENSED if handed else KitStatus.SITE_AVAILABLE).value,
                "place_kind": (Place.SUBJECT if handed else Place.SITE).value,
                "place": "X000",
                "dispensed_on": days[0] if handed else None,
            }
        )
    # As many at each other site, made by the database: to send 50,000 rows takes seconds.
    own = {
        kit.c.kit_number: kit.c.kit_number + site.c.site_id,
        kit.c.pick_sequence: kit.c.pick_sequence + 250 * cast(func.substr(site.c.site_id, 2), Integer),
        kit.c.place: site.c.site_id,
    }
    columns = [kit.c[name] for name in at_first_site[0]]
    at_others = (
        select(*(own.get(column, column) for column in columns))
        .join_from(kit, site, kit.c.study_id == site.c.study_id)
        .where(kit.c.kit_number.like("X%-"), site.c.site_id.between("X001", "X199"))
    )
    with service.database.write() as connection:
        connection.execute(insert(site), sites)
        connection.execute(insert(subject), subjects)
        connection.execute(insert(kit), at_first_site)
        connection.execute(insert(kit).from_select(columns, at_others))
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        seen = study_overview(service.database, sponsor(), STUDY)
        seconds.append(time.perf_counter() - begun)
    assert (seen.enrolment.total.randomized, counts(seen.stock, status="dispensed")) == (5000, 25_000)
    assert statistics.median(seconds) < 1.0

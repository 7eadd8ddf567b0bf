"""Temperature excursions: which kits were there is the ledger's word, what left its range is held, and a spent budget is not released."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.evidence_files import keep_evidence
from allocation.commands.excursion_settling import SettleExcursionRequest, settle_excursion
from allocation.commands.excursions import RecordExcursionRequest, record_excursion
from allocation.commands.kit_acts import release_kits
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.signed_requests import asked_content
from allocation.errors import DomainRefusal, FileRefused, NotFound, NotPermitted, RTSMError, SignatureRefused
from allocation.ledger.evidence import kept_file
from allocation.ledger.schema import evidence_file
from allocation.rules.kit_authority import REJECTED, RELEASED
from allocation.study.protocol import Protocol
from allocation.views.blinded.excursion_curve import excursion_curve
from allocation.views.blinded.excursions import MOST_POINTS, excursion_detail, list_excursions
from tests.api.trial import STUDY, protocol
from tests.commands.desk import ACT, Desk
from tests.commands.test_kit_acts import at_site, do, intact
from tests.commands.test_kit_acts import kits as stock

WHY = "logger showed an alarm"
NOTED = Act(SYSTEM_ACTOR, reason=WHY)
MEANING = {"release": RELEASED, "reject": REJECTED}
STORAGE = {"min_celsius": 2, "max_celsius": 8, "minutes_above": 60, "minutes_below": 0, "mkt_celsius": 25}


def cold_chain(*, of_one_type: dict[str, Any] | None = None) -> Protocol:
    """The trial with storage limits on every kit type, one of them stricter if so asked."""
    document = protocol()
    for kit_type in document["kit_types"]:
        kit_type["storage"] = dict(STORAGE)
    document["kit_types"][1]["storage"] |= of_one_type or {}
    return Protocol.model_validate(document)


@pytest.fixture
def cold_desk(empty_desk: Desk) -> Desk:
    """The stocked trial, two days after its kits were received."""
    desk = empty_desk.set_up(document=cold_chain())
    desk.move(days=2)
    return desk


def readings(start: datetime, *celsius: float, minutes: int = 10) -> bytes:
    """A logger's file in UTC, a reading each ten minutes."""
    rows = (
        f"{start + timedelta(minutes=minutes * index):%Y-%m-%d %H:%M};{value:.1f}".replace(".", ",")
        for index, value in enumerate(celsius)
    )
    return "\n".join(["Date time (UTC);Temperature (°C)", *rows]).encode()


def recorded(desk: Desk, content: bytes, *, act: Act = NOTED, **where: Any) -> dict[str, Any]:
    kept = keep_evidence(desk.service, SYSTEM_ACTOR, STUDY, content)
    request = RecordExcursionRequest(file_sha256=kept["sha256"], **where)
    answer: dict[str, Any] = record_excursion(desk.service, act, STUDY, request)
    return answer


def settled(desk: Desk, excursion_id: str, decision: Any, *kits: str) -> dict[str, Any]:
    request = SettleExcursionRequest(excursion_id=excursion_id, decision=decision, kit_numbers=kits)
    content = asked_content(STUDY, "settle_excursion", request, WHY)
    act = Act(SYSTEM_ACTOR, reason=WHY, signature=desk.signed(MEANING[decision], content).signature)
    answer: dict[str, Any] = settle_excursion(desk.service, act, STUDY, request)
    return answer


def test_a_warm_shipment_is_held_on_its_way_received_into_quarantine_and_released_within_its_budget(
    empty_desk: Desk,
) -> None:
    desk = empty_desk.set_up_without_list(cold_chain())
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    shipment_id = orders[0]["shipment_id"]
    for one in orders:
        dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=one["shipment_id"]))
    start = desk.now
    desk.move(days=1)
    found = recorded(desk, readings(start, 5, 5, 11, 5, 5), shipment_id=shipment_id)
    numbers = [one.kit_number for one in stock(desk, shipment_id=shipment_id)]
    assert found["quarantined"] == numbers
    assert {(one["minutes_above"], one["minutes_below"]) for one in found["kits"]} == {(10, 0)}
    assert (found["readings"], found["highest"], found["longest_gap_minutes"]) == (5, "11.00", 10)
    answer = receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(shipment_id=shipment_id))
    assert answer["kits"] == {"quarantined": len(numbers)}
    with pytest.raises(DomainRefusal) as caught:
        do(desk, release_kits, kit_numbers=(numbers[0],))
    assert caught.value.code == "excursion-open"
    assert do(desk, release_kits, site_id="S01")["kits"] == []
    done = settled(desk, found["excursion_id"], "release")
    assert (done["kits"], done["waiting"]) == (numbers, [])
    assert {one.status for one in stock(desk, shipment_id=shipment_id)} == {"site_available"}
    intact(desk)


def test_the_kits_of_a_period_are_those_that_the_ledger_has_there_then(cold_desk: Desk) -> None:
    desk = cold_desk
    who = desk.randomized()
    before = at_site(desk)
    (given,) = dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))[
        "kit_numbers"
    ]
    desk.move(minutes=60)
    start = desk.now - timedelta(minutes=40)  # 20 minutes after the kit was handed out
    later = recorded(desk, readings(start, 20, 20), site_id="S01")
    assert sorted(one["kit_number"] for one in later["kits"]) == sorted(set(before) - {given})
    early = desk.now - timedelta(minutes=90)  # from half an hour before it was handed out on
    earlier = recorded(desk, readings(early, 20, 20, 20, 20, 20), site_id="S01")
    minutes = {one["kit_number"]: one["minutes_above"] for one in earlier["kits"]}
    assert minutes == {number: 30 if number == given else 40 for number in before}
    assert earlier["with_subjects"] == [given]
    assert earlier["quarantined"] == []  # they were in quarantine already
    depot = recorded(
        desk, readings(early, -1, -1), depot_id="D1", kit_numbers=(stock(desk, place="D1")[0].kit_number,)
    )
    assert [one["minutes_below"] for one in depot["kits"]] == [10]
    with pytest.raises(DomainRefusal) as caught:
        recorded(desk, readings(datetime(2025, 1, 1, tzinfo=UTC), 20, 20), site_id="S01")
    assert caught.value.code == "nothing-exposed"
    with pytest.raises(DomainRefusal) as caught:
        recorded(desk, readings(early, 20, 20, 20, 20, 20), site_id="S01")
    assert caught.value.code == "already-recorded"  # its minutes would count twice
    intact(desk)


def test_a_budget_is_spent_over_several_excursions_and_then_the_kit_is_only_rejected(cold_desk: Desk) -> None:
    desk = cold_desk
    numbers = at_site(desk)
    first = recorded(desk, readings(desk.now - timedelta(hours=9), 20, 20, 20, 20), site_id="S01")
    assert settled(desk, first["excursion_id"], "release", *numbers[:2])["kits"] == numbers[:2]
    second = recorded(desk, readings(desk.now - timedelta(hours=4), 20, 20, 20, 20, 20), site_id="S01")
    before = desk.state()
    with pytest.raises(DomainRefusal, match="70 minutes above the range of 60 allowed") as caught:
        settled(desk, second["excursion_id"], "release", numbers[0])
    assert caught.value.code == "budget-spent"
    assert "ZZ" not in str(caught.value)
    assert desk.state() == before
    assert settled(desk, second["excursion_id"], "reject", numbers[0])["kits"] == [numbers[0]]
    (one,) = stock(desk, kit_number=numbers[0])
    assert one.status == "damaged"
    shown = excursion_detail(desk.database, SYSTEM_ACTOR, STUDY, second["excursion_id"])
    kept = {kit.kit_number: kit for kit in shown.kits}[numbers[0]]
    assert (kept.spent_above, kept.minutes_above, kept.outcome) == (70, 40, "rejected")
    intact(desk)


def test_a_kit_in_two_open_excursions_leaves_quarantine_with_the_last(cold_desk: Desk) -> None:
    desk = cold_desk
    number = at_site(desk)[0]
    names = [
        recorded(desk, readings(desk.now - timedelta(hours=hours), 20, 20), site_id="S01")["excursion_id"]
        for hours in (9, 6)
    ]
    assert settled(desk, names[0], "release", number) == {
        "excursion_id": names[0],
        "outcome": "released",
        "kits": [],
        "waiting": [number],
    }
    assert settled(desk, names[1], "release", number)["kits"] == [number]
    with pytest.raises(NotFound):
        settled(desk, names[1], "release", number)
    intact(desk)


def test_a_report_without_readings_counts_the_worst_for_all_its_time(cold_desk: Desk) -> None:
    told = {
        "began_at": (cold_desk.now - timedelta(minutes=30)).isoformat(),
        "ended_at": cold_desk.now.isoformat(),
        "lowest_celsius": "0.5",
        "highest_celsius": "9",
    }
    request = RecordExcursionRequest.model_validate({"site_id": "S01", "reported": told})
    answer = record_excursion(cold_desk.service, NOTED, STUDY, request)
    assert {(one["minutes_above"], one["minutes_below"]) for one in answer["kits"]} == {(30, 30)}
    inside = {**told, "lowest_celsius": "2", "highest_celsius": "8"}
    request = RecordExcursionRequest.model_validate({"site_id": "S01", "reported": inside})
    answer = record_excursion(cold_desk.service, NOTED, STUDY, request)
    assert (answer["kits"], answer["exposed"] > 0) == ([], True)
    intact(cold_desk)


def test_kits_that_look_alike_are_judged_alike_by_the_strictest_limits(empty_desk: Desk) -> None:
    stricter = cold_chain(of_one_type={"max_celsius": 6, "minutes_above": 20})
    desk = empty_desk.set_up(document=stricter)
    desk.move(days=1)
    found = recorded(desk, readings(desk.now - timedelta(hours=2), 7, 7, 7, 7), site_id="S01")
    assert sorted(one["kit_number"] for one in found["kits"]) == at_site(desk) + found["quarantined"]
    assert {one["minutes_above"] for one in found["kits"]} == {30}
    assert "ZZ" not in json.dumps(found)
    with pytest.raises(DomainRefusal, match="of 20 allowed"):
        settled(desk, found["excursion_id"], "release")
    reader = Actor("ada", "Ada", (Grant("site_coordinator", STUDY, "site", "S01"),))
    curve = excursion_curve(desk.database, reader, STUDY, found["excursion_id"])
    assert [(one.kit_group, one.max_celsius) for one in curve.limits] == [("Bottle of 35 tablets", 6.0)]
    assert "ZZ" not in curve.model_dump_json()


def test_files_are_kept_once_under_their_hash_and_a_changed_one_is_not_read(cold_desk: Desk) -> None:
    desk = cold_desk
    pdf = b"%PDF-1.7 report of the logger"
    kept = [keep_evidence(desk.service, SYSTEM_ACTOR, STUDY, pdf) for _ in range(2)]
    assert kept[0] == kept[1]
    assert (kept[0]["media_type"], kept[0]["readings"]) == ("application/pdf", None)
    content = readings(desk.now - timedelta(hours=30), *([5.0] * 900 + [20.0] + [5.0] * 900), minutes=1)
    found = recorded(desk, content, site_id="S01", attachments=(kept[0]["sha256"],))
    shown = excursion_detail(desk.database, SYSTEM_ACTOR, STUDY, found["excursion_id"]).excursion
    assert shown.attachments == (kept[0]["sha256"],)
    curve = excursion_curve(desk.database, SYSTEM_ACTOR, STUDY, found["excursion_id"])
    assert len(curve.points) <= MOST_POINTS + 2
    assert max(one.celsius for one in curve.points) == 20.0  # an extreme is never thinned away
    with desk.database.write() as connection:
        connection.execute(evidence_file.update().values(content=b"Date time;Temperature (C)\n"))
    with desk.database.read() as connection, pytest.raises(RTSMError, match="was changed"):
        kept_file(connection, STUDY, kept[0]["sha256"])
    for bad, said in ((b"", "empty"), (b"Date time;Temperature\n", "names no unit")):
        with pytest.raises(FileRefused, match=said):
            keep_evidence(desk.service, SYSTEM_ACTOR, STUDY, bad)


def test_who_may_record_settle_and_see(cold_desk: Desk) -> None:
    desk = cold_desk
    kept = keep_evidence(desk.service, SYSTEM_ACTOR, STUDY, readings(desk.now - timedelta(hours=1), 20, 20))
    at = {
        site_id: Actor("ada", "Ada", (Grant("site_coordinator", STUDY, "site", site_id),))
        for site_id in ("S01", "S02")
    }
    request = RecordExcursionRequest(file_sha256=kept["sha256"], site_id="S01")
    before = desk.state()
    with pytest.raises(NotPermitted):
        record_excursion(desk.service, Act(at["S02"], reason=WHY), STUDY, request)
    with pytest.raises(DomainRefusal) as caught:
        record_excursion(desk.service, Act(at["S01"]), STUDY, request)
    assert caught.value.code == "reason-missing"
    absent = RecordExcursionRequest(file_sha256="0" * 64, site_id="S01")
    with pytest.raises(NotFound):
        record_excursion(desk.service, Act(at["S01"], reason=WHY), STUDY, absent)
    assert desk.state() == before
    found = record_excursion(desk.service, Act(at["S01"], reason=WHY), STUDY, request)
    assert found["quarantined"]
    asked = SettleExcursionRequest(excursion_id=found["excursion_id"], decision="release")
    with pytest.raises(NotPermitted):
        settle_excursion(desk.service, Act(at["S01"], reason=WHY), STUDY, asked)
    with pytest.raises(SignatureRefused):
        settle_excursion(desk.service, NOTED, STUDY, asked)
    assert len(list_excursions(desk.database, at["S01"], STUDY, site_id="S01").excursions) == 1
    assert list_excursions(desk.database, at["S02"], STUDY).excursions == ()
    with pytest.raises(NotFound):
        excursion_detail(desk.database, at["S02"], STUDY, found["excursion_id"])

"""What nobody does is found by the check: told once for as long as it lasts, and again when it comes again."""

from typing import Any

import pytest

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.notify_check import Checked, check_study
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import (
    DispatchRequest,
    ReceiveRequest,
    dispatch_shipment,
    receive_shipment,
)
from allocation.errors import NotPermitted
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY, protocol
from tests.commands.desk import ACT, Desk, desk_at
from tests.commands.test_depot_to_depot import chain, with_stock
from tests.commands.test_kit_acts import kits
from tests.notify.people import give_addresses, mail, told


def check(desk: Desk) -> Checked:
    return check_study(desk.service, SYSTEM_ACTOR, STUDY)


def with_alarm(**kit_type: Any) -> Protocol:
    """The small trial with a run-out alarm of 20 days, and other settings of its kit types."""
    document = protocol()
    document["supply"]["parameters"][0]["parameters"]["run_out_alarm_days"] = 20
    document["kit_types"] = [{**one, **kit_type} for one in document["kit_types"]]
    return Protocol.model_validate(document)


@pytest.fixture
def unstocked(database_url: str):
    with desk_at(database_url) as empty:
        document = with_alarm(expiry_notice_days=30)
        yield give_addresses(empty.set_up(stocked=False, document=document))


def test_a_late_shipment_is_told_once_to_both_ends_and_again_when_the_next_one_is_late(
    unstocked: Desk,
) -> None:
    desk = unstocked
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    (first,) = [one["shipment_id"] for one in orders if one["site_id"] == "S01"]
    sent = dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=first))
    assert sent["expected_on"] == "2026-03-04"
    desk.move(days=2)
    check(desk)
    assert mail(desk, "late") == []  # it is still the day on which it is expected
    desk.move(days=1)
    for _ in range(2):
        check(desk)
        desk.move(hours=3)
    assert told(desk, "late") == {
        "coordinator": "blinded",
        "investigator": "blinded",
        "pharmacist": "blinded",
        "open.pharmacist": "unblinded",
        "depot": "blinded",
        "supply": "blinded",
        "open.supply": "unblinded",
        "monitor": "blinded",
    }
    assert len(mail(desk, "late")) == 8
    for row in mail(desk, "late"):
        assert first in row.subject
        assert ("ZZ" in row.body) == (row.variant == "unblinded")
    receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(shipment_id=first))
    assert check(desk).ended == 2  # in the words of each variant
    assert len(mail(desk, "late")) == 8


def test_low_stock_and_run_out_are_told_without_a_type_to_the_blinded_and_recur(unstocked: Desk) -> None:
    desk = unstocked
    desk.resupply()
    check(desk)
    assert [row.event for row in mail(desk) if row.event in ("low_stock", "run_out")] == []
    for _ in range(4):
        dispense_to(desk, desk.randomized())
    check(desk)
    check(desk)
    low = mail(desk, "low_stock")
    assert {row.username for row in low if row.variant == "blinded"} == {"supply"}
    assert len([row for row in low if row.username == "supply"]) == 1
    assert all("ZZ" not in row.subject + row.body for row in low if row.variant == "blinded")
    by_type = [row for row in low if row.username == "open.supply"]
    assert by_type
    assert all("ZZKIT" in row.body for row in by_type)
    assert {"project.manager", "monitor", "supply"} <= set(told(desk, "run_out"))
    desk.resupply()
    assert check(desk).ended
    alarm = Act(SYSTEM_ACTOR, reason="alarm")
    quarantine_kits(desk.service, alarm, STUDY, KitScopeRequest(site_id="S01"))
    check(desk)
    assert len([row for row in mail(desk, "low_stock") if row.username == "supply"]) == 2


def dispense_to(desk: Desk, subject_id: str) -> None:
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=subject_id, visit_code="V2"))


def test_kits_that_expire_within_the_window_of_their_type_are_told_where_they_lie(unstocked: Desk) -> None:
    desk = unstocked
    desk.resupply()
    # The first lot expires on 2026-10-15, so that its last dispensing date is 15 days and one before: 2026-09-29.
    desk.move(days=(208 - 31 - 2))
    check(desk)
    assert mail(desk, "expiry") == []
    desk.move(days=8)
    check(desk)
    check(desk)
    blinded = [row for row in mail(desk, "expiry") if row.variant == "blinded"]
    assert {row.username for row in blinded} >= {"coordinator", "other.site", "depot", "supply", "monitor"}
    assert [row.places for row in blinded if row.username == "coordinator"] == ["site S01"]
    (to_site,) = [row for row in blinded if row.username == "coordinator"]
    for words in ("Bottle of 35 tablets", "2026-09-29"):
        assert words in to_site.body
    assert "ZZ" not in to_site.body
    assert any("ZZLOT1" in row.body for row in mail(desk, "expiry") if row.username == "open.supply")


def test_only_who_administers_notifications_may_check(desk: Desk) -> None:
    eve = Actor("eve", "Eve", (Grant("supply_manager_blinded", STUDY),))
    with pytest.raises(NotPermitted):
        check_study(desk.service, eve, STUDY)


def test_a_refilled_depot_is_low_at_its_own_trigger_level_and_told_of_kits_that_expire_there(
    sqlite_url: str,
) -> None:
    with desk_at(sqlite_url) as desk:
        _low_depot(desk)


def _low_depot(desk: Desk) -> None:
    document = chain().model_dump(mode="json")
    document["kit_types"] = [{**one, "expiry_notice_days": 30} for one in document["kit_types"]]
    code = with_stock(desk, Protocol.model_validate(document), central=60, local=30)
    give_addresses(desk)
    desk.resupply()  # 12 of D1's 30 go to the sites, and it is to keep 4
    check(desk)
    desk.now = desk.now.replace(year=2030, month=1, day=10)
    check(desk)
    at_depot = [row for row in mail(desk) if row.places == "depot D1"]
    expected = {("depot", "expiry", "blinded"), ("supply", "expiry", "blinded")}
    assert {(row.username, row.event, row.variant) for row in at_depot} >= expected
    assert {row.event for row in at_depot} == {"expiry"}
    there = tuple(one.kit_number for one in kits(desk, place="D1", status="depot_available"))
    alarm = Act(SYSTEM_ACTOR, reason="alarm")
    quarantine_kits(desk.service, alarm, STUDY, KitScopeRequest(kit_numbers=there))
    for _ in range(2):
        check(desk)
    low = [row for row in mail(desk, "low_stock") if row.places == "depot D1"]
    assert sorted((row.username, row.variant, code in row.body) for row in low) == [
        ("open.supply", "unblinded", True),
        ("supply", "blinded", False),
    ]
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    check(desk)
    assert len([row for row in mail(desk, "low_stock") if row.places == "depot D1"]) == 2, "it is ordered"

"""Who is told of an act, in which words: written with the act's entry or not at all."""

import pytest

from allocation.access.accounts import set_email
from allocation.access.actors import SYSTEM_ACTOR, Grant
from allocation.access.grants import grant_role, revoke_grant
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import (
    DispatchRequest,
    ReceiveRequest,
    dispatch_shipment,
    receive_shipment,
)
from allocation.errors import DomainRefusal
from allocation.ledger.schema import kit
from tests.api.trial import ARMS, KIT_TYPE_OF_ARM, STUDY
from tests.commands.desk import ACT, Desk, desk_at
from tests.notify.people import give_addresses, mail, told

WORDS_OF_TREATMENT = (*ARMS, *KIT_TYPE_OF_ARM.values(), "ZZ")


@pytest.fixture
def empty_sites(database_url: str):
    """A trial whose sites have no kits yet, so that the first run orders for both."""
    with desk_at(database_url) as empty:
        yield give_addresses(empty.set_up(stocked=False))


def test_a_shipment_is_told_to_both_of_its_ends_and_to_no_other_site(empty_sites: Desk) -> None:
    desk = empty_sites
    orders = {
        one["site_id"]: one["shipment_id"]
        for one in run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    }
    assert set(orders) == {"S01", "S02"}
    for_first = {row.username for row in mail(desk, "order") if orders["S01"] in row.subject}
    assert for_first == {
        "coordinator",
        "investigator",
        "pharmacist",
        "open.pharmacist",
        "depot",
        "supply",
        "open.supply",
    }
    dispatch_shipment(
        desk.service,
        ACT,
        STUDY,
        DispatchRequest(shipment_id=orders["S02"], carrier="Carrier", tracking_number="T1"),
    )
    assert set(told(desk, "dispatch")) == {"other.site", "supply", "open.supply"}
    (to_site,) = [row for row in mail(desk, "dispatch") if row.username == "other.site"]
    for words in ("site S02", "depot D1", "Carrier", "T1", "2026-03-05"):
        assert words in to_site.body
    desk.move(days=3)
    receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(shipment_id=orders["S02"]))
    assert told(desk, "receipt") == {"depot": "blinded", "supply": "blinded", "open.supply": "unblinded"}
    for row in mail(desk):
        unblinding = any(word in row.subject + row.body for word in WORDS_OF_TREATMENT)
        assert unblinding == (row.variant == "unblinded"), row.body


def test_a_refused_command_writes_no_mail(desk: Desk) -> None:
    with pytest.raises(DomainRefusal):
        receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(shipment_id="S01-S001"))
    assert mail(desk) == []


def test_a_retried_command_is_told_once(desk: Desk) -> None:
    numbers = [one.kit_number for one in desk.rows(kit) if one.place == "S01"][:1]
    act = Act(SYSTEM_ACTOR, idempotency_key="once", reason="alarm")
    for _ in range(2):
        quarantine_kits(desk.service, act, STUDY, KitScopeRequest(kit_numbers=tuple(numbers)))
    rows = mail(desk, "quarantine")
    assert len(rows) == len({row.username for row in rows}) == 8
    assert all("Kits:                 1" in row.body for row in rows)


def test_whoever_has_no_address_no_role_or_another_site_is_not_told(desk: Desk) -> None:
    set_email(desk.database, SYSTEM_ACTOR, "coordinator", None, lambda: desk.now)
    role = Grant("site_pharmacist_blinded", STUDY, "site", "S01")
    revoke_grant(desk.database, SYSTEM_ACTOR, "pharmacist", role, lambda: desk.now, reason="left")
    act = Act(SYSTEM_ACTOR, reason="alarm")
    quarantine_kits(desk.service, act, STUDY, KitScopeRequest(site_id="S01"))
    assert set(told(desk, "quarantine")) == {
        "investigator",
        "open.pharmacist",
        "monitor",
        "project.manager",
        "supply",
        "open.supply",
    }


def test_a_recall_tells_each_place_its_own_kits_and_the_depot_and_the_team_how_many(desk: Desk) -> None:
    act = Act(SYSTEM_ACTOR, reason="sterility of ZZKITA")
    answer = recall_lot(desk.service, act, STUDY, RecallLotRequest(lot_id="ZZLOT1"))
    assert {(one["place"], one["people"]) for one in answer["told"]} == {("D1", 1), ("S01", 5), ("S02", 1)}
    at = {
        site: {one["kit_number"] for one in answer["kits"] if one["place"] == site} for site in ("S01", "S02")
    }
    assert all(at.values())
    for row in mail(desk, "recall"):
        own = at["S02" if row.username == "other.site" else "S01"]
        assert {number for number in at["S01"] | at["S02"] if number in row.body} == own
    assert told(desk, "recall") == {
        "coordinator": "blinded",
        "investigator": "blinded",
        "pharmacist": "blinded",
        "open.pharmacist": "unblinded",
        "other.site": "blinded",
    }
    in_numbers = {row.username: row for row in mail(desk, "recall_numbers")}
    assert set(in_numbers) == {"depot", "monitor", "project.manager", "supply", "open.supply"}
    for name in ("depot", "monitor", "project.manager", "supply"):
        body = in_numbers[name].body
        assert not any(number in body for number in at["S01"] | at["S02"]), name
        assert "ZZ" not in body
    assert "ZZLOT1" in in_numbers["open.supply"].body
    again = recall_lot(desk.service, ACT, STUDY, RecallLotRequest(lot_id="ZZLOT1"))
    assert (again["recalled_before"], again["told"], len(mail(desk))) == (True, [], 10)


def test_the_act_that_reaches_a_cap_is_told_once_and_no_refusal_after_it(desk: Desk) -> None:
    desk.screened("S02")
    assert told(desk, "cap_reached") == {
        "other.site": "blinded",
        "project.manager": "blinded",
        "data.manager": "blinded",
        "statistician": "blinded",
    }
    assert "screening, site S02: 1" in mail(desk, "cap_reached")[0].body
    with pytest.raises(DomainRefusal, match="cap"):
        desk.screened("S02")
    assert len(mail(desk, "cap_reached")) == 4


def test_a_person_with_two_sites_is_told_in_blinded_words_of_both(desk: Desk) -> None:
    grant_role(
        desk.database,
        SYSTEM_ACTOR,
        "coordinator",
        Grant("site_coordinator", STUDY, "site", "S02"),
        lambda: desk.now,
    )
    recall_lot(desk.service, ACT, STUDY, RecallLotRequest(lot_id="ZZLOT1"))
    rows = [row for row in mail(desk, "recall") if row.username == "coordinator"]
    assert {row.places for row in rows} == {"site S01", "site S02"}

"""What holds an order back or narrows it, through the service: fair share, smallest shipment, days between orders, one lot."""

from typing import Any

import pytest
from sqlalchemy import select

from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.ledger.reader import last_entry
from allocation.ledger.schema import kit, shipment_kit
from allocation.ledger.sealing import seal_pending
from allocation.study.protocol import Protocol
from tests.api.trial import AS_IS, STUDY, kits, lots, protocol
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk
from tests.commands.test_resupply_golden import STARTED, rule_c_protocol, site_with_three_subjects


def with_supply(document: Protocol, **changes: Any) -> Protocol:
    plain = document.model_dump(mode="json")
    plain["supply"].update(changes)
    return Protocol.model_validate(plain)


def two_sites(desk: Desk, document: Protocol, lots: dict[str, int]) -> None:
    """Two open sites, and a depot with that many kits of each lot, the oldest first."""
    code = document.kit_types[0].code
    desk.load(document)
    for site_id in ("S01", "S02"):
        open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id=site_id))
    loaded = [
        {"lot_id": lot, "kit_type": code, "expiry_date": f"2030-0{place}-28"}
        for place, lot in enumerate(lots, start=1)
    ]
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": loaded}))
    rows = [
        {"kit_number": f"{lot}{n:02d}", "kit_type": code, "lot_id": lot}
        for lot, count in lots.items()
        for n in range(count)
    ]
    load_kits(desk.service, ACT, STUDY, LoadKitsRequest.model_validate({"depot_id": "D1", "kits": rows}))


def ordered(desk: Desk) -> dict[str, int]:
    answer = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    return {one["site_id"]: one["kits"] for one in answer["orders"]}


@pytest.mark.parametrize(
    ("shortage", "expected"), [("fair_share", {"S01": 4, "S02": 4}), ("first_come", {"S01": 6, "S02": 2})]
)
def test_a_scarce_depot_is_shared_between_the_sites_of_a_run(
    empty_desk: Desk, shortage: str, expected: dict[str, int]
) -> None:
    document = with_supply(rule_c_protocol(14, 42, "today", 6), depot_shortage=shortage)
    two_sites(empty_desk, document, {"L1": 8})
    assert ordered(empty_desk) == expected
    seal_pending(empty_desk.database)
    assert Derivation(empty_desk.database, STUDY).run()["order_shipment"] == 2
    entry = last_entry(empty_desk.database, STUDY, "order_shipment", "S02")
    assert entry is not None
    (line,) = entry.after["record"]["lines"]
    assert (line["needed"], line["shipped"], line["shortfall"]) == (6, expected["S02"], 6 - expected["S02"])
    shared = entry.after["record"]["fair_share"]
    assert [one["wanted"] for one in shared] == ([{"S01": 6, "S02": 6}] if shortage == "fair_share" else [])


@pytest.mark.parametrize("withhold", [False, True])
def test_what_a_shortage_would_expose_stays_at_the_depot_where_the_study_says_so(
    empty_desk: Desk, withhold: bool
) -> None:
    desk = empty_desk
    desk.load(with_supply(Protocol.model_validate(protocol()), withhold_exposed=withhold))
    open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id="S01"))
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate(lots(AS_IS)))
    loaded = kits(AS_IS, 60)["kits"]
    one_type = [one for one in loaded if one["kit_type"] == loaded[0]["kit_type"]]
    request = LoadKitsRequest.model_validate({"depot_id": "D1", "kits": one_type})
    load_kits(desk.service, ACT, STUDY, request)
    assert set(ordered(desk)) == (set() if withhold else {"S01"})
    if not withhold:
        seal_pending(desk.database)
        entry = last_entry(desk.database, STUDY, "order_shipment", "S01")
        assert entry is not None
        assert entry.after["record"]["exposed_groups"]


@pytest.mark.parametrize(
    ("same_lot", "lots", "sent"),
    [
        ("off", {"A": 2, "B": 9}, {"A", "B"}),
        ("where_possible", {"A": 2, "B": 9}, {"B"}),
        ("where_possible", {"A": 2, "B": 3}, {"A", "B"}),
        ("required", {"A": 2, "B": 3}, {"B"}),
    ],
)
def test_a_shipment_is_of_one_lot_where_the_study_says_so(
    empty_desk: Desk, same_lot: str, lots: dict[str, int], sent: set[str]
) -> None:
    """Site S01 is to get 4 kits; the older lot, A, has too few, and B has 3 or 9."""
    document = with_supply(rule_c_protocol(14, 42, "today", 4), same_lot_shipments=same_lot)
    two_sites(empty_desk, document, lots)
    run_resupply(empty_desk.service, ACT, STUDY, RunResupplyRequest(sites=("S01",)))
    with empty_desk.database.read() as connection:
        query = select(kit.c.lot_id).join(shipment_kit, shipment_kit.c.kit_number == kit.c.kit_number)
        found = list(connection.execute(query.where(shipment_kit.c.shipment_id == "S01-S001")).scalars())
    assert set(found) == sent
    assert len(found) == (3 if (same_lot, lots["B"]) == ("required", 3) else 4)
    seal_pending(empty_desk.database)
    assert Derivation(empty_desk.database, STUDY).run()["order_shipment"] == 1


@pytest.mark.parametrize(
    ("limits", "sai", "order", "why"),
    [
        ({"min_shipment_kits": 6}, 2, 0, "waits: 5 kits are fewer than the smallest shipment, 6"),
        ({"min_shipment_kits": 5}, 2, 5, None),
        ({"min_shipment_kits": 99}, 1, 6, None),
        ({"days_between_orders": 60}, 2, 0, "waits: the last order was 32 days ago, less than 60"),
        ({"days_between_orders": 32}, 2, 5, None),
        ({"days_between_orders": 60}, 1, 6, None),
    ],
)
def test_an_order_waits_unless_scheduled_visits_are_not_covered(
    empty_desk: Desk, limits: dict[str, int], sai: int, order: int, why: str | None
) -> None:
    """The golden site: SAI 2 covers the two visits of the short window and orders 5, SAI 1 does not (urgent) and orders 6."""
    document = with_supply(rule_c_protocol(14, 42, "today", len(STARTED) + sai), **limits)
    desk = site_with_three_subjects(empty_desk, document)
    answer = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest(sites=("S01",)))
    assert sum(one["kits"] for one in answer["orders"]) == order
    seal_pending(desk.database)
    entry = last_entry(desk.database, STUDY, "run_resupply", None)
    assert entry is not None
    assert entry.after["sites"][0]["why"] == (why or "triggered")
    assert Derivation(desk.database, STUDY).run()["order_shipment"] == (2 if order else 1)

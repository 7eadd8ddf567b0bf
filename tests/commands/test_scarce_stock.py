"""Golden orders of places that are short: sites, lower depots and satellites share in proportion, and explain derives it again."""

from typing import Any

import pytest

from allocation.commands.depot_explanation import explain_depot
from allocation.commands.order_record import NOTHING_TO_SHIP
from allocation.commands.resupply_explanation import explain_resupply
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.ledger.sealing import seal_pending
from allocation.resupply_tables import _facts
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk
from tests.commands.test_central_pharmacy import deliver, with_satellite
from tests.commands.test_depot_to_depot import chain, run, with_stock
from tests.commands.test_order_limits import ordered, two_sites


def central_with_a_site(shortage: str) -> Protocol:
    """CENTRAL supplies the French site S02 itself, and refills D1, which supplies the German one."""
    document = chain().model_dump(mode="json")
    for country in document["countries"]:
        country["depot"] = "CENTRAL" if country["code"] == "FRA" else "D1"
    for lane in document["lanes"]:
        if lane.get("country") == "FRA":
            lane["depot"] = "CENTRAL"
    document["supply"]["depot_shortage"] = shortage
    return Protocol.model_validate(document)


@pytest.mark.parametrize(("shortage", "expected"), [("fair_share", (3, 5)), ("first_come", (6, 2))])
def test_a_site_and_a_lower_depot_share_a_scarce_depot(
    sqlite_desk: Desk, shortage: str, expected: tuple[int, int]
) -> None:
    """8 kits; France could use 6 of the 6 it wants, Germany 8 of its 10: 8 * 6 / 14 and 8 * 8 / 14, the larger remainder D1's."""
    desk = sqlite_desk
    code = with_stock(desk, central_with_a_site(shortage), central=8, local=0)
    answer = run(desk)
    of_site, of_depot = expected
    assert [(one["site_id"], one["kits"]) for one in answer["orders"]] == [("S02", of_site)]
    assert [(one["depot_id"], one["kits"]) for one in answer["depot_orders"]] == [("D1", of_depot)]
    site = explain_resupply(desk.database, ACT.actor, STUDY, "S02")
    depot = explain_depot(desk.database, ACT.actor, STUDY, "D1")
    assert (site.derives_to_the_same, depot.derives_to_the_same) == (True, True)
    wanted = {"S02": 6, "depot D1": 10}
    shared = [
        {
            "rule_version": "fair-share/1",
            "kit_type": code,
            "block_size": 1,
            "available": 8,
            "usable": {"DEU": 8, "FRA": 8},
            "country": {"S02": "FRA", "depot D1": "DEU"},
            "wanted": wanted,
            "shares": {"S02": 3, "depot D1": 5},
        }
    ]
    assert site.record["fair_share"] == depot.record["fair_share"] == (shared if of_site == 3 else [])
    said = [line for found in (site, depot) for line in _facts(found) if line.startswith("shared")]
    assert [line.rsplit("; ", 1)[1] for line in said] == (
        ["S02 gets 3 of 6", "depot D1 gets 5 of 10"] if of_site == 3 else []
    )
    seal_pending(desk.database)
    assert Derivation(desk.database, STUDY).run()["order_shipment"] == 2


def test_a_depot_whose_share_is_nothing_is_told_so_and_derived_again(sqlite_desk: Desk) -> None:
    """1 kit: either country could use 1, and of equal orders the earlier in the alphabet gets it."""
    desk = sqlite_desk
    with_stock(desk, central_with_a_site("fair_share"), central=1, local=0)
    answer = run(desk)
    assert ([one["kits"] for one in answer["orders"]], answer["depot_orders"]) == ([1], [])
    found = explain_depot(desk.database, ACT.actor, STUDY, "D1")
    assert (found.shipment_id, found.why) == (None, NOTHING_TO_SHIP)
    assert found.derives_to_the_same
    assert found.record["fair_share"][0]["shares"] == {"S02": 1, "depot D1": 0}


def test_satellites_share_the_stock_of_their_pharmacy(sqlite_desk: Desk) -> None:
    """The pharmacy has 6, and each of its two satellites is to be seeded with 6; by name the first would get all."""
    desk = sqlite_desk
    document: dict[str, Any] = with_satellite().model_dump(mode="json")
    (satellite,) = [one for one in document["sites"] if one["code"] == "S02"]
    document["sites"].append({**satellite, "code": "S03", "name": "Site S03"})
    two_sites(desk, Protocol.model_validate(document), {"L1": 80})
    open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id="S03"))
    assert ordered(desk) == {"S01": 6}
    deliver(desk, "S01-S001", days=3)
    second = ordered(desk)
    assert (second["S02"], second["S03"]) == (3, 3)
    found = explain_resupply(desk.database, ACT.actor, STUDY, "S03")
    assert found.derives_to_the_same
    (shared,) = found.record["fair_share"]
    assert (shared["available"], shared["wanted"]) == (6, {"S02": 6, "S03": 6})
    seal_pending(desk.database)
    assert Derivation(desk.database, STUDY).run()["order_shipment"] >= 4

"""A depot that another one refills: ordered by the same rule from what its sites will ask of it, shipped, received, and derived again."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from allocation.access.actors import Actor, Grant
from allocation.commands.depot_explanation import explain_depot
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import (
    DispatchRequest,
    ReceiveRequest,
    dispatch_shipment,
    receive_shipment,
)
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.errors import NotFound, NotPermitted
from allocation.ledger.export import export_ledger
from allocation.ledger.offline_verifier import verify
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.study.errors import ProtocolError
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk
from tests.commands.test_resupply_golden import rule_c_protocol

UPPER = Actor("ute", "Ute", (Grant("depot_operator", STUDY, "depot", "CENTRAL"),))
LOWER = Actor("lars", "Lars", (Grant("depot_operator", STUDY, "depot", "D1"),))


def chain(**parameters: Any) -> Protocol:
    """D1, which supplies both sites, is refilled by CENTRAL in 7 days; sites need 6 kits to begin with and reach them in 3 days."""
    document = rule_c_protocol(14, 42, "today", 6).model_dump(mode="json")
    local = document["depots"][0]
    document["depots"] = [
        {**local, "supplied_by": "CENTRAL", "kind": "local"},
        {**local, "code": "CENTRAL", "name": "Central depot", "timezone": "Asia/Tokyo"},
    ]
    document["lanes"].append({"depot": "CENTRAL", "to_depot": "D1", "lead_time_days": 7})
    given = {"min_buffer": 4, "max_buffer": 10, "trigger": "below", **parameters}
    document["supply"]["parameters"].append({"level": "depot", "key": "D1", "parameters": given})
    return Protocol.model_validate(document)


def with_stock(desk: Desk, document: Protocol, central: int, local: int) -> str:
    """Open sites, and that many kits at the two depots; gives the kit type."""
    desk.load(document)
    code = document.kit_types[0].code
    for site_id in ("S01", "S02"):
        open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id=site_id))
    lots = [{"lot_id": "L1", "kit_type": code, "expiry_date": "2030-01-31"}]
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": lots}))
    for depot, count in (("CENTRAL", central), ("D1", local)):
        rows = [{"kit_number": f"{depot}{n:03d}", "kit_type": code, "lot_id": "L1"} for n in range(count)]
        if rows:
            request = LoadKitsRequest.model_validate({"depot_id": depot, "kits": rows})
            load_kits(desk.service, ACT, STUDY, request)
    return code


def run(desk: Desk) -> dict[str, Any]:
    return run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())


def test_a_depot_below_its_minimum_is_refilled_and_supplies_its_sites_from_that(
    empty_desk: Desk, tmp_path: Path
) -> None:
    """D1 is empty: the sites' 12 kits are asked of it, and with min 4, max 10 and windows of 0 days it is refilled to 10 at first."""
    desk = empty_desk
    with_stock(desk, chain(), central=60, local=0)
    first = run(desk)
    assert first["orders"] == []
    assert first["depot_orders"] == [{"depot_id": "D1", "shipment_id": "D1-D001", "kits": 10}]
    assert run(desk)["depot_orders"] == [], "what is ordered is in the pipeline"
    request = DispatchRequest(shipment_id="D1-D001")
    with pytest.raises((NotPermitted, NotFound)):
        dispatch_shipment(desk.service, Act(LOWER), STUDY, request)
    sent = dispatch_shipment(desk.service, Act(UPPER), STUDY, request)
    assert sent["expected_on"] == str(desk.now.date() + timedelta(days=7))
    desk.move(days=7)
    damaged = sent["kits"][0]
    arrived = ReceiveRequest(
        shipment_id="D1-D001", dispositions={damaged: "damaged", sent["kits"][1]: "lost"}
    )
    with pytest.raises((NotPermitted, NotFound)):
        receive_shipment(desk.service, Act(UPPER), STUDY, arrived)
    answer = receive_shipment(desk.service, Act(LOWER), STUDY, arrived)
    assert answer["kits"] == {"available": 8, "damaged": 1, "lost": 1}
    second = run(desk)
    assert [one["kits"] for one in second["orders"]] == [4, 4], "the sites share what has come"
    assert second["depot_orders"] == [{"depot_id": "D1", "shipment_id": "D1-D002", "kits": 10}]
    seal_pending(desk.database)
    assert Derivation(desk.database, STUDY).run()["order_shipment"] == 4
    projected = desk.state()
    rebuild_projections(desk.database, STUDY)
    assert desk.state() == projected
    assert verify_ledger(desk.database, STUDY).intact
    export_ledger(desk.database, STUDY, tmp_path / "ledger.jsonl")
    with (tmp_path / "ledger.jsonl").open(encoding="utf-8") as lines:
        assert verify(lines)[0] > 10


def test_a_depots_windows_bring_in_what_its_sites_will_need_and_explain_shows_it(empty_desk: Desk) -> None:
    """D1 holds 14: both sites are seeded with 6; it keeps 2. Min 0, max 2, windows 14 and 42 days: nobody is on study, nothing is asked."""
    desk = empty_desk
    code = with_stock(
        desk, chain(min_buffer=1, max_buffer=2, short_window=14, long_window=42), central=60, local=14
    )
    quiet = run(desk)
    assert [one["kits"] for one in quiet["orders"]] == [6, 6]
    assert quiet["depot_orders"] == []
    found = explain_depot(desk.database, ACT.actor, STUDY, "D1")
    assert (found.shipment_id, found.why) == (None, "no kit type reached its trigger level")
    assert found.derives_to_the_same
    (decision,) = found.record["decisions"]
    assert (decision["kit_type"], decision["on_hand"], decision["sai"]) == (code, 2, 2)


def test_a_site_that_is_not_supplied_yet_is_demand_of_its_depot(empty_desk: Desk) -> None:
    desk = empty_desk
    with_stock(desk, chain(min_buffer=0, max_buffer=0, short_window=14, long_window=14), central=60, local=0)
    answer = run(desk)
    assert (answer["orders"], [one["kits"] for one in answer["depot_orders"]]) == ([], [12])
    found = explain_depot(desk.database, ACT.actor, STUDY, "D1")
    (decision,) = found.record["decisions"]
    assert decision["counted"] == [["S01", "minimum", 0, 6], ["S02", "minimum", 0, 6]]
    assert found.derives_to_the_same


@pytest.mark.parametrize(
    ("change", "path", "said"),
    [
        (
            {"buffer_from": "bands", "bands": [{"from_subjects": 0, "min_buffer": 1, "max_buffer": 2}]},
            "bands",
            "of sites",
        ),
        ({"seed_quantity": 5}, "seed_quantity", "of sites"),
        ({"min_buffer": 20}, "max_buffer", "less than min_buffer"),
    ],
)
def test_parameters_that_a_depot_has_no_use_for_are_refused(
    change: dict[str, Any], path: str, said: str
) -> None:
    with pytest.raises((ProtocolError, ValueError), match=f"{path}.*{said}"):
        chain(**change)


def test_parameters_of_a_depot_that_nobody_refills_are_refused() -> None:
    document = chain().model_dump(mode="json")
    document["supply"]["parameters"][-1]["key"] = "CENTRAL"
    with pytest.raises(ValueError, match=r"key.*depot that another one refills"):
        Protocol.model_validate(document)

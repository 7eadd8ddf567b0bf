"""Kits from one site to another: asked for by look, set aside, sent off by the site that has them, and received by the other."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from allocation.access.actors import Actor, Grant
from allocation.commands.resupply_explanation import explain_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import (
    DispatchRequest,
    ReceiveRequest,
    dispatch_shipment,
    receive_shipment,
)
from allocation.commands.transfers import TransferKitsRequest, transfer_kits
from allocation.errors import DomainRefusal, NotFound, NotPermitted
from allocation.ledger.export import export_ledger
from allocation.ledger.offline_verifier import verify
from allocation.ledger.schema import kit
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from tests.api.trial import ARMS, KIT_TYPE_OF_ARM, STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk, desk_at

BLINDED = Actor("bert", "Bert", (Grant("supply_manager_blinded", STUDY),))
OPEN = Actor("olga", "Olga", (Grant("supply_manager_unblinded", STUDY),))
FROM = Actor("fred", "Fred", (Grant("site_coordinator", STUDY, "site", "S01"),))
TO = Actor("tina", "Tina", (Grant("site_coordinator", STUDY, "site", "S02"),))


def move(
    desk: Desk, actor: Actor = BLINDED, reason: str = "a visit comes first", **asked: Any
) -> dict[str, Any]:
    request = TransferKitsRequest(**{"from_site": "S01", "to_site": "S02", **asked})
    return transfer_kits(desk.service, Act(actor, reason=reason), STUDY, request)


def at(desk: Desk, status: str, place: str) -> dict[str, str]:
    with desk.database.read() as connection:
        rows = connection.execute(select(kit).where(kit.c.status == status, kit.c.place == place))
        return {row.kit_number: row.kit_type for row in rows}


def test_kits_of_a_look_travel_alike_and_can_be_dispensed_only_when_they_are_received(
    desk: Desk, tmp_path: Any
) -> None:
    had = len(at(desk, "site_available", "S02"))
    answer = move(desk, groups={"BOTTLE": 1})
    assert answer == {"shipment_id": "S02-T001", "status": "requested", "kits": 3}
    travelling = at(desk, "requested", "S01")
    assert sorted(travelling.values()) == sorted(KIT_TYPE_OF_ARM[arm] for arm in ARMS)
    expected = date(2026, 3, 6)
    request = DispatchRequest(shipment_id="S02-T001", expected_on=expected)
    for stranger in (TO, Actor("dan", "Dan", (Grant("depot_operator", STUDY, "depot", "D1"),))):
        with pytest.raises((NotPermitted, NotFound)):
            dispatch_shipment(desk.service, Act(stranger), STUDY, request)
    with pytest.raises(DomainRefusal, match="no lane leads from site S01"):
        dispatch_shipment(desk.service, Act(FROM), STUDY, DispatchRequest(shipment_id="S02-T001"))
    assert dispatch_shipment(desk.service, Act(FROM), STUDY, request)["expected_on"] == "2026-03-06"
    assert len(at(desk, "in_transit", "S02-T001")) == 3
    with pytest.raises((NotPermitted, NotFound)):
        receive_shipment(desk.service, Act(FROM), STUDY, ReceiveRequest(shipment_id="S02-T001"))
    receive_shipment(desk.service, Act(TO), STUDY, ReceiveRequest(shipment_id="S02-T001"))
    assert len(at(desk, "site_available", "S02")) == had + 3
    assert set(travelling) <= set(at(desk, "site_available", "S02"))
    desk.resupply()
    assert explain_resupply(desk.database, ACT.actor, STUDY, "S01").derives_to_the_same
    seal_pending(desk.database)
    assert Derivation(desk.database, STUDY).run()["transfer_kits"] == 1
    assert verify_ledger(desk.database, STUDY).intact
    export_ledger(desk.database, STUDY, tmp_path / "ledger.jsonl")
    with (tmp_path / "ledger.jsonl").open(encoding="utf-8") as lines:
        assert verify(lines)[0] > 10


def test_an_open_manager_names_a_type_and_the_shipment_still_shows_no_arm(desk: Desk) -> None:
    answer = move(desk, OPEN, kit_types={"ZZKITA": 1})
    assert answer["kits"] > 1
    assert len(set(at(desk, "requested", "S01").values())) > 1


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"groups": {"BOTTLE": 1}, "reason": " "}, "reason-missing"),
        ({"groups": {"BOTTLE": 1}, "to_site": "S01"}, "same-site"),
        ({"groups": {"BOTTLE": 1}, "to_site": "S09"}, "not-found"),
        ({"groups": {"NONE": 1}}, "unknown-group"),
        ({}, "nothing-asked"),
        ({"groups": {"BOTTLE": 99}}, "transfer-short"),
        ({"kit_types": {"ZZKITA": 1}}, "not-permitted"),
        ({"groups": {"BOTTLE": 1}, "actor": FROM}, "not-permitted"),
    ],
)
def test_a_transfer_that_cannot_be_is_refused_moves_nothing_and_names_no_kit_type(
    stocked_desk: Desk, asked: dict[str, Any], code: str
) -> None:
    before = stocked_desk.state()
    with pytest.raises((DomainRefusal, NotFound, NotPermitted)) as caught:
        move(stocked_desk, **asked)
    assert caught.value.code == code
    assert "ZZ" not in str(caught.value)
    assert stocked_desk.state() == before


@pytest.fixture(scope="module")
def stocked_desk(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One stocked trial for the refusals, which leave it as it is (what is refused does not depend on the database)."""
    with desk_at(f"sqlite:///{tmp_path_factory.mktemp('transfers') / 'rtsm.db'}") as desk:
        yield desk.set_up()

"""People who do something to one shipment, or to one depot's kits, at the same moment: one comes first, and the others are told."""

from typing import Any

from allocation.access.actors import Actor, Grant
from allocation.commands.order_approval import (
    ShipmentRequest,
    approve_order,
    cancel_shipment,
    refuse_order,
)
from allocation.commands.packing import ExchangeRequest, PackRequest, exchange_kit, pack_kits
from allocation.commands.service import Act
from allocation.commands.stock_indents import IndentRequest, indent_stock
from allocation.errors import DomainRefusal
from tests.api.trial import STUDY
from tests.commands.desk import Desk
from tests.commands.test_shipment_life import DEPOT, kits_in, order, status_of, supplied
from tests.commands.test_two_desks import at_once

WHO = [Actor(f"supply{n}", "Somebody", (Grant("supply_manager_blinded", STUDY),)) for n in range(4)]


def split(answers: list[Any]) -> tuple[list[dict[str, Any]], set[str]]:
    done = [one for one in answers if isinstance(one, dict)]
    return done, {one.code for one in answers if isinstance(one, DomainRefusal)}


def test_an_order_is_approved_refused_or_cancelled_once(empty_desk: Desk) -> None:
    desk = supplied(empty_desk, order_approval="manual")
    named = ShipmentRequest(shipment_id=order(desk, 1))
    judges = [approve_order, refuse_order, approve_order, refuse_order]
    acts = [
        lambda service, run=run, who=who: run(service, Act(who, reason="looked at"), STUDY, named)
        for run, who in zip(judges, WHO, strict=True)
    ]
    done, codes = split(at_once(desk, acts))
    assert len(done) == 1
    assert codes == {"shipment-state"}
    assert status_of(desk, named.shipment_id) == done[0]["status"]


def test_a_kit_is_packed_once_and_an_exchange_takes_what_no_order_has(empty_desk: Desk) -> None:
    desk = supplied(empty_desk, kit_count=9)
    name = order(desk, 2)
    number, *others = [one.kit_number for one in kits_in(desk, name)]
    request = PackRequest(shipment_id=name, scans=(number,))
    packers = [lambda service: pack_kits(service, Act(DEPOT), STUDY, request) for _ in range(4)]
    done, codes = split(at_once(desk, packers))
    assert (len(done), codes) == (1, {"kit-packed"})

    # The depot has one more kit of each type: the orders by hand and the exchanges share them without taking one twice.
    def exchange(service: Any, gone: str) -> Any:
        asked = ExchangeRequest(shipment_id=name, kit_number=gone, found="damaged")
        return exchange_kit(service, Act(DEPOT, reason="torn"), STUDY, asked)

    asked = IndentRequest(site_id="S02", groups={"BOTTLE": 1})
    acts: list[Any] = [lambda service, gone=gone: exchange(service, gone) for gone in others[:2]]
    acts += [lambda service, who=who: indent_stock(service, Act(who), STUDY, asked) for who in WHO[:2]]
    answers = at_once(desk, acts)
    _, codes = split(answers)
    assert codes <= {"nothing-to-ship"}
    taken = [one["replacement"] for one in answers[:2] if one["replacement"] is not None]
    shipped = sum(one["kits"] for one in answers[2:] if isinstance(one, dict))
    assert len(set(taken)) == len(taken)
    assert len(taken) + shipped == 3
    cancelled = cancel_shipment(
        desk.service, Act(DEPOT, reason="over"), STUDY, ShipmentRequest(shipment_id=name)
    )
    assert len(cancelled["kits"]) == 4 + len(taken)

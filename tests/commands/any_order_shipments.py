"""What people do to shipments besides runs, dispatch and receipt, in any order: order, approve, pack, exchange, cancel, lose."""

from collections import Counter
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from allocation.access.actors import Actor, Grant
from allocation.commands.order_approval import (
    ShipmentRequest,
    approve_order,
    cancel_shipment,
    refuse_order,
)
from allocation.commands.packing import ExchangeRequest, PackRequest, exchange_kit, pack_kits
from allocation.commands.shipments import DispatchRequest, dispatch_shipment
from allocation.commands.shipments_on_the_way import lose_shipment
from allocation.commands.stock_indents import IndentRequest, indent_stock
from tests.api.trial import STUDY
from tests.commands.any_order_model import WHICH
from tests.commands.any_order_supply import SupplyActs
from tests.commands.any_order_trial import DEPOTS, PHARMACY, PLACES, SATELLITE

APPROVER = Actor("ben", "Ben", (Grant("supply_manager_blinded", STUDY),))


class ShipmentActs(SupplyActs):
    """Orders by hand and what becomes of orders."""

    @rule(site_id=st.sampled_from(sorted(PLACES)), kits=st.integers(1, 3))
    def somebody_orders_by_hand(self, site_id: str, kits: int) -> None:
        origin = PHARMACY if self.variant.satellite and site_id == SATELLITE else "D1"
        free = [one for one in self.model.kits.values() if self.may_ship(one, origin, site_id)]
        known = Counter(one.kit_type for one in free)
        answer = self.attempt(indent_stock, IndentRequest(site_id=site_id, groups={"BOTTLE": kits}))
        if answer is None:
            assert not known
            return
        numbers = self.listed(answer["shipment_id"])
        block = self.variant.block_size
        asked = -(-kits // block) * block
        took = Counter(self.model.kits[number].kit_type for number in numbers)
        assert took == {kit_type: min(asked, count) for kit_type, count in known.items()}
        self.sets_aside(answer["shipment_id"], numbers, origin, site_id, by_hand=True)

    @precondition(lambda self: self.model.shipments)
    @rule(which=WHICH, approved=st.booleans())
    def a_proposal_is_judged(self, which: int, approved: bool) -> None:
        name = self.some_shipment(which, "proposed")
        run = approve_order if approved else refuse_order
        answer = self.attempt(run, ShipmentRequest(shipment_id=name), actor=APPROVER, reason="looked at")
        assert (answer is not None) == (self.model.shipments[name].status == "proposed")
        if answer is None:
            return
        self.model.shipments[name].status = answer["status"]
        if not approved:
            self.comes_back(name)

    @precondition(lambda self: self.model.shipments)
    @rule(which=WHICH, status=st.sampled_from(("requested", "confirmed", "proposed")))
    def an_order_is_cancelled(self, which: int, status: str) -> None:
        name = self.some_shipment(which, status)
        answer = self.attempt(cancel_shipment, ShipmentRequest(shipment_id=name), reason="not needed")
        waits = self.model.shipments[name].status in ("requested", "confirmed", "proposed")
        assert (answer is not None) == waits
        if answer is not None:
            assert answer["kits"] == self.of_order(name)
            self.model.shipments[name].status = "cancelled"
            self.comes_back(name)

    def comes_back(self, name: str) -> None:
        for number in self.of_order(name):
            self.model.kits[number].stays_behind()

    @precondition(lambda self: self.model.shipments)
    @rule(which=WHICH, first=WHICH, found=st.sampled_from(("damaged", "lost")))
    def a_kit_is_exchanged(self, which: int, first: int, found: str) -> None:
        name = self.some_shipment(which, "requested")
        shipment = self.model.shipments[name]
        numbers = self.of_order(name)
        number = numbers[first % len(numbers)] if numbers else sorted(self.model.kits)[first]
        request = ExchangeRequest.model_validate({"shipment_id": name, "kit_number": number, "found": found})
        answer = self.attempt(exchange_kit, request, reason="torn")
        open_order = shipment.status in ("requested", "confirmed")
        to_a_site = shipment.from_place in DEPOTS and shipment.to_site
        assert (answer is not None) == (bool(numbers) and open_order and to_a_site)
        if answer is None:
            return
        gone = self.model.kits[number]
        others = [
            one
            for one in self.model.kits.values()
            if one.kit_type == gone.kit_type and self.may_ship(one, shipment.from_place, shipment.to_place)
        ]
        gone.status, gone.shipment, gone.going_to = found, None, None
        if found == "lost":
            gone.place_kind, gone.place = "lost", ""
        assert (answer["replacement"] is not None) == bool(others)
        if answer["replacement"] is not None:
            new = self.model.kits[answer["replacement"]]
            assert any(new is one for one in others)
            new.set_aside(name, shipment.to_place)

    @precondition(lambda self: self.model.shipments)
    @rule(which=WHICH, count=st.integers(1, 4))
    def a_part_is_packed_and_leaves(self, which: int, count: int) -> None:
        name = self.some_shipment(which, "requested")
        shipment = self.model.shipments[name]
        numbers = self.of_order(name)[:count]
        if not numbers or shipment.status not in ("requested", "confirmed"):
            return
        scans = {(name, number) for number in numbers}
        packed = self.attempt(pack_kits, PackRequest(shipment_id=name, scans=tuple(numbers)))
        self.goes_as_foretold({"kit-packed": bool(scans & self.model.packed)})
        if packed is not None:
            self.model.packed |= scans
        answer = self.attempt(dispatch_shipment, DispatchRequest(shipment_id=name, split=True))
        late = set(self.of_order(name)) - set(self.leaving(name))
        ready = [number for number in self.leaving(name) if (name, number) in self.model.packed]
        self.goes_as_foretold({"nothing-to-ship": not ready})
        if answer is None:
            return
        assert answer["kits"] == ready
        rest = set(self.of_order(name)) - set(ready) - late
        assert (answer["split_off"] is not None) == bool(rest)
        for number in self.of_order(name):
            one = self.model.kits[number]
            if number in late:
                one.stays_behind()
            elif number in rest:
                one.shipment = answer["split_off"]
            else:
                one.status, one.place_kind, one.place = "in_transit", "transit", name
        if rest:
            self.model.shipments[answer["split_off"]] = replace(shipment)
        shipment.status = "in_transit"

    @precondition(lambda self: self.model.shipments)
    @rule(which=WHICH, meant=st.sampled_from((True, False)))
    def a_shipment_is_lost(self, which: int, meant: bool) -> None:
        name = self.some_shipment(which, "in_transit")
        if not meant:
            return
        inside = sorted(
            number
            for number, one in self.model.kits.items()
            if one.place_kind == "transit" and one.place == name
        )
        answer = self.attempt(lose_shipment, ShipmentRequest(shipment_id=name), reason="never came")
        assert (answer is not None) == (self.model.shipments[name].status == "in_transit")
        if answer is None:
            return
        assert answer["kits"] == inside
        self.model.shipments[name].status = "lost"
        for number in inside:
            one = self.model.kits[number]
            one.status, one.place_kind, one.place = "lost", "lost", ""

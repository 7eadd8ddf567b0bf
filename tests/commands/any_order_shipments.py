"""What people do to shipments besides runs, dispatch and receipt, in any order: order, approve, pack, exchange, cancel, lose."""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy import select

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
from allocation.ledger.schema import shipment_kit
from tests.api.trial import STUDY
from tests.commands.any_order_desk import AnyOrderDesk
from tests.commands.any_order_model import LOT, WHICH, Kit
from tests.commands.any_order_trial import PLACES

APPROVER = Actor("ben", "Ben", (Grant("supply_manager_blinded", STUDY),))


class ShipmentActs(AnyOrderDesk):
    """Orders by hand and what becomes of orders."""

    def may_ship(self, one: Kit, site_id: str) -> bool:
        """Whether the depot may send that kit to the site today."""
        released = {"*", PLACES[site_id][0]} & set(LOT[one.lot_id]["released_for"])
        here = (one.status, one.place) == ("depot_available", "D1") and one.lot_status == "released"
        return here and bool(released) and self.today("D1") <= one.last_ship_date

    def of_order(self, name: str) -> list[str]:
        """The kits that are set aside for a shipment."""
        kits = self.model.kits.items()
        return sorted(number for number, one in kits if one.shipment == name and one.status == "requested")

    @rule(site_id=st.sampled_from(sorted(PLACES)), kits=st.integers(1, 3))
    def somebody_orders_by_hand(self, site_id: str, kits: int) -> None:
        known = Counter(one.kit_type for one in self.model.kits.values() if self.may_ship(one, site_id))
        answer = self.attempt(indent_stock, IndentRequest(site_id=site_id, groups={"BOTTLE": kits}))
        if answer is None:
            assert not known
            return
        name = answer["shipment_id"]
        assert name not in self.model.shipments
        with self.desk.database.read() as connection:
            listed = select(shipment_kit.c.kit_number).where(shipment_kit.c.shipment_id == name)
            numbers = list(connection.execute(listed).scalars())
        block = self.variant.block_size
        asked = -(-kits // block) * block
        took = Counter(self.model.kits[number].kit_type for number in numbers)
        assert took == {kit_type: min(asked, count) for kit_type, count in known.items()}
        for number in numbers:
            assert self.may_ship(self.model.kits[number], site_id)
        waits = self.variant.order_approval != "none"
        self.model.shipments[name] = (site_id, "proposed" if waits else "requested")
        for number in numbers:
            self.model.kits[number].status, self.model.kits[number].shipment = "requested", name

    @precondition(lambda self: self.model.shipments)
    @rule(which=WHICH, approved=st.booleans())
    def a_proposal_is_judged(self, which: int, approved: bool) -> None:
        name = self.some_shipment(which, "proposed")
        run = approve_order if approved else refuse_order
        answer = self.attempt(run, ShipmentRequest(shipment_id=name), actor=APPROVER, reason="looked at")
        assert (answer is not None) == (self.model.shipments[name][1] == "proposed")
        if answer is None:
            return
        self.model.shipments[name] = (self.model.shipments[name][0], answer["status"])
        if not approved:
            self.comes_back(name)

    @precondition(lambda self: self.model.shipments)
    @rule(which=WHICH, status=st.sampled_from(("requested", "confirmed", "proposed")))
    def an_order_is_cancelled(self, which: int, status: str) -> None:
        name = self.some_shipment(which, status)
        answer = self.attempt(cancel_shipment, ShipmentRequest(shipment_id=name), reason="not needed")
        waits = self.model.shipments[name][1] in ("requested", "confirmed", "proposed")
        assert (answer is not None) == waits
        if answer is not None:
            assert answer["kits"] == self.of_order(name)
            self.model.shipments[name] = (self.model.shipments[name][0], "cancelled")
            self.comes_back(name)

    def comes_back(self, name: str) -> None:
        for number in self.of_order(name):
            self.model.kits[number].status, self.model.kits[number].shipment = "depot_available", None

    @precondition(lambda self: self.model.shipments)
    @rule(which=WHICH, first=WHICH, found=st.sampled_from(("damaged", "lost")))
    def a_kit_is_exchanged(self, which: int, first: int, found: str) -> None:
        name = self.some_shipment(which, "requested")
        site_id, status = self.model.shipments[name]
        numbers = self.of_order(name)
        number = numbers[first % len(numbers)] if numbers else sorted(self.model.kits)[first]
        request = ExchangeRequest.model_validate({"shipment_id": name, "kit_number": number, "found": found})
        answer = self.attempt(exchange_kit, request, reason="torn")
        assert (answer is not None) == (bool(numbers) and status in ("requested", "confirmed"))
        if answer is None:
            return
        gone = self.model.kits[number]
        others = [
            one
            for one in self.model.kits.values()
            if one.kit_type == gone.kit_type and self.may_ship(one, site_id)
        ]
        gone.status, gone.shipment = found, None
        if found == "lost":
            gone.place_kind, gone.place = "lost", ""
        assert (answer["replacement"] is not None) == bool(others)
        if answer["replacement"] is not None:
            new = self.model.kits[answer["replacement"]]
            assert any(new is one for one in others)
            new.status, new.shipment = "requested", name

    @precondition(lambda self: self.model.shipments)
    @rule(which=WHICH, count=st.integers(1, 4))
    def a_part_is_packed_and_leaves(self, which: int, count: int) -> None:
        name = self.some_shipment(which, "requested")
        site_id, status = self.model.shipments[name]
        numbers = self.of_order(name)[:count]
        if not numbers or status not in ("requested", "confirmed"):
            return
        self.attempt(pack_kits, PackRequest(shipment_id=name, scans=tuple(numbers)))
        answer = self.attempt(dispatch_shipment, DispatchRequest(shipment_id=name, split=True))
        late = [n for n in self.of_order(name) if self.today("D1") > self.model.kits[n].last_ship_date]
        if answer is None:
            return
        rest = set(self.of_order(name)) - set(answer["kits"]) - set(late)
        assert (answer["split_off"] is not None) == bool(rest)
        for number in self.of_order(name):
            one = self.model.kits[number]
            if number in late:
                one.status, one.shipment = "depot_available", None
            elif number in rest:
                one.shipment = answer["split_off"]
            else:
                one.status, one.place_kind, one.place = "in_transit", "transit", name
        self.model.shipments[name] = (site_id, "in_transit")
        if rest:
            self.model.shipments[answer["split_off"]] = (site_id, status)

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
        assert (answer is not None) == (self.model.shipments[name][1] == "in_transit")
        if answer is None:
            return
        assert answer["kits"] == inside
        self.model.shipments[name] = (self.model.shipments[name][0], "lost")
        for number in inside:
            one = self.model.kits[number]
            one.status, one.place_kind, one.place = "lost", "lost", ""

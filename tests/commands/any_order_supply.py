"""What the resupply run, the depot and the receiving sites do with kits, in any order."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy import select

from allocation.commands.expiry import ExpireKitsRequest, expire_kits
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.ledger.schema import shipment_kit
from tests.commands.any_order_desk import AnyOrderDesk
from tests.commands.any_order_model import WHICH, Kit, Shipment
from tests.commands.any_order_trial import DEPOTS, PHARMACY, PLACES, SATELLITE

FOUND = st.sampled_from(
    (
        (),
        ("damaged",),
        ("available", "quarantined"),
        ("lost", "damaged", "lost"),
        ("quarantined", "lost"),
        ("not_arrived",),
    )
)
"""What the receiving site finds of the first kits of a shipment; the others are in good order."""


class SupplyActs(AnyOrderDesk):
    """Orders, dispatch, receipt, expiry."""

    def turn_over(self) -> int:
        """The model's kits expire, each by the date at its place."""
        expired = [
            one
            for one in self.model.kits.values()
            if one.status in ("depot_available", "requested", "site_available", "quarantined")
            and one.place_kind in ("depot", "site")
            and one.expiry <= self.today(one.place)
        ]
        for one in expired:
            one.status = "expired"
        return len(expired)

    @rule()
    def expired_kits_are_turned_over(self) -> None:
        answer = self.attempt(expire_kits, ExpireKitsRequest())
        assert answer == {"kits": self.turn_over()}

    @rule(sites=st.sampled_from(((), (), ("S02",), ("S01", "S03", "S04"))))
    def resupply_runs(self, sites: tuple[str, ...]) -> None:
        answer = self.attempt(run_resupply, RunResupplyRequest(sites=sites))
        assert answer is not None
        self.turn_over()
        for order in answer["orders"]:
            satellite = self.variant.satellite and order["site_id"] == SATELLITE
            self.is_ordered(order, PHARMACY if satellite else "D1", order["site_id"])
        assert not sites or not answer["depot_orders"]
        for order in answer["depot_orders"]:
            self.is_ordered(order, "CENTRAL", order["depot_id"])

    def is_ordered(self, order: dict[str, Any], from_place: str, to_place: str) -> None:
        """An order of that many kits, each of which may leave for there."""
        name = order["shipment_id"]
        numbers = self.listed(name)
        assert len(numbers) == order["kits"] > 0
        self.sets_aside(name, numbers, from_place, to_place, by_hand=False)

    def listed(self, shipment: str) -> list[str]:
        """The kits of a shipment's list."""
        query = select(shipment_kit.c.kit_number).where(shipment_kit.c.shipment_id == shipment)
        with self.desk.database.read() as connection:
            return list(connection.execute(query).scalars())

    def sets_aside(
        self, name: str, numbers: list[str], from_place: str, to_place: str, *, by_hand: bool
    ) -> None:
        """The model's kits are set aside for a new shipment; each must be free there, good, and released where it goes."""
        assert name not in self.model.shipments
        waits = by_hand and self.variant.order_approval != "none"
        shipment = Shipment(from_place, to_place, "proposed" if waits else "requested")
        self.model.shipments[name] = shipment
        for number in numbers:
            assert self.may_ship(self.model.kits[number], from_place, to_place)
            self.model.kits[number].set_aside(name, to_place)

    def may_ship(self, one: Kit, from_place: str, to_place: str) -> bool:
        """Whether that place may send the kit to the other one today."""
        free = "depot_available" if from_place in DEPOTS else "site_available"
        country = PLACES[to_place][0] if to_place in PLACES else None
        countries = (country,) if country else ("DEU", "FRA")
        return (
            (one.status, one.place) == (free, from_place)
            and one.lot.may_be_used_in(*countries, shipping=True)
            and one.may_leave_for(country, self.today(from_place))
        )

    @precondition(lambda self: self.model.shipments)
    @rule(which=WHICH, late=st.sampled_from((0, 3, -2)))
    def a_shipment_leaves(self, which: int, late: int) -> None:
        name = self.some_shipment(which, "requested")
        known = self.model.shipments.get(name)
        expected = self.today("D1" if known is None else known.from_place) + timedelta(days=late)
        answer = self.attempt(dispatch_shipment, DispatchRequest(shipment_id=name, expected_on=expected))
        ready = known is not None and known.status in ("requested", "confirmed")
        leaving = self.leaving(name) if ready else []
        assert (answer is not None) == (bool(leaving) and late >= 0)
        if answer is None or known is None:
            return
        assert answer["kits"] == leaving
        known.status = "in_transit"
        for number in self.of_order(name):
            one = self.model.kits[number]
            if number in leaving:
                one.status, one.place_kind, one.place = "in_transit", "transit", name
            else:
                one.stays_behind()

    def of_order(self, name: str) -> list[str]:
        """The kits that are set aside for a shipment."""
        kits = self.model.kits.items()
        return sorted(number for number, one in kits if one.shipment == name and one.status == "requested")

    def leaving(self, name: str) -> list[str]:
        """Those of them that may leave today: not too near their expiry, of lots that may be sent there (to a depot, for any country)."""
        shipment = self.model.shipments[name]
        today = self.today(shipment.from_place)
        country = shipment.country
        countries = {one for one, _ in PLACES.values()} if country is None else {country}
        return [
            number
            for number in self.of_order(name)
            if (one := self.model.kits[number]).may_leave_for(country, today)
            and one.lot.may_be_used_in(*countries, shipping=True)
        ]

    @precondition(lambda self: self.model.shipments)
    @rule(
        which=WHICH,
        found=FOUND,
        stranger=st.sampled_from((False, False, False, True)),
        unlisted=st.sampled_from((None, None, 0, 7, 23)),
    )
    def a_shipment_arrives(
        self, which: int, found: tuple[str, ...], stranger: bool, unlisted: int | None = None
    ) -> None:
        name = self.some_shipment(which, "in_transit")
        inside = sorted(
            number
            for number, one in self.model.kits.items()
            if one.shipment == name and one.place_kind == "transit"
        )
        held = {number for number in inside if self.model.kits[number].status == "quarantined"}
        named = dict(zip(inside, found, strict=False))
        if stranger:
            named[next(iter(set(self.model.kits) - set(inside)))] = "available"
        others = sorted(set(self.model.kits) - set(inside))
        strange = () if unlisted is None else (others[unlisted % len(others)],)
        request = {"shipment_id": name, "dispositions": named, "unlisted": strange}
        answer = self.attempt(receive_shipment, ReceiveRequest.model_validate(request))
        if answer is None:
            assert (
                stranger
                or any(not self.may_be_unlisted(one, name) for one in strange)
                or (inside and all(named.get(number) == "not_arrived" for number in inside))
                or name not in self.model.shipments
                or self.model.shipments[name].status != "in_transit"
                or any(named.get(number) == "available" for number in held)
            )
            return
        assert not stranger
        shipment = self.model.shipments[name]
        kind, to_place = "site" if shipment.to_site else "depot", shipment.to_place
        assert shipment.status == "in_transit"
        awaited = [number for number in inside if named.get(number) == "not_arrived"]
        assert answer["awaited"] == awaited
        shipment.status = "in_transit" if awaited else "received"
        for number in strange:
            assert self.may_be_unlisted(number, name)
            one = self.model.kits[number]
            one.status = "damaged" if one.status == "lost" else "quarantined"
            one.place_kind, one.place, one.shipment, one.going_to = kind, to_place, name, None
        for number in sorted(set(inside) - set(awaited)):
            one, disposition = (
                self.model.kits[number],
                named.get(number, "quarantined" if number in held else "available"),
            )
            one.status = f"{kind}_available" if disposition == "available" else disposition
            one.place_kind, one.place = ("lost", "") if disposition == "lost" else (kind, to_place)
            one.going_to = None

    @rule(which=WHICH, found=FOUND)
    def what_was_ordered_comes(self, which: int, found: tuple[str, ...]) -> None:
        """An order's whole way, or few kits would ever be at a site."""
        self.resupply_runs(())
        for one in list(self.model.shipments.values()):
            if one.status == "requested":
                self.a_shipment_leaves(which, 0)
        self.desk.now += timedelta(days=2)
        for one in list(self.model.shipments.values()):
            if one.status == "in_transit":
                self.a_shipment_arrives(which, found, False)

    def may_be_unlisted(self, number: str, shipment: str) -> bool:
        """Whether a kit can be in the box of a shipment without being listed, by the model's own word."""
        one = self.model.kits[number]
        to = self.model.shipments.get(shipment)
        if to is None or not to.to_site:
            return False
        usual = {
            "depot": ("depot_available", "requested", "quarantined"),
            "transit": ("in_transit", "quarantined"),
            "site": ("site_available",),
            "lost": ("lost",),
        }
        here = (one.place_kind, one.place) == ("site", to.to_place)
        return one.status in usual.get(one.place_kind, ()) and not here

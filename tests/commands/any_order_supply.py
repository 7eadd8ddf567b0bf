"""What the resupply run, the depot and the receiving sites do with kits, in any order."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy import select

from allocation.commands.expiry import ExpireKitsRequest, expire_kits
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.ledger.schema import shipment_kit
from tests.commands.any_order_desk import AnyOrderDesk
from tests.commands.any_order_model import WHICH

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

    @rule(sites=st.sampled_from(((), (), ("S02",), ("S01", "S03"))))
    def resupply_runs(self, sites: tuple[str, ...]) -> None:
        answer = self.attempt(run_resupply, RunResupplyRequest(sites=sites))
        assert answer is not None
        self.turn_over()
        for order in answer["orders"]:
            name = order["shipment_id"]
            assert name not in self.model.shipments
            with self.desk.database.read() as connection:
                numbers = list(
                    connection.execute(
                        select(shipment_kit.c.kit_number).where(shipment_kit.c.shipment_id == name)
                    ).scalars()
                )
            assert len(numbers) == order["kits"] > 0
            self.model.shipments[name] = (order["site_id"], "requested")
            for number in numbers:
                one = self.model.kits[number]
                assert (one.status, one.place) == ("depot_available", "D1")
                assert self.today("D1") <= one.last_ship_date
                one.status, one.shipment = "requested", name

    @precondition(lambda self: self.model.shipments)
    @rule(which=WHICH, late=st.sampled_from((0, 3, -2)))
    def a_shipment_leaves(self, which: int, late: int) -> None:
        name = self.some_shipment(which, "requested")
        expected = self.today("D1") + timedelta(days=late)
        answer = self.attempt(dispatch_shipment, DispatchRequest(shipment_id=name, expected_on=expected))
        if answer is None:
            return
        assert self.model.shipments[name][1] in ("requested", "confirmed")
        self.model.shipments[name] = (self.model.shipments[name][0], "in_transit")
        for number, one in self.model.kits.items():
            if one.shipment == name and one.status == "requested":
                leaves = self.today("D1") <= one.last_ship_date
                assert leaves == (number in answer["kits"])
                if leaves:
                    one.status, one.place_kind, one.place = "in_transit", "transit", name
                else:
                    one.status, one.shipment = "depot_available", None

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
                or self.model.shipments[name][1] != "in_transit"
                or any(named.get(number) == "available" for number in held)
            )
            return
        assert not stranger
        site_id, status = self.model.shipments[name]
        assert status == "in_transit"
        awaited = [number for number in inside if named.get(number) == "not_arrived"]
        assert answer["awaited"] == awaited
        self.model.shipments[name] = (site_id, "in_transit" if awaited else "received")
        for number in strange:
            assert self.may_be_unlisted(number, name)
            one = self.model.kits[number]
            one.status = "damaged" if one.status == "lost" else "quarantined"
            one.place_kind, one.place, one.shipment = "site", site_id, name
        for number in sorted(set(inside) - set(awaited)):
            one, disposition = (
                self.model.kits[number],
                named.get(number, "quarantined" if number in held else "available"),
            )
            one.status = "site_available" if disposition == "available" else disposition
            one.place_kind, one.place = ("lost", "") if disposition == "lost" else ("site", site_id)

    @rule(which=WHICH, found=FOUND)
    def what_was_ordered_comes(self, which: int, found: tuple[str, ...]) -> None:
        """An order's whole way, or few kits would ever be at a site."""
        self.resupply_runs(())
        for _, status in list(self.model.shipments.values()):
            if status == "requested":
                self.a_shipment_leaves(which, 0)
        self.desk.now += timedelta(days=2)
        for _, status in list(self.model.shipments.values()):
            if status == "in_transit":
                self.a_shipment_arrives(which, found, False)

    def may_be_unlisted(self, number: str, shipment: str) -> bool:
        """Whether a kit can be in the box of a shipment without being listed, by the model's own word."""
        one = self.model.kits[number]
        site_id = self.model.shipments.get(shipment, ("", ""))[0]
        usual = {
            "depot": ("depot_available", "requested", "quarantined"),
            "transit": ("in_transit", "quarantined"),
            "site": ("site_available",),
            "lost": ("lost",),
        }
        return one.status in usual.get(one.place_kind, ()) and (one.place_kind, one.place) != (
            "site",
            site_id,
        )

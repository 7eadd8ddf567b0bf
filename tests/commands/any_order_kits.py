"""What is done to kits where they are, in any order: quarantine, release, rejection, damage, loss, destruction, recall."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from allocation.commands import kit_acts
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.recalls import RecallLotRequest, recall_lot
from tests.api.trial import STUDY
from tests.commands.any_order_desk import AnyOrderDesk
from tests.commands.any_order_model import WHICH, Kit
from tests.commands.any_order_trial import LOTS, PLACES

OURS = ("depot_available", "requested", "in_transit", "site_available", "assigned")
NEVER_AGAIN = {"recalled", "rejected"}
IN_STOCK = ("depot_available", "requested", "site_available", "quarantined")
BACK = {"depot": "depot_available", "site": "site_available", "transit": "in_transit"}
SIGNED = {
    "release_kits": "kits released from quarantine",
    "reject_kits": "kits rejected",
    "destroy_kits": "kits destroyed",
}


def outcome(command: str, one: Kit) -> str | None:
    """The status that the act gives a kit, None where it may not be done: the model's own word, apart from the table."""
    stays = one.place_kind in ("depot", "site")
    if command == "quarantine_kits":
        return "quarantined" if one.status in OURS else None
    if command == "release_kits":
        held = one.status == "quarantined" and one.lot.status not in NEVER_AGAIN
        return BACK.get(one.place_kind) if held else None
    if command == "reject_kits":
        return "damaged" if stays and one.status == "quarantined" else None
    if command == "report_kits_damaged":
        return "damaged" if stays and one.status in IN_STOCK else None
    if command == "report_kits_lost":
        return "lost" if stays and one.status in (*IN_STOCK, "expired", "damaged") else None
    return "destroyed" if stays and one.status in ("expired", "damaged") else None


class KitActs(AnyOrderDesk):
    """Acts on kits by number, lot, shipment and site, and recalls."""

    @rule(
        command=st.sampled_from(("quarantine_kits", "release_kits", *kit_acts.KIT_COMMANDS)),
        scope=st.sampled_from(("kit_numbers", "kit_numbers", "site_id", "shipment_id", "lot_id")),
        which=st.integers(0, 89),
        reason=st.sampled_from(("alarm", "alarm", "alarm", "")),
    )
    def kits_are_acted_on(self, command: str, scope: str, which: int, reason: str) -> None:
        kits, named = self.model.kits, self.named(scope, which)
        if named is None:
            return
        chosen = {
            number: one
            for number, one in kits.items()
            if {
                "kit_numbers": (number,) == named,
                "site_id": (one.place_kind, one.place) == ("site", named),
                "shipment_id": one.shipment == named,
                "lot_id": one.lot_id == named,
            }[scope]
        }
        request = KitScopeRequest.model_validate({scope: named})
        if command == "destroy_kits":
            request = kit_acts.DestroyKitsRequest.model_validate(
                {scope: named, "certificate": self.certificate()}
            )
        signature = None
        if command in SIGNED:
            content = kit_acts.kit_act_content(STUDY, command, request, reason)
            signature = self.desk.signed(SIGNED[command], content).signature
        answer = self.attempt(getattr(kit_acts, command), request, reason=reason, signature=signature)
        becomes = {number: outcome(command, one) for number, one in chosen.items()}
        if command == "release_kits":  # an open excursion keeps them
            becomes |= dict.fromkeys(chosen.keys() & self.in_excursions())
        lot_status = {one.lot.status for one in chosen.values()}
        if answer is None:
            impossible = scope == "kit_numbers" and None in becomes.values()
            final = (scope, command) == ("lot_id", "release_kits") and lot_status <= NEVER_AGAIN
            assert not reason or impossible or final
            return
        moved = {number: status for number, status in becomes.items() if status is not None}
        assert answer == {"kits": sorted(moved), "not_possible": len(chosen) - len(moved)}
        for number, status in moved.items():
            self.becomes(number, status)
        if scope == "lot_id":
            lot = self.model.lots[named]
            if command == "quarantine_kits" and lot.status in ("pending", "released", "restricted"):
                lot.status = "quarantined"
            elif command == "release_kits" and lot.status == "quarantined":
                lot.status = "released"

    def in_excursions(self, besides: str = "") -> set[str]:
        """The kits of excursions in which nothing was decided about them yet."""
        return {n for name, kits in self.model.excursions.items() if name != besides for n in kits}

    def certificate(self) -> dict[str, Any]:
        """The day's certificate of destruction."""
        today = (self.desk.now - timedelta(days=1)).date()
        told = {"place": "Nord", "file_name": "certificate.pdf", "file_sha256": "c" * 64}
        return {"number": f"DC-{today}", "destroyed_on": today, **told}

    def named(self, scope: str, which: int) -> Any:
        """What a request of that scope names; None where there is nothing of the kind yet."""
        if scope == "kit_numbers":
            numbers = sorted(self.model.kits)
            return (numbers[which % len(numbers)],)
        things = {
            "site_id": list(PLACES),
            "shipment_id": list(self.model.shipments),
            "lot_id": [lot["lot_id"] for lot in LOTS],
        }[scope]
        return things[which % len(things)] if things else None

    def becomes(self, number: str, status: str) -> None:
        """The model's kit has that status from now on, and nobody waits for it any more."""
        one = self.model.kits[number]
        if one.status == "requested":
            one.shipment = one.going_to = None
        for person in self.model.people.values():
            if number in person.assigned:
                person.assigned.remove(number)
                person.sent.discard(number)
        one.status = status
        if status in ("lost", "destroyed"):
            one.place_kind, one.place = status, ""

    @rule(which=WHICH, meant=st.sampled_from((True, False, False, False)))
    def a_lot_is_recalled(self, which: int, meant: bool) -> None:
        if not meant:
            return  # rare: there is no way back
        lot_id = str(LOTS[which % len(LOTS)]["lot_id"])
        ours = {number: one for number, one in self.model.kits.items() if one.lot_id == lot_id}
        lot = self.model.lots[lot_id]
        answer = self.attempt(recall_lot, RecallLotRequest(lot_id=lot_id), unblinded=True)
        assert answer is not None
        taken = [number for number, one in ours.items() if one.status in OURS]
        assert answer["quarantined"] == len(taken)
        assert answer["recalled_before"] == (lot.status == "recalled")
        for number in taken:
            self.becomes(number, "quarantined")
        lot.status = "recalled"
        assert {one["kit_number"]: one["status"] for one in answer["kits"]} == {
            number: one.status for number, one in ours.items()
        }
        given = {(one["kit_number"], one["return_asked"]) for one in answer["subjects"]}
        now = {(n, one.status == "dispensed") for n, one in ours.items() if n in self.model.handed_out}
        assert given == now | {(n, False) for n in ours if self.model.uses[n]}

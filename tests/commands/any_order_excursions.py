"""Temperature excursions, in any order: which kits were there then, what it cost them, and what is decided about them."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from allocation.commands.excursion_settling import SettleExcursionRequest, settle_excursion
from allocation.commands.excursions import RecordExcursionRequest, record_excursion
from allocation.commands.signed_requests import asked_content
from tests.api.trial import STUDY
from tests.commands.any_order_kits import BACK, NEVER_AGAIN, OURS, KitActs
from tests.commands.any_order_model import WHICH
from tests.commands.any_order_trial import DEPOTS, PLACES

ALARM = "logger showed an alarm"
BUDGET = 120
"""Minutes above 8 °C that every kit type allows in all (tests/api/trial.py)."""
MEANING = {"release": "kits released from quarantine", "reject": "kits rejected"}


class ExcursionActs(KitActs):
    """Excursions of sites, depots and shipments as they are reported."""

    @rule(
        where=st.sampled_from((*PLACES, *DEPOTS, "shipment", "shipment")),
        which=WHICH,
        minutes=st.sampled_from((10, 50, 90, 2000)),
    )
    def it_was_too_warm(self, where: str, which: int, minutes: int) -> None:
        place = self.some_shipment(which, "in_transit") if where == "shipment" else where
        if where == "shipment" and place not in self.model.shipments:
            return
        began = self.desk.now - timedelta(minutes=minutes)
        kind = {"shipment": "shipment_id"}.get(where, "site_id" if where in PLACES else "depot_id")
        told = {"began_at": began, "ended_at": self.desk.now, "lowest_celsius": 5, "highest_celsius": 11}
        request = RecordExcursionRequest.model_validate({kind: place, "reported": told})
        self.note_places()
        exposed = dict[str, int]()
        for stay in self.model.stays:
            start, end = max(stay.since, began), min(stay.until or self.desk.now, self.desk.now)
            if stay.place == place and start < end:
                whole = minutes if where == "shipment" else -(-(end - start).seconds // 60)
                whole = whole if end - start < timedelta(days=1) or where == "shipment" else minutes
                exposed[stay.kit_number] = exposed.get(stay.kit_number, 0) + whole
        answer = self.attempt(record_excursion, request, reason=ALARM)
        assert (answer is not None) == bool(exposed)
        if answer is None:
            return
        found = {one["kit_number"]: one["minutes_above"] for one in answer["kits"]}
        assert found == exposed
        taken = sorted(
            number
            for number in exposed
            if self.model.kits[number].status in OURS
            and self.model.kits[number].place_kind in ("depot", "site", "transit")
        )
        assert answer["quarantined"] == taken
        self.model.excursions[answer["excursion_id"]] = found
        self.model.spent.update(found)
        for number in taken:
            self.becomes(number, "quarantined")

    @precondition(lambda self: self.model.excursions)
    @rule(which=WHICH, decision=st.sampled_from(("release", "release", "reject")))
    def an_excursion_is_settled(self, which: int, decision: str) -> None:
        """All of it that is still open, in quarantine and not of a lot that is never used again."""
        names = sorted(name for name, left in self.model.excursions.items() if left)
        name = names[which % len(names)] if names else "S01-E1"
        left = self.model.excursions.get(name, {})
        places = BACK if decision == "release" else ("depot", "site")
        chosen = {
            number: one
            for number in sorted(left)
            if (one := self.model.kits[number]).status == "quarantined"
            and one.place_kind in places
            and (decision == "reject" or one.lot.status not in NEVER_AGAIN)
        }
        spent = decision == "release" and any(self.model.spent[number] > BUDGET for number in chosen)
        request: Any = SettleExcursionRequest.model_validate({"excursion_id": name, "decision": decision})
        content = asked_content(STUDY, "settle_excursion", request, ALARM)
        signature = self.desk.signed(MEANING[decision], content).signature
        answer = self.attempt(settle_excursion, request, reason=ALARM, signature=signature)
        assert (answer is not None) == (bool(chosen) and not spent)
        if answer is None:
            return
        waits = sorted(chosen.keys() & self.in_excursions(name)) if decision == "release" else []
        assert answer["waiting"] == waits
        assert answer["kits"] == [number for number in chosen if number not in waits]
        for number, one in chosen.items():
            del left[number]
            if number not in waits:
                self.becomes(number, BACK[one.place_kind] if decision == "release" else "damaged")

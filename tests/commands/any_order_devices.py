"""Reusable devices that came back, in any order: inspected once for each use, and used again only when whole, in time and good."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from allocation.commands.devices import ReissueDeviceRequest, reissue_device
from allocation.commands.signed_requests import asked_content
from tests.api.trial import STUDY
from tests.commands.any_order_model import WHICH
from tests.commands.any_order_returns import ReturnActs

MOST_USES = 2
LOOKED_AT = "wiped, battery and guard checked"


class DeviceActs(ReturnActs):
    """Inspections."""

    @precondition(lambda self: self.variant.reusable and self.model.counted_back)
    @rule(which=WHICH, outcome=st.sampled_from(("fit", "fit", "unfit")))
    def a_device_is_inspected(self, which: int, outcome: str) -> None:
        model = self.model
        numbers = sorted(n for n in model.counted_back if model.kits[n].place_kind == "site")
        if not numbers:
            return
        number = numbers[which % len(numbers)]
        one = model.kits[number]
        possible = (
            one.status == "returned" and number not in self.in_returns() and number not in model.inspected
        )
        if outcome == "fit":
            possible = (
                possible
                and one.lot.status in ("released", "restricted")
                and model.counted_back[number] == "35"
                and model.uses[number] + 1 < MOST_USES
                and self.today(one.place) <= one.last_dispense_date
            )
        request = ReissueDeviceRequest.model_validate({"kit_number": number, "outcome": outcome})
        content = asked_content(STUDY, "reissue_device", request, LOOKED_AT)
        signature = self.desk.signed("device inspected", content).signature
        answer = self.attempt(reissue_device, request, reason=LOOKED_AT, signature=signature)
        assert (answer is not None) == possible
        if answer is None:
            return
        assert answer["uses"] == model.uses[number] + 1
        if outcome == "unfit":
            one.status = "damaged"
            model.inspected.add(number)
            return
        one.status, one.given_until = "site_available", None
        model.uses[number] += 1
        model.handed_out.remove(number)
        del model.counted_back[number]

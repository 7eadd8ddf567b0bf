"""What happens between dispensings, in any order: handing out is confirmed, kits are replaced, dosing is held."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from allocation.commands.confirming import ConfirmDispensingRequest, confirm_dispensing
from allocation.commands.dose_hold import HoldDosingRequest, ResumeDosingRequest, hold_dosing, resume_dosing
from allocation.commands.kit_replacement import ReplaceKitRequest, replace_kit
from tests.commands.any_order_desk import AnyOrderDesk
from tests.commands.any_order_model import WHICH


class DosingActs(AnyOrderDesk):
    """Confirmation, replacement, dose hold."""

    @precondition(lambda self: self.variant.confirmation and self.model.people)
    @rule(which=WHICH, keep=st.integers(0, 2), ago=st.sampled_from((0, 0, 0, 1, -1)))
    def handing_out_is_confirmed(self, which: int, keep: int, ago: int) -> None:
        waiting = [name for name, one in self.model.people.items() if one.assigned]
        who = waiting[which % len(waiting)] if waiting else self.somebody(which, "randomized")
        person = self.model.people.get(who)
        numbers = sorted(person.assigned) if person is not None else []
        handed, others = numbers[keep:], numbers[:keep]
        on = self.today(person.site_id if person else "S01") - timedelta(days=ago)
        request: dict[str, Any] = {
            "subject_id": who,
            "handed_out": handed,
            "not_dispensed": [{"kit_number": one, "reason": "torn"} for one in others],
            "handed_on": on,
        }
        answer = self.attempt(confirm_dispensing, ConfirmDispensingRequest.model_validate(request))
        if answer is None or person is None:
            return
        assert numbers or person.taken_back
        person.taken_back = False
        for number in handed:
            one = self.model.kits[number]
            assert on <= one.last_dispense_date
            one.given_until = one.last_dispense_date
            self.model.handed_out.add(number)
            one.status, one.place_kind, one.place = "dispensed", "subject", who
        for number in others:
            back = "site_available" if self.variant.not_dispensed_to == "stock" else "quarantined"
            self.model.kits[number].status = back
        person.assigned.clear()

    @precondition(lambda self: self.model.handed_out)
    @rule(which=WHICH, found=st.sampled_from(("lost", "damaged")), whose=st.sampled_from((True, True, False)))
    def a_kit_is_replaced(self, which: int, found: str, whose: bool) -> None:
        given = sorted(
            number for number, one in self.model.kits.items() if one.status in ("dispensed", "assigned")
        )
        if not given:
            return
        number = given[which % len(given)]
        old = self.model.kits[number]
        holder = next(
            (name for name, one in self.model.people.items() if number in one.assigned or old.place == name)
        )
        who = holder if whose else self.somebody(which)
        request = ReplaceKitRequest.model_validate({"subject_id": who, "kit_number": number, "found": found})
        answer = self.attempt(replace_kit, request, reason="the subject says so")
        if answer is None:
            return
        person = self.model.people[who]
        assert who == holder
        assert not person.on_hold
        new = self.model.kits[answer["kit_number"]]
        assert new.kit_type == old.kit_type
        assert new.usable_at(person.site_id, self.today(person.site_id))
        if number in person.assigned:
            person.assigned = person.assigned - {number} | {answer["kit_number"]}
            new.status, old.status = "assigned", ("lost" if found == "lost" else "quarantined")
        else:
            self.model.handed_out.add(answer["kit_number"])
            new.given_until = new.last_dispense_date
            new.status, new.place_kind, new.place = "dispensed", "subject", who
            old.status, old.place_kind, old.place = found, "site", person.site_id
        if found == "lost":
            old.place_kind, old.place = "lost", ""

    @precondition(lambda self: self.model.people)
    @rule(
        which=WHICH,
        resumed=st.booleans(),
        reason=st.sampled_from(("laboratory value", "laboratory value", "")),
    )
    def dosing_is_held_or_goes_on(self, which: int, resumed: bool, reason: str) -> None:
        who = self.somebody(which, "randomized")
        if resumed:
            answer = self.attempt(resume_dosing, ResumeDosingRequest(subject_id=who), reason=reason)
        else:
            answer = self.attempt(hold_dosing, HoldDosingRequest(subject_id=who), reason=reason)
        person = self.model.people.get(who)
        if answer is not None and person is not None:
            assert person.status == "randomized"
            assert person.on_hold == resumed
            assert reason
            person.on_hold = not resumed

"""What happens between dispensings, in any order: handing out is confirmed, kits are replaced, dosing is held."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from allocation.commands.confirming import ConfirmDispensingRequest, confirm_dispensing
from allocation.commands.dose_hold import HoldDosingRequest, ResumeDosingRequest, hold_dosing, resume_dosing
from allocation.commands.home_parcels import SendHomeRequest, send_home
from allocation.commands.kit_replacement import ReplaceKitRequest, replace_kit
from allocation.commands.vault import PatientAddress, SetAddressRequest, set_patient_address
from allocation.errors import NotFound
from tests.commands.any_order_desk import AnyOrderDesk
from tests.commands.any_order_model import WHICH

HOME = PatientAddress(recipient="Quxley", lines=("17 Vexilla Mews",), city="Thornaby", country="GBR")


class DosingActs(AnyOrderDesk):
    """Confirmation, replacement, dose hold."""

    @precondition(lambda self: self.variant.confirmation and self.model.people)
    @rule(
        which=WHICH,
        keep=st.integers(0, 2),
        ago=st.sampled_from((0, 0, 0, 1, -1)),
        lost=st.booleans(),
    )
    def handing_out_is_confirmed(self, which: int, keep: int, ago: int, lost: bool = False) -> None:
        waiting = [name for name, one in self.model.people.items() if one.assigned]
        who = waiting[which % len(waiting)] if waiting else self.somebody(which, "randomized")
        person = self.model.people.get(who)
        numbers = sorted(person.assigned) if person is not None else []
        handed, others = numbers[keep:], numbers[:keep]
        on = self.today(person.site_id if person else "S01") - timedelta(days=ago)
        request: dict[str, Any] = {
            "subject_id": who,
            "handed_out": handed,
            "not_dispensed": [
                {"kit_number": one, "reason": "torn", "lost": lost and one in person.sent}
                for one in others
                if person is not None
            ],
            "handed_on": on,
        }
        late = any(on > self.model.kits[number].last_dispense_date for number in handed)
        answer = self.attempt(
            confirm_dispensing,
            ConfirmDispensingRequest.model_validate(request),
            expected="kit-past-last-dispense-date" if late else None,
        )
        if person is None:
            assert isinstance(self.refusal, NotFound)
            return
        since, held = person.awaited_since, person.held_on
        self.goes_as_foretold(
            {
                "nothing-to-confirm": since is None,
                "future-date": ago < 0,
                "before-the-visit": since is not None and on < since,
                "dose-on-hold": bool(handed) and held is not None and on >= held,
                "kit-past-last-dispense-date": late,
            }
        )
        if answer is None:
            return
        person.awaited_since = None
        for number in handed:
            one = self.model.kits[number]
            assert on <= one.last_dispense_date
            one.given_until = one.last_dispense_date
            self.model.handed_out.add(number)
            one.status, one.place_kind, one.place = "dispensed", "subject", who
        for number in others:
            back = "site_available" if self.variant.not_dispensed_to == "stock" else "quarantined"
            if number in person.sent:
                back = "lost" if lost else "quarantined"
            one = self.model.kits[number]
            one.status = back
            if back == "lost":
                one.place_kind, one.place = "lost", ""
        person.assigned.clear()
        person.sent.clear()

    @precondition(lambda self: self.variant.confirmation and self.model.people)
    @rule(which=WHICH, days=st.sampled_from((0, 1, 3, -1, 40)))
    def assigned_kits_are_sent_home(self, which: int, days: int) -> None:
        """They stay assigned, and each must be usable on the day when it is to come."""
        waiting = [name for name, one in self.model.people.items() if one.assigned - one.sent]
        who = waiting[which % len(waiting)] if waiting else self.somebody(which, "randomized")
        person = self.model.people[who]
        if not person.has_address:
            kept = self.attempt(set_patient_address, SetAddressRequest(subject_id=who, address=HOME))
            assert kept == {"subject_id": who, "replaced": False}
            person.has_address = True
        numbers = sorted(person.assigned - person.sent)
        comes = self.today(person.site_id) + timedelta(days=days)
        late = any(comes > self.model.kits[number].last_dispense_date for number in numbers)
        answer = self.attempt(
            send_home,
            SendHomeRequest(subject_id=who, expected_on=comes),
            expected="kit-past-last-dispense-date" if late else None,
        )
        dosed = person.status == "randomized" and person.held_on is None
        assert (answer is not None) == (dosed and bool(numbers) and days >= 0 and not late)
        if answer is not None:
            assert answer["kits"] == numbers
            person.sent |= set(numbers)

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
        person = self.model.people[who]
        today = self.today(person.site_id)
        until = self.needed_until(who, None, today)
        usable = [one for one in self.model.kits.values() if one.usable_at(person.site_id, today, until)]
        self.goes_as_foretold(
            {
                "not-found": who != holder,
                "not-on-treatment": person.status != "randomized",
                "dose-on-hold": person.held_on is not None,
                "no-usable-kit": old.kit_type not in {one.kit_type for one in usable},
            }
        )
        if answer is None:
            return
        new = self.model.kits[answer["kit_number"]]
        assert new.kit_type == old.kit_type
        assert new.usable_at(person.site_id, self.today(person.site_id))
        if number in person.assigned:
            person.sent.discard(number)
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
        person = self.model.people[who]
        held = person.held_on is not None
        self.goes_as_foretold(
            {
                "reason-missing": not reason,
                "not-on-treatment": person.status != "randomized",
                "dose-not-on-hold": resumed and not held,
                "dose-on-hold": held and not resumed,
            }
        )
        if answer is not None:
            person.held_on = None if resumed else self.today(person.site_id)

"""What comes back, in any order: from subjects, and from sites through the steps of a return, with the model's own word on each."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from allocation.commands.kit_counts import ReturnFromSubjectRequest, return_from_subject
from allocation.commands.return_ends import (
    Certificate,
    DestroyReturnedRequest,
    ReuseRequest,
    destroy_returned_kits,
    reuse_returned_kits,
)
from allocation.commands.return_shipping import (
    DispatchReturnRequest,
    ReceiveReturnRequest,
    dispatch_return,
    receive_return,
)
from allocation.commands.return_steps import ReturnRequest
from allocation.commands.returns import DeclareReturnRequest, declare_return, withdraw_return
from allocation.commands.signed_requests import asked_content
from tests.api.trial import STUDY
from tests.commands.any_order_desk import AnyOrderDesk
from tests.commands.any_order_model import WHICH
from tests.commands.any_order_trial import PLACES

UNFIT = ("returned", "expired", "damaged", "quarantined")
WHY = "end of the study there"


class ReturnActs(AnyOrderDesk):
    """Counts from subjects, and returns of sites: declared, sent, received, used again, destroyed, taken back."""

    def in_returns(self) -> set[str]:
        return {number for one in self.model.returns.values() for number in one["left"]}

    def some_return(self, which: int, state: str) -> str:
        """One in that state if there is one; else any, or one that does not exist."""
        fitting = [name for name, one in self.model.returns.items() if one["state"] == state]
        names = fitting or list(self.model.returns)
        return names[which % len(names)] if names else "S01-R001"

    @precondition(lambda self: self.model.handed_out)
    @rule(which=WHICH, units=st.sampled_from(("0", "5", "35", "36")))
    def a_subject_brings_a_kit_back(self, which: int, units: str) -> None:
        numbers = sorted(self.model.handed_out)
        number = numbers[which % len(numbers)]
        one = self.model.kits[number]
        who = one.place if one.status == "dispensed" else self.somebody(which)
        kits = [{"kit_number": number, "returned_units": units}]
        request = ReturnFromSubjectRequest.model_validate({"subject_id": who, "kits": kits})
        answer = self.attempt(return_from_subject, request)
        assert (answer is not None) == (one.status == "dispensed" and units != "36")
        if answer is not None:
            one.status, one.place_kind, one.place = "returned", "site", self.model.people[who].site_id
            self.model.counted_back[number] = units

    @rule(which=WHICH, unused_as=st.sampled_from((None, None, "excess")))
    def a_site_declares_a_return(self, which: int, unused_as: Any) -> None:
        site_id = list(PLACES)[which % len(PLACES)]
        wanted = (*UNFIT, "site_available") if unused_as else UNFIT
        here = {
            number: one
            for number, one in self.model.kits.items()
            if (one.place_kind, one.place) == ("site", site_id)
            and one.status in wanted
            and number not in self.in_returns()
        }
        answer = self.attempt(declare_return, DeclareReturnRequest(site_id=site_id, unused_as=unused_as))
        assert (answer is not None) == bool(here)
        if answer is None:
            return
        assert answer["kits"] == sorted(here)
        for one in here.values():
            one.status = "returned_unused" if one.status == "site_available" else "returned"
        self.model.returns[answer["return_id"]] = {
            "site": site_id,
            "state": "declared",
            "left": set(here),
            "on": self.today(site_id),
        }

    @precondition(lambda self: self.model.returns)
    @rule(which=WHICH)
    def a_return_leaves(self, which: int) -> None:
        name = self.some_return(which, "declared")
        request = DispatchReturnRequest(return_id=name, carrier="C", tracking_number="T")
        found = self.model.returns[name]
        answer = self.attempt(dispatch_return, request)
        assert (answer is not None) == (found["state"] == "declared")
        if answer is None:
            return
        found["state"] = "in_transit"
        for number in found["left"]:
            one = self.model.kits[number]
            one.place_kind, one.place, one.shipment, one.going_to = "transit", name, name, None

    @precondition(lambda self: self.model.returns)
    @rule(which=WHICH, how=st.sampled_from(("good", "good", "damaged", "missing")))
    def a_return_arrives(self, which: int, how: str) -> None:
        name = self.some_return(which, "in_transit")
        found = self.model.returns[name]
        first = min(found["left"], default="NOKIT")
        findings = [] if how == "good" else [{"kit_number": first, "found": how, "reason": "torn box"}]
        request = ReceiveReturnRequest.model_validate({"return_id": name, "findings": findings})
        answer = self.attempt(receive_return, request)
        assert (answer is not None) == (found["state"] == "in_transit")
        if answer is None:
            return
        for number in found["left"]:
            one = self.model.kits[number]
            one.place_kind, one.place = "returned", "D1"
            if number == first and how == "damaged":
                one.status = "returned"
            if number == first and how == "missing":
                one.status, one.place_kind, one.place = "lost", "lost", ""
        if how == "missing":
            found["left"].remove(first)
        found["state"] = "received" if found["left"] else "closed"

    @precondition(lambda self: self.model.returns)
    @rule(which=WHICH, again=st.booleans())
    def a_returned_kit_is_settled(self, which: int, again: bool) -> None:
        """One is used again where its own history allows it, or destroyed at the depot or, since no gate is needed, at the site."""
        name = self.some_return(which, "received")
        found = self.model.returns[name]
        numbers = (min(found["left"], default="NOKIT"),)
        told = Certificate(
            number=f"C-{name}-{numbers[0]}",
            destroyed_on=self.today("D1"),
            place="Nord",
            file_name="c.pdf",
            file_sha256="a" * 64,
        )
        if again:
            command, meaning = reuse_returned_kits, "returned kits released for use"
            request: Any = ReuseRequest(return_id=name, kit_numbers=numbers)
        else:
            command, meaning = destroy_returned_kits, "kits destroyed"
            request = DestroyReturnedRequest(return_id=name, kit_numbers=numbers, certificate=told)
        act = self.desk.signed(meaning, asked_content(STUDY, command.__name__, request, WHY))
        answer = self.attempt(command, request, reason=WHY, signature=act.signature)
        if again:
            at_gate, wrong_day = found["state"] != "received", False
        else:
            at_gate = found["state"] not in ("declared", "received")
            today = self.today(found["site"] if found["state"] == "declared" else "D1")
            wrong_day = not found["on"] <= told.destroyed_on <= today
        unfit = again and not at_gate and not self.may_be_used_again(numbers[0])
        self.goes_as_foretold(
            {"return-gate": at_gate, "kit-not-reusable": unfit, "contradicting-date": wrong_day}
        )
        if answer is None:
            return
        one = self.model.kits[numbers[0]]
        if again:
            one.status, one.place_kind, one.place, one.shipment = "depot_available", "depot", "D1", None
        else:
            one.status, one.place_kind, one.place = "destroyed", "destroyed", ""
        found["left"].remove(numbers[0])
        if not found["left"]:
            found["state"] = "closed"

    def may_be_used_again(self, number: str) -> bool:
        """Whether a returned kit may go back into the depot's stock, by the model's own word."""
        one = self.model.kits[number]
        return (
            one.status == "returned_unused"
            and number not in self.model.handed_out
            and one.lot.status not in ("recalled", "rejected")
            and one.may_leave_for(None, self.today("D1"))
        )

    @precondition(lambda self: self.model.returns)
    @rule(which=WHICH, meant=st.sampled_from((True, False)))
    def a_return_is_taken_back(self, which: int, meant: bool) -> None:
        name = self.some_return(which, "declared")
        found = self.model.returns[name]
        answer = self.attempt(
            withdraw_return, ReturnRequest(return_id=name), reason="needed here" if meant else ""
        )
        assert (answer is not None) == (meant and found["state"] == "declared")
        if answer is None:
            return
        for number in found["left"]:
            one = self.model.kits[number]
            one.status = "quarantined" if one.status == "returned_unused" else one.status
        found["state"], found["left"] = "withdrawn", set()

"""A machine that does whatever comes to its mind at three sites and a depot, retries and trespasses included."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from allocation.access.actors import Actor, Grant
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.service import Act
from allocation.commands.studies import GO_LIVE, LoadStudyVersionRequest, load_study_version, version_content
from allocation.commands.visits import MissVisitRequest, miss_visit
from allocation.errors import IdempotencyConflict, NotPermitted
from tests.api.trial import STUDY
from tests.commands.any_order_devices import DeviceActs
from tests.commands.any_order_dosing import DosingActs
from tests.commands.any_order_excursions import ExcursionActs
from tests.commands.any_order_lots import LotActs
from tests.commands.any_order_model import WHICH
from tests.commands.any_order_moves import MoveActs
from tests.commands.any_order_shipments import ShipmentActs
from tests.commands.any_order_subjects import SubjectActs
from tests.commands.any_order_trial import Variant, any_order_protocol


class AnyOrder(SubjectActs, DosingActs, ShipmentActs, MoveActs, LotActs, ExcursionActs, DeviceActs):
    """All acts together, time passing between them."""

    @initialize(
        variant=st.builds(
            Variant,
            kits_a_lot=st.sampled_from((6, 10, 3)),
            consolidation=st.sampled_from(("all_types", "triggered_types_only")),
            lot_choice=st.sampled_from(("min_wastage", "min_shipments")),
            seeding=st.sampled_from(("on_activation", "on_first_screening", "none")),
            block_size=st.sampled_from((1, 1, 2)),
            trigger=st.sampled_from(("at", "below")),
            long_window_from=st.sampled_from(("today", "end_of_short_window")),
            pipeline_statuses=st.sampled_from((("requested", "in_transit"), ("in_transit",))),
            ignore_skipped=st.booleans(),
            overdue_days=st.sampled_from((None, 0, 20)),
            confirmation=st.sampled_from((False, False, True)),
            not_dispensed_to=st.sampled_from(("stock", "quarantine")),
            partial=st.booleans(),
            same_lot=st.sampled_from(("off", "where_possible", "required")),
            valid_until_next_visit=st.sampled_from((True, True, False)),
            order_approval=st.sampled_from(("none", "manual", "none")),
            satellite=st.booleans(),
            reusable=st.sampled_from((False, False, True)),
            depot_shortage=st.sampled_from(("first_come", "fair_share")),
        ),
        already=st.sampled_from(("under way", "stocked", "enrolled", "nothing")),
    )
    def start(self, variant: Variant, already: str) -> None:
        """An empty database becomes a trial, before its first subject or under way."""
        self.open(variant)
        if already != "nothing":
            for which, level in enumerate(("MILD", "SEVERE", "MILD")):
                self.somebody_new_comes_on_treatment(which, level)
        if already in ("stocked", "under way"):
            self.what_was_ordered_comes(0, ("available", "damaged"))
        if already == "under way":
            self.somebody_comes_to_all_visits(0, "up")

    @rule(days=st.sampled_from((0, 1, 2, 5, 14, 1, 3, 60)), hours=st.integers(0, 23))
    def time_passes(self, days: int, hours: int) -> None:
        self.desk.now += timedelta(days=days, hours=hours)

    @precondition(lambda self: self.model.people)
    @rule(which=WHICH, move=st.sampled_from((None, "up", "down")))
    def somebody_comes_to_all_visits(self, which: int, move: Any) -> None:
        """Each dispensing visit of one subject on its day, or few would get beyond the first."""
        who = self.somebody(which, "randomized")
        for code in ("V2", "V3", "V4", "V5"):
            self.dispense_to(who, code, move if code == "V3" else None, 0, "as it came")
            self.handing_out_is_confirmed(which, 0, 0)
            self.desk.now += timedelta(days=9)
            self.what_was_ordered_comes(which, ())

    @precondition(lambda self: self.model.done)
    @rule(which=st.integers(0, 40))
    def an_act_is_sent_again(self, which: int) -> None:
        """A retry, now or much later, is given the first answer and changes nothing."""
        first = self.model.done[-1 - which % len(self.model.done)]
        if not first.wrote:
            return
        act = Act(first.actor, first.key, first.reason, first.signature)
        assert first.command(self.desk.service, act, first.study, first.request) == first.answer
        assert self.unchanged()

    @precondition(lambda self: any(one.wrote and one.study == STUDY for one in self.model.done))
    @rule(which=WHICH, other=WHICH)
    def a_key_is_used_for_something_else(self, which: int, other: int) -> None:
        written = [one for one in self.model.done if one.wrote and one.study == STUDY]
        first = written[-1 - which % len(written)]
        request = MissVisitRequest(subject_id=self.somebody(other), visit_code="V3")
        if first.request == request:
            return
        try:
            miss_visit(self.desk.service, Act(first.actor, idempotency_key=first.key), STUDY, request)
        except IdempotencyConflict:
            assert self.unchanged()
        else:
            raise AssertionError("a key was used twice")

    @precondition(lambda self: any(one.site_id != "S01" for one in self.model.people.values()))
    @rule(which=WHICH)
    def somebody_of_another_site_tries(self, which: int) -> None:
        others = [who for who, one in self.model.people.items() if one.site_id != "S01"]
        stranger = Actor("ada", "Ada", (Grant("site_coordinator", STUDY, "site", "S01"),))
        request = DispenseRequest(subject_id=others[which % len(others)], visit_code="V2")
        assert self.attempt(dispense, request, actor=stranger) is None
        assert isinstance(self.refusal, NotPermitted)

    @rule(min_buffer=st.integers(0, 3))
    def the_protocol_is_amended(self, min_buffer: int) -> None:
        self.version += 1
        self.protocol = any_order_protocol(self.variant, self.version, min_buffer)
        act = self.desk.signed(GO_LIVE, version_content(self.protocol))
        load_study_version(self.desk.service, act, LoadStudyVersionRequest(protocol=self.protocol))
        self.state = self.desk.state()

"""What people at the sites do with subjects, in any order."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy import select

from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.participation import CompleteRequest, EndRequest, complete, discontinue
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.screening import EligibilityRequest, ScreenRequest, record_eligibility, screen
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit
from allocation.errors import NotFound, NoUsableKit
from allocation.ledger.schema import subject
from allocation.ledger.subject_paths import visits_of
from allocation.rules.dosing import kits_due
from allocation.study.dose_paths import dispensing_rows
from tests.api.trial import STUDY
from tests.commands.any_order_desk import AnyOrderDesk
from tests.commands.any_order_model import CODES, DISPENSING, PLANNED, WHICH, Person
from tests.commands.any_order_trial import PLACES

AGAIN = "again"
"""Not a planned visit: the kits of the last dispensing once more."""
TITRATED = "V3"
"""The one visit at which the investigator may move the dose."""
LONGEST_SCREENING = 28


class SubjectActs(AnyOrderDesk):
    """Screening, eligibility, randomization, visits, dispensing, the end of participation."""

    @rule(
        site_id=st.sampled_from((*PLACES, "S99")),
        severity=st.sampled_from(("MILD", "SEVERE")),
        ago=st.sampled_from((0, 0, 9, -1)),
    )
    def somebody_is_screened(self, site_id: str, severity: str, ago: int) -> None:
        on = None if site_id not in PLACES else self.today(site_id) - timedelta(days=ago)
        request = ScreenRequest(
            site_id=site_id, screened_on=on, sex="F", age=40, factors={"SEVERITY": severity}
        )
        answer = self.attempt(screen, request)
        assert (answer is None) == (site_id == "S99" or ago < 0)
        if answer is not None:
            assert answer["subject_id"] not in self.model.people
            person = Person(site_id, severity, date.fromisoformat(answer["screened_on"]))
            person.visits["V1"] = ["done"]
            self.model.people[answer["subject_id"]] = person

    @rule(which=WHICH, eligible=st.sampled_from((True, True, True, False)))
    def eligibility_is_recorded(self, which: int, eligible: bool) -> None:
        who = self.somebody(which)
        answer = self.attempt(record_eligibility, EligibilityRequest(subject_id=who, eligible=eligible))
        person = self.model.people.get(who)
        assert (answer is not None) == (person is not None and person.status in ("screening", "eligible"))
        if answer is not None and person is not None:
            person.status = "eligible" if eligible else "screen_failed"

    @precondition(lambda self: self.model.people)
    @rule(which=WHICH, override=st.sampled_from(("", "late")))
    def somebody_is_randomized(self, which: int, override: str) -> None:
        who = self.somebody(which)
        answer = self.attempt(randomize, RandomizeRequest(subject_id=who, override_reason=override))
        person = self.model.people[who]
        today = self.today(person.site_id)
        self.goes_as_foretold(
            {
                "already-randomized": person.randomized_on is not None,
                "not-in-screening": person.status == "screen_failed",
                "not-eligible": person.status == "screening",
                "screening-too-long": not override and (today - person.screened_on).days > LONGEST_SCREENING,
                "list-exhausted": len(self.model.used[person.severity]) == len(self.list[person.severity]),
            }
        )
        if answer is None:
            return
        following = self.list[person.severity][len(self.model.used[person.severity])]
        assert answer["randomization_number"] == following["randomization_number"]
        self.model.used[person.severity].append(who)
        person.status, person.arm, person.randomized_on = "randomized", following["arm"], today

    @rule(who=WHICH, severity=st.sampled_from(("MILD", "SEVERE")))
    def somebody_new_comes_on_treatment(self, who: int, severity: str) -> None:
        """A whole enrolment at once, or few would get that far."""
        site_id = list(PLACES)[who % 3]
        self.somebody_is_screened(site_id, severity, 0)
        newest = len(self.model.people) - 1
        self.eligibility_is_recorded(newest, True)
        self.somebody_is_randomized(newest, "")

    @precondition(lambda self: self.model.people)
    @rule(
        which=WHICH,
        code=st.sampled_from((*DISPENSING, "V1", "V6", "V77", AGAIN)),
        move=st.sampled_from((None, None, "up", "down", "maintain")),
        ago=st.sampled_from((0, 0, 0, 3, 400, -1)),
        override=st.sampled_from(("", "holiday")),
    )
    def somebody_is_dispensed(self, which: int, code: str, move: Any, ago: int, override: str) -> None:
        who = self.somebody(which, "randomized" if which % 4 else None)
        self.dispense_to(who, code, move, ago, override)

    def dispense_to(self, who: str, code: str, move: Any, ago: int, override: str) -> None:
        person = self.model.people.get(who)
        on = None if person is None or ago == 0 else self.today(person.site_id) - timedelta(days=ago)
        given = {"visit_code": code} if code != AGAIN else {"visit_number": "3.7", "epoch": "TRT"}
        request = DispenseRequest(
            subject_id=who,
            titration=move,
            visit_date=on,
            override_reason=override,
            accept_partial=ago == 0,
            **given,
        )
        before = self.state
        answer = self.attempt(dispense, request)
        if person is None:
            assert isinstance(self.refusal, NotFound)
            return
        self.dispensing_goes_as_foretold(person, code, move, on or self.today(person.site_id), override)
        if isinstance(self.refusal, NoUsableKit):
            self.nothing_suits(who, code, on)
        if answer is None:
            return
        assert before != self.state
        visited = date.fromisoformat(answer["visit_date"])
        assert visited == (on or self.today(person.site_id))
        if code != AGAIN:
            person.visits.setdefault(code, []).append("done")
            person.was_given_kits = True
        person.awaited_since = visited if self.variant.confirmation else None
        handed = {number: self.model.kits[number] for number in answer["kit_numbers"]}
        self.kits_match(who, code, answer, Counter(one.kit_type for one in handed.values()))
        today = self.today(person.site_id)
        for number, one in handed.items():
            assert one.usable_at(person.site_id, today)
            if self.variant.confirmation:
                assert answer["awaits_confirmation"]
                one.status = "assigned"
                person.assigned.add(number)
            else:
                self.is_handed_out(number, who)

    def dispensing_goes_as_foretold(
        self, person: Person, code: str, move: Any, on: date, override: str
    ) -> None:
        """Whether a dose move is possible, and what kits it takes, is for the rules to say; all else is foretold."""
        self.goes_as_foretold(
            {
                "not-found": code not in (*PLANNED, AGAIN),
                "not-on-treatment": person.status != "randomized",
                "dose-on-hold": person.held_on is not None,
                "confirmation-awaited": person.awaited_since is not None,
                "future-date": on > self.today(person.site_id),
                "before-screening": on < person.screened_on,
                "before-randomization": person.randomized_on is not None and on < person.randomized_on,
                "no-dispensing-visit": code in PLANNED and code not in DISPENSING,
                "visit-on-record": code in DISPENSING and person.has_on_record(code),
                "visit-outside-window": not override and person.outside_hard_window(code, on),
                "nothing-dispensed-before": code == AGAIN and not person.was_given_kits,
                "no-titration-here": move is not None and code != TITRATED,
            },
            {"titration-refused": code == TITRATED and move in ("up", "down"), "no-usable-kit": True},
        )

    def is_handed_out(self, number: str, who: str) -> None:
        assert number not in self.model.handed_out
        self.model.handed_out.add(number)
        one = self.model.kits[number]
        one.given_until = one.last_dispense_date
        one.status, one.place_kind, one.place = "dispensed", "subject", who

    def kits_match(self, who: str, code: str, answer: Any, found: Counter[str]) -> None:
        """The kits are those of the arm, the visit and the dose, never those of a missed visit; or what there was of them."""
        with self.desk.database.read() as connection:
            row = connection.execute(select(subject).where(subject.c.subject_id == who)).one()
            visits = visits_of(connection, STUDY, who)
        if code == AGAIN:
            with_kits = [one for one in visits if one.dispensed and one.visit_code is not None]
            latest = max(one.visit_date for one in with_kits)
            codes = {one.visit_code for one in with_kits if one.visit_date == latest}
        else:
            codes = {code}
        missed = {one.visit_code for one in visits if one.status == "missed"}
        assert not codes & missed
        rows = dispensing_rows(self.protocol)
        dues = [Counter(dict(kits_due(rows, one, row.arm, row.dose_level).kits)) for one in codes]
        if answer["kits_short"]:
            assert self.variant.partial
            assert any(found < due and (due - found).total() == answer["kits_short"] for due in dues)
        else:
            assert found in dues

    def nothing_suits(self, who: str, code: str, on: date | None) -> None:
        """A refusal for want of kits is true: at either dose level, some kit type that would be due is short, or not of one lot."""
        person = self.model.people[who]
        assert person.arm is not None
        today = self.today(person.site_id)
        path = self.path_of(who)
        until = self.needed_until(who, self.protocol.visit(code), on or today)
        usable = [one for one in self.model.kits.values() if one.usable_at(person.site_id, today, until)]
        stock = Counter(one.kit_type for one in usable)
        if self.variant.same_lot == "required":
            lots = Counter((one.kit_type, one.lot_id) for one in usable)
            stock = Counter(
                {
                    kit_type: max(count for (kind, _), count in lots.items() if kind == kit_type)
                    for kit_type in stock
                }
            )
        rows = dispensing_rows(self.protocol)
        codes = path.dispensed if code == AGAIN else {code}
        high = [dict(kits_due(rows, one, person.arm, "ZZD2").kits) for one in codes]
        assert any(stock[kit_type] < quantity for kits in high for kit_type, quantity in kits.items())

    @precondition(lambda self: self.model.people)
    @rule(which=WHICH, code=st.sampled_from(PLANNED), ago=st.sampled_from((0, 3, 400, -1)))
    def a_visit_is_recorded(self, which: int, code: str, ago: int) -> None:
        who = self.somebody(which)
        on = self.today("S01") - timedelta(days=ago)
        answer = self.attempt(record_visit, VisitRequest(subject_id=who, visit_code=code, visit_date=on))
        person = self.model.people[who]
        self.goes_as_foretold(
            {
                "future-date": on > self.today(person.site_id),
                "before-screening": on < person.screened_on,
                "visit-on-record": person.has_on_record(code),
                "visit-outside-window": person.outside_hard_window(code, on),
            }
        )
        if answer is not None:
            person.visits.setdefault(code, []).append("done")

    @precondition(lambda self: self.model.people)
    @rule(
        which=WHICH,
        number=st.sampled_from(("1.5", "3.10", "3.1", "50", "4")),
        ago=st.sampled_from((0, 2, 400)),
        reason=st.sampled_from(("", "adverse event")),
    )
    def an_unscheduled_visit_is_recorded(self, which: int, number: str, ago: int, reason: str) -> None:
        who = self.somebody(which)
        on = self.today("S01") - timedelta(days=ago)
        request = VisitRequest(
            subject_id=who, visit_number=number, epoch="TRT", visit_date=on, override_reason=reason
        )
        self.attempt(record_visit, request)
        person = self.model.people[who]
        self.goes_as_foretold(
            {
                "planned-number": number == "4",
                "future-date": on > self.today(person.site_id),
                "before-screening": not reason and on < person.screened_on,
            }
        )

    @precondition(lambda self: self.model.people)
    @rule(which=WHICH, code=st.sampled_from(CODES))
    def a_visit_is_missed(self, which: int, code: str) -> None:
        who = self.somebody(which)
        answer = self.attempt(miss_visit, MissVisitRequest(subject_id=who, visit_code=code))
        person = self.model.people[who]
        self.goes_as_foretold(
            {"optional-visit": code == "RX", "visit-on-record": person.has_on_record(code, missed=True)}
        )
        if answer is not None:
            person.visits[code] = ["missed"]

    @precondition(lambda self: self.model.people)
    @rule(which=WHICH, completed=st.booleans(), ago=st.sampled_from((0, 0, 30)))
    def somebody_leaves(self, which: int, completed: bool, ago: int) -> None:
        who = self.somebody(which)
        person = self.model.people[who]
        on = self.today(person.site_id) - timedelta(days=ago)
        if completed:
            answer = self.attempt(complete, CompleteRequest(subject_id=who, ended_on=on))
        else:
            answer = self.attempt(
                discontinue, EndRequest(subject_id=who, ended_on=on, end_reason="ADVERSE EVENT")
            )
        self.goes_as_foretold(
            {
                "not-on-study": person.status != "randomized",
                "before-randomization": person.randomized_on is not None and on < person.randomized_on,
            }
        )
        if answer is not None:
            person.status = "completed" if completed else "discontinued"

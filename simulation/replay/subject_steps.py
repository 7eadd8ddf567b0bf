"""The facts of a recorded study as steps, in time order: what a site's desk would have entered, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.participation import CompleteRequest, EndRequest, complete, discontinue
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.screening import EligibilityRequest, ScreenRequest, record_eligibility, screen
from allocation.commands.visits import VisitRequest, record_visit
from allocation.rules.visits import WindowKind, judge_visit_date
from allocation.study.protocol import Protocol
from allocation.study.schedule import Visit
from allocation.study.strata import NO_STRATUM
from allocation.study.subject_schedule import SubjectPath, window_of
from simulation.replay.recorded_allocation import AllocatedEntry
from simulation.replay.recorded_facts import (
    Completed,
    Discontinued,
    EligibilityConfirmed,
    Randomized,
    RecordedFact,
    Screened,
    ScreenFailed,
    Visited,
)
from simulation.replay.sdtm_reader import exact_decimal
from simulation.replay.steps import Command, Seat, Step, noon, request_for
from simulation.replay.subject_story import AS_RECORDED


def subject_steps(
    protocol: Protocol,
    facts: tuple[RecordedFact, ...],
    entries: list[AllocatedEntry],
    zones: dict[str, str],
) -> list[Step]:
    """Every fact as a step at noon of its day of recording, in the order in which they are played.

    `entries` is the rebuilt list; `zones` the IANA time zone of each site. Raises RecordedStudyError for a value that the service
    cannot take.
    """
    desk = SiteDesk(protocol, {entry.subject: entry.randomization_number for entry in entries})
    steps = [replace(desk.step(fact), at=noon(fact.recorded_on, zones[fact.site])) for fact in facts]
    # Sites in several zones: the earlier noon first. A site's own facts stay in their order, since sorting is stable.
    return sorted(steps, key=lambda step: step.at)


class SiteDesk:
    """Turns facts into steps, one after the other as they happened, and keeps how far each subject has come."""

    def __init__(self, protocol: Protocol, numbers: dict[str, str]) -> None:
        self.protocol = protocol
        self.numbers = numbers
        self.visits = {exact_decimal(visit.number): visit for visit in protocol.visits}
        self.paths: dict[str, SubjectPath] = {}
        self.epochs: dict[str, str] = {}

    def step(self, fact: RecordedFact) -> Step:
        """The step of one fact; its moment is set by the caller."""
        match fact:
            case Screened():
                return self._screened(fact)
            case EligibilityConfirmed():
                request = request_for(
                    EligibilityRequest,
                    _where(fact),
                    subject_id=fact.subject_number,
                    eligible=True,
                    assessed_on=fact.on,
                )
                return _step(fact, "eligible", record_eligibility, request)
            case ScreenFailed():
                request = request_for(
                    EligibilityRequest,
                    _where(fact),
                    subject_id=fact.subject_number,
                    eligible=False,
                    assessed_on=fact.on,
                    last_contact_on=fact.recorded_on,
                    visit_code=self._code(fact.visit_number),
                )
                return _step(fact, "screen failure", record_eligibility, request)
            case Randomized():
                return self._randomized(fact)
            case Visited():
                return self._visited(fact)
            case Completed() | Discontinued():
                return self._ended(fact)
        raise TypeError(f"{type(fact).__name__} is no fact that can be played")

    def _screened(self, fact: Screened) -> Step:
        screening = self.protocol.screening.visit
        self._came(fact, self.visits[fact.visit_number])
        self.paths[fact.subject] = SubjectPath(
            fact.subject_number, fact.on, stratum=NO_STRATUM, done={screening: fact.on}
        )
        request = request_for(
            ScreenRequest,
            _where(fact),
            site_id=fact.site,
            subject_id=fact.subject_number,
            screened_on=fact.on,
            consented_on=fact.consented_on,
            sex=fact.sex,
            age=fact.age,
            race=fact.race,
            ethnic=fact.ethnic,
        )
        return _step(fact, "screen", screen, request)

    def _randomized(self, fact: Randomized) -> Step:
        path = self.paths[fact.subject]
        last_day = self.protocol.screening.last_day(path.screened_on)
        is_late = last_day is not None and fact.on > last_day
        self.paths[fact.subject] = replace(path, randomized_on=fact.on, arm=fact.arm)
        request = request_for(
            RandomizeRequest,
            _where(fact),
            subject_id=fact.subject_number,
            randomized_on=fact.on,
            override_reason=AS_RECORDED if is_late else "",
        )
        step = _step(fact, "randomize", randomize, request)
        return replace(step, number=self.numbers[fact.subject], arm=fact.arm)

    def _visited(self, fact: Visited) -> Step:
        visit = self.visits[fact.visit_number] if fact.planned else None
        common = {
            "subject_id": fact.subject_number,
            "visit_date": fact.on,
            "end_date": fact.ended_on,
            "override_reason": self._reason(fact, visit),
        }
        name = f"visit {fact.visit_number} of {fact.on}"
        if visit is None:
            request = request_for(
                VisitRequest,
                _where(fact),
                **common,
                visit_number=fact.number,
                name=fact.visit_name,
                epoch=self.epochs[fact.subject],
            )
            return _step(fact, name, record_visit, request)
        self._came(fact, visit)
        if fact.dispense:
            dispensed = request_for(DispenseRequest, _where(fact), **common, visit_code=visit.code)
            return _step(fact, name, dispense, dispensed)
        request = request_for(VisitRequest, _where(fact), **common, visit_code=visit.code)
        return _step(fact, name, record_visit, request)

    def _came(self, fact: RecordedFact, visit: Visit) -> None:
        """Note a planned visit: later ones may be counted from it, and an unscheduled visit lies in its epoch."""
        self.epochs[fact.subject] = visit.epoch
        path = self.paths.get(fact.subject)
        if path is not None:
            first_dose_on = path.first_dose_on
            if first_dose_on is None and isinstance(fact, Visited) and fact.dispense:
                first_dose_on = fact.recorded_on
            self.paths[fact.subject] = replace(
                path, first_dose_on=first_dose_on, done={**path.done, visit.code: fact.on}
            )

    def _reason(self, fact: Visited, visit: Visit | None) -> str:
        """The reason that a site gives where it is asked: outside the window, or before the screening."""
        path = self.paths[fact.subject]
        if fact.on < path.screened_on:
            return fact.override_reason
        if visit is None:
            return ""
        window = window_of(self.protocol, visit, path)
        outside = judge_visit_date(fact.on, window, WindowKind.SOFT).days_outside
        return fact.override_reason if outside else ""

    def _code(self, number: str | None) -> str | None:
        """The code of the planned visit of that number; None for another, or for none."""
        visit = None if number is None else self.visits.get(number)
        return None if visit is None else visit.code

    def _ended(self, fact: Completed | Discontinued) -> Step:
        common: dict[str, str | date | None] = {
            "subject_id": fact.subject_number,
            "ended_on": fact.on,
            "end_term": fact.term or "",
            "last_dose_on": fact.last_dose_on,
            "last_contact_on": fact.recorded_on,
            "visit_code": self._code(fact.visit_number),
        }
        if isinstance(fact, Completed):
            request = request_for(CompleteRequest, _where(fact), **common)
            return _step(fact, "complete", complete, request)
        ended = request_for(EndRequest, _where(fact), **common, end_reason=fact.reason, died_on=fact.died_on)
        return _step(fact, "discontinue", discontinue, ended)


def _where(fact: RecordedFact) -> str:
    return f"{type(fact).__name__} {fact.subject}"


def _step(fact: RecordedFact, name: str, command: Command, request: object) -> Step:
    return Step(
        f"{fact.subject} {name}",
        noon(fact.recorded_on, "UTC"),
        Seat("site", fact.site),
        command,
        request,  # type: ignore[arg-type]
    )

"""The records of one subject to that subject's facts: the rules by which a recorded study is understood.

The rules, with their counts in the CDISC pilot study, stand in this package's README.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from simulation.replay.errors import RecordedStudyError
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
from simulation.replay.visit_plan import VisitPlan

SCREEN_FAILURE = "SCREEN FAILURE"
AS_RECORDED = "date as recorded in the original study"
BEFORE_SCREENING = "back-dated: the original study recorded this visit before the screening visit"


def _day(text: str | None, where: str, variable: str) -> date:
    """The day of an ISO date or date-time; a missing or partial one is refused, since the service needs a day."""
    if text is None or len(text) < 10:
        raise RecordedStudyError(
            f"{variable} is {text or 'blank'}, and a whole date is needed",
            code="recorded-date",
            field=where,
            fix=f"complete {variable} in the source",
        )
    return date.fromisoformat(text[:10])


class SubjectStory:
    """The records of one subject and what follows from them."""

    def __init__(
        self,
        demographics: dict[str, Any],
        visits: list[dict[str, Any]],
        exposures: list[dict[str, Any]],
        events: list[dict[str, Any]],
        plan: VisitPlan,
        arms: frozenset[str],
    ) -> None:
        self.dm = demographics
        self.plan = plan
        self.subject: str = demographics["USUBJID"]
        self.visits = [visit for visit in visits if visit["SVOCCUR"] != "N"]
        self.exposures = sorted(exposures, key=lambda row: (row["EXSTDTC"] or "", row["EXSEQ"]))
        self.events = events
        arm = (demographics["ARMCD"] or "").upper()
        self.arm = arm if arm in arms else None
        self.disposition = self._disposition()
        if arm and self.arm is None and not self._is_screen_failure:
            raise RecordedStudyError(
                f"ARMCD {demographics['ARMCD']} is not in TA, and the disposition is not {SCREEN_FAILURE}",
                code="recorded-arm",
                field=f"DM {self.subject}",
                fix="add the arm to TA, or correct ARMCD",
            )

    @property
    def _is_screen_failure(self) -> bool:
        return self.disposition is not None and self.disposition["DSDECOD"] == SCREEN_FAILURE

    def _refuse(self, dataset: str, message: str, fix: str, code: str) -> RecordedStudyError:
        return RecordedStudyError(message, code=code, field=f"{dataset} {self.subject}", fix=fix)

    def _disposition(self) -> dict[str, Any] | None:
        """The one disposition of the subject, or None for a subject who is still in the study."""
        found = [event for event in self.events if event["DSCAT"] == "DISPOSITION EVENT"]
        if len(found) > 1:
            terms = ", ".join(str(event["DSDECOD"]) for event in found)
            raise self._refuse(
                "DS",
                f"{len(found)} dispositions ({terms})",
                "keep the one of the study participation",
                "recorded-disposition",
            )
        return found[0] if found else None

    def _milestone(self, term: str) -> str | None:
        return next((event["DSSTDTC"] for event in self.events if event["DSDECOD"] == term), None)

    def _first(self, number: str) -> date | None:
        days = [
            _day(v["SVSTDTC"], f"SV {self.subject}", "SVSTDTC")
            for v in self.visits
            if v["VISITNUM"] == number
        ]
        return min(days, default=None)

    def _common(self, on: date, recorded_on: date) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "subject_number": self.dm["SUBJID"],
            "site": self.dm["SITEID"],
            "on": on,
            "recorded_on": recorded_on,
        }

    def facts(self, planned: frozenset[str]) -> Iterable[tuple[tuple[date, int, Decimal], RecordedFact]]:
        """The subject's facts, each with its place among them: day of recording, stage of the day, visit number."""
        screened_on = self._first(self.plan.screening)
        if screened_on is None:
            raise self._refuse(
                "SV",
                f"no screening visit (VISITNUM {self.plan.screening})",
                "add the visit, or name the screening visit in the study file",
                "recorded-no-screening",
            )
        yield (screened_on, 0, Decimal(0)), self._screened(screened_on)
        randomized_on = self._randomized_on()
        if randomized_on is not None:
            common = self._common(randomized_on, randomized_on)
            yield (randomized_on, 2, Decimal(0)), EligibilityConfirmed(**common)
            yield (randomized_on, 3, Decimal(0)), Randomized(**common, arm=str(self.arm))
        end = self._end(randomized_on)
        for visit in self._visited(screened_on, planned, end):
            yield (visit.recorded_on, self._stage(visit, randomized_on, end), visit.number), visit
        if end is not None:
            yield (end.recorded_on, 5, Decimal(0)), end

    def _stage(self, visit: Visited, randomized_on: date | None, end: RecordedFact | None) -> int:
        """Where a visit stands in its day: 1 before the randomization, 4 after it, 6 after the disposition."""
        if end is not None and visit.visit_number in self.plan.follow_up and visit.on >= end.recorded_on:
            return 6
        if randomized_on is None or visit.on < randomized_on:
            return 1
        if visit.on == randomized_on and visit.number < Decimal(self.plan.randomization):
            return 1
        return 4

    def _screened(self, on: date) -> Screened:
        consent = self._milestone("INFORMED CONSENT OBTAINED") or self.dm["RFICDTC"]
        if self.dm["AGE"] is None or self.dm["SEX"] is None:
            raise self._refuse("DM", "AGE or SEX is blank", "fill both in", "recorded-demographics")
        return Screened(
            **self._common(on, on),
            visit_number=self.plan.screening,
            consented_on=_day(consent, f"DM {self.subject}", "RFICDTC") if consent else on,
            sex=self.dm["SEX"],
            age=self.dm["AGE"],
            age_unit=self.dm["AGEU"] or "YEARS",
            race=self.dm["RACE"],
            ethnic=self.dm["ETHNIC"],
            country=self.dm["COUNTRY"],
        )

    def _randomized_on(self) -> date | None:
        """The recorded randomization, else the date of the visit at which the study file randomizes."""
        if self.arm is None:
            return None
        stated = self._milestone("RANDOMIZED")
        if stated:
            return _day(stated, f"DS {self.subject}", "DSSTDTC")
        on = self._first(self.plan.randomization)
        if on is None:
            raise self._refuse(
                "SV",
                f"has ARMCD {self.dm['ARMCD']} and no randomization visit (VISITNUM {self.plan.randomization})",
                "add the visit or a RANDOMIZED record in DS",
                "recorded-no-randomization",
            )
        return on

    def _last_dose_on(self) -> date | None:
        """The end of the last exposure record; None when it is blank (never RFXENDTC: it contradicts EX in the pilot study)."""
        if not self.exposures or self.exposures[-1]["EXENDTC"] is None:
            return None
        return _day(self.exposures[-1]["EXENDTC"], f"EX {self.subject}", "EXENDTC")

    def _end(self, randomized_on: date | None) -> ScreenFailed | Completed | Discontinued | None:
        event = self.disposition
        if event is None:
            return None
        on = _day(event["DSSTDTC"], f"DS {self.subject}", "DSSTDTC")
        collected = event["DSDTC"]
        recorded_on = max(on, _day(collected, f"DS {self.subject}", "DSDTC") if collected else on)
        if randomized_on is None:
            last = self.dm["RFPENDTC"]
            last_contact = _day(last, f"DM {self.subject}", "RFPENDTC") if last else recorded_on
            return ScreenFailed(
                **self._common(on, max(recorded_on, last_contact)),
                term=event["DSTERM"],
                visit_number=event["VISITNUM"],
            )
        if self._is_screen_failure:
            raise self._refuse(
                "DS",
                f"is a {SCREEN_FAILURE} and has ARMCD {self.dm['ARMCD']}",
                "correct one of the two",
                "recorded-disposition",
            )
        common = {
            **self._common(on, recorded_on),
            "term": event["DSTERM"],
            "last_dose_on": self._last_dose_on(),
            "visit_number": event["VISITNUM"],
        }
        if event["DSDECOD"] == "COMPLETED":
            return Completed(**common)
        died = self.dm["DTHDTC"]
        return Discontinued(
            **common,
            reason=event["DSDECOD"],
            died_on=_day(died, f"DM {self.subject}", "DTHDTC") if died else None,
        )

    def _visited(
        self, screened_on: date, planned: frozenset[str], end: RecordedFact | None
    ) -> Iterable[Visited]:
        """Every visit but the screening visit itself, which is part of the screening.

        Kits are handed out only while exposure goes on: at the first dispensing visit, and at a later one if a dose was taken
        after its day. Where the last dose is not recorded, exposure is taken to go on until the disposition, as the pilot
        study's own analysis dataset does (ADSL.TRTEDT).
        """
        until = self._last_dose_on() or (end.on if end is not None else date.max)
        first = min(
            (
                (_day(row["SVSTDTC"], f"SV {self.subject}", "SVSTDTC"), Decimal(row["VISITNUM"]))
                for row in self.visits
                if row["VISITNUM"] in self.plan.dispensing
            ),
            default=None,
        )
        for row in self.visits:
            on = _day(row["SVSTDTC"], f"SV {self.subject}", "SVSTDTC")
            number: str = row["VISITNUM"]
            if number == self.plan.screening and on == screened_on:
                continue
            withheld = None
            if number in self.plan.dispensing and self.arm is not None:
                if not self.exposures:
                    withheld = "no dose was taken"
                elif (on, Decimal(number)) != first and on >= until:
                    withheld = "no dose was taken after the visit"
            ended_on = _day(row["SVENDTC"] or row["SVSTDTC"], f"SV {self.subject}", "SVENDTC")
            # A visit of several days is recorded when it is over: the service takes no end that is still to come.
            yield Visited(
                **self._common(on, max(on, ended_on, screened_on)),
                visit_number=number,
                visit_name=row["VISIT"],
                ended_on=ended_on,
                planned=number in planned,
                dispense=number in self.plan.dispensing and self.arm is not None and withheld is None,
                override_reason=BEFORE_SCREENING if on < screened_on else AS_RECORDED,
                withheld=withheld,
            )

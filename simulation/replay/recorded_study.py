"""SDTM datasets to the facts of a recorded study, in the order in which the service is to meet them.

How the records of one subject are understood stands in subject_story.py.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from simulation.replay.recorded_facts import (
    Completed,
    Discontinued,
    RecordedFact,
    Visited,
)
from simulation.replay.sdtm_reader import SdtmDatasets
from simulation.replay.subject_story import BEFORE_SCREENING, SubjectStory
from simulation.replay.visit_plan import VisitPlan


@dataclass(frozen=True, slots=True)
class RecordedStudy:
    """The facts in playing order. `source` keeps the datasets that they come from."""

    study_id: str
    facts: tuple[RecordedFact, ...]
    source: SdtmDatasets

    def counts(self) -> dict[str, int]:
        """How many facts of each kind; dispensings are counted apart."""
        counted = Counter(type(fact).__name__ for fact in self.facts)
        counted["dispensings"] = sum(isinstance(fact, Visited) and fact.dispense for fact in self.facts)
        return dict(counted)

    def decisions(self) -> dict[str, int]:
        """How often a decision had to be made where the datasets do not say it plainly."""
        found = Counter(
            f"dispensing withheld: {fact.withheld}"
            for fact in self.facts
            if isinstance(fact, Visited) and fact.withheld
        )
        for fact in self.facts:
            if isinstance(fact, Visited) and fact.override_reason == BEFORE_SCREENING:
                found["visit dated before the screening visit, entered on the screening day"] += 1
            if isinstance(fact, Completed | Discontinued) and fact.last_dose_on is None:
                found["last dose date not recorded: exposure taken to go on until the disposition"] += 1
            if isinstance(fact, Completed | Discontinued) and fact.on != fact.recorded_on:
                found["disposition dated before the day on which it was recorded"] += 1
        return dict(sorted(found.items()))


def _by_subject(datasets: SdtmDatasets, name: str) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in datasets[name].iter_rows(named=True):
        grouped.setdefault(row["USUBJID"], []).append(row)
    return grouped


def recorded_study(datasets: SdtmDatasets, plan: VisitPlan) -> RecordedStudy:
    """Put the datasets into facts in playing order: by day of recording, site, subject number, and the subject's own order.

    Within a subject and day: screening, visits before the randomization, eligibility, randomization, other visits by number,
    disposition, follow-up visits. Two runs over the same datasets, in any order of rows, give the same stream.

    Raises:
        RecordedStudyError: records of a subject are missing or contradict each other.
    """
    visits, exposures, events = (_by_subject(datasets, name) for name in ("SV", "EX", "DS"))
    arms = frozenset(str(code).upper() for code in datasets["TA"].get_column("ARMCD").to_list())
    planned = frozenset(str(number) for number in datasets["TV"].get_column("VISITNUM").to_list())
    ordered: list[tuple[tuple[date, str, str, int, Decimal, date], RecordedFact]] = []
    for row in datasets["DM"].iter_rows(named=True):
        subject = row["USUBJID"]
        story = SubjectStory(
            row, visits.get(subject, []), exposures.get(subject, []), events.get(subject, []), plan, arms
        )
        for (day, stage, number), fact in story.facts(planned):
            ordered.append(((day, fact.site, fact.subject_number, stage, number, fact.on), fact))
    ordered.sort(key=lambda item: item[0])
    return RecordedStudy(datasets.study_id, tuple(fact for _, fact in ordered), datasets)

"""An interim cut of a study: who is on study, what was dispensed until the cut, and the schedule. Days are whole and the site's dates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.int64]
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class InterimCut:
    """All that a demand forecast reads, whatever system it came from.

    Subjects are in the order of randomization. `randomized` is in days from `begins_on`; `days_on_study` counts the day of randomization
    as 1 and ends with the last day on treatment, or the cut; `ended` says that it ended before. Visits are those at which something was
    dispensed: `visit_subject` is an index of subjects, `visit_day` in days from randomization (0: the same day), ordered by both;
    `quantities` has a row for each visit and a column for each kit type. `arm_kits[a, k]`: arm a takes kit type k, `target_dose[k]` of
    them every `target_days` days, at most `max_cycles` times.
    """

    begins_on: date
    cut_on: date
    arms: tuple[str, ...]
    kits: tuple[str, ...]
    arm_kits: Mask
    target_days: int
    target_dose: Days
    max_cycles: int
    subjects: tuple[str, ...]
    randomized: Days
    arm: Days
    days_on_study: Days
    ended: Mask
    visit_subject: Days
    visit_day: Days
    quantities: Days

    @property
    def cut_day(self) -> int:
        """The cut in days from `begins_on`."""
        return (self.cut_on - self.begins_on).days

    @property
    def last_visit(self) -> Days:
        """The day of each subject's last dispensing from randomization; -1 where there was none."""
        last = np.full(len(self.subjects), -1, dtype=np.int64)
        np.maximum.at(last, self.visit_subject, self.visit_day)
        return last

    def as_of(self, cut_on: date) -> InterimCut:
        """What was known on an earlier day: later randomizations, visits and ends are taken away."""
        cut = (cut_on - self.begins_on).days
        kept = self.randomized <= cut
        known = cut - self.randomized + 1
        visits = kept[self.visit_subject] & (self.visit_day < known[self.visit_subject])
        place = np.cumsum(kept) - 1
        return replace(
            self,
            cut_on=cut_on,
            subjects=tuple(name for name, keep in zip(self.subjects, kept, strict=True) if keep),
            randomized=self.randomized[kept],
            arm=self.arm[kept],
            days_on_study=np.minimum(self.days_on_study, known)[kept],
            ended=(self.ended & (self.days_on_study <= known))[kept],
            visit_subject=place[self.visit_subject[visits]],
            visit_day=self.visit_day[visits],
            quantities=self.quantities[visits],
        )

    def dispensed(self, after: date, until: date) -> Days:
        """Kits of each type dispensed after one day, until another, that included."""
        day = self.randomized[self.visit_subject] + self.visit_day
        inside = (day > (after - self.begins_on).days) & (day <= (until - self.begins_on).days)
        found: Days = self.quantities[inside].sum(axis=0)
        return found

    def cuts(self, first_days: int, every: int, last_before: int) -> list[date]:
        """Earlier cuts for a back-test: every so many days back from `last_before` days before the cut, not before day `first_days`."""
        days = np.arange(self.cut_day - last_before, first_days - 1, -every)[::-1]
        return [self.begins_on + timedelta(days=int(day)) for day in days]

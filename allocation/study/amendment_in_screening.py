"""What an amendment does to one subject in screening: its visits until randomization, and what randomization will ask of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from allocation.study.amendment_effects import Plan, VisitEffect, effect_on_subject
from allocation.study.subject_schedule import SubjectPath


@dataclass(frozen=True, slots=True)
class ScreeningEffect:
    """What changes for a subject in screening, who will be randomized under the new version.

    `randomize_by`: the last day for its first randomization by the old and by the new version, where they differ (None: no such day).
    `factors`: levels that the first randomization newly asks for and nobody has given. `age_refused`: it would not be screened any more.
    """

    subject_id: str
    visits: tuple[VisitEffect, ...]
    randomize_by: tuple[date | None, date | None] | None
    factors: tuple[str, ...]
    age_refused: bool

    @property
    def changes(self) -> bool:
        """Whether anything changes for the subject."""
        return bool(self.visits or self.randomize_by or self.factors or self.age_refused)


def effect_in_screening(
    old: Plan,
    new: Plan,
    path: SubjectPath,
    age: int | None,
    given: Collection[str],
    today: date,
    effective_on: date,
) -> ScreeningEffect:
    """Compare a subject in screening under both versions. `age` in years, `given`: the factors that have a level on record.

    Dates are the site's; `effective_on` is that from which the new version counts.
    """
    before, after = old.protocol.screening, new.protocol.screening
    last_days = before.last_day(path.screened_on), after.last_day(path.screened_on)
    asked = new.protocol.randomization[0].factors
    return ScreeningEffect(
        path.subject_id,
        effect_on_subject(old, new, path, today, effective_on).visits,
        None if last_days[0] == last_days[1] else last_days,
        tuple(
            code for code in asked if code not in given and code not in old.protocol.randomization[0].factors
        ),
        age is not None and before.admits_age(age) and not after.admits_age(age),
    )

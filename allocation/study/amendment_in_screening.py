"""What an amendment does to one subject in screening: its visits until randomization, and what randomization will ask of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from allocation.study.amendment_effects import Plan, VisitEffect, effect_on_subject
from allocation.study.subject_schedule import SubjectPath

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


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
    last_days = _last_day(old.protocol, path), _last_day(new.protocol, path)
    asked = new.protocol.randomization[0].factors
    return ScreeningEffect(
        path.subject_id,
        effect_on_subject(old, new, path, today, effective_on).visits,
        None if last_days[0] == last_days[1] else last_days,
        tuple(
            code for code in asked if code not in given and code not in old.protocol.randomization[0].factors
        ),
        _age_fits(old.protocol, age) and not _age_fits(new.protocol, age),
    )


def _last_day(protocol: Protocol, path: SubjectPath) -> date | None:
    days = protocol.screening.max_days_to_randomization
    return None if days is None else path.screened_on + timedelta(days=days)


def _age_fits(protocol: Protocol, age: int | None) -> bool:
    low, high = protocol.screening.age_min, protocol.screening.age_max
    return age is None or ((low is None or age >= low) and (high is None or age <= high))

"""The facts of a recorded study: what happened to each subject, typed, as the service takes it in.

Every fact has two dates, both local to the site and without time of day, which SDTM seldom has: `on`, when it happened, and
`recorded_on`, when it became known; the replay's clock moves with the latter. They differ for a back-dated visit, for a death
that was reported later, and for a screen failure whose last contact came after the failed visit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFact:
    """Something that was recorded about one subject. `subject` is USUBJID, `subject_number` SUBJID, `site` SITEID."""

    subject: str
    subject_number: str
    site: str
    on: date
    recorded_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened(RecordedFact):
    """The subject came to the screening visit and gave consent on `consented_on`. `age` in `age_unit` at consent."""

    visit_number: str
    consented_on: date
    sex: str
    age: int
    age_unit: str
    race: str | None
    ethnic: str | None
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenFailed(RecordedFact):
    """The subject was not randomized; `term` is the verbatim reason. `recorded_on` is the last contact. `visit_number`: where it ended."""

    term: str
    visit_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EligibilityConfirmed(RecordedFact):
    """The subject was found eligible. Not in the datasets: it follows from the randomization of the same day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomized(RecordedFact):
    """The subject was allocated to `arm` (ARMCD in upper case). The replay uses it to rebuild the list, never as an input."""

    arm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Visited(RecordedFact):
    """A visit on one or several days. `planned`: the number is in TV. `dispense`: kits were handed out then.

    `override_reason` is what a site would give where the service asks for a reason: a date outside the window, a visit
    before the screening, a visit out of order. `withheld` says why a dispensing visit had no dispensing, else None.
    """

    visit_number: str
    visit_name: str
    ended_on: date
    planned: bool
    dispense: bool
    override_reason: str
    withheld: str | None = None

    @property
    def number(self) -> Decimal:
        """The visit number for ordering."""
        return Decimal(self.visit_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended(RecordedFact):
    """The subject's participation ended `on`. `last_dose_on` None: not recorded. `visit_number`: where it was recorded."""

    term: str
    last_dose_on: date | None
    visit_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(_Ended):
    """The subject completed the study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discontinued(_Ended):
    """The subject left the study early for `reason` (SDTM DSDECOD); `died_on` is set when the reason is death."""

    reason: str
    died_on: date | None

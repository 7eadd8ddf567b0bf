"""What blinded people may read of a subject. No arm, no kit type, no dose, no place in a list."""

from __future__ import annotations

from datetime import date

from allocation.views.blinded.lot_lines import KitLine
from allocation.views.shape import View


class SubjectRow(View):
    """A subject in a list. Dates are the site's. `dose_label` is the blinded word for the dose, where showing it is safe;
    `dose_held_on`: since when dosing is on hold."""

    subject_id: str
    site_id: str
    country: str
    status: str
    screened_on: date
    randomized_on: date | None
    randomization_number: str | None
    cohort: str | None
    stratum: str | None
    dose_label: str | None
    dose_held_on: date | None
    last_dispensed_on: date | None
    ended_on: date | None
    end_reason: str | None


class SubjectList(View):
    """Subjects by their ids; `total` counts all that match, of which this is a page."""

    study_id: str
    total: int
    subjects: tuple[SubjectRow, ...]


class RecordedVisit(View):
    """A visit that took place or was missed. `visit_date` is the visit's, `recorded_on` that of the transaction; both are the site's.

    `dispensed`: kits were given. `confirmation`: awaited, confirmed or not_dispensed; null where handing out is not confirmed.
    """

    visit_code: str | None
    visit_number: str
    occurrence: int
    name: str
    status: str
    visit_date: date | None
    end_date: date | None
    recorded_on: date | None
    override_reason: str
    dispensed: bool
    confirmation: str | None


class ExpectedVisit(View):
    """A planned visit to come, with the first, target and last date of its window. `window`: hard or soft.

    `estimated`: the date rests on an earlier visit that has not taken place yet.
    """

    visit_code: str
    name: str
    earliest: date
    target: date
    latest: date
    window: str
    dispensing: bool
    estimated: bool


class ProjectedVisits(View):
    """The visits that a subject is expected at, as resupply counts them: at their earliest date. None once the subject has ended.

    While dosing is on hold (`dose_held_on`) supply plans no kits for them. `today`: the site's date.
    """

    study_id: str
    subject_id: str
    today: date
    dose_held_on: date | None
    visits: tuple[ExpectedVisit, ...]


class Measured(View):
    """A weight in kg or a height in cm, as it was recorded, and the date on which it was taken."""

    measure: str
    value: str
    measured_on: date


class DispensedKit(KitLine):
    """A kit that the subject was given, or that is assigned to it (`dispensed_on` null); `kit_group` is what it looks like."""

    kit_group: str
    status: str
    visit_number: str
    dispensed_on: date | None


class SubjectDetail(View):
    """A subject with all that blinded people may know of its way through the study.

    `factors` are those it was randomized by; `true_factors` the levels that were found later to be true instead.
    """

    study_id: str
    subject: SubjectRow
    consented_on: date | None
    sex: str | None
    age: int | None
    factors: dict[str, str]
    true_factors: dict[str, str]
    replaces: str | None
    replaced_by: str | None
    eligible: bool | None
    measurements: tuple[Measured, ...]
    visits: tuple[RecordedVisit, ...]
    visits_ahead: tuple[ExpectedVisit, ...]
    kits: tuple[DispensedKit, ...]

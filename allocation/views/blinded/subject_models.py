"""What blinded people may read of a subject. No arm, no kit type, no dose, no place in a list."""

from __future__ import annotations

from datetime import date

from allocation.views.shape import View


class SubjectRow(View):
    """A subject in a list. Dates are the site's. `dose_label` is the blinded word for the dose, where showing it is safe."""

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
    last_dispensed_on: date | None
    ended_on: date | None
    end_reason: str | None


class SubjectList(View):
    """Subjects by their ids; `total` counts all that match, of which this is a page."""

    study_id: str
    total: int
    subjects: tuple[SubjectRow, ...]


class RecordedVisit(View):
    """A visit that took place or was missed."""

    visit_code: str | None
    visit_number: str
    occurrence: int
    name: str
    status: str
    visit_date: date | None
    end_date: date | None
    override_reason: str
    dispensed: bool


class ExpectedVisit(View):
    """A planned visit to come, with the first, target and last date of its window."""

    visit_code: str
    name: str
    earliest: date
    target: date
    latest: date
    dispensing: bool


class DispensedKit(View):
    """A kit that the subject was given; `kit_group` is what it looks like."""

    kit_number: str
    kit_group: str
    visit_number: str
    dispensed_on: date


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
    visits: tuple[RecordedVisit, ...]
    visits_ahead: tuple[ExpectedVisit, ...]
    kits: tuple[DispensedKit, ...]

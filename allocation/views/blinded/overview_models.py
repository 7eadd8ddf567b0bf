"""What everyone may read of a study as a whole."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from allocation.views.shape import View


class EnrolmentCounts(View):
    """Subjects by how far they came. `randomized` counts everyone ever randomized; `on_study` those who have not ended."""

    screened: int = 0
    in_screening: int = 0
    screen_failed: int = 0
    randomized: int = 0
    on_study: int = 0
    discontinued: int = 0
    completed: int = 0


class CountryEnrolment(View):
    """Enrolment of a country against its plan. `country` is an ISO 3166-1 alpha-3 code."""

    country: str
    name: str
    planned_subjects: int
    planned_sites: int
    open_sites: int
    counts: EnrolmentCounts


class SiteEnrolment(View):
    """Enrolment of a site against its plan; `opened_on` is the site's own date, None while it is not open."""

    site_id: str
    name: str
    country: str
    status: str
    opened_on: date | None
    planned_subjects: int
    counts: EnrolmentCounts


class DayCount(View):
    """How many subjects on a date (the sites' own dates)."""

    day: date
    subjects: int


class EnrolmentPlan(View):
    """The plan, and how many should be randomized by now if enrolment were even over the planned period."""

    planned_subjects: int
    planned_start: date | None
    planned_enrolment_end: date | None
    expected_by_now: float | None


class Enrolment(View):
    """Enrolment against plan: in all, by country, by site, and by day."""

    plan: EnrolmentPlan
    total: EnrolmentCounts
    countries: tuple[CountryEnrolment, ...]
    sites: tuple[SiteEnrolment, ...]
    screened_by_day: tuple[DayCount, ...]
    randomized_by_day: tuple[DayCount, ...]


class StockCount(View):
    """Kits at a place by status. `kit_group` is the blinding group's label: what all its kits look like."""

    place_kind: str
    place: str
    kit_group: str
    status: str
    kits: int


class ExpiringKits(View):
    """Usable kits at a place that may no more be dispensed after `last_dispense_date`; `days_left` from the view's date."""

    place_kind: str
    place: str
    kit_group: str
    last_dispense_date: date
    days_left: int
    kits: int


class ShipmentSummary(View):
    """A shipment; `country` is that of its destination. `late`: it is under way and its expected date has passed."""

    shipment_id: str
    from_kind: Literal["depot", "site"]
    from_place: str
    to_kind: Literal["depot", "site"]
    to_place: str
    country: str
    status: str
    kits: int
    requested_on: date
    dispatched_on: date | None
    expected_on: date | None
    received_on: date | None
    carrier: str | None
    tracking_number: str | None
    late: bool


class Event(View):
    """Something that happened, in words that everyone may read. `recorded_at` is UTC."""

    recorded_at: datetime
    text: str
    site_id: str | None
    subject_id: str | None


class StudySummary(View):
    """Which study, in which mode (test, training, production), under which protocol version."""

    study_id: str
    title: str
    mode: str
    version: int
    phase: str
    sponsor: str
    indication: str


class StudyOverview(View):
    """A study at a glance, as of `as_of` (UTC), as far as the reader may see it.

    `ledger_position` is the last sealed position of the study's ledger in the snapshot that was read; 0 before the first.
    """

    study: StudySummary
    as_of: datetime
    last_entry_at: datetime | None
    ledger_position: int
    enrolment: Enrolment
    stock: tuple[StockCount, ...]
    shipments_under_way: tuple[ShipmentSummary, ...]
    expiries_ahead: tuple[ExpiringKits, ...] = Field(
        description="within the days that were asked for, soonest first"
    )
    events: tuple[Event, ...] = Field(description="the latest first")

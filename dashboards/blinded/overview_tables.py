"""The tables of the overview, as plain values made from the blinded view alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from allocation.views.blinded.overview_models import ExpiringKits, ShipmentSummary, StudyOverview
from dashboards.html_table import Cell, Column, Marked, html_table
from dashboards.look import count_of, day, moment, number

SHIPMENT_STATUS = {"requested": "Requested", "in_transit": "In transit"}


def shipments_table(overview: StudyOverview) -> str:
    """Shipments under way, the late ones first and marked, as HTML."""
    today = overview.as_of.date()
    columns = [
        Column("Shipment"),
        Column("Status"),
        Column("From"),
        Column("To"),
        Column("Kits", numbers=True),
        Column("Dispatched"),
        Column("Expected"),
        Column("Tracking"),
    ]

    def status(one: ShipmentSummary) -> Cell:
        if one.late and one.expected_on is not None:
            return Marked(f"Late by {count_of((today - one.expected_on).days, 'day')}", "alert")
        return SHIPMENT_STATUS.get(one.status, one.status)

    rows: list[list[Cell]] = [
        [
            one.shipment_id,
            status(one),
            one.from_place,
            f"{one.to_place}, {one.country}",
            number(one.kits),
            day(one.dispatched_on),
            day(one.expected_on),
            one.tracking_number or one.carrier or "",
        ]
        for one in sorted(overview.shipments_under_way, key=lambda one: not one.late)
    ]
    return html_table("Shipments under way", columns, rows, empty="No shipment is under way.", max_height=340)


def expiries_table(overview: StudyOverview) -> str:
    """Usable kits that may soon no more be dispensed, the soonest first, and then those whose day has passed, as HTML."""
    looks = {one.kit_group for one in overview.stock}
    columns = [
        Column("Last day of dispensing"),
        Column("Left"),
        Column("Place"),
        Column("Kits", numbers=True),
        *([Column("Look", long=True)] if len(looks) > 1 else []),
    ]

    def left(one: ExpiringKits) -> Cell:
        if one.days_left < 0:
            return Marked(f"passed {count_of(-one.days_left, 'day')} ago", "alert")
        return "today" if one.days_left == 0 else count_of(one.days_left, "day")

    rows: list[list[Cell]] = [
        [
            day(one.last_dispense_date),
            left(one),
            f"{'Depot' if one.place_kind == 'depot' else 'Site'} {one.place}",
            number(one.kits),
            *([Marked(one.kit_group, "muted")] if len(looks) > 1 else []),
        ]
        for one in sorted(overview.expiries_ahead, key=lambda one: one.days_left < 0)
    ]
    return html_table(
        "Expiries ahead", columns, rows, empty="No usable kit expires in the next 90 days.", max_height=340
    )


def events_table(overview: StudyOverview) -> str:
    """The last events in blinded words, the latest first, as HTML."""
    rows: list[list[Cell]] = [[Marked(moment(one.recorded_at), "muted"), one.text] for one in overview.events]
    columns = [Column("When"), Column("What", long=True)]
    return html_table("Last events", columns, rows, empty="Nothing has happened yet.", max_height=340)


def site_rows(overview: StudyOverview) -> dict[str, list[Any]]:
    """Enrolment and stock by site, as columns. `Randomized of plan` is in whole percent."""
    ready: dict[str, int] = defaultdict(int)
    for one in overview.stock:
        if one.place_kind == "site" and one.status == "site_available":
            ready[one.place] += one.kits
    for expiring in overview.expiries_ahead:
        if expiring.place_kind == "site" and expiring.days_left < 0:
            ready[expiring.place] -= expiring.kits
    sites = overview.enrolment.sites
    return {
        "Site": [one.site_id for one in sites],
        "Name": [one.name for one in sites],
        "Country": [one.country for one in sites],
        "Opened": [one.opened_on for one in sites],
        "Planned": [one.planned_subjects for one in sites],
        "Randomized": [one.counts.randomized for one in sites],
        "Randomized of plan": [
            round(100 * one.counts.randomized / one.planned_subjects) if one.planned_subjects else None
            for one in sites
        ],
        "Screened": [one.counts.screened for one in sites],
        "Screen failures": [one.counts.screen_failed for one in sites],
        "On study": [one.counts.on_study for one in sites],
        "Left": [one.counts.discontinued for one in sites],
        "Completed": [one.counts.completed for one in sites],
        "Kits ready": [max(ready[one.site_id], 0) for one in sites],
    }

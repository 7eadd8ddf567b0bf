"""The preview of an amendment as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from allocation.views.blinded.amendments import BlindedAmendmentPreview, RescheduledInScreening
from allocation.views.unblinded.amendment_models import AmendmentPreview, ChangedInScreening, KitCount

NEEDS: Final[Mapping[str, str]] = {
    "nothing": "nothing",
    "list": "a new list, activated for this version: none can be randomized without",
    "list_for_changed_strata": "a new list, activated for this version: without it subjects of the strata that it changes wait",
    "list_for_new_blocks": "a new list, activated for this version: without it subjects are drawn from the list in use, as it was made",
    "activation": "the method activated, signed, for this version",
}
"""What a randomization event needs (study/amendment_of_randomization.py), in words."""


class _Days(Protocol):
    """A window of either preview."""

    @property
    def opens(self) -> object: ...

    @property
    def target(self) -> object: ...

    @property
    def closes(self) -> object: ...


def print_preview(preview: AmendmentPreview, console: Console) -> None:
    """Print the unblinded preview."""
    _print_heading(preview, console)
    for obstacle in preview.obstacles:
        console.print(Text(f"would be refused: {obstacle}", style="bold red"))
    console.print(Text("\nThe document", style="bold"))
    for change in preview.changes:
        console.print(Text(f"  {change.text}"))
    if preview.randomization:
        table = _table("Randomization", "event", "change", "what", "before it is in force")
        for event in preview.randomization:
            needs = NEEDS[event.needs] + ("; balance begins anew" if event.balance_begins_anew else "")
            table.add_row(event.event, event.change, ", ".join(event.differs), needs)
        console.print(table)
    if preview.subjects:
        table = _table("Subjects on study", "subject", "site", "follows", "visit", "change", "was", "will be")
        for subject in preview.subjects:
            lead = (subject.subject_id, subject.site_id, str(subject.version))
            for visit in subject.visits:
                table.add_row(*lead, visit.visit_code, visit.change, _days(visit.old), _days(visit.new))
                lead = ("", "", "")
            for kits in subject.kits:
                table.add_row(*lead, kits.visit_code, "kits", _kits(kits.old), _kits(kits.new))
                lead = ("", "", "")
            if subject.hole:
                table.add_row(*lead, "", "not said", "", "the new version does not say what is due")
        console.print(table)
    _print_screening(preview.screening, console)
    if preview.demand:
        table = _table(
            "Demand by week, where it changes",
            "country",
            "week from",
            "kit type",
            *_BEFORE_AFTER,
            right=_BEFORE_AFTER,
        )
        for row in preview.demand:
            table.add_row(row.country, str(row.week), row.kit_type, str(row.before), str(row.after))
        console.print(table)
    if preview.demand_totals:
        table = _table("Demand in all", "country", "kit type", *_BEFORE_AFTER, right=_BEFORE_AFTER)
        for total in preview.demand_totals:
            table.add_row(total.country, total.kit_type, str(total.before), str(total.after))
        console.print(table)


def print_blinded_preview(preview: BlindedAmendmentPreview, console: Console) -> None:
    """Print what the blinded study team may be told."""
    _print_heading(preview, console)
    if preview.subjects:
        table = _table("Subjects on study", "subject", "site", "visit", "change", "was", "will be")
        for subject in preview.subjects:
            lead = (subject.subject_id, subject.site_id)
            for visit in subject.visits:
                table.add_row(*lead, visit.visit_code, visit.change, _days(visit.old), _days(visit.new))
                lead = ("", "")
        console.print(table)
    _print_screening(preview.screening, console)
    if preview.demand:
        table = _table(
            "Demand by week, where it changes", "kits", "week from", *_BEFORE_AFTER, right=_BEFORE_AFTER
        )
        for row in preview.demand:
            table.add_row(row.kit_group, str(row.week), str(row.before), str(row.after))
        console.print(table)


_BEFORE_AFTER: Final = ("before", "after")


def _print_heading(preview: AmendmentPreview | BlindedAmendmentPreview, console: Console) -> None:
    text = Text(f"{preview.study_id}: version {preview.from_version} -> {preview.to_version}", style="bold")
    console.print(text)
    rule = preview.amendment_rule.replace("_", " ")
    if preview.amendment_visit is not None:
        rule += f" {preview.amendment_visit}"
    if preview.subjects_staying:
        rule += f": {preview.subjects_staying} stay on their version"
    console.print(f"subjects on study follow it by the rule: {rule}")
    console.print(_countries(preview.countries))
    console.print(
        f"{preview.subjects_on_study} subjects on study, {len(preview.subjects)} with changes, "
        f"{preview.subjects_waiting} in countries that wait; {preview.subjects_in_screening} in screening, "
        f"{len(preview.screening)} with changes"
    )


def _print_screening(
    subjects: Sequence[ChangedInScreening] | Sequence[RescheduledInScreening], console: Console
) -> None:
    if not subjects:
        return
    table = _table("Subjects in screening", "subject", "site", "what", "change", "was", "will be")
    for subject in subjects:
        lead = (subject.subject_id, subject.site_id)
        rows = [(one.visit_code, one.change, _days(one.old), _days(one.new)) for one in subject.visits]
        if (days := subject.randomize_by) is not None:
            rows.append(("randomization", "last day", _day(days.old), _day(days.new)))
        rows += [(factor, "asked for", "", "a level is to be given") for factor in subject.factors]
        if subject.age_refused:
            rows.append(("age", "outside", "", "would not be screened any more"))
        for row in rows:
            table.add_row(*lead, *row)
            lead = ("", "")
    console.print(table)


def _day(day: object | None) -> str:
    return "none" if day is None else str(day)


def _countries(countries: Mapping[str, datetime | None]) -> str:
    """Each moment with its countries, in order of time, and at the end those that wait."""
    by_moment: dict[datetime, list[str]] = {}
    for code, moment in countries.items():
        if moment is not None:
            by_moment.setdefault(moment, []).append(code)
    told = [
        f"from {moment:%Y-%m-%d %H:%M %Z} in {', '.join(by_moment[moment])}" for moment in sorted(by_moment)
    ]
    waiting = [code for code, moment in countries.items() if moment is None]
    if waiting:
        told.append(f"waits in {', '.join(waiting)}")
    return "takes effect: " + ("; ".join(told) or "the protocol has no countries")


def _days(window: _Days | None) -> str:
    return "" if window is None else f"{window.target} ({window.opens} to {window.closes})"


def _kits(kits: Sequence[KitCount]) -> str:
    return " + ".join(f"{kit.quantity} {kit.kit_type}" for kit in kits) or "none"


def _table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", expand=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table

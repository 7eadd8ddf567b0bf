"""The reading half of `rtsm returns`, and `rtsm kit history`: tables for people, JSON and CSV for other programs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from allocation.access.actors import Actor
from allocation.commands.service import utc_now
from allocation.ledger.database import Database, open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.rules.return_process import ReturnState
from allocation.terminal import acting, show, the_study
from allocation.views.blinded.kit_history import kit_history
from allocation.views.blinded.reconciliation import reconciliation
from allocation.views.blinded.reconciliation_models import Discrepancy
from allocation.views.blinded.returns import list_returns, return_detail
from allocation.views.blinded.site_accountability import LoggedKit, site_log
from allocation.views.blinded.subject_accountability import subject_accountability

Site = Annotated[str | None, typer.Option("--site", help="Of one site.", show_default=False)]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, every field.")]


def returns_of(
    site: Site = None,
    state: Annotated[
        ReturnState | None, typer.Option("--state", help="In one state.", show_default=False)
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """List the returns and how far each has come."""
    database, study_id, who = _reader(study, actor)
    found = list_returns(database, who, study_id, site_id=site, state=state)
    rows = [
        (one.return_id, one.state, one.kits, one.left, one.declared_on, one.sent_on, one.received_on)
        for one in found.returns
    ]
    titles = ("return", "state", "kits", "left", "declared", "sent", "received")
    _print(found, as_json, titles, rows)


def show_return(
    return_id: Annotated[str, typer.Argument(help="The return, as DE01-R001.", show_default=False)],
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show a return with its kits, and the hash that an approval covers."""
    database, study_id, who = _reader(study, actor)
    found = return_detail(database, who, study_id, return_id)
    rows = [
        (
            one.name,
            one.kit_group,
            one.why,
            one.declared_units,
            "missing" if one.found is False else one.counted_units,
            one.received_as,
            one.settled_as,
            one.certificate,
            one.discrepancy,
        )
        for one in found.kits
    ]
    titles = ("kit", "look", "why", "units", "counted", "received", "end", "certificate", "discrepancy")
    summary = found.summary
    _print(found, as_json, titles, rows, f"{return_id}: {summary.state}, hash {found.content_hash}")


def of_subject(
    subject: Annotated[str, typer.Argument(help="The subject.", show_default=False)],
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show what a subject was given, brought back and used, and the compliance by visit."""
    database, study_id, who = _reader(study, actor)
    found = subject_accountability(database, who, study_id, subject)
    rows = [
        (
            one.name,
            one.kit_group,
            one.visit_number,
            one.dispensed_on,
            one.dispensed_units,
            one.returned_on,
            one.returned_units,
            one.lost_units,
            one.used_units,
            one.status,
        )
        for one in found.kits
    ]
    titles = ("kit", "look", "visit", "given on", "units", "back on", "returned", "lost", "used", "status")
    compliance = "\n".join(
        f"visit {one.visit_number}: {one.percent} % ({one.used_units} of {one.expected_units} units in {one.days} days)"
        for one in found.compliance
    )
    _print(found, as_json, titles, rows, compliance or "No compliance is known.")


def log_of_site(
    site: Annotated[str, typer.Argument(help="The site.", show_default=False)],
    study: Study = None,
    actor: As = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Print the accountability log of a site: each kit received, to whom it went, what came of it."""
    database, study_id, who = _reader(study, actor)
    found = site_log(database, who, study_id, site)
    if as_csv:
        _csv(LoggedKit, found.kits)
        return
    rows = [
        (
            one.name,
            one.kit_group,
            one.received_on,
            one.subject_id,
            one.dispensed_on,
            one.returned_on,
            one.returned_units,
            one.status,
            one.return_id,
            one.settled_on,
            one.certificate,
        )
        for one in found.kits
    ]
    titles = (
        "kit",
        "look",
        "received",
        "subject",
        "given on",
        "back on",
        "units",
        "status",
        "return",
        "ended",
        "certificate",
    )
    _print(found, as_json, titles, rows)


def reconciliation_of(
    site: Site = None,
    depot: Annotated[str | None, typer.Option("--depot", help="Of one depot.", show_default=False)] = None,
    study: Study = None,
    actor: As = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """List every discrepancy: what does not add up, is overdue, or waits for a decision."""
    database, study_id, who = _reader(study, actor)
    found = reconciliation(database, who, study_id, site_id=site, depot_id=depot, now=utc_now())
    if as_csv:
        _csv(Discrepancy, found.discrepancies)
        return
    rows = [
        (
            one.place,
            one.kind.replace("_", " "),
            one.name,
            one.kit_group,
            one.subject_id,
            one.return_id or one.shipment_id,
            one.units,
            one.since,
            "overdue" if one.overdue else "",
            one.said,
        )
        for one in found.discrepancies
    ]
    titles = ("place", "what", "kit", "look", "subject", "in", "units", "since", "", "said")
    _print(found, as_json, titles, rows, f"{len(rows)} discrepancies as of {found.as_of}")


def history(
    number: Annotated[str, typer.Argument(help="The kit.", show_default=False)],
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show the chain of custody of a kit: every entry of the ledger that it is in."""
    database, study_id, who = _reader(study, actor)
    found = kit_history(database, who, study_id, number)
    rows = [
        (
            one.entry,
            None if one.recorded_at is None else f"{one.recorded_at:%Y-%m-%d %H:%M}",
            one.text,
            one.actor,
            one.role,
            one.reason,
        )
        for one in found.steps
    ]
    place = f"{found.place_kind} {found.place}".strip()
    head = f"kit {number} ({found.kit_group}): {found.status}, {place}"
    _print(found, as_json, ("entry", "UTC", "what", "who", "role", "reason"), rows, head)


def _reader(study: str | None, username: str | None) -> tuple[Database, str, Actor]:
    """The database, the study that is meant, and who reads."""
    database = open_database(create=False)
    return database, the_study(database, study), acting(database, username)


def _print(
    found: BaseModel, as_json: bool, titles: Sequence[str], rows: Iterable[Sequence[Any]], head: str = ""
) -> None:
    if as_json:
        show(found.model_dump(mode="json"), True, "")
        return
    console = Console()
    if head:
        console.print(head, highlight=False, markup=False)
    table = Table(*titles)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    console.print(table)


def _csv(kind: type[BaseModel], rows: Iterable[BaseModel]) -> None:
    """The rows as CSV on standard output, a column a field."""
    writer = csv.DictWriter(sys.stdout, fieldnames=list(kind.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.model_dump(mode="json") for row in rows)

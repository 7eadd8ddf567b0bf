"""What a demo made, said on a page: the trial, its datasets, where things are, and who may log in."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from allocation.study.protocol import Protocol
from dashboards.demo_people import DEMO_PASSWORD, demo_people
from dashboards.home import DemoRecord, Home

WIDTH_OF_A_PAGE = 120


def _page() -> Console:
    """Standard output; where that is no terminal, as wide as a page."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_A_PAGE)


def show_summary(home: Home, record: DemoRecord, console: Console | None = None) -> None:
    """Print what was made and where it is."""
    console = console or _page()
    made: dict[str, Any] = record.summary or {}
    console.print(
        f"\n[bold]{record.study_id}[/]  {made['first_day']} to {made['last_day']}, played through the real service "
        f"({made['seconds']['all']:.0f} s)"
    )
    console.print()
    console.print(_facts(made))
    console.print()
    console.print(
        f"Ledger: {made['ledger_entries']:,} entries, verified (chain, {made['kits']:,} kits in one place each, "
        f"{made['projection_rows']:,} projection rows equal to replay)"
    )
    console.print(_datasets(made["datasets"]))
    console.print()
    places = Table.grid(padding=(0, 2))
    for name, place in {
        "Database": record.database,
        "Lake": home.folder / "lake" / record.study_id,
        "Exports": home.exports / record.study_id,
        "Dagster": home.dagster,
        "Logs": home.logs,
    }.items():
        places.add_row(name, str(place))
    console.print(places)


def _facts(made: dict[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 3))
    grid.add_row(
        f"{made['sites']:,} sites open",
        f"{made['screened']:,} screened",
        f"{made['screen_failures']:,} screen failures",
        f"{made['randomized']:,} randomized",
    )
    grid.add_row(
        f"{made['dispensings']:,} dispensings",
        f"{made['missed_dispensings']:,} missed for want of a kit",
        f"{made['discontinued']:,} discontinued",
        f"{made['completed']:,} completed",
    )
    grid.add_row(
        f"{made['shipments']:,} shipments",
        f"{made['kits_shipped']:,} kits shipped",
        f"{made['kits']:,} kits in all",
        f"{made['visits']:,} visits",
    )
    return grid


def _datasets(rows: dict[str, int]) -> str:
    by_group: dict[str, list[str]] = {}
    for name, count in rows.items():
        group, _, dataset = name.partition("/")
        by_group.setdefault(group, []).append(f"{dataset.upper() if group == 'sdtm' else dataset} {count:,}")
    return "\n".join(
        f"Datasets, {group.upper() if group == 'sdtm' else group} (rows): {', '.join(parts)}"
        for group, parts in by_group.items()
    )


def show_logins(protocol: Protocol, console: Console | None = None) -> None:
    """Print who may log in. A role that many hold is shown by its first and the number of the others."""
    console = console or _page()
    console.print()
    table = Table(
        title=f"Test logins, all with the password  {DEMO_PASSWORD}", title_justify="left", box=None
    )
    for heading in ("Username", "Role", "Sees"):
        table.add_column(heading)
    people = demo_people(protocol)
    shown: set[str] = set()
    for person in people:
        if person.grant.role in shown:
            continue
        shown.add(person.grant.role)
        others = sum(one.grant.role == person.grant.role for one in people) - 1
        more = f" and {others} more alike" if others else ""
        table.add_row(person.username + more, person.grant.role, person.sees)
    console.print(table)

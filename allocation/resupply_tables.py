"""How `rtsm resupply explain` shows a decision (the levels, then all that was counted or not), and `run-out` its alarms."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from allocation.commands.resupply_explanation import ResupplyExplanation
from allocation.views.blinded.resupply_schedule import ResupplySchedule
from allocation.views.blinded.run_out_models import SiteRunOut, SitesRunOut
from allocation.views.unblinded.run_out_models import TypesRunOut

_DECIDED = ("on_hand", "pipeline", "sai", "d_short", "d_long", "trigger_level", "up_to_level")
_ORDERED = ("needed", "ordered", "shipped", "shortfall")
_HEADS = (
    *("kit\ntype", "on\nhand", "pipe-\nline", "\nSAI", "D\nshort", "D\nlong"),
    *("trig-\nger", "up\nto", "need-\ned", "or-\ndered", "ship-\nped", "\nshort"),
)
"""Two lines each, so that the table fits a terminal of 80 columns."""


def print_explanation(found: ResupplyExplanation) -> None:
    """Print the explanation for a person. It UNBLINDS."""
    console = Console()
    where = f"run {found.run_id}, ledger position {found.position}"
    if found.shipment_id is None:
        console.print(
            f"[bold]Nothing was sent[/bold] to {found.site_id} from {found.depot_id} on {found.on} ({where}): {escape(found.why)}"
        )
    else:
        console.print(
            f"[bold]{found.shipment_id}[/bold] to {found.site_id} from {found.depot_id}, requested {found.on} "
            f"({where}): {escape(found.why)}"
        )
    console.print(_decided_under(found), markup=False, highlight=False, soft_wrap=True)
    for one in found.asked_by:
        console.print(f"Asked for by {one}.", markup=False, highlight=False)
    if found.record["decisions"] or found.record["lines"]:
        console.print(_levels(found.record))
    for line in _facts(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if found.derives_to_the_same:
        console.print("Derived again from the ledger: the same.")
    else:
        console.print(
            "[bold red]Derived again from the ledger: NOT the same as recorded[/bold red]; compare `record` and `recorded` of --json."
        )


def _decided_under(found: ResupplyExplanation) -> str:
    """Such as `Decided under protocol version 2, which came of proposal P1 (...)`."""
    text, proposal = f"Decided under protocol version {found.protocol_version}", found.proposal
    if proposal is None:
        return f"{text}."
    which = (
        "which" if proposal.version == found.protocol_version else f"after version {proposal.version}, which"
    )
    return (
        f"{text}, {which} came of proposal {proposal.proposal_id} (report sha256 {proposal.report_sha256}), signed by "
        f"{proposal.signed_by} on {proposal.signed_at:%Y-%m-%d %H:%M} UTC."
    )


def _levels(record: dict[str, Any]) -> Table:
    table = Table(*_HEADS, box=box.SIMPLE, padding=(0, 0, 0, 1))
    lines = {line["kit_type"]: line for line in record["lines"]}
    decided = {one["kit_type"]: one for one in record["decisions"]}
    for kit_type in dict.fromkeys([*decided, *lines]):
        one, line = decided.get(kit_type, {}), lines.get(kit_type, {})
        cells = [one.get(name, "") for name in _DECIDED] + [line.get(name, 0) for name in _ORDERED]
        table.add_row(kit_type, *(str(cell) for cell in cells))
    return table


def _facts(found: ResupplyExplanation) -> Iterator[str]:
    record = found.record
    for one in record["decisions"]:
        yield f"buffers of {one['kit_type']}: {_buffers(one)}"
    for code, why in record["paused"].items():
        yield f"{code}: {why}"
    for one in record["fair_share"]:
        who = found.site_id if found.site_id in one["wanted"] else f"depot {found.site_id}"
        yield (
            f"shared {one['kit_type']}: {found.depot_id} may ship {one['available']} of the {sum(one['wanted'].values())} kits "
            f"that {', '.join(one['wanted'])} are to get; {who} gets {one['shares'][who]} of {one['wanted'][who]}"
        )
    for origin in found.kits_by_origin:
        lent = f"{origin.kits} from study {origin.from_study} (pool {origin.pool})"
        yield f"kits of {origin.kit_type}: {lent if origin.pool else f'{origin.kits} own'}"
    for tried in found.pools:
        yield (
            f"pool {tried.pool}, study {tried.from_study}, at {tried.place}: {tried.taken} of {tried.short} {tried.kit_type} "
            f"that were short; {tried.why}"
        )
    for group in record["exposed_groups"]:
        yield f"exposed: the depot's shortage leaves a single kit or kit type of blinding group {group}"
    timing = record["timing"]
    if timing is not None and timing["urgent_types"]:
        yield f"urgent: {', '.join(timing['urgent_types'])} does not cover its scheduled demand"
    for stock in found.stock:
        counted = "counted" if stock.counted else f"not counted: {stock.why}"
        yield f"stock: {stock.kits} {stock.kit_type} of lot {stock.lot_id}, expiry {stock.expiry_date}, {counted}"
    for coming in found.pipeline:
        counted = "counted" if coming.counted else f"not counted: {coming.status} is no pipeline status"
        yield f"pipeline: {coming.kits} {coming.kit_type} in {coming.shipment_id}, {coming.status}, {counted}"
    for one in record["decisions"]:
        for subject, visit, offset, quantity in one["counted"]:
            when = f"due in {offset} days" if offset >= 0 else f"overdue by {-offset} days"
            yield f"demand: {quantity} {one['kit_type']} for {subject} at {visit}, {when}"
    for subject, why in found.subjects_not_counted:
        yield f"not counted: {subject} ({why.replace('_', ' ')})"


def _buffers(decision: dict[str, Any]) -> str:
    """Such as `1 to 3, by bands: 4 active subjects`."""
    parameters, buffers = decision["parameters"], decision["buffers"]
    text = f"{parameters['min_buffer']} to {parameters['max_buffer']}"
    if buffers["provider"] == "computed":
        return (
            f"{text}, computed: {buffers['newcomers_short']} newcomers expected in {buffers['short_window']} days "
            f"({buffers['enrolment_per_month']} a month), confidence {buffers['confidence']}; mean demand of "
            f"{buffers['long_window']} days {buffers['mean_long']} kits"
        )
    if buffers["provider"] == "bands":
        until = "on" if buffers["until_subjects"] is None else f"to {buffers['until_subjects'] - 1}"
        return f"{text}, by bands: {buffers['active_subjects']} active subjects, the band from {buffers['from_subjects']} {until}"
    return f"{text}, as set by {decision['parameter_sources']['min_buffer']} and {decision['parameter_sources']['max_buffer']}"


def run_out_lines(found: SitesRunOut | TypesRunOut) -> str:
    """A line for each projected run-out, alarms first and then by date; what does not run out within two years is left out."""
    lines = []
    for one in found.sites if isinstance(found, SitesRunOut) else found.kit_types:
        if one.run_out_on is None:
            continue
        what = (
            "" if isinstance(one, SiteRunOut) else f" of {one.kit_type} ({one.sai} on hand and on their way)"
        )
        text = f"{one.site_id} runs out{what} on {one.run_out_on}"
        lines.append((not one.alarm, one.run_out_on, f"ALARM {text}" if one.alarm else text))
    return "\n".join(text for *_, text in sorted(lines)) or "No run-out is projected within two years."


def schedule_lines(found: ResupplySchedule) -> str:
    """The schedule in words. All moments are UTC."""
    days = ", ".join(calendar.day_name[day] for day in found.weekdays) or "no day"
    lines = [f"Runs of {found.study_id}: {days}, {found.hour_utc:02d}:00 UTC"]
    if found.last_scheduled_for is None:
        lines.append("last: none yet")
    else:
        lines.append(f"last: {_utc(found.last_scheduled_for)} ({found.last_run_id})")
    if found.due_since is not None:
        lines.append(
            f"due since {_utc(found.due_since)}: a running service makes it now, or `rtsm resupply run --due`"
        )
    lines.append("next: none" if found.next_at is None else f"next: {_utc(found.next_at)}")
    lines += [
        f"paused: {one.site_id or 'every site'} since {_utc(one.since)} by {one.by}" for one in found.paused
    ]
    if found.on_event:
        lines.append(f"by event: on; waiting: {', '.join(found.sites_waiting) or 'no site'}")
    else:
        lines.append("by event: off")
    return "\n".join(lines)


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

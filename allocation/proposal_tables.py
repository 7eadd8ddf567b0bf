"""How `rtsm resupply proposal` shows proposals: a line for each, and the comparison with today's settings as tables."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from allocation.views.blinded.supply_proposals import BlindedProposal
from allocation.views.unblinded.proposal_models import (
    ComparedParameter,
    ComparedRisk,
    Estimate,
    Proposal,
    ProposalComparison,
)


def proposal_lines(one: Proposal | BlindedProposal) -> list[str]:
    """A proposal in a line, and in a second one the hash of its report and the reasons, where they are told."""
    text = f"{one.proposal_id}  filed {one.filed_at:%Y-%m-%d %H:%M} UTC by {one.filed_by} for protocol version {one.protocol_version}: "
    text += one.state
    if one.ended_by is not None:
        text += f" by {one.ended_by}"
    if one.ended_at is not None:
        text += f", {one.ended_at:%Y-%m-%d %H:%M} UTC"
    if one.superseded_by is not None:
        text += f", in its place {one.superseded_by}"
    if one.ended_by_version is not None:
        text += f", protocol version {one.ended_by_version}"
    lines = [text]
    if isinstance(one, Proposal):
        more = [f"report sha256 {one.report_sha256}"]
        more += ["NOT within the limit of its risk"] if not one.feasible else []
        more += [f"filed: {one.filing_reason}"] if one.filing_reason else []
        more += [f"{one.state}: {one.end_reason}"] if one.end_reason else []
        lines.append("    " + "; ".join(more))
    return lines


def parameter_line(parameters: dict[str, Any]) -> str:
    """A set of a report's parameters as it was filed, such as `country DEU, min_buffer 3`; what it leaves empty is left out."""
    return "  " + ", ".join(f"{name} {value}" for name, value in parameters.items() if value is not None)


def print_comparison(found: ProposalComparison, console: Console) -> None:
    """Print a comparison for a person. It UNBLINDS."""
    for line in proposal_lines(found.proposal):
        console.print(line, markup=False, highlight=False)
    if found.cannot_be_signed is None:
        console.print("It can be signed.")
    else:
        console.print(f"[bold red]It cannot be signed:[/] {escape(found.cannot_be_signed)}")
    console.print(_parameters(found.parameters))
    for one in found.parameters:
        if one.kept:
            kept = f"{one.kept} sites opened outside of the protocol keep their {one.parameter} ({one.where})"
            console.print(kept, style="bold red", markup=False)
    console.print(_outcomes(found))
    for line in _risk_lines(found.risk):
        console.print(line, markup=False, highlight=False)
    console.print("In the protocol's document it changes:")
    for line in found.protocol_changes:
        console.print(f"  {line}", markup=False, highlight=False)
    for line in found.new_findings:
        console.print(f"[bold red]Blinding linter, new:[/] {escape(line)}")
    at = "documents alone" if found.ledger_position is None else f"ledger position {found.ledger_position}"
    made = f"seed {found.seed}, {found.replicates_used} replicates; scenario sha256 {found.scenario_hash}"
    console.print(f"Tuned for {found.objective} from {at}, {made}", markup=False, highlight=False)
    for name, part in (("fit", found.fit), ("calibration", found.calibration)):
        has = "the report has none" if part is None else f"{', '.join(part)} (`rtsm resupply proposal show`)"
        console.print(f"{name}: {has}", markup=False, highlight=False)


def _parameters(parameters: tuple[ComparedParameter, ...]) -> Table:
    table = Table("where", "kit type", "parameter", "today", "proposed", "sites that change", box=box.SIMPLE)
    for one in parameters:
        today = ", ".join(
            f"{_value(each.value)} at {each.sites} ({each.source})"
            if each.sites
            else f"{_value(each.value)} ({each.source})"
            for each in one.today
        )
        table.add_row(
            escape(one.where),
            one.kit_type or "every one",
            one.parameter,
            escape(today),
            escape(_value(one.proposed)),
            f"{one.changed} of {one.sites}",
        )
    return table


def _value(value: Any) -> str:
    """Such as `3`, or bands as `0: 1 to 3, 5: 2 to 6`."""
    if isinstance(value, list | tuple):
        return ", ".join(
            f"{one['from_subjects']}: {one['min_buffer']} to {one['max_buffer']}" for one in value
        )
    return str(value)


def _outcomes(found: ProposalComparison) -> Table:
    table = Table("simulated", "baseline", "proposed", "difference", box=box.SIMPLE)
    paired = [one for one in found.outcomes if one.paired]
    for one in paired or found.outcomes:
        name = f"[bold]{one.outcome}[/]" if one.outcome == found.objective else one.outcome
        table.add_row(name, _estimate(one.baseline), _estimate(one.proposed), _estimate(one.difference))
    how = "of the same replicates" if paired else "as if both had been played independently"
    more = f"; {len(found.outcomes) - len(paired)} outcomes more with --json" if paired else ""
    table.caption = f"means of a replicate with 95 % intervals; a difference {how}{more}"
    return table


def _estimate(one: Estimate | None) -> str:
    if one is None:
        return ""
    mean = f"{one.mean:,.6g}"
    return mean if one.low is None or one.high is None else f"{mean} ({one.low:,.6g} to {one.high:,.6g})"


def _risk_lines(risk: ComparedRisk) -> list[str]:
    lines = [
        f"risk {risk.measure}, at most {risk.at_most:g}: baseline {_estimate(risk.baseline) or 'unknown'}, "
        f"proposed {_estimate(risk.proposed) or 'unknown'}",
        f"certified on {risk.replicates} fresh replicates with {risk.events} events: at most {risk.upper_bound:.4g} with "
        f"{risk.confidence:.0%} confidence",
    ]
    if not risk.feasible:
        lines.append("It is NOT within the limit: no choice was, and this one came nearest.")
    elif not risk.certified:
        lines.append("The upper bound is above the limit: the estimate alone is within it.")
    return lines

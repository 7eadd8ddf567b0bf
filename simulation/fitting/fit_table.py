"""A fitted scenario for people: every assumption with its interval, what it rests on, and what was left."""

from __future__ import annotations

from rich import box
from rich.table import Table

from simulation.fitting.estimate import Estimate
from simulation.fitting.scenario_fit import ScenarioFit


def fit_table(fit: ScenarioFit) -> Table:
    """One row an assumption, by part of the scenario."""
    found = fit.observed
    randomized = sum(1 for _ in found.randomized())
    table = Table(
        title=f"{found.study_id} fitted on {found.entries} entries, {found.begins_on} to {found.as_of}: {len(found.sites)} sites, "
        f"{len(found.subjects)} screened, {randomized} randomized, {len(found.shipments)} shipments",
        title_justify="left",
        caption="\n".join(_caption(fit)),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("assumption", no_wrap=True)
    table.add_column("estimate", justify="right")
    table.add_column("95 % interval", justify="right", no_wrap=True)
    table.add_column("n", justify="right")
    table.add_column("basis", no_wrap=True)
    table.add_column("unit; remark")
    part = ""
    for one in fit.estimates:
        head = one.path.partition(".")[0]
        if part and head != part:
            table.add_section()
        part = head
        remark = "; ".join(text for text in (one.unit, one.note) if text)
        table.add_row(
            one.path, number_text(one.value), _interval(one), str(one.observations), one.basis, remark
        )
    return table


def _caption(fit: ScenarioFit) -> list[str]:
    weak = sum(one.basis in ("prior", "few data") for one in fit.estimates)
    left = [one.path for one in fit.estimates if one.basis == "not in a ledger"]
    lines = [
        f"{weak} estimates lean on a weak prior or default. Not in a ledger, left at the default: {', '.join(left)}."
    ]
    closed = fit.recruitment.closed_on
    if closed is not None:
        lines.append(
            f"Recruitment counts as closed after {closed}: so long without a screening is no chance."
        )
    return lines


def number_text(value: float | str) -> str:
    """A number in as many digits as it has a meaning in, or the text."""
    return value if isinstance(value, str) else f"{value:.4g}"


def _interval(one: Estimate) -> str:
    return "" if one.low is None or one.high is None else f"{one.low:.3g} to {one.high:.3g}"

"""The quality of a running randomization for people: a table, and a plot of imbalance and right guesses as subjects came in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from rich import box
from rich.table import Table

from simulation.randomization.chart_file import INK, MUTED, check_chart_file, styled, write_chart
from simulation.randomization.monitor import Guesses, QualityReport

_MOST_SITES: Final = 12
"""Sites with the largest imbalance that the table shows; the JSON has all."""


def monitor_table(report: QualityReport) -> Table:
    """The balance of the study, each factor level and stratum, and the worst sites; the other measures stand below."""
    ratio = ":".join(map(str, report.ratio.values()))
    table = Table(
        title=f"{report.study_id} {report.event}: {report.allocated} allocations by {report.method}, "
        + (f"{' '.join(report.ratio)} {ratio}" if ratio else "nobody allocated yet"),
        title_justify="left",
        caption="\n".join(_lines(report)),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("group", no_wrap=True)
    table.add_column("", no_wrap=True)
    for arm in report.ratio:
        table.add_column(arm, justify="right")
    table.add_column("imbalance", justify="right")
    sites = sorted((one for one in report.groups if one.kind == "site"), key=lambda one: -one.imbalance)
    shown = [one for one in report.groups if one.kind != "site"] + sites[:_MOST_SITES]
    for one in shown:
        counts = [str(count) for count in one.counts.values()]
        table.add_row(one.kind, one.group, *counts, f"{one.imbalance:.2f}")
    return table


def _lines(report: QualityReport) -> list[str]:
    if not report.allocated:
        return ["Nothing to measure yet."]
    sites = sum(one.kind == "site" for one in report.groups)
    lines = []
    if report.since > 1:
        lines.append(
            f"Balance since allocation {report.since}, when the ratio in force began: {len(report.numbers)} allocations."
        )
    if sites > _MOST_SITES:
        lines.append(f"The {_MOST_SITES} of {sites} sites with the largest imbalance; --json has all.")
    certain = (
        f"{report.certain} of {report.known} allocations could be foretold by who knows the list or method."
        if report.known
        else "A list without blocks: how far it could be foretold is not known."
    )
    return [
        *lines,
        f"Loss {report.loss:.3f} subjects (1 in the mean under complete randomization). {report.forced} forced by supply.",
        f"Guessing the arm furthest behind: {_guessed(report.in_study)} over the study, {_guessed(report.in_run)} within runs.",
        certain,
    ]


def _guessed(guesses: Guesses) -> str:
    return (
        f"{100 * guesses.share:.1f}% right (by chance {100 * guesses.by_chance / guesses.allocations:.1f}%)"
    )


def write_monitor_plot(report: QualityReport, file: Path) -> None:
    """Write the overall imbalance after each allocation under the ratio in force to `file` (.svg or .png). Raises PlotError."""
    check_chart_file(file)
    import altair as alt  # after the checks: it takes a while

    data: list[dict[str, Any]] = [
        {"subject": number, "imbalance": value}
        for number, value in zip(report.numbers, report.path, strict=True)
    ]
    worst = max((one["imbalance"] for one in data), default=0.0)
    chart = (
        alt.Chart(alt.Data(values=data))
        .mark_line(interpolate="step-after", color="#0b4f8a", strokeWidth=1.6)
        .encode(
            x=alt.X("subject:Q", title="Allocation"),
            y=alt.Y(
                "imbalance:Q",
                title="Imbalance over the study (subjects)",
                scale=alt.Scale(domain=[0, max(worst, 1.0) * 1.1]),
            ),
        )
        .properties(
            width=760,
            height=320,
            title=alt.TitleParams(
                f"{report.study_id} {report.event}: balance of the randomization as subjects came in",
                subtitle=[
                    f"{report.allocated} allocations by {report.method}, {_guessed(report.in_run)} guessed within runs"
                    if report.allocated
                    else "nobody allocated yet"
                ],
                anchor="start",
                color=INK,
                subtitleColor=MUTED,
            ),
        )
    )
    write_chart(styled(chart), file)

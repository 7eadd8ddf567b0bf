"""A comparison as a table for people: a row for each design, exact figures plain, simulated ones with their standard error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.table import Table

from simulation.randomization.comparison import Figure, Row
from simulation.randomization.plan import TrialPlan

_COLUMNS: Final[tuple[tuple[str, str, float, int], ...]] = (
    ("overall", "imbalance\noverall", 1, 2),
    ("margin", "imbalance\nmargin", 1, 2),
    ("stratum", "imbalance\nstratum", 1, 2),
    ("largest", "largest\non the way", 1, 2),
    ("loss", "loss\n(subjects)", 1, 3),
    ("correct", "right\nguesses %", 100, 1),
    ("excess", "excess\nguesses", 1, 1),
    ("determined", "certain\n%", 100, 1),
    ("trend", "false pos. %\nwith trend", 100, 1),
    ("guessing", "false pos. %\nguessed", 100, 1),
)
"""Figure, heading, factor, digits after the point."""


def comparison_table(plan: TrialPlan, rows: Sequence[Row]) -> Table:
    """The table, with the plan above it and what the columns mean below."""
    ratio = ":".join(str(share) for share in plan.ratio)
    strata = len(plan.prevalences)
    table = Table(
        title=f"{plan.name}: {plan.subjects} subjects, {' '.join(code for code, _ in plan.arms)} {ratio}, "
        + ("not stratified" if strata == 1 else f"{strata} strata"),
        caption=_legend(plan, rows),
        caption_justify="left",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    shown = [column for column in _COLUMNS if any(column[0] in row.figures() for row in rows)]
    table.add_column("design", no_wrap=True)
    for _, heading, _, _ in shown:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        figures = row.figures()
        cells = [figure_text(figures[name].times(factor), digits) for name, _, factor, digits in shown]
        table.add_row(
            f"{row.label} *" if row.of_protocol else row.label,
            *cells,
            style="bold" if row.of_protocol else "",
        )
    return table


def figure_text(figure: Figure, digits: int) -> str:
    """`1.33` for an exact figure, `1.33 ±0.02` for a simulated one, whose error is never shown as 0."""
    value = f"{figure.value:.{digits}f}"
    if figure.standard_error is None:
        return value
    error = f"{figure.standard_error:.{digits}f}"
    least = f"{10.0**-digits:.{digits}f}"
    return f"{value} ±{error}" if float(error) > 0 or figure.standard_error == 0 else f"{value} ±<{least}"


def _legend(plan: TrialPlan, rows: Sequence[Row]) -> str:
    simulated = any(not figure.exact for row in rows for figure in row.figures().values())
    imbalance = (
        "|N1 - N2|" if plan.even else "Euclidean distance of the arms' counts from their shares by the ratio"
    )
    lines = [
        "* the protocol's own method." if any(row.of_protocol for row in rows) else "",
        f"Without ±: exact. With ±: standard error of {plan.replicates:,} simulated trials, seed {plan.seed}."
        if simulated
        else "All figures are exact.",
        f"Imbalance: expected {imbalance}"
        + (
            ", at the end: of the study, mean over factor levels, mean over strata."
            if len(plan.prevalences) > 1
            else ", at the end and the largest on the way."
        ),
        "Loss: subjects' worth of information lost (Atkinson). Right guesses: by always guessing the arm that is furthest behind;",
        "excess: how many more of them in the trial than under complete randomization. Certain: allocations that could be foretold.",
        *_bias_legend(plan),
    ]
    return "\n".join(line for line in lines if line)


def _bias_legend(plan: TrialPlan) -> list[str]:
    """What the false positives are, where they were asked for."""
    test = "t-tests" if len(plan.arms) == 2 else "F-tests"
    causes = [
        f"responses drift by {plan.trend:g} SD from the first to the last subject" if plan.trend else "",
        f"who is guessed into {plan.arms[0][0]} responds {plan.guessing:g} SD higher, the others lower"
        if plan.guessing
        else "",
    ]
    told = "; or ".join(cause for cause in causes if cause)
    return (
        [f"False positives: {test} at 5 %, not adjusted, that reject though no arm differs, when {told}."]
        if told
        else []
    )

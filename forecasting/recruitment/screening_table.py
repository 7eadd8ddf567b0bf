"""A forecast through screening for people: those screened, the share that fails, and those randomized."""

from __future__ import annotations

from datetime import timedelta
from math import isfinite

from rich import box
from rich.table import Table

from forecasting.recruitment.forecast import SHARES, numbers_of
from forecasting.recruitment.screening import ScreeningForecast

_ROWS = 6
"""Periods of the fan that are shown."""


def screening_table(found: ScreeningForecast) -> Table:
    """Those screened and those randomized by the end of some periods, with the share that fails and the time to the target below."""
    source, failure = found.source, found.source.failure.as_json()
    table = Table(
        title=f"Through screening: {source.record.subjects} screened, {source.failure.failed} of {source.failure.decided} decided failed, "
        f"{source.waiting} wait for a decision",
        title_justify="left",
        caption="\n".join(_caption(found, failure)),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("after the census, by the end of period", no_wrap=True)
    for who in ("screened", "randomized"):
        table.add_column(f"{who}, mean", justify="right", no_wrap=True)
        table.add_column("± s.d.", justify="right", no_wrap=True)
        table.add_column("5 % to 95 %", justify="right", no_wrap=True)
    ends = list(found.screened.fan)
    step = max(-(-len(ends) // _ROWS), 1)
    for end in sorted({*ends[step - 1 :: step], found.screened.periods}):
        row = [f"+{end}"]
        for law in (found.screened.law(end), found.randomized(end)):
            numbers = numbers_of(law)
            row += [f"{law.mean:.1f}", f"{law.sd:.1f}", f"{numbers['q05']} to {numbers['q95']}"]
        table.add_row(*row)
    return table


def _caption(found: ScreeningForecast, failure: dict[str, float]) -> list[str]:
    source = found.source
    lines = [
        f"Fails: {failure['mean']:.1%} (90 % interval {failure['low']:.1%} to {failure['high']:.1%})."
        + {
            "prior": " THIS IS THE PRIOR: nobody was decided about yet.",
            "few data": " FEW DATA: the prior (25 %, worth 20 subjects) weighs.",
        }.get(str(failure["basis"]), "")
        + f" From screening to randomization: {source.lag:.1f} periods."
    ]
    if found.screened.choice.fit.basis == "prior":
        lines.append("Screenings: THIS IS THE PRIOR, nobody was screened yet.")
    if found.completion is not None:
        early, middle, late = (found.completion[at] for at in (0, 2, len(SHARES) - 1))
        lines.append(
            f"{found.target} randomized: {_when(found, early)}, {_when(found, middle)}, {_when(found, late)} (5 %, 50 %, 95 %)."
        )
    return lines


def _when(found: ScreeningForecast, periods: float) -> str:
    record = found.source.record
    if not isfinite(periods):
        return "never"
    if record.ends_on is None or periods * record.days > 36_500:
        return f"after {periods:.1f} periods"
    return f"{record.ends_on + timedelta(days=round(periods * record.days))}"

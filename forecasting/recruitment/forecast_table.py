"""A forecast of recruitment for people: how many, by when, on what it rests, and how such forecasts of the past did."""

from __future__ import annotations

from datetime import date, timedelta
from math import isfinite

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from forecasting.recruitment.forecast import SHARES, RecruitmentForecast
from forecasting.recruitment.homogeneity import Homogeneity

_ROWS = 8
"""Periods of the fan that are shown."""


def forecast_tables(found: RecruitmentForecast) -> RenderableType:
    """The numbers to come above the patterns and how well each forecast the past."""
    parts: list[RenderableType] = [_counts(found)]
    if found.completion is not None:
        parts.append(_completion(found, found.completion))
    if found.choice.scores:
        parts.append(_scores(found))
    return Group(*parts)


def _counts(found: RecruitmentForecast) -> Table:
    record, fitted = found.record, found.choice.fit
    table = Table(
        title=f"{record.name}: {record.subjects} subjects at {len(record.centres)} centres in {record.periods} periods of "
        f"{record.days:g} days; {int(record.goes_on.sum())} centres are open",
        title_justify="left",
        caption="\n".join(_caption(found)),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("subjects after the census, by the end of period", no_wrap=True)
    for heading in ("mean", "± s.d.", *(f"{share:.0%}" for share in SHARES)):
        table.add_column(heading, justify="right", no_wrap=True)
    if found.came:
        table.add_column("came", justify="right")
    ends = list(found.fan)
    step = max(-(-len(ends) // _ROWS), 1)
    for end in sorted({*ends[step - 1 :: step], found.periods}):
        law = found.fan[end]
        row = [
            f"+{end}",
            f"{law.mean:.1f}",
            f"{law.sd:.1f}",
            *(str(found.quantile(end, share)) for share in SHARES),
        ]
        if found.came:
            row.append(str(sum(found.came[:end])) if end <= len(found.came) else "")
        table.add_row(*row)
    if fitted.basis != "fitted":
        table.caption_style = "bold"
    return table


def _caption(found: RecruitmentForecast) -> list[str]:
    fitted = found.choice.fit
    spread = (
        "no spread between sites beyond Poisson's"
        if fitted.shape is None
        else f"gamma shape {fitted.shape:.3g}"
    )
    lines = []
    if fitted.basis == "prior":
        lines.append("THIS IS THE PRIOR: nobody has been recruited yet. See --expected-per-month.")
    elif fitted.basis == "few data":
        lines.append(
            "FEW DATA: the prior weighs, and the spread between sites is the prior's. See --expected-per-month."
        )
    lines += found.record.notes
    lines += [
        f"Pattern: {fitted.pattern.says} ({found.choice.why}).",
        f"Rate {fitted.mean:.3g} ± {fitted.mean_error:.2g} per site and period at the census, {spread}.",
        _tested("Between centres", found.homogeneity[0]) + " " + _tested("Over time", found.homogeneity[1]),
    ]
    if found.choice.wander.variance > 0:
        beyond = found.choice.wander.error(found.choice.block)
        lines.append(
            f"Past forecasts of {found.choice.block} periods were wrong by {beyond:.0%} (s.d.) beyond their own error: "
            "the intervals are wider by that, the farther ahead the more."
        )
    return lines


def _tested(where: str, test: Homogeneity) -> str:
    if test.freedom == 0:
        return f"{where}: too little to test."
    verdict = "differ" if test.p < 0.05 else "no difference shown"
    return f"{where}: {verdict} (chi-square {test.statistic:.1f} on {test.freedom}, p {test.p:.2g})."


def _completion(found: RecruitmentForecast, times: tuple[float, ...]) -> Table:
    table = Table(
        title=f"Time to {found.question.target} subjects", title_justify="left", box=box.SIMPLE_HEAD
    )
    table.add_column("from the census", no_wrap=True)
    for share in SHARES:
        table.add_column(f"{share:.0%}", justify="right", no_wrap=True)
    table.add_row("periods", *(f"{at:.1f}" if isfinite(at) else "never" for at in times))
    days = [at * found.record.days for at in times]
    table.add_row("days", *(f"{at:.0f}" if isfinite(at) else "never" for at in days))
    if found.record.ends_on is not None:
        table.add_row("date", *(_date(found.record.ends_on, at) for at in days))
    return table


def _date(census: date, days: float) -> str:
    if not isfinite(days) or days > 36_500:
        return "never" if not isfinite(days) else "in over 100 years"
    return (census + timedelta(days=round(days))).isoformat()


def _scores(found: RecruitmentForecast) -> Table:
    choice = found.choice
    table = Table(
        title=f"{choice.scores[0].forecasts} forecasts of {choice.block} periods, made from what was known then",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("pattern", no_wrap=True)
    for heading in ("log score", "in the 90 % interval"):
        table.add_column(heading, justify="right")
    for one in sorted(choice.scores, key=lambda each: -each.score):
        mark = " (chosen)" if one.code == choice.fit.pattern.code else ""
        table.add_row(one.code + mark, f"{one.score:.1f}", f"{one.covered} of {one.forecasts}")
    return table

"""The demand of a study for people, and as plain values."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from forecasting.demand.study_demand import StudyDemand
from forecasting.demand.study_rows import NOT_MET, horizons, numbers_of
from forecasting.demand.trace_demand import PARTS

_SHOWN: Final = ("q05", "q25", "q50", "q75", "q95")
_SITES: Final = 8
"""Sites at risk that are shown."""


def study_demand_tables(found: StudyDemand) -> RenderableType:
    """Kits by type in the whole time and by horizon, by depot and country, and the sites that may lack a kit."""
    parts: list[RenderableType] = [_whole(found), *map(Text, _remarks(found)), Text(), _by_horizon(found)]
    parts += [_by_place(found, scope) for scope in ("depot", "country") if len(found.places(scope)) > 1]
    risks = sites_at_risk(found)
    if risks:
        parts.append(_at_risk(found, risks))
    return Group(*parts)


def _names(found: StudyDemand) -> list[str]:
    return [*found.kit_types, "all kits"]


def _whole(found: StudyDemand) -> Table:
    last = found.day_after(found.weeks) - timedelta(days=1)
    table = Table(
        title=f"{found.start.census.study_id}: kits due from {found.begins_on} to {last} ({found.weeks} weeks), "
        f"{found.replicates:,} replicates",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("kit type", no_wrap=True)
    for name in ("mean", "5 %", "25 %", "50 %", "75 %", "95 %", *PARTS, NOT_MET):
        table.add_column(name, justify="right", no_wrap=True)
    values = numbers_of(found.draws("study", 0, found.weeks)[:, 0])
    means = [found.draws("study", 0, found.weeks, part)[:, 0].mean(axis=0) for part in range(len(PARTS))]
    means.append(found.draws("study", 0, found.weeks, met=False)[:, 0].mean(axis=0))
    for at, name in enumerate(_names(found)):
        if at == len(found.kit_types):
            table.add_section()
        shown = (f"{values[column][at]:.0f}" for column in _SHOWN)
        table.add_row(name, f"{values['mean'][at]:.1f}", *shown, *(f"{one[at]:.1f}" for one in means))
    return table


def _remarks(found: StudyDemand) -> list[str]:
    start = found.start
    lines = [start.basis]
    if start.weak:
        groups = Counter(".".join(path.split(".")[:2]) for path, *_ in start.weak)
        named = ", ".join(
            name if count == 1 else f"{name} ({count} of them)" for name, count in groups.items()
        )
        alone = sum(basis == "prior" for _, basis, _ in start.weak)
        lines.append(
            f"FEW DATA: the prior weighs in {named}"
            + (f"; {alone} of these are THE PRIOR ALONE" if alone else "")
            + ". rtsm scenario fit shows each."
        )
    newcomers = numbers_of(found.newcomers)
    lines += [
        "By part: predictable (of subjects on study, whatever is decided), correlated (titrations to come, replaced kits and subjects),"
        " new subjects. Not met: sites will lack it; it is in the parts, too.",
        f"Subjects that will be randomized: {newcomers['mean']:.1f}, 90 % interval {newcomers['q05']:.0f} to {newcomers['q95']:.0f}. "
        "No lots are counted on but those that the assumptions have.",
    ]
    return lines


def _by_horizon(found: StudyDemand) -> Table:
    table = Table(title="Since the census: median (90 % interval)", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("kit type", no_wrap=True)
    ends = horizons(found.weeks)[-5:]
    for end in ends:
        last = found.day_after(end) - timedelta(days=1)
        table.add_column(f"week {end}, {last}", justify="right", no_wrap=True)
    columns = [_spans(numbers_of(found.draws("study", 0, end)[:, 0])) for end in ends]
    for name, *cells in zip(_names(found), *columns, strict=True):
        table.add_row(name, *cells)
    return table


def _spans(values: dict[str, Any]) -> list[str]:
    """Median with the 90 % interval, of each number."""
    return [
        f"{middle:.0f} ({low:.0f} to {high:.0f})"
        for middle, low, high in zip(values["q50"], values["q05"], values["q95"], strict=True)
    ]


def _by_place(found: StudyDemand, scope: str) -> Table:
    table = Table(
        title=f"By {scope} in the whole time: median (90 % interval)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column(scope, no_wrap=True)
    for name in _names(found):
        table.add_column(name, justify="right", no_wrap=True)
    draws = found.draws(scope, 0, found.weeks)
    for index, place in enumerate(found.places(scope)):
        table.add_row(place, *_spans(numbers_of(draws[:, index])))
    return table


def sites_at_risk(found: StudyDemand) -> list[tuple[str, float, float]]:
    """(site, probability that it lacks a kit for a visit, mean visits), the greatest first."""
    visits = found.unserved_visits("site", 0, found.weeks)
    rows = zip(found.places("site"), (visits > 0).mean(axis=0), visits.mean(axis=0), strict=True)
    return sorted(
        ((site, float(risk), float(mean)) for site, risk, mean in rows if risk > 0),
        key=lambda one: (-one[1], one[0]),
    )


def _at_risk(found: StudyDemand, risks: list[tuple[str, float, float]]) -> Table:
    table = Table(
        title=f"{len(risks)} of {len(found.places('site'))} sites may lack a kit",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("site", no_wrap=True)
    table.add_column("probability", justify="right")
    table.add_column("visits, mean", justify="right")
    for site, risk, mean in risks[:_SITES]:
        table.add_row(site, f"{risk:.1%}", f"{mean:.3f}")
    return table


def study_demand_json(found: StudyDemand) -> dict[str, Any]:
    """The study by week and horizon, every place in the whole time, with quantiles; all of it by week is in the files of --out."""
    start, weeks = found.start, found.weeks
    return {
        "study": start.census.study_id,
        "census": start.census.at.isoformat(),
        "ledger_position": start.census.position,
        "ledger_hash": start.census.chain_hash,
        "scenario_hash": start.scenario_hash,
        "basis": start.basis,
        "weak": [dict(zip(("assumption", "basis", "observations"), one, strict=True)) for one in start.weak],
        "begins_on": found.begins_on.isoformat(),
        "weeks": weeks,
        "replicates": found.replicates,
        "seed": found.seed,
        "new_subjects": _plain(numbers_of(found.newcomers)),
        "kits": _of_places(found, "study", 0, weeks)[start.census.study_id],
        "parts": {
            part: _of_places(found, "study", 0, weeks, index)[start.census.study_id]
            for index, part in enumerate(PARTS)
        },
        "not_met": _of_places(found, "study", 0, weeks, met=False)[start.census.study_id],
        "horizons": [
            {"until": _last(found, end), "kits": _of_places(found, "study", 0, end)[start.census.study_id]}
            for end in horizons(weeks)
        ],
        "by_week": [
            {
                "until": _last(found, week + 1),
                "kits": _of_places(found, "study", week, week + 1)[start.census.study_id],
            }
            for week in range(weeks)
        ],
        "depots": _of_places(found, "depot", 0, weeks),
        "countries": _of_places(found, "country", 0, weeks),
        "sites": _of_places(found, "site", 0, weeks),
        "stock_out_risk": {site: risk for site, risk, _ in sites_at_risk(found)},
    }


def _last(found: StudyDemand, end: int) -> str:
    return (found.day_after(end) - timedelta(days=1)).isoformat()


def _of_places(
    found: StudyDemand, scope: str, first: int, end: int, part: int | None = None, met: bool | None = None
) -> dict[str, Any]:
    draws = found.draws(scope, first, end, part, met)
    types = [*found.kit_types, "all"]
    return {
        place: {kit_type: _plain(numbers_of(draws[:, index, at])) for at, kit_type in enumerate(types)}
        for index, place in enumerate(found.places(scope))
    }


def _plain(values: dict[str, Any]) -> dict[str, float]:
    return {
        name: round(float(value), 3) if name in ("mean", "sd") else int(value)
        for name, value in values.items()
    }

"""Families of candidates: lines, along each of which the level of stock rises and the risk falls.

* a grid: for each `max_above_min` (and windows and seeds, where they are searched) a line over `min_buffer`;
* by rule D: a line over its confidence, which computes the buffers of each site and kit type;
* by groups of sites and kit types: for each cover (days of a group's mean demand between max and min) a line over the service level, by
  which each group has as its min the quantile of its negative binomial demand over the lead time. `refinement.py` then moves each alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from allocation.rules.resupply import FROM_TODAY
from forecasting.tuning.candidates import Candidate, Setting, candidate_of
from forecasting.tuning.errors import BadTuning
from forecasting.tuning.grid import Grid, Values, lines_of
from forecasting.tuning.risk import Risk
from forecasting.tuning.screening import Screening
from forecasting.tuning.site_groups import Group, groups_by
from forecasting.tuning.trial import Trial

SERVICE_LEVELS: Final = tuple(1 - 10 ** (-step / 4) for step in range(28))
"""From nothing to one demand in ten million that is not met over a lead time."""
COVERS: Final = (7, 14, 21, 28, 35, 42, 56, 70, 84, 112, 140)
"""Days of demand between min and max."""
CONFIDENCES: Final = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.99)
_LEVELS: Final = ("min_buffer", "confidence", "short_window", "seed_quantity", "long_window")


@dataclass(frozen=True, eq=False)
class Line:
    """Candidates by rising level, each with its settings by group."""

    name: str
    candidates: tuple[Candidate, ...]
    settings: tuple[tuple[Setting, ...], ...]


@dataclass(frozen=True, eq=False)
class Family:
    """The lines, and the groups that the settings are for."""

    groups: tuple[Group, ...]
    lines: tuple[Line, ...]


def family_of(trial: Trial, screening: Screening, risk: Risk, grid: Grid, by: tuple[str, ...]) -> Family:
    """The family that is asked for. Raises BadTuning for what contradicts itself or the study."""
    if by and ("min_buffer" in grid):
        raise BadTuning(
            "with groups, min and max are found from each group's demand",
            field="--grid",
            fix="leave min_buffer and max_above_min out, or leave --by out",
        )
    if "confidence" in grid:
        return _computed(trial, grid, by)
    groups = groups_by(trial.run, by)
    if by:
        return _by_service(trial, screening, groups, grid)
    level = next((name for name in _LEVELS if name in grid), "min_buffer")
    if "min_buffer" not in grid and level != "min_buffer":
        return _lines(trial, groups, grid, level, lambda values: Setting(**_whole(values)))
    full = dict(grid) if "min_buffer" in grid else {**_default_grid(trial, screening, risk, groups), **grid}

    def setting(values: dict[str, float]) -> Setting:
        least, above = int(values.pop("min_buffer")), int(values.pop("max_above_min"))
        return Setting(min_buffer=least, max_buffer=least + above, **_whole(values))

    return _lines(trial, groups, full, "min_buffer", setting)


def _default_grid(
    trial: Trial, screening: Screening, risk: Risk, groups: tuple[Group, ...]
) -> dict[str, Values]:
    """Buffers from 0 to where the closed forms expect a hundredth of the risk, and twice as far above min as they find cheapest."""

    def at(least: int, above: int) -> Candidate:
        return candidate_of(trial, groups, (Setting(least, least + above),))

    spans = range(1, 61)
    best = min(spans, key=lambda above: screening.cost(at(3, above)))
    top = next(
        (least for least in range(100) if screening.risk(at(least, best), risk) <= risk.at_most / 100), 100
    )
    return {
        "min_buffer": tuple(float(one) for one in range(top + 4)),
        "max_above_min": tuple(float(one) for one in range(1, 2 * best + 3)),
    }


def _computed(trial: Trial, grid: Grid, by: tuple[str, ...]) -> Family:
    """Rule D by groups whose sites recruit alike, so that one `enrolment_per_month` stands for a group."""
    if not trial.held("short_window").any() and "short_window" not in grid:
        raise BadTuning(
            "rule D computes buffers over windows, and the protocol's are 0",
            field="--grid",
            fix="add short_window and long_window to the grid",
        )
    rates = trial.enrolment_per_month()
    keys = by
    for more in ((), ("tier",), ("country",), ("tier", "country")):
        keys = tuple(dict.fromkeys((*by, *more)))
        try:
            groups = groups_by(trial.run, keys)
        except BadTuning:
            continue
        if all(len(set(rates[group.cells.any(axis=1)])) == 1 for group in groups):
            return _lines(
                trial,
                groups,
                grid,
                "confidence",
                lambda values: Setting(confidence=values.pop("confidence"), **_whole(values)),
            )
    raise BadTuning(
        "sites of one tier and country are expected to recruit at different rates, so that no row of parameters stands for them",
        field="--grid",
        fix="tune min_buffer by --by instead of confidence, or name the study's SCENARIO without --study",
    )


def _by_service(trial: Trial, screening: Screening, groups: tuple[Group, ...], grid: Grid) -> Family:
    least = [
        [screening.lead_quantile(service, group.cells) for group in groups] for service in SERVICE_LEVELS
    ]
    lines = []
    for values in lines_of(grid, ""):
        more = _whole(values)
        for cover in COVERS:
            above = [max(1, round(screening.kits_over(cover, group.cells))) for group in groups]
            settings = [
                tuple(Setting(one, one + span, **more) for one, span in zip(row, above, strict=True))
                for row in least
            ]
            lines.append(_line(trial, groups, _named({"cover_days": cover, **values}), settings))
    return Family(groups, _whole_lines(lines))


def _lines(
    trial: Trial,
    groups: tuple[Group, ...],
    grid: Grid,
    level: str,
    setting: Callable[[dict[str, float]], Setting],
) -> Family:
    lines = []
    for values in lines_of(grid, level):
        settings = []
        for one in grid[level]:
            settings.append(tuple(setting({**values, level: one}) for _ in groups))
        lines.append(_line(trial, groups, _named(values), settings))
    return Family(groups, _whole_lines(lines))


def _line(trial: Trial, groups: tuple[Group, ...], name: str, settings: list[tuple[Setting, ...]]) -> Line:
    """A line of the settings that the rule takes, each once."""
    kept: dict[str, tuple[Candidate, tuple[Setting, ...]]] = {}
    for one in settings:
        candidate = candidate_of(trial, groups, one)
        if _can_hold(trial, candidate):
            kept.setdefault(candidate.key, (candidate, one))
    candidates, own = zip(*kept.values(), strict=True) if kept else ((), ())
    return Line(name, candidates, own)


def _whole_lines(lines: list[Line]) -> tuple[Line, ...]:
    found = tuple(line for line in lines if line.candidates)
    if not found:
        raise BadTuning(
            "no combination has a max_buffer of at least min_buffer and a long_window of at least the short one",
            field="--grid",
            fix="give other values, with those of the protocol in mind for what is not searched",
        )
    return found


def _can_hold(trial: Trial, candidate: Candidate) -> bool:
    """Whether the resupply rule takes the thresholds (allocation/rules/resupply.py)."""
    held = trial.plan_under(candidate.thresholds).resupply
    today = held.long_window_from == FROM_TODAY
    return bool(
        (held.min_buffer <= held.max_buffer).all()
        and (np.where(today, held.short_window <= held.long_window, True)).all()
    )


def _whole(values: dict[str, float]) -> dict[str, int]:
    return {name: int(value) for name, value in values.items()}


def _named(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items()) or "all"

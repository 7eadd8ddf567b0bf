"""The demand of a study as numbers: a table of every place, kit type, part and time, and the ones that are kept for a scorecard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecasting.calibration.kept import ALL_TYPES, KeptNumber, number_of_draws
from forecasting.demand.study_demand import SCOPES, StudyDemand
from forecasting.demand.trace_demand import PARTS

Ints = NDArray[np.int64]

QUANTILES: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
NOT_MET: Final = "not met"
"""Beside PARTS: demand of visits for which the site lacked a kit. It is in the parts, too."""
ALL_PARTS: Final = "all"
_EVERY: Final = 4
"""Weeks between two horizons."""


def horizons(weeks: int) -> list[int]:
    """Weeks by whose end a total is told: every fourth, and the last."""
    return sorted({*range(_EVERY, weeks, _EVERY), weeks})


def numbers_of(draws: Ints) -> dict[str, Any]:
    """Mean, standard deviation and quantiles of draws in one row or many: along the first axis. Quantiles are values that occur."""
    found = np.quantile(draws, QUANTILES, axis=0, method="inverted_cdf")
    return {
        "mean": draws.mean(axis=0),
        "sd": draws.std(axis=0),
        **{f"q{round(100 * level):02d}": row for level, row in zip(QUANTILES, found, strict=True)},
    }


def windows(found: StudyDemand) -> Iterator[tuple[bool, int, int]]:
    """(from the census on, first week, week after the last): each week alone, and from the census to the end of each."""
    for week in range(found.weeks):
        yield False, week, week + 1
    for week in range(found.weeks):
        yield True, 0, week + 1


def demand_frame(found: StudyDemand) -> pl.DataFrame:
    """A row for each time, scope, place, kit type (`all` together) and part, with the numbers of its kits.

    `cumulative`: since the census, else in the week alone; `until` is the last day. Measures: `kits` due, and `visits without a kit`.
    """
    frames = []
    types = [*found.kit_types, ALL_PARTS]
    for cumulative, first, end in windows(found):
        for scope in SCOPES:
            places = found.places(scope)
            time = {
                "cumulative": cumulative,
                "from": found.day_after(first),
                "until": found.day_after(end) - timedelta(days=1),
                "scope": scope,
            }
            for part, draws in _by_part(found, scope, first, end):
                values = numbers_of(draws.reshape(found.replicates, -1))
                keys = [(place, kit_type) for place in places for kit_type in types]
                frames.append(_frame(time, "kits", part, keys, values))
            unserved = numbers_of(found.unserved_visits(scope, first, end))
            frames.append(
                _frame(
                    time,
                    "visits without a kit",
                    ALL_PARTS,
                    [(place, ALL_PARTS) for place in places],
                    unserved,
                )
            )
    return pl.concat(frames)


def _by_part(found: StudyDemand, scope: str, first: int, end: int) -> Iterator[tuple[str, Ints]]:
    yield ALL_PARTS, found.draws(scope, first, end)
    for index, part in enumerate(PARTS):
        yield part, found.draws(scope, first, end, index)
    yield NOT_MET, found.draws(scope, first, end, met=False)


def _frame(
    time: dict[str, Any], measure: str, part: str, keys: list[tuple[str, str]], values: dict[str, Any]
) -> pl.DataFrame:
    columns = {
        "place": [place for place, _ in keys],
        "kit_type": [kit_type for _, kit_type in keys],
        **{name: np.asarray(row, dtype=np.float64) for name, row in values.items()},
    }
    return pl.DataFrame(columns).select(
        *(pl.lit(value).alias(name) for name, value in time.items()),
        pl.lit(measure).alias("measure"),
        "place",
        "kit_type",
        pl.lit(part).alias("part"),
        *values,
    )


def kept_numbers(found: StudyDemand) -> list[KeptNumber]:
    """What a ledger will answer: kits dispensed (not those lacking) and visits without a kit, by place, at the horizons since the census.

    For the study as a whole in each week, too.
    """
    numbers = []
    for scope in SCOPES:
        times = [(0, end) for end in horizons(found.weeks)]
        if scope == "study":
            times += [(week, week + 1) for week in range(1, found.weeks)]
        for first, end in times:
            draws, unserved = (
                found.draws(scope, first, end, met=True),
                found.unserved_visits(scope, first, end),
            )
            days = found.day_after(first), found.day_after(end)
            for index, place in enumerate(found.places(scope)):
                numbers += [
                    number_of_draws(draws[:, index, at], "kits_dispensed", scope, place, kit_type, *days)
                    for at, kit_type in enumerate([*found.kit_types, ALL_TYPES])
                ]
                if scope in ("study", "site"):
                    numbers.append(
                        number_of_draws(unserved[:, index], "stock_outs", scope, place, ALL_TYPES, *days)
                    )
    return numbers

"""The grid of `--grid`: which thresholds are searched, over which whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Final

from forecasting.tuning.errors import BadTuning

NAMES: Final = {
    "min_buffer": "kits",
    "max_above_min": "kits",
    "short_window": "days",
    "long_window": "days",
    "seed_quantity": "kits",
    "confidence": "share",
}
"""What can be searched, and its unit. `max_above_min`: max_buffer less min_buffer. `confidence`: of rule D, which computes the buffers."""
_MOST: Final = {
    "min_buffer": 500,
    "max_above_min": 1000,
    "short_window": 365,
    "long_window": 730,
    "seed_quantity": 1000,
}
_MOST_VALUES: Final = 200
_MOST_LINES: Final = 2_000
_FIX: Final = "write it like min_buffer=0:12, max_above_min=1:20 or confidence=0.8,0.9,0.95"

Values = tuple[float, ...]
Grid = Mapping[str, Values]


def parse_grid(words: list[str]) -> dict[str, Values]:
    """Read such as `min_buffer=0:12 max_above_min=1:20` (from:to or from:to:step, both ends in; or a list). Raises BadTuning."""
    grid: dict[str, Values] = {}
    for word in (part for text in words for part in text.split()):
        name, equals, text = word.partition("=")
        if not equals or name not in NAMES:
            known = ", ".join(NAMES)
            raise BadTuning(f"{word!r} names none of {known}", field="--grid", fix=_FIX)
        if name in grid:
            raise BadTuning(f"{name} is given twice", field="--grid", fix="give each once")
        grid[name] = _values(name, text)
    _check(grid)
    return grid


def _values(name: str, text: str) -> Values:
    try:
        if ":" in text:
            ends = [float(part) for part in text.split(":")]
            first, last, step = (*ends, 1.0) if len(ends) == 2 else ends
            if step <= 0 or last < first or (last - first) / step >= _MOST_VALUES:
                raise BadTuning(
                    f"{name}={text} is no range of at most {_MOST_VALUES} values that rises",
                    field="--grid",
                    fix=_FIX,
                )
            found = [first + step * at for at in range(int((last - first) / step + 1e-9) + 1)]
        else:
            found = [float(part) for part in text.split(",")]
    except ValueError:
        raise BadTuning(f"{name}={text} is no list of numbers", field="--grid", fix=_FIX) from None
    found = sorted({round(one, 6) for one in found})
    if name == "confidence":
        low, high = 0.5, 0.99
    else:
        low, high = (1 if name == "max_above_min" else 0), _MOST[name]
    for one in found:
        if not low <= one <= high or (name != "confidence" and one != int(one)):
            whole = "" if name == "confidence" else "whole numbers of "
            raise BadTuning(
                f"{name} cannot be {one:g}",
                field="--grid",
                fix=f"give {whole}{NAMES[name]} from {low} to {high}",
            )
    return tuple(found)


def _check(grid: Grid) -> None:
    """What contradicts itself."""
    if "confidence" in grid:
        for name in ("min_buffer", "max_above_min"):
            if name in grid:
                raise BadTuning(
                    f"{name} and confidence contradict each other: rule D computes the buffers by its confidence",
                    field="--grid",
                    fix="search one of them",
                )
    if ("max_above_min" in grid) != ("min_buffer" in grid):
        raise BadTuning(
            "min_buffer and max_above_min go together",
            field="--grid",
            fix="give both, or neither: then they are found",
        )
    if (
        "short_window" in grid
        and "long_window" in grid
        and max(grid["long_window"]) < min(grid["short_window"])
    ):
        raise BadTuning(
            "no long_window is as long as the shortest short_window",
            field="--grid",
            fix="give long windows that are at least as long as short ones",
        )


def lines_of(grid: Grid, level: str) -> list[dict[str, float]]:
    """Every combination of what is searched beside `level`. Raises BadTuning for too many."""
    others = [name for name in grid if name != level]
    count = 1
    for name in others:
        count *= len(grid[name])
    if count > _MOST_LINES:
        raise BadTuning(
            f"the grid has {count:,} combinations beside {level}",
            field="--grid",
            fix="give fewer values, or steps",
        )
    return [dict(zip(others, values, strict=True)) for values in product(*(grid[name] for name in others))]

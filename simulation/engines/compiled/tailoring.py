"""What a kernel that is compiled for the shape of one plan is told: numbers and tables of the plan, written into the type of its record.

Known are all whole numbers of the plan and all places in the memory, which of its other numbers are 0, and those tables that are short or
hold one value throughout. Never what a search moves: thresholds, first stocks, rates. So one trial under other thresholds, rates or seeds
has one type, and is played by one kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

KNOWN: Final = "="
"""Between the name of a field and its value, in the names of the fields by which a tailored record tells what is known."""
TIMES: Final = "x"
"""Between the value and the length of a table that holds one value throughout."""

LONGEST_TABLE: Final = 128
"""Tables with more items are known only where they hold one value throughout."""

NOT_TOLD: Final = (
    "resupply_min_buffer",
    "resupply_max_buffer",
    "resupply_initial",
    "resupply_seed_quantity",
    "resupply_short_window",
    "resupply_long_window",
    "bands_",
    "refills_m",
    "refills_short_window",
    "refills_long_window",
    "sites_rate",
    "caps_limit",
    "lots_arrival",
    "present_",
    "production_",
)
"""The beginnings of the names of tables that are never told: what a search moves, and what a day's state holds."""


def tailored_record(
    record: np.dtype[Any], places: Mapping[str, float], tables: Mapping[str, NDArray[Any]]
) -> np.dtype[Any]:
    """`record` with what is known of its values and of the plan's `tables` in its type."""
    told = []
    for name, value in places.items():
        if name in tables and is_told(name, tables[name]):
            told.append(f"{name}{KNOWN}{int(value)}{KNOWN}{_written(tables[name])}")
        elif record[name].kind == "i" or value == 0:
            told.append(f"{name}{KNOWN}{int(value)}")
    fields = [(name, record[name]) for name in record.names or ()]
    return np.dtype([*fields, *((one, np.int8) for one in told)])


def is_told(name: str, table: NDArray[Any]) -> bool:
    """Whether the type tells what a table holds. Of the tables of other numbers those of laws, and those of nothing but 0."""
    if name.startswith(NOT_TOLD) or table.size == 0 or table.dtype.kind not in "if":
        return False
    if table.dtype.kind == "f":
        return not table.any() or (name == "laws_cumulative" and table.size <= LONGEST_TABLE)
    return table.size <= LONGEST_TABLE or bool((table == table.flat[0]).all())


def known_values(fields: Iterable[str]) -> tuple[dict[str, int], dict[str, tuple[float, ...]]]:
    """What the names of a record's fields tell: numbers and places by name, and tables by name."""
    numbers: dict[str, int] = {}
    tables: dict[str, tuple[float, ...]] = {}
    for field in fields:
        name, *told = field.split(KNOWN)
        if told:
            numbers[name] = int(told[0])
        if len(told) == 2:
            tables[name] = _read(told[1])
    return numbers, tables


def _written(table: NDArray[Any]) -> str:
    items = table.reshape(-1).tolist()
    if all(item == items[0] for item in items):
        return f"{items[0]!r}{TIMES}{len(items)}"
    return " ".join(map(repr, items))


def _read(written: str) -> tuple[float, ...]:
    if TIMES in written:
        value, times = written.split(TIMES)
        return (_number(value),) * int(times)
    return tuple(_number(item) for item in written.split())


def _number(written: str) -> float:
    return int(written) if written.lstrip("-").isdigit() else float(written)

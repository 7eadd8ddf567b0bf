"""Sets of supply parameters in words, as short as they can be."""

from __future__ import annotations

from typing import Any

from allocation.study.proposed_parameters import ProposedSet
from allocation.study.tuning_report import SimulatedRow

_WORDS = {"min_buffer": "min", "max_buffer": "max"}
_MOST = 3


def settings_of(row: SimulatedRow) -> str:
    """The sets of a row; the protocol's own where it has none, and the row's label where there are too many to tell."""
    if not row.parameters:
        return row.label or "as the protocol has it"
    if len(row.parameters) > _MOST and row.label:
        return row.label
    told = [_set_of(one) for one in row.parameters[:_MOST]]
    more = len(row.parameters) - _MOST
    return "; ".join(told) + (f"; {more} more" if more > 0 else "")


def _set_of(one: ProposedSet) -> str:
    where = " ".join([*one.place.values(), *([one.kit_type] if one.kit_type else [])])
    values = ", ".join(
        f"{_WORDS.get(name, name.replace('_', ' '))} {plain(value)}" for name, value in one.values.items()
    )
    return f"{where}: {values}" if where else values


def plain(value: Any) -> str:
    """A value as it is read; lists are shortened to how many they hold."""
    return f"{len(value)} given" if isinstance(value, list | tuple) else f"{value}"

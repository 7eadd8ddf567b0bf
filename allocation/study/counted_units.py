"""Units of kits as blinded people may count them: only where all that looks alike holds the same and is taken alike."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.schedule import Dispensing


@dataclass(frozen=True, slots=True)
class KitContent:
    """What a kit may hold as far as its look tells: `units` where all kits of the look hold the same, else None. `most`: the largest."""

    units: Decimal | None
    most: Decimal
    unit: str


def content_by_look(protocol: Protocol) -> dict[str, KitContent]:
    """Kit type -> what is told of its content: the same for every kit type of a blinding group."""
    groups: dict[str, list[tuple[Decimal, str]]] = {}
    for kind in protocol.kit_types:
        groups.setdefault(kind.blinding_group, []).append((kind.units_per_kit, kind.unit))
    found = {}
    for kind in protocol.kit_types:
        contents = groups[kind.blinding_group]
        alike = len(set(contents)) == 1
        most = max(units for units, _ in contents)
        found[kind.code] = KitContent(most if alike else None, most, kind.unit if alike else "")
    return found


def units_per_day_by_look(protocol: Protocol, visit_code: str | None) -> dict[str, Decimal]:
    """Blinding group -> the units a day that subjects take from what a visit hands out of it, where every arm and dose takes the same.

    From `units_per_day` of the protocol's dispensing entries. A group of which an entry says nothing, or another number, is left out: its
    compliance would tell the arm. So is one that only some of the visit's entries hand out.
    """
    group_of = {kind.code: kind.blinding_group for kind in protocol.kit_types}
    entries = [one for one in protocol.dispensing if visit_code in one.visits]
    found = {}
    for group in sorted({group_of[kit_type] for one in entries for kit_type in one.kit_types}):
        told = {_units_per_day(protocol, one, group) for one in entries}
        only = told.pop()
        if not told and only is not None:
            found[group] = only
    return found


def _units_per_day(protocol: Protocol, entry: Dispensing, group: str) -> Decimal | None:
    """What one dispensing entry says of a blinding group; None where it is silent, or kits that look alike hold other units."""
    contents = content_by_look(protocol)
    of_group = {kind.code for kind in protocol.kit_types if kind.blinding_group == group}
    rates = [one.units_per_day for one in entry.kits if one.kit_type in of_group]
    made_up = entry.dose is not None and any(one.kit_type in of_group for one in entry.dose.strengths)
    if made_up or any(contents[kit_type].units is None for kit_type in of_group):
        return None
    known = [rate for rate in rates if rate is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(rates) else None

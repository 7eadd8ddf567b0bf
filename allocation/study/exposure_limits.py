"""The limits by which a kit's exposure is judged: those of everything that looks like it, the strictest of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.rules.temperature import StorageRange, strictest

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.supply import StorageLimits


def limits_by_kit_type(protocol: Protocol) -> dict[str, StorageRange]:
    """Kit type -> the strictest limits of its blinding group; without those of which no type of the group states any."""
    ranges: dict[str, list[StorageRange]] = {}
    for one in protocol.kit_types:
        if one.storage is not None:
            ranges.setdefault(one.blinding_group, []).append(_range(one.storage))
    by_group = {group: strictest(several) for group, several in ranges.items()}
    found = {one.code: by_group.get(one.blinding_group) for one in protocol.kit_types}
    return {code: limits for code, limits in found.items() if limits is not None}


def _range(storage: StorageLimits) -> StorageRange:
    return StorageRange(
        float(storage.min_celsius),
        float(storage.max_celsius),
        storage.minutes_above,
        storage.minutes_below,
        None if storage.mkt_celsius is None else float(storage.mkt_celsius),
    )

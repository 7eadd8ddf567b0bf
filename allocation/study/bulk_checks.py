"""Does bulk supply (`serialized: false`) fit the study: people read its lots, so its lots must not tell kit types apart."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from allocation.study.inconsistency import Findings

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


def check_bulk(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` bulk supply that would break the blind, or that is asked for what only a numbered kit can do."""
    of_group = Counter(one.blinding_group for one in protocol.kit_types)
    pooled = {item.kit_type for pool in protocol.supply.pools for item in pool.items}
    for index, kit_type in enumerate(protocol.kit_types):
        if kit_type.serialized:
            continue
        path = ("kit_types", index, "serialized")
        if of_group[kit_type.blinding_group] > 1:
            findings.add(
                path,
                False,
                f"is of blinding group {kit_type.blinding_group}, which has several kit types: bulk supply is handled by its lot, "
                "and a lot is of one type",
                "give it a blinding group of its own where it is not blinded, else serialized: true",
            )
        if kit_type.reusable:
            findings.add(
                path,
                False,
                "is of a reusable device, whose uses are counted one by one",
                "set serialized: true, or reusable: false",
            )
        if kit_type.code in pooled:
            findings.add(
                path,
                False,
                "is pooled with other studies, which lend kits by their numbers",
                "set serialized: true, or take it out of supply.pools",
            )

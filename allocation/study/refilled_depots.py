"""Which depots are refilled by another one, and in which order they are decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


def refilled_depots(protocol: Protocol) -> list[str]:
    """The depots that another one refills, each after those that it refills itself; none where no parameter is set for any depot."""
    if not any(entry.level == "depot" for entry in protocol.supply.parameters):
        return []
    supplied_by = {one.code: one.supplied_by for one in protocol.depots}

    def steps_up(code: str) -> int:
        supplier = supplied_by[code]
        return 0 if supplier is None else 1 + steps_up(supplier)

    refilled = [one.code for one in protocol.depots if one.supplied_by is not None]
    return sorted(refilled, key=lambda code: (-steps_up(code), code))

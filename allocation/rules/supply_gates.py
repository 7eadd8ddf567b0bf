"""The supply gate: may this site randomize now, going by which kit types it has?

A closed gate refuses in words that are the same whatever is missing: which kit type lacks would tell a blinded reader something
about the arms.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

from allocation.errors import DomainRefusal, InvalidParameter, RuleError
from allocation.rules.compilable import BoolArray, compilable

NO_SUPPLY = "no-supply-to-randomize"
"""Code of every refusal for want of supply: of a gate, and of forced randomization."""


GATE_NONE: Final = 0
GATE_ALL: Final = 1
GATE_CHOSEN: Final = 2


@compilable
def keeps_gate_closed(gate: int, there: bool, chosen: bool) -> bool:
    """Return whether a kit type keeps the gate closed: the site lacks it (not `there`), and the gate asks for it."""
    return not there and (gate == GATE_ALL or (gate == GATE_CHOSEN and chosen))


@compilable
def gate_is_closed(gate: int, there: BoolArray, chosen: BoolArray) -> bool:
    """Return whether the site may not randomize: some kit type keeps the gate closed. One element a kit type."""
    closed = False
    for i in range(len(there)):
        closed = closed or keeps_gate_closed(gate, there[i], chosen[i])
    return closed


class SupplyGate(StrEnum):
    """What a site must have before it randomizes: nothing, a usable kit of every kit type, or of the chosen ones."""

    NONE = "none"
    ALL_KIT_TYPES = "all_kit_types"
    CHOSEN_KIT_TYPES = "chosen_kit_types"


CODES: Final = {
    SupplyGate.NONE: GATE_NONE,
    SupplyGate.ALL_KIT_TYPES: GATE_ALL,
    SupplyGate.CHOSEN_KIT_TYPES: GATE_CHOSEN,
}
"""The integer that the compilable rules take for each gate."""


def lacking_kit_types(
    gate: SupplyGate, on_site: Mapping[str, bool], chosen: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the kit types that keep the gate closed, in the order of `on_site`; none when it is open. Unblinded readers only.

    `on_site` tells for each kit type that this randomization may lead to whether the site has enough usable kits of it for a subject.
    Raises InvalidParameter for a gate on chosen types without any, RuleError for a chosen type that is not in `on_site`.
    """
    if gate is SupplyGate.CHOSEN_KIT_TYPES:
        if not chosen:
            raise InvalidParameter("chosen_kit_types names none", field="gate_kit_types", fix="name some")
        if set(chosen) - set(on_site):
            raise RuleError(
                f"nothing is known of {sorted(set(chosen) - set(on_site))}", field="gate_kit_types"
            )
    code = CODES[gate]
    return tuple(
        kit_type for kit_type, there in on_site.items() if keeps_gate_closed(code, there, kit_type in chosen)
    )


def check_supply_gate(gate: SupplyGate, on_site: Mapping[str, bool], chosen: Collection[str] = ()) -> None:
    """Raise DomainRefusal with code NO_SUPPLY when the gate is closed; arguments and other errors as of `lacking_kit_types`."""
    if lacking_kit_types(gate, on_site, chosen):
        raise refused_for_supply()


def refused_for_supply() -> DomainRefusal:
    """Return the refusal for want of supply: the same words for every cause."""
    return DomainRefusal(
        "the site cannot randomize a subject with the supply it has now",
        code=NO_SUPPLY,
        field="site",
        fix="wait for the next shipment, or ask the unblinded supply manager; the subject was not randomized",
    )

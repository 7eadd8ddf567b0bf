"""The supply gate: may this site randomize now, going by which kit types it has?

A closed gate refuses in words that are the same whatever is missing: which kit type lacks would tell a blinded reader something
about the arms.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from allocation.errors import DomainRefusal, InvalidParameter, RuleError

NO_SUPPLY = "no-supply-to-randomize"
"""Code of every refusal for want of supply: of a gate, and of forced randomization."""


class SupplyGate(StrEnum):
    """What a site must have before it randomizes: nothing, a usable kit of every kit type, or of the chosen ones."""

    NONE = "none"
    ALL_KIT_TYPES = "all_kit_types"
    CHOSEN_KIT_TYPES = "chosen_kit_types"


def lacking_kit_types(
    gate: SupplyGate, on_site: Mapping[str, bool], chosen: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the kit types that keep the gate closed, in the order of `on_site`; none when it is open. Unblinded readers only.

    `on_site` tells for each kit type that this randomization may lead to whether the site has enough usable kits of it for a subject.
    Raises InvalidParameter for a gate on chosen types without any, RuleError for a chosen type that is not in `on_site`.
    """
    if gate is SupplyGate.NONE:
        return ()
    if gate is SupplyGate.CHOSEN_KIT_TYPES:
        if not chosen:
            raise InvalidParameter("chosen_kit_types names none", field="gate_kit_types", fix="name some")
        if set(chosen) - set(on_site):
            raise RuleError(
                f"nothing is known of {sorted(set(chosen) - set(on_site))}", field="gate_kit_types"
            )
    asked = on_site if gate is SupplyGate.ALL_KIT_TYPES else chosen
    return tuple(kit_type for kit_type, there in on_site.items() if kit_type in asked and not there)


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

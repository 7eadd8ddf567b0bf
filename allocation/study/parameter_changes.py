"""A proposal beside what holds today: parameter by parameter, at how many sites it makes a difference, and whether it makes one at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from allocation.errors import DomainRefusal
from allocation.study.parameters import EffectiveParameters, effective_parameters
from allocation.study.proposed_parameters import deciding
from allocation.study.supply_checks import OpenedSite, all_sites

if TYPE_CHECKING:
    from allocation.study.proposed_parameters import ProposedSet
    from allocation.study.protocol import Protocol
    from allocation.study.supply import ParameterSet

COUNTS_WITH: Final = {
    "min_buffer": "min_max",
    "max_buffer": "min_max",
    "confidence": "computed",
    "enrolment_per_month": "computed",
    "bands": "bands",
}
"""Parameter -> the `buffer_from` with which alone it decides anything."""


@dataclass(frozen=True, slots=True)
class HeldToday:
    """A value that holds today, at how many sites, and the parameter set that it comes from there."""

    value: Any
    sites: int
    source: str


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """One parameter of a proposed set beside what holds today where the set decides it.

    `kit_type` None: the same for every kit type that the set is for. `today`: the values of the `sites` (open or planned) that it decides
    for, the most frequent first; of a place without any, what holds at the place itself. `changed`: sites that get another value;
    `kept`: sites that keep theirs although they are reached, since the service opened them and the protocol does not know them.
    """

    where: str
    kit_type: str | None
    parameter: str
    today: tuple[HeldToday, ...]
    proposed: Any
    sites: int
    changed: int
    kept: int


def parameter_changes(
    today: Protocol,
    then: Protocol,
    proposed: Sequence[ProposedSet],
    on: date,
    opened: Sequence[OpenedSite] = (),
) -> list[ParameterChange]:
    """Every proposed parameter beside those of the day `on`; `then` is `today` with the proposed ones (applied_parameters.py).

    Kit types for which all of it is the same are told as one.
    """
    at_sites = list(_at_sites(today, then, on, opened))
    return [
        change
        for one in proposed
        for name in one.values
        for change in _told_as_one(list(_changes(today, proposed, one, name, on, at_sites)))
    ]


@dataclass(frozen=True, slots=True)
class _AtSite:
    """What one kit type has at a site on the day, today and with the proposal; `keys`: the keys of the site by level."""

    kit_type: str
    keys: dict[str, str | None]
    today: EffectiveParameters
    then: EffectiveParameters


def _at_sites(today: Protocol, then: Protocol, on: date, opened: Sequence[OpenedSite]) -> Iterator[_AtSite]:
    for at in all_sites(today, opened):
        keys = {"site": at.code, "country": at.country, "profile": at.profile}
        for kind in today.kit_types:
            old, new = (effective_parameters(one, kind.code, on, **keys) for one in (today, then))
            yield _AtSite(kind.code, keys, old, new)


def _changes(
    today: Protocol,
    proposed: Sequence[ProposedSet],
    one: ProposedSet,
    name: str,
    on: date,
    at_sites: Sequence[_AtSite],
) -> Iterator[ParameterChange]:
    kit_types = [one.kit_type] if one.kit_type is not None else [kind.code for kind in today.kit_types]
    for kit_type in kit_types:
        here = [
            at
            for at in at_sites
            if at.kit_type == kit_type and deciding(proposed, at.keys, kit_type, name) is one
        ]
        held = Counter((getattr(at.today, name), str(at.today.sources[name])) for at in here)
        values = [HeldToday(value, sites, source) for (value, source), sites in held.most_common()]
        if not here:
            place = effective_parameters(today, kit_type, on, **one.place)
            values = [HeldToday(getattr(place, name), 0, str(place.sources[name]))]
        wanted = one.values[name]
        yield ParameterChange(
            where=one.where,
            kit_type=kit_type,
            parameter=name,
            today=tuple(values),
            proposed=wanted,
            sites=len(here),
            changed=sum(getattr(at.today, name) != getattr(at.then, name) for at in here),
            kept=sum(getattr(at.then, name) != wanted for at in here),
        )


def _told_as_one(changes: list[ParameterChange]) -> list[ParameterChange]:
    """One line in place of several that differ in nothing but the kit type."""
    if len(changes) < 2 or len({str(replace(one, kit_type=None)) for one in changes}) > 1:
        return changes
    return [replace(changes[0], kit_type=None)]


def check_takes_effect(
    today: Protocol,
    then: Protocol,
    proposed: Sequence[ProposedSet],
    on: date,
    opened: Sequence[OpenedSite] = (),
) -> None:
    """Refuse a parameter that would decide nothing where it is proposed, and a proposal that leaves all as it is.

    Raises DomainRefusal; `field` begins with `parameters`.
    """
    for index, one in enumerate(proposed):
        kit_types = [one.kit_type] if one.kit_type is not None else [kind.code for kind in then.kit_types]
        held = [effective_parameters(then, kit_type, on, **one.place) for kit_type in kit_types]
        for name in one.values:
            needed = COUNTS_WITH.get(name)
            if needed is not None and held and all(each.buffer_from != needed for each in held):
                raise DomainRefusal(
                    f"would decide nothing for {one.where}: buffer_from is {held[0].buffer_from} there",
                    code="proposal-without-effect",
                    field=f"parameters[{index}].{name}",
                    fix=f"propose buffer_from {needed} with it, or leave it out",
                )
    changes = parameter_changes(today, then, proposed, on, opened)
    same_now = all(
        not one.changed and all(each.value == one.proposed for each in one.today) for one in changes
    )
    if same_now and _dated(today) == _dated(then):
        raise DomainRefusal(
            "are what holds today",
            code="proposal-without-effect",
            field="parameters",
            fix="there is nothing to sign",
        )


def _dated(protocol: Protocol) -> list[ParameterSet]:
    """The sets that do not count from the start."""
    return [one for one in protocol.supply.parameters if one.parameters.valid_from is not None]

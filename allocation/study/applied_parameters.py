"""The protocol with proposed supply parameters: what the comparison shows beside today's, and what the signature puts into effect.

A proposal says what holds in the places it names, as the tuner played it: for every site and kit type that it reaches, whatever was set
nearer to them and from whichever day on. So such settings go, or are overridden where they reach farther than the proposal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from allocation.errors import DomainRefusal
from allocation.study.canonical import plain_document
from allocation.study.inconsistency import InconsistentProtocolError, path_text
from allocation.study.parameters import effective_parameters
from allocation.study.proposed_parameters import ProposedSet, deciding
from allocation.study.protocol import Protocol
from allocation.study.supply import ParameterSet, ResupplyParameters

if TYPE_CHECKING:
    from allocation.study.inconsistency import Path

_NOTHING = ResupplyParameters()


def with_parameters(
    protocol: Protocol, proposed: Sequence[ProposedSet], *, version: int | None = None
) -> Protocol:
    """The protocol with these parameters, as `version` (None: under its own number).

    Buffers that are proposed without `buffer_from` are the ones that count. Raises DomainRefusal for a place or kit type that the protocol
    does not have and for parameters that contradict each other; `field` begins with `parameters`.
    """
    _check_named(protocol, proposed)
    told = [_with_provider(protocol, one) for one in proposed]
    sets = list(protocol.supply.parameters)
    for one in sorted(told, key=lambda each: each.nearness):
        sets = _without(protocol, sets, one)
        _narrow(protocol, sets, one)
        if len(one.place) < 2:
            level, key = next(iter(one.place.items()), ("study", ""))
            _put(sets, level, key, one.kit_type, one.values)
    _override_at_sites(protocol, sets, told)
    return _protocol(protocol, sets, version)


def _check_named(protocol: Protocol, proposed: Sequence[ProposedSet]) -> None:
    known = {
        "country": [one.code for one in protocol.countries],
        "profile": [one.code for one in protocol.supply.profiles],
        "site": [one.code for one in protocol.sites],
        "depot": [one.code for one in protocol.depots if one.supplied_by is not None],
        "kit_type": [one.code for one in protocol.kit_types],
    }
    seen: dict[str, int] = {}
    for index, one in enumerate(proposed):
        named = one.place if one.kit_type is None else {**one.place, "kit_type": one.kit_type}
        for name, key in named.items():
            if key not in known[name]:
                raise DomainRefusal(
                    f"{key} is not in version {protocol.study.version} of the protocol",
                    code="proposal-invalid",
                    field=f"parameters[{index}].{name}",
                    fix=f"one of {', '.join(known[name][:12]) or 'none: the protocol has none'}",
                )
        first = seen.setdefault(one.where, index)
        if first != index:
            raise DomainRefusal(
                f"is for {one.where}, as parameters[{first}] is",
                code="proposal-invalid",
                field=f"parameters[{index}]",
                fix="join the two",
            )


def _with_provider(protocol: Protocol, one: ProposedSet) -> ProposedSet:
    """The set that also says that its buffers count, where the protocol has others that are computed or by bands."""
    elsewhere = {entry.parameters.buffer_from for entry in protocol.supply.parameters} - {None, "min_max"}
    buffers = one.min_buffer is not None or one.max_buffer is not None
    if not (elsewhere and buffers and one.buffer_from is None):
        return one
    return one.model_copy(update={"buffer_from": "min_max"})


def _lies_in(protocol: Protocol, level: str, key: str, one: ProposedSet) -> bool:
    """Whether a set of that level and key is for places of the proposed one only."""
    if level == "depot" or one.depot is not None:
        return level == "depot" and key == one.depot
    keys: dict[str, str | None] = {level: key}
    if level == "site":
        site = next((entry for entry in protocol.sites if entry.code == key), None)
        keys |= {} if site is None else {"country": site.country, "profile": site.profile}
    return all(keys.get(name) == wanted for name, wanted in one.place.items())


def _without(protocol: Protocol, sets: Sequence[ParameterSet], one: ProposedSet) -> list[ParameterSet]:
    """The sets without what they set of the same parameters for places and kit types of the proposed one only."""
    kept = []
    for entry in sets:
        own = one.kit_type is None or entry.kit_type == one.kit_type
        if own and _lies_in(protocol, entry.level, entry.key, one):
            parameters = entry.parameters.model_copy(update=dict.fromkeys(one.values))
            kept.append(entry.model_copy(update={"parameters": parameters}))
        else:
            kept.append(entry)
    return kept


def _narrow(protocol: Protocol, sets: list[ParameterSet], one: ProposedSet) -> None:
    """Where a set for every kit type lies in the place of the proposed one, which is for one: override it for that one."""
    if one.kit_type is None:
        return
    for entry in list(sets):
        if entry.kit_type is None and _lies_in(protocol, entry.level, entry.key, one):
            held = {
                name: value
                for name, value in one.values.items()
                if getattr(entry.parameters, name) is not None
            }
            if held:
                _put(sets, entry.level, entry.key, one.kit_type, held)


def _put(
    sets: list[ParameterSet], level: str, key: str, kit_type: str | None, values: Mapping[str, Any]
) -> None:
    """Set values at a place from the start: in its set, or in a new one."""
    for index, entry in enumerate(sets):
        if (entry.level, entry.key, entry.kit_type, entry.parameters.valid_from) == (
            level,
            key,
            kit_type,
            None,
        ):
            parameters = entry.parameters.model_copy(update=dict(values))
            sets[index] = entry.model_copy(update={"parameters": parameters})
            return
    new = {"level": level, "key": key, "kit_type": kit_type, "parameters": ResupplyParameters(**values)}
    sets.append(ParameterSet.model_validate(new))


def _override_at_sites(protocol: Protocol, sets: list[ParameterSet], told: Sequence[ProposedSet]) -> None:
    """Set at single sites what a set that reaches farther than the proposal would still decide there."""
    # Not checked yet: what the overrides mend may contradict itself until then.
    supply = protocol.supply.model_copy(update={"parameters": tuple(sets)})
    then = protocol.model_copy(update={"supply": supply})
    starts = {entry.parameters.valid_from or date.min for entry in sets} | {date.min}
    for site in then.sites:
        keys = {"country": site.country, "profile": site.profile, "site": site.code}
        for kind in then.kit_types:
            held = [effective_parameters(then, kind.code, start, site=site.code) for start in starts]
            wrong = {}
            for name in {name for one in told for name in one.values}:
                one = deciding(told, keys, kind.code, name)
                if one is not None and any(getattr(each, name) != one.values[name] for each in held):
                    wrong[name] = one.values[name]
            if wrong:
                _put(sets, "site", site.code, kind.code, wrong)


def _protocol(protocol: Protocol, sets: Sequence[ParameterSet], version: int | None) -> Protocol:
    document = plain_document(protocol)
    kept = [one for one in sets if one.parameters.model_copy(update={"valid_from": None}) != _NOTHING]
    document["supply"]["parameters"] = [plain_document(one) for one in kept]
    if version is not None:
        document["study"]["version"] = version
    try:
        return Protocol.model_validate(document)
    except ValidationError as invalid:
        raise _refusal(invalid, kept) from invalid


def _refusal(invalid: ValidationError, sets: Sequence[ParameterSet]) -> DomainRefusal:
    """What the protocol says against the parameters: the first finding, with the set that it is about."""
    error = invalid.errors(include_url=False)[0]
    cause = error.get("ctx", {}).get("error")
    path: Path = tuple(error["loc"])
    message, fix = error["msg"], "correct it"
    if isinstance(cause, InconsistentProtocolError):
        found = cause.found[0]
        path, message, fix = found.path, f"{found.value} {found.message}", found.fix
    place = path_text(path)
    if path[:2] == ("supply", "parameters") and len(path) > 2:
        entry = sets[int(path[2])]
        kind = "" if entry.kit_type is None else f", kit type {entry.kit_type}"
        place = f"{path[-1]} of {entry.level} {entry.key}{kind}".replace(" ,", ",")
    return DomainRefusal(
        f"cannot be: {place}: {message}", code="proposal-invalid", field="parameters", fix=fix
    )

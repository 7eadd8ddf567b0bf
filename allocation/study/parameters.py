"""Which resupply parameters hold at a place, for a kit type, on a date: the inheritance of the parameter sets.

Each parameter is looked up on its own, from the lowest level upwards: site, profile, country, country group, study. At one level a
set for the kit type goes before a general one, and among those the latest `valid_from` that has come. What nobody sets
has the value in `UNSET`. Source: field note resupply.md ("Parameters inherit ...").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from allocation.errors import InvalidParameter
from allocation.rules import resupply as rule

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.supply import BufferBand, ParameterSet

UNSET: Final[Mapping[str, int | str | bool | Decimal | tuple[()]]] = {
    "min_buffer": 0,
    "max_buffer": 0,
    "short_window": 0,
    "long_window": 0,
    "trigger": "below",
    "long_window_from": "today",
    "buffer_from": "min_max",
    "confidence": Decimal(0),
    "enrolment_per_month": Decimal(0),
    "bands": (),
    "run_out_alarm_days": 0,
    "screen_failure_rate": Decimal(0),
    "seed_quantity": 0,
    "paused": False,
}
"""The value of a parameter that no level sets: nothing is ever ordered by it."""

LEVELS: Final = ("site", "profile", "country", "country_group", "study", "depot")
"""From the one that wins to the one that yields. Those of a depot stand by themselves: it inherits nothing that is meant for sites."""


@dataclass(frozen=True, slots=True)
class ParameterSource:
    """The parameter set that a value came from; `level` "unset" where none gives it."""

    level: str
    key: str = ""
    kit_type: str | None = None
    valid_from: date | None = None

    def __str__(self) -> str:
        """Such as `country USA, kit type K10, from 2026-03-01`."""
        text = f"{self.level} {self.key}".strip().replace("_", " ")
        if self.kit_type is not None:
            text += f", kit type {self.kit_type}"
        return f"{text}, from {self.valid_from}" if self.valid_from is not None else text


@dataclass(frozen=True, slots=True)
class EffectiveParameters:
    """Every resupply parameter at a place. Buffers and `seed_quantity` in kits, windows in days; `sources` by field name.

    `min_buffer` and `max_buffer` are those that are set; which ones hold, by `buffer_from`, is asked of study/buffers.py.
    """

    min_buffer: int
    max_buffer: int
    short_window: int
    long_window: int
    trigger: Literal["at", "below"]
    long_window_from: Literal["today", "end_of_short_window"]
    buffer_from: Literal["min_max", "computed", "bands"]
    confidence: Decimal
    enrolment_per_month: Decimal
    bands: tuple[BufferBand, ...]
    run_out_alarm_days: int
    screen_failure_rate: Decimal
    seed_quantity: int
    paused: bool
    sources: Mapping[str, ParameterSource]

    def for_rule(self, buffers: tuple[int, int] | None = None) -> rule.ResupplyParameters:
        """The thresholds as the resupply rule takes them, with the (min, max) of a provider, or those that are set.

        Raises InvalidParameter where they contradict each other.
        """
        min_buffer, max_buffer = (self.min_buffer, self.max_buffer) if buffers is None else buffers
        return rule.ResupplyParameters(
            short_window=self.short_window,
            long_window=self.long_window,
            min_buffer=min_buffer,
            max_buffer=max_buffer,
            trigger=rule.Trigger(self.trigger),
            long_window_from=rule.LongWindowFrom(self.long_window_from),
        )


_NOWHERE: Final = ParameterSource("unset")
PARAMETER_NAMES: Final = tuple(item.name for item in fields(EffectiveParameters) if item.name != "sources")


def effective_parameters(
    protocol: Protocol,
    kit_type: str,
    on: date,
    *,
    country: str | None = None,
    site: str | None = None,
    profile: str | None = None,
    depot: str | None = None,
) -> EffectiveParameters:
    """Return the parameters for `kit_type` on the date `on` at a site, or in a country, or (neither given) in the study.

    With `depot`, those of a depot that another one refills.

    A site that the protocol knows brings its own country and profile; for one that the service opened later, pass them.
    """
    known = next((entry for entry in protocol.sites if entry.code == site), None)
    if known is not None:
        country = country if country is not None else known.country
        profile = profile if profile is not None else known.profile
    of_country = protocol.country(country) if country is not None else None
    keys: dict[str, str | None] = {
        "site": site,
        "profile": profile,
        "country": country,
        "country_group": of_country.group if of_country is not None else None,
        "study": "",
    }
    if depot is not None:
        keys = {"depot": depot}
    values: dict[str, Any] = dict(UNSET)
    sources = dict.fromkeys(PARAMETER_NAMES, _NOWHERE)
    for candidate in reversed(_in_order(protocol, kit_type, on, keys)):
        given = candidate.parameters
        source = ParameterSource(candidate.level, candidate.key, candidate.kit_type, given.valid_from)
        for name in PARAMETER_NAMES:
            value = getattr(given, name)
            if value is not None:
                values[name], sources[name] = value, source
    return EffectiveParameters(**values, sources=sources)


def _in_order(
    protocol: Protocol, kit_type: str, on: date, keys: Mapping[str, str | None]
) -> list[ParameterSet]:
    """The sets that apply, the one that wins first."""
    applying = [
        entry
        for entry in protocol.supply.parameters
        if keys.get(entry.level) == (entry.key or "")
        and entry.kit_type in (None, kit_type)
        and (entry.parameters.valid_from is None or entry.parameters.valid_from <= on)
    ]
    return sorted(
        applying,
        key=lambda entry: (
            LEVELS.index(entry.level),
            entry.kit_type is None,
            -(entry.parameters.valid_from or date.min).toordinal(),
        ),
    )


def lead_time_days(protocol: Protocol, depot: str, country: str, site: str | None = None) -> int:
    """Calendar days that a shipment takes from `depot` to `site` (its own lane, else the lane of its country).

    Raises InvalidParameter where the protocol has no such lane.
    """
    for lane in protocol.lanes:
        if lane.depot == depot and site is not None and lane.site == site:
            return lane.lead_time_days
    for lane in protocol.lanes:
        if lane.depot == depot and lane.country == country:
            return lane.lead_time_days
    place = country if site is None else f"{country} or site {site}"
    raise InvalidParameter(
        f"no lane leads from depot {depot} to {place}",
        field="lanes",
        fix="add one with its lead_time_days to the protocol",
        code="no-lane",
    )


def depot_lead_time_days(protocol: Protocol, depot: str, to_depot: str) -> int:
    """Calendar days that a shipment takes from `depot` to a depot that it refills. Raises InvalidParameter without such a lane."""
    for lane in protocol.lanes:
        if lane.depot == depot and lane.to_depot == to_depot:
            return lane.lead_time_days
    raise InvalidParameter(
        f"no lane leads from depot {depot} to depot {to_depot}",
        field="lanes",
        fix="add one with its lead_time_days to the protocol",
        code="no-lane",
    )

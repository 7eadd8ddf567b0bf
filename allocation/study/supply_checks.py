"""Do kit types, depots, lanes, countries, sites and resupply parameters fit each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from allocation.errors import InvalidParameter, RuleError
from allocation.study.buffers import provided_buffers
from allocation.study.bulk_checks import check_bulk
from allocation.study.depot_checks import check_depot_parameters
from allocation.study.design_checks import check_no_cycle
from allocation.study.device_checks import check_devices
from allocation.study.inconsistency import Findings, Path
from allocation.study.newcomers import Newcomers, newcomers
from allocation.study.parameters import EffectiveParameters, effective_parameters
from allocation.study.pools import check_pools
from allocation.study.satellites import check_satellites

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


def check_supply(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` whatever in the supply chain contradicts itself or names what is not there."""
    before = len(findings.found)
    _check_kit_types(protocol, findings)
    check_devices(protocol, findings)
    check_bulk(protocol, findings)
    _check_places(protocol, findings)
    _check_lanes(protocol, findings)
    check_satellites(protocol, findings)
    check_pools(protocol, findings)
    _check_parameter_sets(protocol, findings)
    if len(findings.found) == before:
        # These two walk the references, so they are looked at only where those hold: no follow-on messages.
        _check_every_place_has_a_lane(protocol, findings)
        _check_effective_parameters(protocol, findings)
        check_depot_parameters(protocol, findings)


def _check_kit_types(protocol: Protocol, findings: Findings) -> None:
    groups = [group.code for group in protocol.blinding_groups]
    findings.unique(("blinding_groups",), groups, "code", "code")
    findings.unique(
        ("blinding_groups",), [group.label for group in protocol.blinding_groups], "label", "label"
    )
    findings.unique(("kit_types",), [kit_type.code for kit_type in protocol.kit_types], "code", "code")
    for index, kit_type in enumerate(protocol.kit_types):
        findings.name(
            ("kit_types", index, "blinding_group"), kit_type.blinding_group, groups, "blinding group"
        )
        storage = kit_type.storage
        if storage is not None and storage.min_celsius >= storage.max_celsius:
            findings.add(
                ("kit_types", index, "storage", "min_celsius"),
                storage.min_celsius,
                f"is not below max_celsius {storage.max_celsius}",
                "give the colder limit as min_celsius",
            )
        if (
            storage is not None
            and storage.mkt_celsius is not None
            and storage.mkt_celsius <= storage.min_celsius
        ):
            findings.add(
                ("kit_types", index, "storage", "mkt_celsius"),
                storage.mkt_celsius,
                f"is not above min_celsius {storage.min_celsius}",
                "give the highest mean kinetic temperature that is allowed",
            )


def _check_places(protocol: Protocol, findings: Findings) -> None:
    depots = [depot.code for depot in protocol.depots]
    countries = [country.code for country in protocol.countries]
    findings.unique(("depots",), depots, "code", "code")
    findings.unique(("countries",), countries, "code", "code")
    findings.unique(("sites",), [site.code for site in protocol.sites], "code", "code")
    supplied_by = {depot.code: depot.supplied_by for depot in protocol.depots}
    for index, depot in enumerate(protocol.depots):
        path: Path = ("depots", index, "supplied_by")
        findings.name(path, depot.supplied_by, depots, "depot")
        check_no_cycle(path, depot.code, supplied_by, "depot", findings)
    for index, country in enumerate(protocol.countries):
        findings.name(("countries", index, "depot"), country.depot, depots, "depot")
    profiles = [profile.code for profile in protocol.supply.profiles]
    for index, site in enumerate(protocol.sites):
        path = ("sites", index)
        findings.name((*path, "country"), site.country, countries, "country")
        findings.name((*path, "depot"), site.depot, depots, "depot")
        findings.name((*path, "profile"), site.profile, profiles, "site profile")


def _check_lanes(protocol: Protocol, findings: Findings) -> None:
    depots = [depot.code for depot in protocol.depots]
    for index, lane in enumerate(protocol.lanes):
        path: Path = ("lanes", index)
        findings.name((*path, "depot"), lane.depot, depots, "depot")
        countries = [country.code for country in protocol.countries]
        findings.name((*path, "country"), lane.country, countries, "country")
        findings.name((*path, "site"), lane.site, [site.code for site in protocol.sites], "site")
        findings.name((*path, "to_depot"), lane.to_depot, depots, "depot")
        ends = [end for end in (lane.country, lane.site, lane.to_depot) if end is not None]
        if len(ends) != 1:
            findings.add(
                path,
                " and ".join(ends) or "(no end)",
                "is not one place for the lane to end at",
                "give one of country, site and to_depot",
            )
        if lane.to_depot is not None and lane.to_depot == lane.depot:
            findings.add((*path, "to_depot"), lane.to_depot, "is where the lane starts", "name another depot")
    ways = [f"{lane.depot} -> {lane.country or lane.site or lane.to_depot}" for lane in protocol.lanes]
    findings.unique(("lanes",), ways, "lane")


def _check_every_place_has_a_lane(protocol: Protocol, findings: Findings) -> None:
    fix = "add it under lanes, with its lead_time_days"
    to_country = {(lane.depot, lane.country) for lane in protocol.lanes if lane.country is not None}
    to_site = {(lane.depot, lane.site) for lane in protocol.lanes if lane.site is not None}
    to_depot = {(lane.depot, lane.to_depot) for lane in protocol.lanes if lane.to_depot is not None}
    for index, country in enumerate(protocol.countries):
        own_sites = [site for site in protocol.sites if site.country == country.code]
        reached = own_sites and all((site.depot or country.depot, site.code) in to_site for site in own_sites)
        if (country.depot, country.code) not in to_country and not reached:
            findings.add(
                ("countries", index, "depot"),
                country.depot,
                f"has no lane to {country.code}, which it supplies",
                fix,
            )
    depot_of = {country.code: country.depot for country in protocol.countries}
    for index, site in enumerate(protocol.sites):
        depot = site.depot
        if depot is None or depot == depot_of[site.country]:
            continue
        if (depot, site.code) not in to_site and (depot, site.country) not in to_country:
            findings.add(
                ("sites", index, "depot"), depot, f"has no lane to site {site.code}, which it supplies", fix
            )
    for index, depot_entry in enumerate(protocol.depots):
        supplier = depot_entry.supplied_by
        if supplier is not None and (supplier, depot_entry.code) not in to_depot:
            findings.add(
                ("depots", index, "supplied_by"),
                supplier,
                f"has no lane to depot {depot_entry.code}, which it supplies",
                fix,
            )


def _check_parameter_sets(protocol: Protocol, findings: Findings) -> None:
    supply = protocol.supply
    depots = [depot.code for depot in protocol.depots]
    findings.name(("supply", "returns", "depot"), supply.returns.depot, depots, "depot")
    findings.unique(("supply", "profiles"), [profile.code for profile in supply.profiles], "code", "code")
    findings.unique(("supply", "run_weekdays"), supply.run_weekdays, "weekday")
    for index, weekday in enumerate(supply.run_weekdays):
        if not 0 <= weekday <= 6:
            findings.add(
                ("supply", "run_weekdays", index), weekday, "is no weekday", "use 0 (Monday) to 6 (Sunday)"
            )
    known = {
        "country_group": sorted(
            {country.group for country in protocol.countries if country.group is not None}
        ),
        "country": [country.code for country in protocol.countries],
        "profile": [profile.code for profile in supply.profiles],
        "site": [site.code for site in protocol.sites],
        "depot": [one.code for one in protocol.depots if one.supplied_by is not None],
    }
    kinds = {
        "country_group": "country group",
        "profile": "site profile",
        "depot": "depot that another one refills",
    }
    kit_types = [kit_type.code for kit_type in protocol.kit_types]
    for index, entry in enumerate(supply.parameters):
        path: Path = ("supply", "parameters", index)
        if entry.level != "study":
            findings.name((*path, "key"), entry.key, known[entry.level], kinds.get(entry.level, entry.level))
        elif entry.key:
            findings.add((*path, "key"), entry.key, "would be ignored at level study", "remove it")
        findings.name((*path, "kit_type"), entry.kit_type, kit_types, "kit type")
    sets = [
        f"{entry.level} {entry.key} / {entry.kit_type or 'every kit type'} / {entry.parameters.valid_from or 'from the start'}"
        for entry in supply.parameters
    ]
    findings.unique(("supply", "parameters"), sets, "parameter set (level, key, kit type, valid_from)")


@dataclass(frozen=True, slots=True)
class OpenedSite:
    """A site as the service opened it; what it was opened with counts before what the protocol says of it."""

    code: str
    country: str
    depot: str
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class EffectiveAt:
    """What one kit type has at one place from the day `start` on. `place` is its name for people; a depot supplies it where known."""

    place: str
    country: str | None
    site: str | None
    depot: str | None
    kit_type: str
    start: date
    parameters: EffectiveParameters

    @property
    def of_whole_study(self) -> bool:
        """Whether the place is the study itself, of which countries and sites may set everything anew."""
        return self.country is None


def each_effective(protocol: Protocol, opened: Sequence[OpenedSite] = ()) -> Iterator[EffectiveAt]:
    """Every place, kit type and phase of the protocol with its effective parameters.

    Places are the study, each country, each profile in each country, and each site: those of the protocol and those that the service
    `opened`. The phases start at the first day and at every `valid_from`.
    """
    starts = sorted(
        {entry.parameters.valid_from or date.min for entry in protocol.supply.parameters} | {date.min}
    )
    for place, where, depot in _places(protocol, opened):
        for kit_type in protocol.kit_types:
            for start in starts:
                yield EffectiveAt(
                    place,
                    where.get("country"),
                    where.get("site"),
                    depot,
                    kit_type.code,
                    start,
                    effective_parameters(protocol, kit_type.code, start, **where),
                )


def _places(
    protocol: Protocol, opened: Sequence[OpenedSite]
) -> Iterator[tuple[str, dict[str, str | None], str | None]]:
    yield "the study", {}, None
    depot_of = {country.code: country.depot for country in protocol.countries}
    for country, depot in depot_of.items():
        yield f"country {country}", {"country": country}, depot
        for profile in protocol.supply.profiles:
            yield (
                f"profile {profile.code} in {country}",
                {"country": country, "profile": profile.code},
                depot,
            )
    for site in all_sites(protocol, opened):
        where = {"site": site.code, "country": site.country, "profile": site.profile}
        yield f"site {site.code}", where, site.depot


def all_sites(protocol: Protocol, opened: Sequence[OpenedSite] = ()) -> list[OpenedSite]:
    """The sites that the protocol plans, and then those that the service `opened`, as they were opened."""
    depot_of = {country.code: country.depot for country in protocol.countries}
    open_codes = {site.code for site in opened}
    planned = [
        OpenedSite(site.code, site.country, site.depot or depot_of[site.country], site.profile)
        for site in protocol.sites
        if site.code not in open_codes
    ]
    # A site may have been opened in a country that this version of the protocol does not have.
    return [*planned, *(site for site in opened if site.country in depot_of)]


def source_path(protocol: Protocol, parameters: EffectiveParameters, name: str) -> Path:
    """Where in the document the effective value of the parameter `name` stands."""
    source = parameters.sources[name]
    for index, entry in enumerate(protocol.supply.parameters):
        if (entry.level, entry.key, entry.kit_type, entry.parameters.valid_from) == (
            source.level,
            source.key,
            source.kit_type,
            source.valid_from,
        ):
            return ("supply", "parameters", index, "parameters", name)
    return ("supply", "parameters")


def asked_newcomers(protocol: Protocol) -> Newcomers | None:
    """What newcomers will receive, asked once for all places; None where nobody asks, or where the asking itself is refused."""
    if not any(entry.parameters.buffer_from == "computed" for entry in protocol.supply.parameters):
        return None
    with suppress(RuleError):
        return newcomers(protocol)
    return None


def as_set(value: object) -> object:
    """The value of a parameter as a finding shows it."""
    return f"{len(value)} bands" if isinstance(value, tuple) else value


def _check_effective_parameters(protocol: Protocol, findings: Findings) -> None:
    """What each place ends up with must be something that the resupply rule accepts; the rule itself says so."""
    seen: set[tuple[Path, str]] = set()
    coming = asked_newcomers(protocol)
    for at in each_effective(protocol):
        parameters = at.parameters
        try:
            provided_buffers(protocol, at.kit_type, parameters, 0, coming)
        except InvalidParameter as refused:
            name = refused.field or "parameters"
            path = source_path(protocol, parameters, name)
            if (path, refused.message) in seen:
                continue
            seen.add((path, refused.message))
            since = "" if at.start == date.min else f" from {at.start}"
            findings.add(
                path,
                as_set(getattr(parameters, name, "")),
                f"is what {at.place} has for kit type {at.kit_type}{since}: {name} {refused.message}",
                refused.fix or "correct one of the two",
            )

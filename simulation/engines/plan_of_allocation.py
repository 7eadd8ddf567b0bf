"""How a plan's event allocates: the design, who shares a run of entries or counts, and what supply it asks about."""

from __future__ import annotations

from itertools import accumulate, product
from math import prod
from typing import NamedTuple

from allocation.rules.forced import CODES as FORCED_CODES
from allocation.rules.forced import NONE, ForcedMode
from allocation.rules.imbalance import CODES as MEASURE_CODES
from allocation.rules.minimization_design import ChanceRule
from allocation.rules.restricted.design import RestrictedDesign
from allocation.rules.restricted.probabilities import PERMUTED_BLOCK
from allocation.rules.supply_gates import CODES as GATE_CODES
from allocation.rules.supply_gates import SupplyGate
from allocation.study.allocation_scheme import event_ratio
from allocation.study.design import Cap
from allocation.study.dose_paths import dispensing_rows
from allocation.study.minimization_settings import minimization_settings
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import COVARIATE_ADAPTIVE
from allocation.study.strata import strata_of
from allocation.study.subject_schedule import scheduled_dose_level
from allocation.study.supply import Site
from simulation.engines.plan import SCOPE_COUNTRY, SCOPE_SITE, SCOPE_STUDY
from simulation.engines.plan_allocation import MINIMIZED, Allocation, ArmSupply, Minimization
from simulation.engines.plan_arrays import Ints, floats, ints
from simulation.engines.plan_of_visits import levels_of, row_at
from simulation.scenario import Scenario

PLACES = ("site", "country", "region")
"""Sources of factors whose level is that of the place."""

SCOPES = {"study": SCOPE_STUDY, "country": SCOPE_COUNTRY, "site": SCOPE_SITE}


class DrawnStrata(NamedTuple):
    """What is drawn of a subject: its levels of the factors that no place states, as factor -> level, and the cumulative shares."""

    levels: list[dict[str, str]]
    cumulative: list[float]


def drawn_strata(protocol: Protocol, scenario: Scenario) -> DrawnStrata:
    """The levels that a subject can have of the event's factors, which are independent, but those that its place states."""
    of_place = {factor.code for factor in protocol.stratification if factor.source in PLACES}
    codes = [code for code in protocol.randomization[0].factors if code not in of_place]
    by_code = {factor.code: [level.code for level in factor.levels] for factor in protocol.stratification}
    drawn = [dict(zip(codes, each, strict=True)) for each in product(*(by_code[code] for code in codes))]
    shares = [
        prod(scenario.population.strata[factor].get(level, 0.0) for factor, level in levels.items())
        for levels in drawn
    ]
    return DrawnStrata(drawn, [*list(accumulate(shares))[:-1], 1.0])


def allocation_of(protocol: Protocol, drawn: DrawnStrata) -> tuple[Allocation, Ints, tuple[int, ...]]:
    """The allocation of the first event, its ratio, and the lengths of its blocks or sequences (none: it has neither)."""
    event = protocol.randomization[0]
    ratio = event_ratio(protocol, event)
    arms = [arm.code for arm in protocol.arms]
    shares = tuple(share for _, share in ratio)
    groups, group_count = _groups(protocol, drawn)
    is_adaptive = event.method in COVARIATE_ADAPTIVE
    design = None
    if not is_adaptive:
        design = RestrictedDesign(event.method, shares, event.parameters, event.block_sizes)
    table = None if design is None else design.table()
    method = MINIMIZED if design is None else design.rule.code
    central = event.block_assignment == "dynamic"
    allocation = Allocation(
        method=method,
        live=event.draws_live,
        plain=method == PERMUTED_BLOCK and not central and event.forced == event.supply_gate == "none",
        arms=ints([arms.index(arm) for arm, _ in ratio]),
        arm_count=len(ratio),
        parameters=floats([] if design is None else design.numbers()),
        table=floats([] if table is None else table.reshape(-1)),
        table_rows=0 if table is None else table.shape[0],
        table_columns=0 if table is None else table.shape[1],
        group=ints(groups),
        groups=group_count,
        central=central,
    )
    return allocation, ints(shares), () if design is None else design.sizes


def _groups(protocol: Protocol, drawn: DrawnStrata) -> tuple[list[list[int]], int]:
    """By site and drawn stratum the run of the subject, and how many runs there are: strata within holders."""
    event = protocol.randomization[0]
    strata = strata_of(protocol, event)
    of_site = [_holder(protocol, site) for site in protocol.sites]
    holders = holders_of(protocol)
    groups = []
    for site, holder in zip(protocol.sites, of_site, strict=True):
        of_place = levels_of_site(protocol, site)
        places = [strata.index(_full(event.factors, levels | of_place)) for levels in drawn.levels]
        groups.append([holders.index(holder) * len(strata) + place for place in places])
    return groups, len(strata) * len(holders)


def holders_of(protocol: Protocol) -> list[str]:
    """Who holds runs of the first event, in the order of the groups: countries, regions, sites, or nobody in particular."""
    event = protocol.randomization[0]
    if event.held_by == "country":
        return [country.code for country in protocol.countries]
    return list(dict.fromkeys(_holder(protocol, site) for site in protocol.sites))


def _holder(protocol: Protocol, site: Site) -> str:
    held_by = protocol.randomization[0].held_by
    country = protocol.country(site.country)
    region = "" if country is None or country.region is None else country.region
    return {"site": site.code, "country": site.country, "region": region, "stratum": ""}[held_by]


def levels_of_site(protocol: Protocol, site: Site) -> dict[str, str]:
    """The levels of the factors that the site, its country or its region states."""
    country = protocol.country(site.country)
    region = "" if country is None or country.region is None else country.region
    of_place = {"site": site.code, "country": site.country, "region": region}
    return {
        factor.code: of_place[factor.source]
        for factor in protocol.stratification
        if factor.source in of_place
    }


def _full(factors: tuple[str, ...], levels: dict[str, str]) -> dict[str, str]:
    return {code: levels[code] for code in factors}


def minimization_of(protocol: Protocol, drawn: DrawnStrata) -> Minimization:
    """The minimization of the first event; an empty one where it does not minimize."""
    event = protocol.randomization[0]
    if event.method not in COVARIATE_ADAPTIVE:
        nothing = ints([])
        return Minimization(0, 0, 0, nothing, floats([]), nothing, nothing, 0, False, 0.0, 0)
    design = minimization_settings(protocol, event, event_ratio(protocol, event)).design()
    strata = strata_of(protocol, event)
    by_code = {factor.code: [level.code for level in factor.levels] for factor in protocol.stratification}
    first = [1 + len(strata)]
    for code in event.factors:
        first.append(first[-1] + len(by_code[code]))
    margin = []
    for site in protocol.sites:
        of_place = levels_of_site(protocol, site)
        for levels in drawn.levels:
            own = _full(event.factors, levels | of_place)
            places = [start + by_code[code].index(own[code]) for start, code in zip(first, own, strict=False)]
            margin.append([0, 1 + strata.index(own), *places])
    return Minimization(
        units=len(design.unit_ratio),
        rows=2 + len(event.factors),
        margins=first[-1],
        margin=ints(margin),
        weights=floats(design.weights),
        shares=ints(design.unit_ratio),
        arm_of_unit=ints(design.arm_of_unit),
        measure=MEASURE_CODES[design.measure],
        by_rank=design.chance is ChanceRule.RANK,
        probability=design.probability,
        simple_first=design.simple_first,
    )


def arm_supply_of(protocol: Protocol, scenario: Scenario, allocation: Allocation) -> ArmSupply:
    """What the event asks of a site's stock: the kits of the first dispensing at or after its visit (commands/arm_supply.py)."""
    event = protocol.randomization[0]
    mode = FORCED_CODES[ForcedMode(event.forced)]
    gate = GATE_CODES[SupplyGate(event.supply_gate)]
    if event.forced == "FR0a":
        gate = GATE_CODES[SupplyGate.ALL_KIT_TYPES]
    kit_types = [kit_type.code for kit_type in protocol.kit_types]
    asked = [int(code in event.gate_kit_types) for code in kit_types]
    starts, needed = [0], []
    for arm in allocation.arms:
        for kit_type, kits in _first_kits(protocol, int(arm)):
            place = kit_types.index(kit_type)
            needed.append((place, kits))
            asked[place] = max(asked[place], kits)
        starts.append(len(needed))
    caps = [cap for cap in protocol.caps if cap.kind == "forced_randomization"]
    ratio = event_ratio(protocol, event)
    return ArmSupply(
        looked_at=mode != NONE or event.supply_gate != "none",
        gate=gate,
        asked=ints(asked),
        chosen=ints([code in event.gate_kit_types for code in kit_types]),
        forced=mode,
        needed_start=ints(starts),
        needed_kit_type=ints([kit_type for kit_type, _ in needed]),
        needed_kits=ints([kits for _, kits in needed]),
        shares=floats([share for _, share in ratio]),
        caps=len(caps),
        cap_scope=ints([SCOPES[cap.scope] for cap in caps]),
        cap_place=ints([place_of(protocol, cap) for cap in caps]),
        cap_limit=ints([cap.limit for cap in caps]),
        wait_days=scenario.screening.supply_wait_days,
    )


def place_of(protocol: Protocol, cap: Cap) -> int:
    """Which country or site a cap is on; 0 for the study."""
    places = {
        "study": [""],
        "country": [country.code for country in protocol.countries],
        "site": [site.code for site in protocol.sites],
    }
    return places[cap.scope].index(cap.key)


def _first_kits(protocol: Protocol, arm: int) -> tuple[tuple[str, int], ...]:
    """What the first dispensing visit at or after the event's hands out in an arm, at the dose level that it starts on."""
    at = protocol.visit(protocol.randomization[0].visit)
    later = sorted(
        (one for one in protocol.visits if one.dispensing and at is not None and one.number >= at.number),
        key=lambda one: one.number,
    )
    if not later:
        return ()
    chosen = protocol.arms[arm]
    start = chosen.start_dose_level or levels_of(protocol)[0]
    level = scheduled_dose_level(protocol, chosen.code, start, later[0].code)
    row = row_at(dispensing_rows(protocol), later[0], chosen.code, level)
    return () if row is None else row.kits

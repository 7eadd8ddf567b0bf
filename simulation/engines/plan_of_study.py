"""A protocol and a scenario as a plan. Windows, parameters and lead times are asked of allocation.study, never repeated here."""

from __future__ import annotations

import numpy as np

from allocation.study.parameters import lead_time_days
from allocation.study.protocol import Protocol
from allocation.study.supply import Site, stays_valid
from simulation.engines.day_laws import LawTables
from simulation.engines.parameter_periods import held_parameters
from simulation.engines.plan import (
    NOT_LEAVING,
    Calendar,
    Caps,
    Costs,
    Kits,
    Lanes,
    Lots,
    Names,
    Sites,
    Subjects,
    TrialPlan,
)
from simulation.engines.plan_arrays import floats, ints
from simulation.engines.plan_disruptions import Outages
from simulation.engines.plan_of_allocation import (
    SCOPES,
    allocation_of,
    arm_supply_of,
    drawn_strata,
    minimization_of,
    place_of,
)
from simulation.engines.plan_of_buffers import bands_of
from simulation.engines.plan_of_disruptions import closings_of, outages_of
from simulation.engines.plan_of_excursions import excursions_of
from simulation.engines.plan_of_ordering import ordering_of
from simulation.engines.plan_of_production import (
    days_from_start,
    laws_by_lot,
    lots_in_order,
    production_of,
)
from simulation.engines.plan_of_refills import refills_of
from simulation.engines.plan_of_replacing import replacing_of
from simulation.engines.plan_of_resupply import resupply_of
from simulation.engines.plan_of_visits import doses_of, visits_of, visits_of_plan
from simulation.engines.plan_present import nothing_yet
from simulation.engines.recruitment_patterns import arrival_patterns
from simulation.engines.refusals import refuse_what_engines_lack
from simulation.production import LotArrival
from simulation.scenario import DAYS_PER_MONTH, Scenario
from simulation.streams import word_of


def plan_of(protocol: Protocol, scenario: Scenario) -> TrialPlan:
    """The plan of the trial. Raises NotSimulated, which names the field, for what the engines do not play."""
    refuse_what_engines_lack(protocol)
    tables = LawTables()
    sites = _sites(protocol, scenario, tables)
    visits = visits_of_plan(protocol, scenario, tables)
    outages = outages_of(protocol, scenario)
    lanes = _lanes(protocol, scenario, tables, outages.longest)
    excursions = excursions_of(protocol, scenario, tables)
    production = production_of(protocol, scenario, tables)
    kits, lots = _kits_and_lots(protocol, scenario, outages)
    screened = min(
        (cap.limit for cap in protocol.caps if cap.scope == "study" and cap.kind != "forced_randomization"),
        default=1 << 30,
    )
    expected = min(screened, int(2 * sites.rate.sum() * scenario.duration_days)) + 64
    drawn = drawn_strata(protocol, scenario)
    allocation, ratio, block_sizes = allocation_of(protocol, drawn)
    subjects = Subjects(
        ratio=ratio,
        block_sizes=ints(block_sizes),
        block_size_count=len(block_sizes),
        strata=floats([0.0, *drawn.cumulative]),
        stratum_count=len(drawn.cumulative),
        screening_law=tables.add(scenario.screening.duration_days),
        longest_screening=_or_none(protocol.screening.max_days_to_randomization),
        failure=scenario.screening.failure_probability,
        per_visit_drop_out=scenario.drop_out.per_visit_probability,
        drop_out_law=ints([_drop_out_law(scenario, arm.code, tables) for arm in protocol.arms]),
        leaves_unserved=scenario.drop_out.after_missed_dispensing_probability,
    )
    supply = arm_supply_of(protocol, scenario, allocation)
    ordering = ordering_of(protocol, scenario, tables)
    replacing = replacing_of(protocol, scenario, tables)
    delays = [scenario.shipping.delay_to(depot.country) for depot in protocol.depots]
    refills = refills_of(protocol, scenario, delays, int(lanes.lead_days.max(initial=0)), tables)
    if refills.order:
        refills = refills._replace(slots=refills.slots + 2 * outages.longest)
    laws = tables.laws()
    return TrialPlan(
        calendar=Calendar(
            scenario.starts_on.toordinal(),
            scenario.duration_days,
            -(-scenario.duration_days // 7),
            scenario.starts_on.weekday(),
        ),
        laws=laws,
        sites=sites,
        subjects=subjects,
        caps=_caps(protocol),
        visits=visits,
        doses=doses_of(protocol, scenario),
        kits=kits,
        lots=lots,
        production=production,
        lanes=lanes,
        excursions=excursions,
        resupply=resupply_of(protocol, scenario),
        ordering=ordering,
        bands=bands_of(held_parameters(protocol, scenario)),
        refills=refills,
        costs=Costs(
            scenario.costs.storage_per_kit_month / DAYS_PER_MONTH,
            scenario.costs.destruction_per_kit,
            scenario.costs.lost_subject,
        ),
        allocation=allocation,
        arm_supply=supply,
        minimization=minimization_of(protocol, drawn),
        replacing=replacing,
        outages=outages,
        closings=closings_of(protocol, scenario, allocation, supply, replacing),
        depots=len(protocol.depots),
        arms=len(protocol.arms),
        subjects_expected=max(expected, 64),
        present=nothing_yet(),
    )


def names_of(protocol: Protocol, scenario: Scenario) -> Names:
    """What the indexes of `plan_of` stand for."""
    return Names(
        sites=tuple(site.code for site in protocol.sites),
        depots=tuple(depot.code for depot in protocol.depots),
        arms=tuple(arm.code for arm in protocol.arms),
        kit_types=tuple(kit_type.code for kit_type in protocol.kit_types),
        lots=tuple(lot.code for lot in lots_in_order(protocol, scenario)),
        visits=tuple(visit.code for visit in visits_of(protocol)),
    )


def depot_of(protocol: Protocol, site: Site) -> str:
    """The depot that supplies a site: its own, else its country's."""
    country = protocol.country(site.country)
    return site.depot or (country.depot if country is not None else "")


def _sites(protocol: Protocol, scenario: Scenario, tables: LawTables) -> Sites:
    recruitment = scenario.recruitment
    countries = [country.code for country in protocol.countries]
    depots = [depot.code for depot in protocol.depots]
    rates = [
        recruitment.screened_per_site_month
        / DAYS_PER_MONTH
        * recruitment.country_factors.get(site.country, 1.0)
        * recruitment.profile_factors.get(site.profile or "", 1.0)
        for site in protocol.sites
    ]
    return Sites(
        words=np.array([word_of(site.code) for site in protocol.sites], dtype=np.uint64),
        country=ints([countries.index(site.country) for site in protocol.sites]),
        depot=ints([depots.index(depot_of(protocol, site)) for site in protocol.sites]),
        planned_day=ints(
            [
                days_from_start(site.planned_activation or scenario.starts_on, scenario)
                for site in protocol.sites
            ]
        ),
        rate=floats(rates),
        gamma_shape=recruitment.gamma_shape or 0.0,
        opening_law=tables.add(scenario.activation.delay_days),
        never_opens=scenario.activation.never_probability,
        weekdays=recruitment.weekdays_only,
        **arrival_patterns(protocol, scenario),
    )


def _caps(protocol: Protocol) -> Caps:
    caps = [cap for cap in protocol.caps if cap.kind != "forced_randomization"]
    return Caps(
        size=len(caps),
        on_randomized=ints([cap.kind == "randomization" for cap in caps]),
        scope=ints([SCOPES[cap.scope] for cap in caps]),
        place=ints([place_of(protocol, cap) for cap in caps]),
        limit=ints([cap.limit for cap in caps]),
        refuses=ints([cap.at_cap == "refuse" for cap in caps]),
    )


def _or_none(days: int | None) -> int:
    return -1 if days is None else days


def _drop_out_law(scenario: Scenario, arm: str, tables: LawTables) -> int:
    """The law of the days from randomization to drop-out; its last value is after the scenario's end."""
    shares = drop_out_shares(scenario, arm, scenario.duration_days)
    return tables.add_shares(1, shares) if shares else NOT_LEAVING


def drop_out_shares(scenario: Scenario, arm: str, days: int) -> list[float]:
    """The probabilities of leaving on day 1, 2, ... `days` after randomization, and later, by the monthly ones; empty: nobody leaves."""
    monthly = scenario.drop_out.monthly_probability[arm]
    if monthly == 0:
        return []
    shares, survival = [], 1.0
    for day in range(2, days + 2):
        periods = scenario.drop_out.periods
        factor = next((period.factor for period in periods if day <= period.until_day), 1.0)
        left = survival * (1 - min(monthly * factor, 1.0)) ** (1 / DAYS_PER_MONTH)
        shares.append(survival - left)
        survival = left
    return [*shares, survival]


def _kits_and_lots(protocol: Protocol, scenario: Scenario, outages: Outages) -> tuple[Kits, Lots]:
    ordered, drawn = lots_in_order(protocol, scenario), laws_by_lot(scenario)
    codes = [kit_type.code for kit_type in protocol.kit_types]
    of_type = [codes.index(lot.kit_type) for lot in ordered]
    depots = [depot.code for depot in protocol.depots]
    arrivals = sorted(
        (
            _arrives(scenario, arrival, depots.index(arrival.depot), outages),
            index,
            depots.index(arrival.depot),
            arrival.kits,
        )
        for index, lot in enumerate(ordered)
        for arrival in lot.arrivals
        if lot.code not in drawn
    )
    windows = [kit_type.expiry for kit_type in protocol.kit_types]
    groups = [kit_type.blinding_group for kit_type in protocol.kit_types]
    kits = Kits(
        size=len(codes),
        dns_days=ints([one.dns_days for one in windows]),
        dnc_days=ints([one.dnc_days for one in windows]),
        dnd_days=ints([one.dnd_days for one in windows]),
        cost=floats([float(kit_type.cost or 0) for kit_type in protocol.kit_types]),
        stays_valid=ints([stays_valid(protocol, kit_type) for kit_type in protocol.kit_types]),
        block_size=ints([kit_type.block_size for kit_type in protocol.kit_types]),
        several=ints([groups.count(kit_type.blinding_group) > 1 for kit_type in protocol.kit_types]),
        lot_start=ints([sum(one < index for one in of_type) for index in range(len(codes) + 1)]),
    )
    lots = Lots(
        size=len(ordered),
        kit_type=ints(of_type),
        expiry_ordinal=ints([lot.expires_on.toordinal() for lot in ordered]),
        # What a running study still has in stock of a lot that has expired is turned over on the first day.
        expiry_day=ints([max(days_from_start(lot.expires_on, scenario), 0) for lot in ordered]),
        countries=len(protocol.countries),
        released=ints(
            [
                [not {"*", country.code}.isdisjoint(lot.released_for) for country in protocol.countries]
                for lot in ordered
            ]
        ),
        arrival_lot=ints([lot for _, lot, _, _ in arrivals]),
        arrival_depot=ints([depot for _, _, depot, _ in arrivals]),
        arrival_day=ints([max(day, 0) for day, _, _, _ in arrivals]),
        arrival_kits=ints([count for _, _, _, count in arrivals]),
    )
    return kits, lots


def _arrives(scenario: Scenario, arrival: LotArrival, depot: int, outages: Outages) -> int:
    """The day of an arrival; what is there when the trial begins is not held up by an outage."""
    day = days_from_start(arrival.on, scenario)
    return int(outages.arrives[depot, day]) if outages.any and 0 < day < scenario.duration_days else day


def _lanes(protocol: Protocol, scenario: Scenario, tables: LawTables, longest_outage: int) -> Lanes:
    lead, laws, costs, co2 = [], [], [], []
    holds, customs = [], []
    for site in protocol.sites:
        depot = depot_of(protocol, site)
        days = lead_time_days(protocol, depot, site.country, site.code)
        lead.append(days)
        delay = scenario.shipping.delay_to(site.country)
        laws.append(tables.add(delay.days))
        holds.append(delay.customs_hold_probability)
        customs.append(tables.add(delay.customs_hold_days))
        lanes = [lane for lane in protocol.lanes if lane.depot == depot]
        own = [lane for lane in lanes if lane.site == site.code]
        lane = (own or [lane for lane in lanes if lane.country == site.country])[0]
        costs.append(float(lane.cost or 0))
        co2.append(scenario.shipping.co2_kg_per_shipment.get(depot, 0.0))
    shipping = scenario.shipping
    dispatch, approval = tables.add(shipping.dispatch_days), tables.add(shipping.approval_days)
    longest = max(
        (
            max(one + tables.largest(law), 0) + tables.largest(hold)
            for one, law, hold in zip(lead, laws, customs, strict=True)
        ),
        default=0,
    )
    return Lanes(
        lead_days=ints(lead),
        delay_law=ints(laws),
        customs_hold=floats(holds),
        customs_law=ints(customs),
        cost=floats(costs),
        co2_kg=floats(co2),
        dispatch_law=dispatch,
        weekdays=shipping.weekday_receipt,
        lost=shipping.lost_probability,
        damaged=shipping.damaged_probability,
        longest_days=max(longest, 0)
        + tables.largest(dispatch)
        + tables.largest(approval)
        + longest_outage
        + 5,
    )

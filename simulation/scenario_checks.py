"""Can a scenario be played with its protocol: do its names exist there, and is what it assumes possible at all."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from allocation.study.doubts import warnings
from allocation.study.inconsistency import Findings, Inconsistency, Path, path_text
from allocation.study.refilled_depots import refilled_depots
from simulation.disruption_checks import check_disruptions
from simulation.production_checks import (
    check_production,
    last_useful_arrival,
    shortest_lead_time,
    shortest_wait,
)

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from simulation.day_law import DayLaw
    from simulation.production import LotPlan
    from simulation.scenario import Scenario

SEX_TERMS = ("F", "M", "U", "INTERSEX")
"""SDTM codelist C66731, which is not extensible."""


def scenario_inconsistencies(scenario: Scenario, protocol: Protocol) -> list[Inconsistency]:
    """Everything that stops `scenario` from being played with `protocol`, in the order of the document."""
    findings = Findings()
    _check_days(scenario, findings)
    _check_recruitment(scenario, protocol, findings)
    _check_subjects(scenario, protocol, findings)
    _check_drop_out(scenario, protocol, findings)
    _check_replacement(scenario, protocol, findings)
    _check_titration(scenario, protocol, findings)
    _check_shipping(scenario, protocol, findings)
    _check_excursions(scenario, protocol, findings)
    _check_lots(scenario, protocol, findings)
    check_production(scenario, protocol, findings)
    check_disruptions(scenario, protocol, findings)
    _check_visit_windows(scenario, protocol, findings)
    return findings.found


def _check_days(scenario: Scenario, findings: Findings) -> None:
    """Laws of days that cannot be below 0, as what they tell of would come before what it follows."""
    laws: list[tuple[Path, DayLaw, str]] = [
        (("screening", "duration_days"), scenario.screening.duration_days, "a subject is screened"),
        (("visits", "late_days"), scenario.visits.late_days, "the visit's window closes"),
        (("replacement", "days"), scenario.replacement.days, "the subject leaves whose place is taken"),
        (("shipping", "approval_days"), scenario.shipping.approval_days, "the order is made"),
        (("shipping", "dispatch_days"), scenario.shipping.dispatch_days, "the order is made"),
    ]
    for index, delay in enumerate(scenario.shipping.lane_delays):
        path: Path = ("shipping", "lane_delays", index, "customs_hold_days")
        laws.append((path, delay.customs_hold_days, "customs begin to hold the shipment"))
    for path, law, before in laws:
        if law.min_days < 0:
            findings.add((*path, "min_days"), law.min_days, f"is before {before}", "give 0 or more days")


def _check_recruitment(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    countries = [country.code for country in protocol.countries]
    sites = [site.code for site in protocol.sites]
    profiles = [profile.code for profile in protocol.supply.profiles]
    recruitment = scenario.recruitment
    for code in recruitment.country_factors:
        findings.name(("recruitment", "country_factors", code), code, countries, "country")
    for code in recruitment.profile_factors:
        findings.name(("recruitment", "profile_factors", code), code, profiles, "site profile")
    for index, pause in enumerate(recruitment.pauses):
        findings.name(("recruitment", "pauses", index, "country"), pause.country, countries, "country")
        findings.name(("recruitment", "pauses", index, "site"), pause.site, sites, "site")
        there = [site.country for site in protocol.sites if site.code == pause.site]
        if pause.country is not None and there and pause.country not in there:
            findings.add(
                ("recruitment", "pauses", index, "country"),
                pause.country,
                f"is not the country of site {pause.site}, so that nothing would pause",
                "give the site, or the country",
            )
    for index, change in enumerate(recruitment.rate_changes):
        findings.name(("recruitment", "rate_changes", index, "country"), change.country, countries, "country")
        findings.name(("recruitment", "rate_changes", index, "site"), change.site, sites, "site")
    if not sites:
        findings.add(
            ("protocol",), scenario.protocol, "has no site", "add the sites that recruit to the protocol"
        )


def _check_subjects(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    criteria = [criterion.code for criterion in protocol.criteria]
    for code in scenario.screening.failed_criteria:
        findings.name(("screening", "failed_criteria", code), code, criteria, "criterion")
    limit = protocol.screening.max_days_to_randomization
    duration = scenario.screening.duration_days
    if limit is not None and duration.min_days > limit:
        findings.add(
            ("screening", "duration_days", "min_days"),
            duration.min_days,
            f"is beyond the protocol's max_days_to_randomization {limit}, so that nobody could be randomized",
            "shorten it",
        )
    event = protocol.randomization[0]
    if scenario.screening.supply_wait_days and event.supply_gate == event.forced == "none":
        findings.add(
            ("screening", "supply_wait_days"),
            scenario.screening.supply_wait_days,
            f"would be ignored: {event.code} has neither a supply gate nor forced randomization, so nobody is refused for supply",
            "leave it out, or set supply_gate or forced in the protocol",
        )
    population = scenario.population
    for sex in population.sex:
        findings.name(
            ("population", "sex", sex), sex, SEX_TERMS, "term of the SDTM codelist for sex, hence no share"
        )
    for code in population.race_by_country:
        findings.name(
            ("population", "race_by_country", code), code, [one.code for one in protocol.countries], "country"
        )
    path: Path = ("population", "strata")
    factors = {
        factor.code: factor for factor in protocol.stratification if factor.source in ("entered", "edc")
    }
    for code, shares in population.strata.items():
        if findings.name((*path, code), code, list(factors), "stratification factor that is entered"):
            levels = [level.code for level in factors[code].levels]
            for level in shares:
                findings.name((*path, code, level), level, levels, f"level of factor {code}, hence no share,")
    for code in [code for code in factors if code not in population.strata]:
        findings.add(
            path,
            code,
            "is a stratification factor without shares",
            f"add {code} with the share of each level",
        )


def _check_drop_out(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    arms = [arm.code for arm in protocol.arms]
    path: Path = ("drop_out", "monthly_probability")
    for code in scenario.drop_out.monthly_probability:
        findings.name((*path, code), code, arms, "arm")
    for code in [code for code in arms if code not in scenario.drop_out.monthly_probability]:
        findings.add(path, code, "is an arm without a drop-out probability", "add it (0 where nobody leaves)")
    visit = scenario.drop_out.visit
    findings.name(
        ("drop_out", "visit"), visit, [one.code for one in protocol.visits if one.optional], "optional visit"
    )
    days = [period.until_day for period in scenario.drop_out.periods]
    if days != sorted(set(days)):
        findings.add(("drop_out", "periods"), days, "are not in ascending order of until_day", "sort them")


def _check_replacement(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    if scenario.replacement.probability > 0 and protocol.screening.replacement == "none":
        findings.add(
            ("replacement", "probability"),
            scenario.replacement.probability,
            "is assumed, but the protocol replaces nobody (screening.replacement: none)",
            "set it to 0, or let the protocol replace subjects (next_entry or same_arm)",
        )
    if scenario.visits.kit_replaced_probability > 0 and not protocol.dosing.replacement:
        findings.add(
            ("visits", "kit_replaced_probability"),
            scenario.visits.kit_replaced_probability,
            "is assumed, but the protocol replaces no kits (dosing.replacement: false)",
            "set it to 0, or let the protocol replace kits",
        )


def _check_titration(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    levels = [level.code for level in protocol.dose_levels]
    for index, moves in enumerate(scenario.titration):
        findings.name(("titration", index, "dose_level"), moves.dose_level, levels, "dose level")
        findings.name(("titration", index, "arm"), moves.arm, [arm.code for arm in protocol.arms], "arm")
    if not any(titration.kind == "investigator" for titration in protocol.titration):
        return
    for arm in protocol.arms:
        for level in levels if arm.start_dose_level is not None else []:
            if not any(
                moves.dose_level in (None, level) and moves.arm in (None, arm.code)
                for moves in scenario.titration
            ):
                findings.add(
                    ("titration",),
                    f"arm {arm.code} at {level}",
                    "has no probabilities for its dose moves",
                    "add an entry (without dose_level and arm it is for all)",
                )


def _check_shipping(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    refilled = refilled_depots(protocol)
    ends = [country.code for country in protocol.countries]
    ends += [depot.country for depot in protocol.depots if depot.code in refilled]
    countries = list(dict.fromkeys(ends))
    depots = [depot.code for depot in protocol.depots]
    delays = scenario.shipping.lane_delays
    for index, delay in enumerate(delays):
        findings.name(("shipping", "lane_delays", index, "country"), delay.country, countries, "country")
    findings.unique(
        ("shipping", "lane_delays"), [delay.country or "(every other)" for delay in delays], "entry"
    )
    covered = {delay.country for delay in delays}
    for code in [code for code in countries if code not in covered and None not in covered]:
        findings.add(
            ("shipping", "lane_delays"), code, "is a country without a delay", "add an entry without country"
        )
    approval = scenario.shipping.approval_days
    if approval.min_days >= 0 and approval != type(approval)() and protocol.supply.order_approval != "all":
        findings.add(
            ("shipping", "approval_days"),
            approval.law,
            f"is for orders that wait, and the protocol's order_approval is {protocol.supply.order_approval}",
            "leave it out, or set supply.order_approval of the protocol to all",
        )
    for code in scenario.shipping.co2_kg_per_shipment:
        findings.name(("shipping", "co2_kg_per_shipment", code), code, depots, "depot")


def _check_excursions(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    excursions = scenario.excursions
    known = [kit_type.code for kit_type in protocol.kit_types]
    findings.unique(("excursions", "kit_types"), list(excursions.kit_types), "kit type")
    for index, code in enumerate(excursions.kit_types):
        findings.name(("excursions", "kit_types", index), code, known, "kit type")
    if excursions.review_days.min_days < 1:
        findings.add(
            ("excursions", "review_days", "min_days"),
            excursions.review_days.min_days,
            "would let kits leave quarantine on the day on which they come into it, or before",
            "give 1 or more",
        )


def _check_visit_windows(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    """Visits whose windows overlap or whose days are out of order have no order in which they could be played."""
    for doubt in warnings(protocol):
        if doubt.path[:1] == ("visits",) and doubt.path[-1] in ("window_before", "target_day"):
            findings.add(
                ("protocol",),
                scenario.protocol,
                f"has a visit that cannot be played: {path_text(doubt.path)}, {doubt.value} {doubt.message}",
                "in the protocol, narrow a window or move a day",
            )


def _check_lots(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    kit_types = {kit_type.code: kit_type for kit_type in protocol.kit_types}
    countries = [country.code for country in protocol.countries]
    findings.unique(("lots",), [lot.code for lot in scenario.lots], "code", "code")
    for index, lot in enumerate(scenario.lots):
        path: Path = ("lots", index)
        findings.name((*path, "kit_type"), lot.kit_type, list(kit_types), "kit type")
        for at, code in enumerate(lot.released_for):
            if code != "*":
                findings.name((*path, "released_for", at), code, countries, "country")
        if lot.expires_on <= lot.manufactured_on:
            findings.add(
                (*path, "expires_on"),
                lot.expires_on,
                f"is not after manufactured_on {lot.manufactured_on}",
                "correct one of the two",
            )
        _check_arrivals(lot, scenario.starts_on, protocol, path, findings)
    _check_reach(scenario, protocol, findings)


def _check_arrivals(
    lot: LotPlan, starts_on: date, protocol: Protocol, path: Path, findings: Findings
) -> None:
    depots = [depot.code for depot in protocol.depots]
    kit_type = protocol.kit_type(lot.kit_type)
    for at, arrival in enumerate(lot.arrivals):
        here: Path = (*path, "arrivals", at)
        known = findings.name((*here, "depot"), arrival.depot, depots, "depot")
        if arrival.on < lot.manufactured_on:
            findings.add(
                (*here, "on"), arrival.on, f"is before the lot is made, {lot.manufactured_on}", "correct it"
            )
        if not known or kit_type is None:
            continue
        shortest = shortest_lead_time(protocol, arrival.depot)
        last = last_useful_arrival(protocol, kit_type, arrival.depot, lot.expires_on)
        why = (
            f"(DNS {kit_type.expiry.dns_days} days, lead time {shortest}): no site could ever get a kit of it"
        )
        if last < arrival.on + timedelta(days=shortest_wait(lot)):
            findings.add(
                (*here, "on"),
                arrival.on,
                f"is too late for the expiry {lot.expires_on} {why}",
                "let it arrive earlier, or expire later",
            )
        elif at == 0 and last < starts_on:
            findings.add(
                (*path, "expires_on"),
                lot.expires_on,
                f"is too early for the start of the scenario, {starts_on} {why}",
                "leave the lot out, or correct the date",
            )


def _check_reach(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    """Every depot that supplies sites has each dispensed kit type on the first day, or one that refills it has, released for each of its
    countries."""
    dispensed = {kit for entry in protocol.dispensing for kit in entry.kit_types}
    depots_of: dict[tuple[str, str], date] = {}
    for country in protocol.countries:
        for site in [site for site in protocol.sites if site.country == country.code]:
            opens = site.planned_activation or scenario.starts_on
            key = (site.depot or country.depot, country.code)
            depots_of[key] = min(opens, depots_of.get(key, opens))
    refilled = refilled_depots(protocol)
    supplied_by = {one.code: one.supplied_by for one in protocol.depots if one.code in refilled}

    def above(code: str | None) -> list[str]:
        return [] if code is None else [code, *above(supplied_by.get(code))]

    for (depot, country_code), opens in depots_of.items():
        for kit_type in sorted(dispensed):
            if not any(
                lot.kit_type == kit_type
                and ("*" in lot.released_for or country_code in lot.released_for)
                and any(
                    arrival.depot in above(depot) and arrival.on + timedelta(days=shortest_wait(lot)) <= opens
                    for arrival in lot.arrivals
                )
                for lot in scenario.lots
            ):
                findings.add(
                    ("lots",),
                    kit_type,
                    f"is not at depot {depot} for {country_code} when its first site opens ({opens})",
                    "add a lot that arrives there in time and is released for the country; campaigns come later",
                )

"""Can what a scenario plans to produce ever reach a site: campaigns, and lots that wait for their release."""

from __future__ import annotations

from datetime import date, timedelta
from math import isclose
from typing import TYPE_CHECKING

from allocation.rules.expiry import ExpiryWindows, last_ship_date
from allocation.study.inconsistency import Findings, Path
from allocation.study.model import is_code

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.supply import KitType
    from simulation.production import Campaign, LotPlan
    from simulation.scenario import Scenario

MOST_RUNS = 200
"""Runs of a campaign: each is a lot of its own."""


def check_production(scenario: Scenario, protocol: Protocol, findings: Findings) -> None:
    """Add what is wrong with the campaigns and with the waits of lots for their release."""
    for index, lot in enumerate(scenario.lots):
        if lot.release_delay_days is not None and lot.release_delay_days.min_days < 0:
            findings.add(
                ("lots", index, "release_delay_days", "min_days"),
                lot.release_delay_days.min_days,
                "would release a lot before it arrives",
                "give 0 or more",
            )
    taken = [lot.code for lot in scenario.lots]
    for index, campaign in enumerate(scenario.campaigns):
        path: Path = ("campaigns", index)
        if not _has_runs(campaign, scenario, path, findings) or not _has_kits(
            campaign, protocol, path, findings
        ):
            continue
        codes = [lot.code for lot in campaign.lots()]
        for code in [code for code in codes if code in taken]:
            findings.add(
                (*path, "code"), code, "is the code of another lot, too", "give the campaign another code"
            )
        taken += codes
        _check_names(campaign, protocol, path, findings)
        _check_shelf_life(campaign, protocol, path, findings)


def _has_runs(campaign: Campaign, scenario: Scenario, path: Path, findings: Findings) -> bool:
    """Whether it begins in time, not too often, and takes no days that are below 0."""
    before = len(findings.found)
    ends = scenario.starts_on + timedelta(days=scenario.duration_days)
    if campaign.starts_on >= ends:
        findings.add(
            (*path, "starts_on"),
            campaign.starts_on,
            f"is after the scenario's last day, {ends - timedelta(days=1)}",
            "begin earlier, or leave the campaign out",
        )
    if campaign.until is not None and campaign.until < campaign.starts_on:
        findings.add(
            (*path, "until"),
            campaign.until,
            f"is before starts_on {campaign.starts_on}",
            "swap or correct the two days",
        )
    elif len(campaign.begins()) > MOST_RUNS:
        findings.add(
            (*path, "every_days"),
            campaign.every_days or 0,
            f"makes {len(campaign.begins())} runs until {campaign.until}; each is a lot, and {MOST_RUNS} are the most",
            "let it run less often, or end earlier",
        )
    elif not is_code(last := campaign.lot_code(len(campaign.begins()))):
        findings.add(
            (*path, "code"),
            campaign.code,
            f"is too long: the last lot would be {last}",
            "give a shorter code",
        )
    for name in ("lead_days", "label_days", "release_days"):
        fewest = getattr(campaign, name).min_days
        if fewest < 0:
            findings.add(
                (*path, name, "min_days"), fewest, "would end before it begins", "give 0 or more days"
            )
    return len(findings.found) == before


def _has_kits(campaign: Campaign, protocol: Protocol, path: Path, findings: Findings) -> bool:
    """Whether it is said, in one way, how many kits go to which depots, and each of these gets some."""
    before = len(findings.found)
    if not campaign.shares and not campaign.kits_by_depot:
        findings.add(
            (*path, "shares"),
            campaign.code,
            "has no depot, so that no kit of it would arrive anywhere",
            "give kits with the shares of depots, or kits_by_depot",
        )
    elif campaign.kits_by_depot and (campaign.shares or campaign.kits is not None):
        findings.add(
            (*path, "kits_by_depot"),
            campaign.code,
            "says twice how many kits go to which depots",
            "give either kits with shares, or kits_by_depot",
        )
    elif campaign.shares and campaign.kits is None:
        findings.add(
            (*path, "kits"), campaign.code, "has shares of no kits", "give kits, how many a run makes"
        )
    elif campaign.shares and not isclose(sum(campaign.shares.values()), 1, abs_tol=1e-6):
        findings.add(
            (*path, "shares"),
            f"{sum(campaign.shares.values()):g}",
            "is the sum of the shares, which is not 1",
            "correct a share",
        )
    else:
        _check_depots(campaign, protocol, path, findings)
    return len(findings.found) == before


def _check_depots(campaign: Campaign, protocol: Protocol, path: Path, findings: Findings) -> None:
    field = "kits_by_depot" if campaign.kits_by_depot else "shares"
    depots = [depot.code for depot in protocol.depots]
    for depot, kits in campaign.kits_at().items():
        findings.name((*path, field, depot), depot, depots, "depot")
        if kits < 1:
            findings.add(
                (*path, field, depot),
                kits,
                f"is how many kits the depot would get of a run, with a yield of {campaign.yield_share:g}",
                "leave the depot out, or make more kits",
            )


def _check_names(campaign: Campaign, protocol: Protocol, path: Path, findings: Findings) -> None:
    kit_types = [kit_type.code for kit_type in protocol.kit_types]
    findings.name((*path, "kit_type"), campaign.kit_type, kit_types, "kit type")
    countries = [country.code for country in protocol.countries]
    for at, code in enumerate(campaign.released_for):
        if code != "*":
            findings.name((*path, "released_for", at), code, countries, "country")


def _check_shelf_life(campaign: Campaign, protocol: Protocol, path: Path, findings: Findings) -> None:
    """A lot must be able to reach a site, from some depot, before it may not be shipped any more."""
    kit_type = protocol.kit_type(campaign.kit_type)
    if kit_type is None:
        return
    released = campaign.starts_on + timedelta(days=campaign.shortest_days)
    expires = campaign.expires(campaign.starts_on)
    last = max(last_useful_arrival(protocol, kit_type, depot, expires) for depot in campaign.kits_at())
    if last < released:
        field = "shelf_life_days" if campaign.shelf_life_days is not None else "shelf_life_months"
        findings.add(
            (*path, field),
            campaign.shelf_life_days or campaign.shelf_life_months or 0,
            f"is too short: a lot that begins on {campaign.starts_on} expires on {expires} and is released on {released} at the earliest, "
            f"when it could not be shipped any more (DNS {kit_type.expiry.dns_days} days and the lead time)",
            "lengthen the shelf life, or shorten lead_days, label_days or release_days",
        )


def shortest_wait(lot: LotPlan) -> int:
    """The fewest days from an arrival of a lot until it may be used."""
    return 0 if lot.release_delay_days is None else lot.release_delay_days.min_days


def shortest_lead_time(protocol: Protocol, depot: str) -> int:
    """Days of the quickest lane from a depot; 0 where it has none."""
    return min((lane.lead_time_days for lane in protocol.lanes if lane.depot == depot), default=0)


def last_useful_arrival(protocol: Protocol, kit_type: KitType, depot: str, expires_on: date) -> date:
    """The last day on which a lot may be at a depot and still reach a site."""
    windows = ExpiryWindows(kit_type.expiry.dns_days, kit_type.expiry.dnc_days, kit_type.expiry.dnd_days)
    return last_ship_date(expires_on, windows) - timedelta(days=shortest_lead_time(protocol, depot))

"""Changes of who is recruited where: rates of screening, and sites more."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from allocation.study.inconsistency import Findings, Path
from forecasting.what_if.change_file import SitesAdded
from forecasting.what_if.documents import Documents
from simulation.scenario import RateChange


def change_recruitment(change: RateChange, documents: Documents, path: Path, findings: Findings) -> None:
    """Multiply the rates of screening; without a date from the scenario's first day on, so that what was before a live start stands."""
    protocol, recruitment = documents.protocol, documents.scenario["recruitment"]
    countries = [country["code"] for country in protocol["countries"]]
    known = findings.name((*path, "country"), change.country, countries, "country")
    sites = [site["code"] for site in protocol["sites"]]
    if not findings.name((*path, "site"), change.site, sites, "site") or not known:
        return
    begins = change.first_day or date.fromisoformat(documents.scenario["starts_on"])
    recruitment["rate_changes"].append({**change.model_dump(mode="json"), "first_day": begins.isoformat()})


def add_sites(change: SitesAdded, documents: Documents, path: Path, findings: Findings) -> None:
    """Add sites after those that are there, so that nobody else's place or random number changes."""
    protocol = documents.protocol
    depots = [depot["code"] for depot in protocol["depots"]]
    profiles = [profile["code"] for profile in protocol["supply"]["profiles"]]
    known = findings.name((*path, "depot"), change.depot, depots, "depot")
    if not findings.name((*path, "profile"), change.profile, profiles, "site profile") or not known:
        return
    there = {country["code"] for country in protocol["countries"]}
    is_new = change.country not in there
    if is_new and not _add_country(change, protocol, path, findings):
        return
    if not is_new:
        for field in ("lead_time_days", "shipment_cost", "timezone"):
            if getattr(change, field) is not None:
                findings.add(
                    (*path, field),
                    getattr(change, field),
                    f"is for a new country, and the protocol has {change.country}",
                    "leave it out, or change its lanes with lead_times",
                )
                return
    taken = {site["code"] for site in protocol["sites"]}
    codes = (code for number in range(1, 10_000) if (code := f"{change.country}-NEW{number}") not in taken)
    opens = change.opens or date.fromisoformat(documents.scenario["starts_on"])
    for number, code in zip(range(change.count), codes, strict=False):
        planned = opens + timedelta(days=number * change.every_days)
        protocol["sites"].append(
            {
                "code": code,
                "name": f"New site {code}",
                "country": change.country,
                "depot": None if is_new else change.depot,
                "profile": change.profile,
                "planned_activation": planned.isoformat(),
            }
        )


def _add_country(change: SitesAdded, protocol: dict[str, Any], path: Path, findings: Findings) -> bool:
    if change.depot is None or change.lead_time_days is None:
        missing = "depot" if change.depot is None else "lead_time_days"
        findings.add(
            (*path, "country"),
            change.country,
            f"is not a country of this protocol, and {missing} is missing",
            f"name a country that it has, or give depot and lead_time_days of {change.country}",
        )
        return False
    zone = next(one["timezone"] for one in protocol["depots"] if one["code"] == change.depot)
    protocol["countries"].append(
        {
            "code": change.country,
            "name": change.country,
            "depot": change.depot,
            "timezone": change.timezone or zone,
        }
    )
    lane = {
        "depot": change.depot,
        "country": change.country,
        "lead_time_days": change.lead_time_days,
        "cost": change.shipment_cost,
    }
    protocol["lanes"].append(lane)
    return True

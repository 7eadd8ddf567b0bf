"""What comes before the first subject: the study file, the sites, lots and kits at their depots, the randomization list."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from allocation.commands import studies
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.lists import UploadedEntry, UploadListRequest, upload_list
from allocation.commands.service import Act, Service
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.study.parameters import lead_time_days
from allocation.study.protocol import Protocol
from simulation.replay.depot_stock import SitePlace, depot_stock, site_place
from simulation.replay.recorded_allocation import AllocatedEntry
from simulation.replay.recorded_facts import Screened
from simulation.replay.recorded_study import RecordedStudy
from simulation.replay.steps import PROJECT_MANAGER, STATISTICIAN, SUPPLY_MANAGER, Step, noon, request_for

LIST_ID = "MRL-RECORDED"
STUDY_FILE, LIST = "study file", "list"
"""The names of the steps that are signed, or whose answer is."""

READY_DAYS = 7
"""Days between the last arrival of first kits at a site and the first subject."""


def site_places(protocol: Protocol, study: RecordedStudy) -> dict[str, SitePlace]:
    """Every site of the recorded study by its code, and where it is. Raises RecordedStudyError for an unknown country."""
    countries = {fact.site: fact.country for fact in study.facts if isinstance(fact, Screened)}
    return {site: site_place(protocol, site, countries[site]) for site in sorted(countries)}


def first_day_of(protocol: Protocol, study: RecordedStudy, places: dict[str, SitePlace]) -> date:
    """The day on which all is set up: long enough before the first subject for the kits to arrive."""
    longest = max(lead_time_days(protocol, one.depot, one.country, one.site) for one in places.values())
    return min(fact.recorded_on for fact in study.facts) - timedelta(days=longest + READY_DAYS + 1)


def preparation(
    protocol: Protocol,
    study: RecordedStudy,
    places: dict[str, SitePlace],
    entries: list[AllocatedEntry],
    first_day: date,
) -> list[Step]:
    """Everything that the service must hold before the first fact, but the list's activation, which signs the upload's answer."""
    at = noon(first_day, "UTC")
    stock = depot_stock(protocol, study, places, first_day)
    steps = [
        Step(
            STUDY_FILE,
            at,
            STATISTICIAN,
            load_study_version,
            studies.LoadStudyVersionRequest(protocol=protocol),
        )
    ]
    known = {one.code for one in protocol.sites}
    for place in places.values():
        where = f"site {place.site}"
        country = None if place.site in known else place.country
        request = request_for(OpenSiteRequest, where, site_id=place.site, country=country)
        steps.append(Step(where, at, PROJECT_MANAGER, open_site, request))
    steps.append(Step("lots", at, SUPPLY_MANAGER, load_lots, LoadLotsRequest(lots=stock.lots)))
    for depot, kits in stock.kits.items():
        loaded = LoadKitsRequest(depot_id=depot, kits=kits)
        steps.append(Step(f"kits of depot {depot}", at, SUPPLY_MANAGER, load_kits, loaded))
    if entries:
        upload = UploadListRequest(
            list_id=LIST_ID, event=protocol.randomization[0].code, entries=_uploaded(entries)
        )
        steps.append(Step(LIST, at, STATISTICIAN, upload_list, upload))
    return steps


def load_study_version(
    service: Service, act: Act, _study_id: str, request: studies.LoadStudyVersionRequest
) -> dict[str, Any]:
    """The command of that name, called like the others: the study is the one that the protocol names."""
    return studies.load_study_version(service, act, request)


def _uploaded(entries: list[AllocatedEntry]) -> tuple[UploadedEntry, ...]:
    return tuple(
        request_for(
            UploadedEntry,
            f"randomization of {entry.subject}",
            line=line,
            holder=entry.holder,
            stratum=entry.stratum,
            sequence=entry.sequence,
            randomization_number=entry.randomization_number,
            arm=entry.arm,
        )
        for line, entry in enumerate(entries, start=1)
    )

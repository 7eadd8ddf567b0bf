"""The routes that read a study in blinded words."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from allocation.api.identity import FARTHEST, RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.inventory import inventory_by_look
from allocation.commands.run_out import run_out_by_site
from allocation.views.blinded.cohorts import CohortList, list_cohorts
from allocation.views.blinded.inventory_models import Inventory
from allocation.views.blinded.overview import DAYS_AHEAD, EVENTS, study_overview
from allocation.views.blinded.overview_models import StudyOverview
from allocation.views.blinded.recalls import RecalledKits, recalled_kits
from allocation.views.blinded.run_out_models import SitesRunOut
from allocation.views.blinded.shipments import ShipmentStatus, list_shipments, shipment_detail
from allocation.views.blinded.stock import site_stock
from allocation.views.blinded.stock_models import ShipmentDetail, ShipmentList, SiteStock
from allocation.views.blinded.studies import StudyListing, list_studies
from allocation.views.blinded.subject_models import ProjectedVisits, SubjectDetail, SubjectList
from allocation.views.blinded.subjects import (
    LONGEST_PAGE,
    PAGE,
    SubjectStatus,
    list_subjects,
    projected_visits,
    subject_detail,
)

SPONSOR = "Sponsor and study team"
SITE_VIEWS = "Site desk"
SUPPLY_VIEWS = "Supply"

router = APIRouter(prefix="/studies")
_REFUSALS = responses(401, 403, 404, 422)


@router.get(
    "",
    response_model=StudyListing,
    tags=[SPONSOR],
    summary="The studies in which you hold a role",
    responses=responses(401),
)
def studies(service: RunningService, actor: WhoAsks) -> StudyListing:
    """Every loaded study in which the caller holds a role, with the roles."""
    return list_studies(service.database, actor)


@router.get(
    "/{study_id}/overview",
    response_model=StudyOverview,
    tags=[SPONSOR],
    summary="A study at a glance",
    responses=_REFUSALS,
)
def overview(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    days_ahead: Annotated[int, Query(ge=0, le=730, description="for the expiries")] = DAYS_AHEAD,
    events: Annotated[int, Query(ge=0, le=200)] = EVENTS,
) -> StudyOverview:
    """Enrolment against plan, stock by place and status, shipments under way, expiries ahead, and the last events."""
    return study_overview(
        service.database, actor, study_id, now=service.clock(), days_ahead=days_ahead, events=events
    )


@router.get(
    "/{study_id}/subjects",
    response_model=SubjectList,
    tags=[SITE_VIEWS],
    summary="Subjects",
    responses=_REFUSALS,
)
def subjects(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    site_id: str | None = None,
    status: SubjectStatus | None = None,
    offset: Annotated[int, Query(ge=0, le=FARTHEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = PAGE,
) -> SubjectList:
    """The subjects that the caller may see, by subject id."""
    return list_subjects(
        service.database, actor, study_id, site_id=site_id, status=status, offset=offset, limit=limit
    )


@router.get(
    "/{study_id}/subjects/{subject_id}",
    response_model=SubjectDetail,
    tags=[SITE_VIEWS],
    summary="A subject with visits and kits",
    responses=_REFUSALS,
)
def subject(study_id: str, subject_id: str, service: RunningService, actor: WhoAsks) -> SubjectDetail:
    """Where a subject stands: visits on record, visits to come with their windows, kits by number."""
    return subject_detail(service.database, actor, study_id, subject_id)


@router.get(
    "/{study_id}/cohorts",
    response_model=CohortList,
    tags=[SPONSOR],
    summary="Cohorts",
    responses=_REFUSALS,
)
def cohorts(study_id: str, service: RunningService, actor: WhoAsks) -> CohortList:
    """Which cohorts take subjects now, and how far they are filled at the sites that the caller may see."""
    return list_cohorts(service.database, actor, study_id)


@router.get(
    "/{study_id}/subjects/{subject_id}/projected-visits",
    response_model=ProjectedVisits,
    tags=[SITE_VIEWS],
    summary="When a subject is expected",
    responses=_REFUSALS,
)
def projected(study_id: str, subject_id: str, service: RunningService, actor: WhoAsks) -> ProjectedVisits:
    """The visits to come with their windows, as resupply counts them."""
    return projected_visits(service.database, actor, study_id, subject_id, now=service.clock())


@router.get(
    "/{study_id}/sites/{site_id}/stock",
    response_model=SiteStock,
    tags=[SITE_VIEWS],
    summary="The kits at a site",
    responses=_REFUSALS,
)
def stock_of_site(study_id: str, site_id: str, service: RunningService, actor: WhoAsks) -> SiteStock:
    """Every kit at the site by number, named by what it looks like."""
    return site_stock(service.database, actor, study_id, site_id, now=service.clock())


@router.get(
    "/{study_id}/recalled-kits",
    response_model=RecalledKits,
    tags=[SITE_VIEWS],
    summary="Recalled kits at one's sites and with their subjects",
    responses=_REFUSALS,
)
def recalled(study_id: str, service: RunningService, actor: WhoAsks) -> RecalledKits:
    """What a site must set aside, and what it must ask back from which subject. No lot and no kit type is named."""
    return recalled_kits(service.database, actor, study_id)


@router.get(
    "/{study_id}/shipments",
    response_model=ShipmentList,
    tags=[SUPPLY_VIEWS],
    summary="Shipments",
    responses=_REFUSALS,
)
def shipments(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    site_id: str | None = None,
    status: ShipmentStatus | None = None,
    late: Annotated[bool, Query(description="only those whose expected date has passed")] = False,
) -> ShipmentList:
    """The shipments that the caller may see, newest request first."""
    return list_shipments(
        service.database, actor, study_id, site_id=site_id, status=status, late=late, now=service.clock()
    )


@router.get(
    "/{study_id}/shipments/{shipment_id}",
    response_model=ShipmentDetail,
    tags=[SUPPLY_VIEWS],
    summary="A shipment with its kits",
    responses=_REFUSALS,
)
def shipment(study_id: str, shipment_id: str, service: RunningService, actor: WhoAsks) -> ShipmentDetail:
    """A shipment and its kits by number."""
    return shipment_detail(service.database, actor, study_id, shipment_id, now=service.clock())


@router.get(
    "/{study_id}/run-out",
    response_model=SitesRunOut,
    tags=[SUPPLY_VIEWS],
    summary="Which sites are projected to run out",
    responses=_REFUSALS,
)
def run_out(study_id: str, service: RunningService, actor: WhoAsks) -> SitesRunOut:
    """The earliest projected run-out date of each open site that the caller may see, and whether it is near enough for an alarm."""
    return run_out_by_site(service, actor, study_id)


@router.get(
    "/{study_id}/inventory",
    response_model=Inventory,
    tags=[SUPPLY_VIEWS],
    summary="Where all kits are, or were",
    responses=_REFUSALS,
)
def inventory(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    as_of: Annotated[
        str | None, Query(max_length=40, description="a ledger position, or an ISO moment; none: now")
    ] = None,
) -> Inventory:
    """Depots and sites across countries with days of supply, shipments in flight, and kits by look, expiry and status."""
    return inventory_by_look(service, actor, study_id, as_of)

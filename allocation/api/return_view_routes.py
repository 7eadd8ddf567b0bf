"""The routes that read what comes back: returns, accountability of subjects and sites, histories of kits, discrepancies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from allocation.api.identity import RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.api.view_routes import SITE_VIEWS, SUPPLY_VIEWS
from allocation.rules.return_process import ReturnState
from allocation.views.blinded.kit_history import KitHistory, kit_history
from allocation.views.blinded.lot_history import LotHistory, lot_history
from allocation.views.blinded.reconciliation import reconciliation
from allocation.views.blinded.reconciliation_models import Reconciliation
from allocation.views.blinded.returns import ReturnDetail, ReturnList, list_returns, return_detail
from allocation.views.blinded.site_accountability import SiteLog, site_log
from allocation.views.blinded.subject_accountability import SubjectAccountability, subject_accountability

router = APIRouter(prefix="/studies/{study_id}")
_REFUSALS = responses(401, 403, 404, 422)


@router.get(
    "/returns", response_model=ReturnList, tags=[SUPPLY_VIEWS], summary="Returns", responses=_REFUSALS
)
def returns(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    site_id: str | None = None,
    state: ReturnState | None = None,
) -> ReturnList:
    """The returns of the caller's sites and depots."""
    return list_returns(service.database, actor, study_id, site_id=site_id, state=state)


@router.get(
    "/returns/{return_id}",
    response_model=ReturnDetail,
    tags=[SUPPLY_VIEWS],
    summary="A return with its kits",
    responses=_REFUSALS,
)
def one_return(study_id: str, return_id: str, service: RunningService, actor: WhoAsks) -> ReturnDetail:
    """A return and its kits by number; an approval repeats its `content_hash`."""
    return return_detail(service.database, actor, study_id, return_id)


@router.get(
    "/subjects/{subject_id}/accountability",
    response_model=SubjectAccountability,
    tags=[SITE_VIEWS],
    summary="What a subject was given, brought back and used",
    responses=_REFUSALS,
)
def of_subject(
    study_id: str, subject_id: str, service: RunningService, actor: WhoAsks
) -> SubjectAccountability:
    """The subject's kits with their units, and the compliance by visit where it tells nothing of the arm."""
    return subject_accountability(service.database, actor, study_id, subject_id)


@router.get(
    "/sites/{site_id}/accountability",
    response_model=SiteLog,
    tags=[SITE_VIEWS],
    summary="The accountability log of a site",
    responses=_REFUSALS,
)
def of_site(study_id: str, site_id: str, service: RunningService, actor: WhoAsks) -> SiteLog:
    """Each kit that the site received, with whom it went to and what came of it."""
    return site_log(service.database, actor, study_id, site_id)


@router.get(
    "/kits/{kit_number}/history",
    response_model=KitHistory,
    tags=[SUPPLY_VIEWS],
    summary="The chain of custody of a kit",
    responses=_REFUSALS,
)
def of_kit(study_id: str, kit_number: str, service: RunningService, actor: WhoAsks) -> KitHistory:
    """What happened to a kit, entry by entry."""
    return kit_history(service.database, actor, study_id, kit_number)


@router.get(
    "/lots/{lot}/history",
    response_model=LotHistory,
    tags=[SUPPLY_VIEWS],
    summary="The chain of custody of a lot of bulk supply",
    responses=_REFUSALS,
)
def of_lot(study_id: str, lot: str, service: RunningService, actor: WhoAsks) -> LotHistory:
    """Quantities of the lot that moved between places, entry by entry."""
    return lot_history(service.database, actor, study_id, lot)


@router.get(
    "/reconciliation",
    response_model=Reconciliation,
    tags=[SUPPLY_VIEWS],
    summary="Every discrepancy",
    responses=_REFUSALS,
)
def discrepancies(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    site_id: Annotated[str | None, Query(description="of one site")] = None,
    depot_id: Annotated[str | None, Query(description="of one depot")] = None,
) -> Reconciliation:
    """Kits that do not add up or wait too long, at one place or all that the caller may see."""
    return reconciliation(
        service.database, actor, study_id, site_id=site_id, depot_id=depot_id, now=service.clock()
    )

"""The routes that show arms, kit types, lists and the ledger itself, for those who may learn them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from allocation.api.identity import FARTHEST, RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.inventory import inventory_by_type
from allocation.commands.run_out import run_out_by_type
from allocation.views.unblinded.draws import ExplainedSubject, explain_randomization
from allocation.views.unblinded.inventory_models import TypeInventory
from allocation.views.unblinded.lists import list_statuses
from allocation.views.unblinded.lots import LotList, list_lots
from allocation.views.unblinded.models import (
    LedgerPage,
    ListStatusList,
    ProtocolDocument,
    UnblindedStock,
    UnblindedSubjectList,
)
from allocation.views.unblinded.records import LONGEST_PAGE, ledger_page, protocol_document
from allocation.views.unblinded.run_out_models import TypesRunOut
from allocation.views.unblinded.stock import unblinded_stock
from allocation.views.unblinded.subjects import list_unblinded_subjects

UNBLINDED = "Unblinded"
INSPECTOR = "Inspector"

router = APIRouter(prefix="/studies/{study_id}/unblinded")
_REFUSALS = responses(401, 403, 404, 422)


@router.get(
    "/subjects",
    response_model=UnblindedSubjectList,
    tags=[UNBLINDED],
    summary="Subjects with their arms",
    responses=_REFUSALS,
)
def subjects(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    site_id: str | None = None,
    offset: Annotated[int, Query(ge=0, le=FARTHEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> UnblindedSubjectList:
    """Subjects with arm, dose level and the list entry that each took."""
    return list_unblinded_subjects(
        service.database, actor, study_id, site_id=site_id, offset=offset, limit=limit
    )


@router.get(
    "/stock",
    response_model=UnblindedStock,
    tags=[UNBLINDED],
    summary="Stock by kit type and lot",
    responses=_REFUSALS,
)
def stock(
    study_id: str, service: RunningService, actor: WhoAsks, site_id: str | None = None
) -> UnblindedStock:
    """Kits by place, type, lot and status."""
    return unblinded_stock(service.database, actor, study_id, site_id=site_id)


@router.get(
    "/lots",
    response_model=LotList,
    tags=[UNBLINDED],
    summary="The lots: status, release, expiry",
    responses=_REFUSALS,
)
def lots(study_id: str, service: RunningService, actor: WhoAsks) -> LotList:
    """Each lot with its kit type, quality status, where it is released, and its expiry dates country by country."""
    return list_lots(service.database, actor, study_id)


@router.get(
    "/run-out",
    response_model=TypesRunOut,
    tags=[UNBLINDED],
    summary="When sites run out, by kit type",
    responses=_REFUSALS,
)
def run_out(study_id: str, service: RunningService, actor: WhoAsks) -> TypesRunOut:
    """The projected run-out date of each kit type at each open site, with the inventory that it starts from."""
    return run_out_by_type(service, actor, study_id)


@router.get(
    "/inventory",
    response_model=TypeInventory,
    tags=[UNBLINDED],
    summary="Where all kits are, or were, by type and lot",
    responses=_REFUSALS,
)
def inventory(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    as_of: Annotated[
        str | None, Query(max_length=40, description="a ledger position, or an ISO moment; none: now")
    ] = None,
) -> TypeInventory:
    """As the blinded inventory, by kit type and lot, with how long each site's kits of a type last."""
    return inventory_by_type(service, actor, study_id, as_of)


@router.get(
    "/lists",
    response_model=ListStatusList,
    tags=[UNBLINDED],
    summary="The randomization lists",
    responses=_REFUSALS,
)
def lists(study_id: str, service: RunningService, actor: WhoAsks) -> ListStatusList:
    """Each list with how far its runs are used, and the allocation so far by arm."""
    return list_statuses(service.database, actor, study_id, service.clock())


@router.get(
    "/subjects/{subject_id}/randomizations",
    response_model=ExplainedSubject,
    tags=[UNBLINDED],
    summary="How a subject's arm came about, derived again",
    responses=_REFUSALS,
)
def randomizations(
    study_id: str, subject_id: str, service: RunningService, actor: WhoAsks
) -> ExplainedSubject:
    """Each randomization of the subject: rule, facts, draw, result, and whether it derives to the same again."""
    return explain_randomization(service.database, actor, study_id, subject_id)


@router.get(
    "/protocol",
    response_model=ProtocolDocument,
    tags=[UNBLINDED],
    summary="The protocol document",
    responses=_REFUSALS,
)
def protocol(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    version: Annotated[int | None, Query(ge=1, le=FARTHEST)] = None,
) -> ProtocolDocument:
    """A protocol version as it was loaded; the latest by default."""
    return protocol_document(service.database, actor, study_id, version)


@router.get(
    "/ledger",
    response_model=LedgerPage,
    tags=[INSPECTOR],
    summary="Sealed ledger entries",
    responses=_REFUSALS,
)
def ledger(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    after: Annotated[int, Query(ge=0, le=FARTHEST, description="the position behind which to begin")] = 0,
    limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = 200,
) -> LedgerPage:
    """Sealed entries in order, whole: what the offline verifier checks."""
    return ledger_page(service.database, actor, study_id, after=after, limit=limit)

"""The routes that take a file as it is: lots, kits, randomization lists (CSV, XLSX). Each is loaded whole or not at all."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from allocation.access.permissions import authorize
from allocation.api.answers import ListAnswer, LoadBulkAnswer, LoadKitsAnswer, LoadLotsAnswer
from allocation.api.command_route import STATISTICIAN, SUPPLY
from allocation.api.identity import IdempotencyKey, RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.bulk_loading import load_bulk
from allocation.commands.inbound_files import read_bulk, read_kits, read_lots
from allocation.commands.kits import load_kits, load_lots
from allocation.commands.list_files import read_list
from allocation.commands.lists import upload_list
from allocation.commands.service import Act
from allocation.errors import FileRefused
from allocation.study.model import Code

LARGEST_FILE: Final = 64 * 1024 * 1024
"""Bytes: some two million kits. More than that is read no further."""

router = APIRouter(prefix="/studies/{study_id}/files")
_REFUSALS = responses(400, 401, 403, 404, 409, 422)


async def file_of(request: Request, _actor: WhoAsks) -> bytes:
    """The body as bytes, once the sender is identified. Raises FileRefused when it is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_FILE:
            raise FileRefused("the file", [f"byte {LARGEST_FILE}: too large; split it"])
        parts.append(part)
    return b"".join(parts)


SentFile = Annotated[bytes, Depends(file_of)]
Sheet = Annotated[str | None, Query(description="of an XLSX file in which several are filled")]


XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _csv(example: str, *also: str) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary"}
    content: dict[str, Any] = {"text/csv": {"schema": binary, "example": example}}
    content |= {kind: {"schema": binary} for kind in also}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/lots",
    response_model=LoadLotsAnswer,
    tags=[SUPPLY],
    summary="Load lots from a CSV or XLSX file",
    responses=_REFUSALS,
    openapi_extra=_csv("lot_id,kit_type,expiry_date,released_for\nL2601,K20,2028-06-30,DEU;FRA\n", XLSX),
)
def lots_file(
    study_id: str,
    file: SentFile,
    service: RunningService,
    actor: WhoAsks,
    idempotency_key: IdempotencyKey,
    sheet: Sheet = None,
) -> dict[str, Any]:
    """Columns: lot_id, kit_type, expiry_date; if needed manufactured_on, released_for (`DEU;FRA` or `*`), status."""
    authorize(actor, "lots.load", study_id)
    return load_lots(service, Act(actor, idempotency_key), study_id, read_lots(file, sheet))


@router.post(
    "/kits",
    response_model=LoadKitsAnswer,
    tags=[SUPPLY],
    summary="Load kits from a packager's CSV or XLSX file",
    responses=_REFUSALS,
    openapi_extra=_csv("kit_number,kit_type,lot_id\n483920,K20,L2601\n", XLSX),
)
def kits_file(
    study_id: str,
    file: SentFile,
    service: RunningService,
    actor: WhoAsks,
    idempotency_key: IdempotencyKey,
    depot_id: Annotated[Code, Query(description="the depot that holds the kits")],
    sheet: Sheet = None,
) -> dict[str, Any]:
    """Columns: kit_number, kit_type, lot_id; if needed pick_sequence."""
    authorize(actor, "kits.load", study_id, depot_id=depot_id)
    return load_kits(service, Act(actor, idempotency_key), study_id, read_kits(file, depot_id, sheet))


@router.post(
    "/bulk-supplies",
    response_model=LoadBulkAnswer,
    tags=[SUPPLY],
    summary="Load bulk supply from a CSV or XLSX file",
    responses=_REFUSALS,
    openapi_extra=_csv("kit_type,lot_id,quantity\nSYRINGES,SY2601,500\n", XLSX),
)
def bulk_file(
    study_id: str,
    file: SentFile,
    service: RunningService,
    actor: WhoAsks,
    idempotency_key: IdempotencyKey,
    depot_id: Annotated[Code, Query(description="the depot that holds it")],
    sheet: Sheet = None,
) -> dict[str, Any]:
    """Columns: kit_type, lot_id, quantity."""
    authorize(actor, "kits.load", study_id, depot_id=depot_id)
    return load_bulk(service, Act(actor, idempotency_key), study_id, read_bulk(file, depot_id, sheet))


@router.post(
    "/lists",
    response_model=ListAnswer,
    tags=[STATISTICIAN],
    summary="Store a randomization list from a CSV or XLSX file",
    responses=_REFUSALS,
    openapi_extra=_csv(
        "stratum,sequence,block,randomization_number,arm\nSEVERITY=MODERATE|PRIOR=NO,1,1,R10482,ORT20\n",
        XLSX,
    ),
)
def list_file(
    study_id: str,
    file: SentFile,
    service: RunningService,
    actor: WhoAsks,
    idempotency_key: IdempotencyKey,
    list_id: Annotated[Code, Query(description="the id that the list will have")],
    event: Annotated[Code, Query(description="the randomization event of the protocol")],
    sheet: Sheet = None,
    keep_draft: Annotated[bool, Query(description="keep a list with faults as a draft")] = False,
    allow_truncated_last_block: bool = False,
    protocol_version: Annotated[
        int | None,
        Query(ge=1, description="a loaded version that the list is for (default: the one in force)"),
    ] = None,
) -> dict[str, Any]:
    """Columns: sequence, randomization_number, arm; if needed stratum, holder, block. XLSX is known by its content."""
    authorize(actor, "list.upload", study_id)
    request = read_list(
        file,
        list_id,
        event,
        sheet=sheet,
        allow_truncated_last_block=allow_truncated_last_block,
        keep_draft=keep_draft,
        protocol_version=protocol_version,
    )
    return upload_list(service, Act(actor, idempotency_key), study_id, request)

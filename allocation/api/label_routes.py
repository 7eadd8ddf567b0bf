"""The routes of barcodes: labels to print, and what a scan names."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from allocation.api.identity import RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.scanning import scanned_kit
from allocation.gs1_labels import Scan
from allocation.kit_labels import LabelFormat, label_sheet
from allocation.study.model import Code
from allocation.views.blinded.labelled_kits import LabelledKit
from allocation.views.printed_labels import printed_labels

MOST_LABELS: Final = 200
MEDIA_TYPES: Final[dict[LabelFormat, str]] = {
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "png": "image/png",
}
_SUPPLY: Final = "Supply"

router = APIRouter(prefix="/studies/{study_id}")
_REFUSALS = responses(401, 403, 404, 409, 422)


@router.get(
    "/kit-labels",
    tags=[_SUPPLY],
    summary="Kit labels with barcodes",
    response_class=Response,
    responses={**_REFUSALS, 200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}},
)
def kit_labels(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    kit: Annotated[list[Code], Query(min_length=1, max_length=MOST_LABELS, description="may be repeated")],
    format_: Annotated[LabelFormat, Query(alias="format")] = "svg",
    expiry: Annotated[
        bool, Query(description="say the expiry date, too, where the kits have a GTIN")
    ] = False,
    lot: Annotated[bool, Query(description="say the lot, too (unblinded)")] = False,
) -> Response:
    """Labels of 100 x 36 mm: Code 128 of the kit number, or GS1-128 where the kits' blinding group has a GTIN."""
    labels = printed_labels(service.database, actor, study_id, kit, expiry=expiry, lot=lot)
    return Response(label_sheet(labels, format_), media_type=MEDIA_TYPES[format_])


@router.get(
    "/scanned-kit",
    response_model=LabelledKit,
    tags=[_SUPPLY],
    summary="The kit of a scan",
    responses=_REFUSALS,
)
def kit_of_a_scan(
    study_id: str, service: RunningService, actor: WhoAsks, scan: Annotated[Scan, Query()]
) -> LabelledKit:
    """The kit that was scanned, by number or GS1 element string (FNC1 as ␝, or identifiers in parentheses); a label that contradicts
    the records is refused."""
    return scanned_kit(service, actor, study_id, scan)

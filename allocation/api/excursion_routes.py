"""The routes of temperature excursions: files handed in, excursions recorded, settled and read; with their bodies and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from allocation.access.permissions import reach
from allocation.api.answers import Answer, KitsAnswer
from allocation.api.bodies import REASON, SignatureBody
from allocation.api.command_route import SUPPLY, CommandRoute
from allocation.api.file_routes import SentFile
from allocation.api.identity import RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.evidence_files import keep_evidence
from allocation.commands.excursion_settling import SettleExcursionRequest, settle_excursion
from allocation.commands.excursions import RecordExcursionRequest, record_excursion
from allocation.commands.service import CommandRequest
from allocation.ledger.evidence import kept_file
from allocation.study.supply import TimeZone
from allocation.views.blinded.excursion_curve import ExcursionCurve, excursion_curve
from allocation.views.blinded.excursions import (
    ExcursionDetail,
    ExcursionList,
    excursion_detail,
    list_excursions,
)


class RecordExcursionBody(RecordExcursionRequest):
    """An excursion of a shipment, site or depot. The reason must be given."""

    reason: str = REASON


class SettleExcursionBody(SettleExcursionRequest):
    """What is decided about an excursion's kits; signed, with a reason."""

    reason: str = REASON
    signature: SignatureBody | None = None


class JudgedKit(Answer):
    """A kit that left its range, with the whole minutes that it did."""

    kit_number: str
    minutes_above: int
    minutes_below: int


class RecordExcursionAnswer(KitsAnswer):
    """A recorded excursion. `exposed`: kits that were there; `kits` of them left their range; `to_quarantine`: those elsewhere now."""

    excursion_id: str
    began_at: datetime
    ended_at: datetime
    readings: int
    longest_gap_minutes: int
    lowest: str
    highest: str
    mean_kinetic: str
    exposed: int
    kits: tuple[JudgedKit, ...]
    quarantined: tuple[str, ...]
    with_subjects: tuple[str, ...]
    to_quarantine: tuple[str, ...]


class SettleExcursionAnswer(KitsAnswer):
    """The kits that left quarantine, and those that wait there for another excursion."""

    excursion_id: str
    outcome: str
    kits: tuple[str, ...]
    waiting: tuple[str, ...]


class KeptFileAnswer(Answer):
    """A kept file: its hash and, of readings, how many and from when until when."""

    sha256: str
    media_type: str
    readings: int | None
    began_at: datetime | None
    ended_at: datetime | None


EXCURSION_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "record_excursion",
        "excursions",
        SUPPLY,
        "Record a temperature excursion",
        record_excursion,
        RecordExcursionRequest,
        RecordExcursionBody,
        RecordExcursionAnswer,
    ),
)
SIGNED_EXCURSION_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "settle_excursion",
        "excursion-settlements",
        SUPPLY,
        "Release or reject kits of an excursion (signed)",
        settle_excursion,
        SettleExcursionRequest,
        SettleExcursionBody,
        SettleExcursionAnswer,
    ),
)
EXCURSION_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    RecordExcursionBody: {
        "shipment_id": "DE01-S001",
        "file_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "reason": "logger showed an alarm at receipt",
    },
    SettleExcursionBody: {
        "excursion_id": "DE01-S001-E1",
        "decision": "release",
        "reason": "within the stability budget",
        "signature": {"password": "correct horse battery", "meaning": "kits released from quarantine"},
    },
}
"""One example for each body, for the OpenAPI description."""

_REFUSALS = responses(400, 401, 403, 404, 409, 422)
_BINARY: Final = {"type": "string", "format": "binary"}
router = APIRouter()


@router.post(
    "/studies/{study_id}/files/evidence",
    response_model=KeptFileAnswer,
    tags=[SUPPLY],
    summary="Hand in a logger's CSV or PDF",
    responses=_REFUSALS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": _BINARY,
                    "example": "Date Time;Temperature (°C)\n2026-03-04 08:00;5,2\n",
                },
                "application/pdf": {"schema": _BINARY},
            },
        }
    },
)
def hand_in(
    study_id: str,
    file: SentFile,
    service: RunningService,
    actor: WhoAsks,
    timezone: Annotated[TimeZone, Query(description="of the file's moments")] = "UTC",
) -> dict[str, Any]:
    """The file is kept under its SHA-256, once however often it is sent; excursions name it by that."""
    return keep_evidence(service, actor, study_id, file, timezone)


@router.get(
    "/studies/{study_id}/files/evidence/{sha256}",
    tags=[SUPPLY],
    summary="A file that was handed in",
    response_class=Response,
    responses={
        **responses(401, 403, 404),
        200: {"content": {"text/csv": {"schema": _BINARY}, "application/pdf": {"schema": _BINARY}}},
    },
)
def handed_in(study_id: str, sha256: str, service: RunningService, actor: WhoAsks) -> Response:
    """The file as it was handed in, checked against its hash; for whoever may record excursions in the study."""
    reach(actor, "excursions.record", study_id)
    with service.database.read() as connection:
        kind, content = kept_file(connection, study_id, sha256)
    return Response(content, media_type=kind)


@router.get(
    "/studies/{study_id}/excursions",
    response_model=ExcursionList,
    tags=[SUPPLY],
    summary="Temperature excursions",
    responses=responses(401, 403, 404, 422),
)
def excursions(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    site_id: str | None = None,
    shipment_id: str | None = None,
) -> ExcursionList:
    """The excursions of places that the caller may see, the newest first."""
    return list_excursions(service.database, actor, study_id, site_id=site_id, shipment_id=shipment_id)


@router.get(
    "/studies/{study_id}/excursions/{excursion_id}",
    response_model=ExcursionDetail,
    tags=[SUPPLY],
    summary="An excursion with its kits",
    responses=responses(401, 403, 404),
)
def excursion(study_id: str, excursion_id: str, service: RunningService, actor: WhoAsks) -> ExcursionDetail:
    """The kits that left their range, with their minutes, what each has spent in all, and what was decided."""
    return excursion_detail(service.database, actor, study_id, excursion_id)


@router.get(
    "/studies/{study_id}/excursions/{excursion_id}/curve",
    response_model=ExcursionCurve,
    tags=[SUPPLY],
    summary="An excursion's curve with its limits",
    responses=responses(401, 403, 404),
)
def curve(study_id: str, excursion_id: str, service: RunningService, actor: WhoAsks) -> ExcursionCurve:
    """The readings, thinned with every extreme kept, and the range of each look."""
    return excursion_curve(service.database, actor, study_id, excursion_id)

"""The routes of resupply beside the run itself: its schedule, pauses, and transfers between sites."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter

from allocation.api.answers import Answer
from allocation.api.bodies import REASON
from allocation.api.command_route import SUPPLY, CommandRoute
from allocation.api.identity import RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.resupply_pauses import PauseRequest, pause_resupply, resume_resupply
from allocation.commands.service import CommandRequest
from allocation.commands.transfers import TransferKitsRequest, transfer_kits
from allocation.views.blinded.resupply_schedule import ResupplySchedule, resupply_schedule


class PauseBody(PauseRequest):
    """What to pause or to resume. The reason must be given."""

    reason: str = REASON


class PauseAnswer(Answer):
    """The site (none: every one) of what is paused now, or resumed. A kit type is not repeated to whoever named it."""

    site_id: str | None
    paused: bool


class TransferKitsBody(TransferKitsRequest):
    """Kits to move from one site to another. The reason must be given."""

    reason: str = REASON


class TransferKitsAnswer(Answer):
    """The shipment that is to be dispatched by the sending site."""

    shipment_id: str
    status: str
    kits: int


RESUPPLY_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    TransferKitsBody: {
        "from_site": "DE01",
        "to_site": "DE02",
        "groups": {"CAPSULES": 2},
        "reason": "the next shipment comes too late for a visit",
    },
    PauseBody: {"site_id": "DE01", "reason": "the refrigerator is being repaired"},
}

RESUPPLY_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "pause_resupply",
        "resupply-pauses",
        SUPPLY,
        "Pause automatic orders",
        pause_resupply,
        PauseRequest,
        PauseBody,
        PauseAnswer,
    ),
    CommandRoute(
        "resume_resupply",
        "resupply-resumptions",
        SUPPLY,
        "Resume automatic orders",
        resume_resupply,
        PauseRequest,
        PauseBody,
        PauseAnswer,
    ),
    CommandRoute(
        "transfer_kits",
        "transfers",
        SUPPLY,
        "Move kits from one site to another",
        transfer_kits,
        TransferKitsRequest,
        TransferKitsBody,
        TransferKitsAnswer,
    ),
)

router = APIRouter(prefix="/studies")


@router.get(
    "/{study_id}/resupply-schedule",
    response_model=ResupplySchedule,
    tags=[SUPPLY],
    summary="When resupply runs",
    responses=responses(401, 403, 404, 422),
)
def schedule(study_id: str, service: RunningService, actor: WhoAsks) -> ResupplySchedule:
    """The last and the next scheduled run (UTC), whether one is due, and which of the caller's sites wait since an event."""
    return resupply_schedule(service.database, actor, study_id, now=service.clock())

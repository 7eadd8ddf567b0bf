"""The routes of resupply beside the run itself: its schedule."""

from __future__ import annotations

from fastapi import APIRouter

from allocation.api.command_route import SUPPLY
from allocation.api.identity import RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.views.blinded.resupply_schedule import ResupplySchedule, resupply_schedule

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

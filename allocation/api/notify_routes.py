"""The routes of notifications: the administrator's list of mail, and how people want theirs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from allocation.access.accounts import set_email
from allocation.access.permissions import authorize
from allocation.api.access_routes import Closed
from allocation.api.identity import RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.delivery import revive_dead
from allocation.notify.preferences import Preference, preference_of, set_preference
from allocation.notify.schema import notice
from allocation.plain_values import Whole
from allocation.views.blinded.notices import LONGEST_PAGE, PAGE, NoticeList, NoticeState, list_notices

NOTIFICATIONS = "Notifications"

router = APIRouter(tags=[NOTIFICATIONS])


class EmailBody(Closed):
    """Where an account is notified; null: nowhere."""

    email: str | None = Field(max_length=254, examples=["anna.weber@example.org"])


class PreferenceBody(Closed):
    """How one is notified. `digest_hour`: null for each mail at once; `off`: events that are not mailed (recalls always are)."""

    digest_hour: Whole | None = Field(default=None, ge=0, le=23, examples=[7])
    timezone: str | None = Field(default=None, max_length=60, examples=["Europe/Berlin"])
    off: list[str] = Field(default_factory=list, max_length=50, examples=[["order"]])


class PreferenceAnswer(BaseModel):
    """How an account is notified."""

    username: str
    email: str | None
    digest_hour: int | None
    timezone: str | None
    off: list[str]


class RevivedAnswer(BaseModel):
    """How many mails are in line again."""

    revived: int


def _answer(found: Preference) -> PreferenceAnswer:
    return PreferenceAnswer.model_validate({**asdict(found), "off": list(found.off)})


@router.get(
    "/studies/{study_id}/notices",
    summary="Who was told of what, and whether it arrived",
    responses=responses(401, 403, 404, 422),
)
def notices(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    state: NoticeState | None = None,
    limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = PAGE,
) -> NoticeList:
    """Mail of the study without its text; what was given up comes first."""
    return list_notices(service.database, actor, study_id, state=state, limit=limit)


@router.post(
    "/studies/{study_id}/notices/retry",
    summary="Put mail that was given up back in line",
    responses=responses(401, 403, 404),
)
def retry(study_id: str, service: RunningService, actor: WhoAsks) -> RevivedAnswer:
    """It is sent in the next round, under the same Message-ID."""
    authorize(actor, "notify.administer", study_id)
    return RevivedAnswer(revived=revive_dead(service.database, notice, study_id, service.clock()))


@router.put(
    "/accounts/{username}/email",
    summary="Set where an account is notified",
    responses=responses(401, 403, 404, 409, 422),
)
def account_email(
    username: str, body: EmailBody, service: RunningService, actor: WhoAsks
) -> PreferenceAnswer:
    """For administrators."""
    set_email(service.database, actor, username, body.email, service.clock)
    return _answer(preference_of(service.database, actor, username))


@router.get("/me/notifications", summary="How you are notified", responses=responses(401))
def my_notifications(service: RunningService, actor: WhoAsks) -> PreferenceAnswer:
    """Address, digest and what is switched off."""
    return _answer(preference_of(service.database, actor, actor.username))


@router.put("/me/notifications", summary="Change how you are notified", responses=responses(401, 409, 422))
def change_my_notifications(
    body: PreferenceBody, service: RunningService, actor: WhoAsks
) -> PreferenceAnswer:
    """A daily digest at an hour of yours, or each mail at once; the address is an administrator's to set."""
    wanted = Preference(actor.username, None, body.digest_hour, body.timezone, tuple(body.off))
    return _answer(set_preference(service.database, actor, wanted, service.clock))

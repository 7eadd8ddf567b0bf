"""The routes whose act must be signed: the password again, a meaning, and the hash of what is signed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from allocation.access.permissions import authorize
from allocation.api.answers import ActivateListAnswer, ActivateMethodAnswer, LoadStudyVersionAnswer
from allocation.api.bodies import ActivateListBody, ActivateMethodBody, LoadStudyVersionBody, request_of
from allocation.api.command_route import STATISTICIAN, STUDY
from allocation.api.identity import IdempotencyKey, RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.api.signed_acts import signed_act
from allocation.commands.lists import ActivateListRequest, activate_list, activation_content
from allocation.commands.randomization_methods import ActivateMethodRequest, activate_method, content_to_sign
from allocation.commands.studies import LoadStudyVersionRequest, load_study_version, version_content
from allocation.errors import DomainRefusal, NotFound
from allocation.views.unblinded.lists import list_statuses

router = APIRouter(prefix="/studies/{study_id}")
_REFUSALS = responses(400, 401, 403, 404, 409, 422)


@router.post(
    "/list-activations",
    response_model=ActivateListAnswer,
    tags=[STATISTICIAN],
    summary="Put a randomization list into use (signed)",
    operation_id="activate_list",
    responses=_REFUSALS,
)
def activate(
    study_id: str,
    body: ActivateListBody,
    service: RunningService,
    actor: WhoAsks,
    idempotency_key: IdempotencyKey,
) -> dict[str, Any]:
    """Sign and activate a stored list. The signature covers the list's id, the hash of its entries, and the version if one is given."""
    role = authorize(actor, "list.activate", study_id)
    lists = list_statuses(service.database, actor, study_id).lists
    found = next((one for one in lists if one.list_id == body.list_id), None)
    if found is None:
        raise NotFound(
            f"list {body.list_id!r} is not stored", field="list_id", fix="upload or generate it first"
        )
    content = activation_content(found.list_id, found.sha256, body.protocol_version)
    act = signed_act(service, actor, role, idempotency_key, body.reason, body.signature, content)
    return activate_list(service, act, study_id, request_of(body, ActivateListRequest))


@router.post(
    "/method-activations",
    response_model=ActivateMethodAnswer,
    tags=[STATISTICIAN],
    summary="Put a randomization method into use (signed)",
    operation_id="activate_method",
    responses=_REFUSALS,
)
def activate_drawing(
    study_id: str,
    body: ActivateMethodBody,
    service: RunningService,
    actor: WhoAsks,
    idempotency_key: IdempotencyKey,
) -> dict[str, Any]:
    """Sign and activate the method of an event that draws at randomization: event, method and protocol version are signed."""
    role = authorize(actor, "method.activate", study_id)
    content = content_to_sign(service, study_id, body.event, body.protocol_version)
    act = signed_act(service, actor, role, idempotency_key, body.reason, body.signature, content)
    return activate_method(service, act, study_id, request_of(body, ActivateMethodRequest))


@router.post(
    "/versions",
    response_model=LoadStudyVersionAnswer,
    tags=[STUDY],
    summary="Load a protocol version (signed in production and after the first version)",
    operation_id="load_study_version",
    responses=_REFUSALS,
)
def load_version(
    study_id: str,
    body: LoadStudyVersionBody,
    service: RunningService,
    actor: WhoAsks,
    idempotency_key: IdempotencyKey,
) -> dict[str, Any]:
    """Load a protocol version. The signature covers study, version and the hash of the document."""
    role = authorize(actor, "study.load", study_id)
    if body.protocol.study.id != study_id:
        raise DomainRefusal(
            f"the protocol is of study {body.protocol.study.id}, not {study_id}",
            code="other-study",
            field="protocol.study.id",
            fix="send it to its own study's address",
        )
    content = version_content(body.protocol)
    act = signed_act(service, actor, role, idempotency_key, body.reason, body.signature, content)
    return load_study_version(service, act, request_of(body, LoadStudyVersionRequest))

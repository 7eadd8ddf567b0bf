"""The routes of an amendment after it is written: what it would change, and its effect in a country when the approval comes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from allocation.access.permissions import authorize
from allocation.api.answers import PutVersionIntoEffectAnswer
from allocation.api.bodies import PreviewAmendmentBody, PutVersionIntoEffectBody, request_of
from allocation.api.command_route import STUDY
from allocation.api.identity import IdempotencyKey, RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.api.signed_acts import signed_act
from allocation.api.unblinded_routes import UNBLINDED
from allocation.commands.studies import reasons_not_to_run
from allocation.commands.version_effects import (
    PutVersionIntoEffectRequest,
    effect_content,
    loaded_sha256,
    put_version_into_effect,
)
from allocation.errors import DomainRefusal
from allocation.views.unblinded.amendment_models import AmendmentPreview
from allocation.views.unblinded.amendments import preview_amendment

router = APIRouter(prefix="/studies/{study_id}")


@router.post(
    "/unblinded/amendment-previews",
    response_model=AmendmentPreview,
    tags=[UNBLINDED],
    summary="What a protocol version would change, before it is signed",
    operation_id="preview_amendment",
    responses=responses(401, 403, 404, 409, 422),
)
def preview(
    study_id: str, body: PreviewAmendmentBody, service: RunningService, actor: WhoAsks
) -> AmendmentPreview:
    """The document's changes, the subjects, visits, kits and demand that they touch, and what randomization needs. Changes nothing."""
    authorize(actor, "study.load", study_id)
    if body.protocol.study.id != study_id:
        raise DomainRefusal(
            f"the protocol is of study {body.protocol.study.id}, not {study_id}",
            code="other-study",
            field="protocol.study.id",
            fix="send it to its own study's address",
        )
    now, asked = service.clock(), (body.effective_at, body.countries)
    reasons = reasons_not_to_run(service.database, body.protocol, now, *asked)
    return preview_amendment(service.database, actor, body.protocol, now, *asked, reasons)


@router.post(
    "/version-effects",
    response_model=PutVersionIntoEffectAnswer,
    tags=[STUDY],
    summary="Put a loaded protocol version into effect in one more country (signed)",
    operation_id="put_version_into_effect",
    responses=responses(400, 401, 403, 404, 409, 422),
)
def put_into_effect(
    study_id: str,
    body: PutVersionIntoEffectBody,
    service: RunningService,
    actor: WhoAsks,
    idempotency_key: IdempotencyKey,
) -> dict[str, Any]:
    """Sign and record a country's approval. The signature covers the version by its hash, the country and the moment."""
    role = authorize(actor, "study.put_into_effect", study_id)
    with service.database.read() as connection:
        sha256 = loaded_sha256(connection, study_id, body.version)
    content = effect_content(study_id, body.version, sha256, body.country, body.effective_at)
    act = signed_act(service, actor, role, idempotency_key, body.reason, body.signature, content)
    return put_version_into_effect(service, act, study_id, request_of(body, PutVersionIntoEffectRequest))

"""The routes of the EDC: its signed messages come in here, and the exchange can be looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request

from allocation.api.answers import ReceiveEdcAnswer
from allocation.api.identity import RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.edc_transfers import Arrival, take_transfer
from allocation.commands.service import Act
from allocation.edc.receiving import ReceivedBody
from allocation.edc.settings import sender_secret
from allocation.edc.signing import Signed, check_signature
from allocation.errors import LoginRefused
from allocation.views.blinded.edc import LONGEST_PAGE, PAGE, edc_log, edc_readiness
from allocation.views.blinded.edc_models import EdcLog, EdcReadiness

EDC = "EDC"

router = APIRouter(prefix="/studies/{study_id}/edc", tags=[EDC])

_ODM = (
    '<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" ODMVersion="1.3.2" FileType="Transactional" FileOID="F.1" '
    'CreationDateTime="2026-03-02T08:00:00Z"><ClinicalData StudyOID="S" MetaDataVersionOID="1">'
    '<SubjectData SubjectKey="DE01-0001"/></ClinicalData></ODM>'
)


async def body_of(
    request: Request, signature: Annotated[str, Header(alias="X-RTSM-Signature")] = ""
) -> AsyncIterator[ReceivedBody]:
    """The body, spooled as it comes; without a signature it is not read at all. Raises LoginRefused, DomainRefusal."""
    if not signature:
        raise LoginRefused(
            "the message is not signed",
            code="edc-signature-refused",
            field="X-RTSM-Signature",
            fix="sign it with a sender key; see allocation/edc/README.md",
        )
    body = ReceivedBody()
    try:
        async for part in request.stream():
            body.add(part)
        yield body
    finally:
        body.close()


@router.post(
    "/odm",
    response_model=ReceiveEdcAnswer,
    operation_id="receive_edc_facts",
    summary="Receive a message of the EDC (ODM 1.3.2 XML, ODM 2.0 XML or JSON)",
    responses=responses(401, 403, 404, 409, 422),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/xml": {"schema": {"type": "string", "format": "binary"}, "example": _ODM}
            },
        }
    },
)
def receive_odm(
    study_id: str,
    body: Annotated[ReceivedBody, Depends(body_of)],
    service: RunningService,
    key_id: Annotated[str, Header(alias="X-RTSM-Key", description="the id of the sender key")] = "",
    timestamp: Annotated[str, Header(alias="X-RTSM-Timestamp", description="seconds since 1970, UTC")] = "",
    signature: Annotated[
        str,
        Header(
            alias="X-RTSM-Signature",
            description='v1= and the HMAC-SHA-256 of "v1:study:timestamp:SHA-256 of the body", in hexadecimal',
        ),
    ] = "",
) -> dict[str, Any]:
    """Identified by its signature, not by a token. Taken as a whole or not at all; the same message again changes nothing."""
    signed = Signed(key_id, timestamp, signature, body.sha256)
    actor = check_signature(service.database, sender_secret(), study_id, signed, service.clock())
    return take_transfer(service, Act(actor), study_id, Arrival(actor.username, signature), body.read_odm)


@router.get(
    "/log",
    response_model=EdcLog,
    summary="What came from the EDC, what goes to it, and what contradicts",
    responses=responses(401, 403, 404, 422),
)
def log(
    study_id: str,
    service: RunningService,
    actor: WhoAsks,
    limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = PAGE,
) -> EdcLog:
    """Transfers with their outcome and the OIDs that nobody mapped, messages by state, and contradictions, the latest first."""
    return edc_log(service.database, actor, study_id, limit=limit, now=service.clock())


@router.get(
    "/subjects/{subject_id}",
    response_model=EdcReadiness,
    summary="What the EDC must still say before a subject can be randomized",
    responses=responses(401, 403, 404, 422),
)
def readiness(study_id: str, subject_id: str, service: RunningService, actor: WhoAsks) -> EdcReadiness:
    """Criteria, forms and factors that are missing, by name."""
    return edc_readiness(service.database, actor, study_id, subject_id, now=service.clock())

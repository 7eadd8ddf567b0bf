"""The routes of code breaks, with their bodies and answers: ask, approve, break, read again (all signed), and the lists of them.

Two answers here name an arm: those of a break and of a reading, to the one who signed for it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter

from allocation.api.answers import Answer
from allocation.api.bodies import REASON, SignatureBody
from allocation.api.command_route import CODE_BREAKS, CommandRoute
from allocation.api.identity import RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.code_break_requests import (
    DecideCodeBreakRequest,
    RequestCodeBreakRequest,
    approve_code_break,
    refuse_code_break,
    request_code_break,
)
from allocation.commands.code_breaks import (
    BreakCodeRequest,
    ReadBrokenCodeRequest,
    break_code,
    read_broken_code,
)
from allocation.commands.service import CommandRequest
from allocation.rules.code_break import (
    BROKEN_CODE_READ,
    CODE_BREAK_APPROVED,
    CODE_BREAK_REFUSED,
    CODE_BREAK_REQUESTED,
    CODE_BROKEN,
)
from allocation.views.blinded.code_breaks import (
    BrokenCodeReadings,
    CodeBreaks,
    list_broken_code_readings,
    list_code_breaks,
)
from allocation.views.unblinded.code_breaks import UnblindedCodeBreaks, list_unblinded_code_breaks
from allocation.views.unblinded.treatment import Treatment

router = APIRouter(prefix="/studies/{study_id}")
_REFUSALS = responses(401, 403, 404, 422)


class BreakCodeBody(BreakCodeRequest):
    """A code to break; signed, with a reason."""

    reason: str = REASON
    signature: SignatureBody | None = None


class ReadBrokenCodeBody(ReadBrokenCodeRequest):
    """A broken code to read again; signed, with a reason."""

    reason: str = REASON
    signature: SignatureBody | None = None


class RequestCodeBreakBody(RequestCodeBreakRequest):
    """A code break to ask for; signed, with a reason."""

    reason: str = REASON
    signature: SignatureBody | None = None


class DecideCodeBreakBody(DecideCodeBreakRequest):
    """A request to decide on; signed, a refusal with a reason."""

    reason: str = REASON
    signature: SignatureBody | None = None


class BrokenCodeAnswer(Answer):
    """UNBLINDING: the treatment of the subject whose code was broken. `discontinued`: its participation ended with that."""

    subject_id: str
    site_id: str
    kind: str
    category: str
    broken_at: datetime
    discontinued: bool
    treatment: Treatment


class BrokenCodeReadAnswer(Answer):
    """UNBLINDING: the treatment as it is now. `reading` counts how often the person was shown it, the break included."""

    subject_id: str
    site_id: str
    reading: int
    treatment: Treatment


class CodeBreakRequestAnswer(Answer):
    """A request for a code break and how far it has come."""

    request_id: str
    subject_id: str
    site_id: str
    state: str


SIGNED_CODE_BREAK_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "break_code",
        "code-breaks",
        CODE_BREAKS,
        "Break the code of one subject (signed)",
        break_code,
        BreakCodeRequest,
        BreakCodeBody,
        BrokenCodeAnswer,
    ),
    CommandRoute(
        "read_broken_code",
        "broken-code-readings",
        CODE_BREAKS,
        "Read a code again that one broke (signed)",
        read_broken_code,
        ReadBrokenCodeRequest,
        ReadBrokenCodeBody,
        BrokenCodeReadAnswer,
    ),
    CommandRoute(
        "request_code_break",
        "code-break-requests",
        CODE_BREAKS,
        "Ask for a planned code break (signed)",
        request_code_break,
        RequestCodeBreakRequest,
        RequestCodeBreakBody,
        CodeBreakRequestAnswer,
    ),
    CommandRoute(
        "approve_code_break",
        "code-break-approvals",
        CODE_BREAKS,
        "Approve a code break (signed)",
        approve_code_break,
        DecideCodeBreakRequest,
        DecideCodeBreakBody,
        CodeBreakRequestAnswer,
    ),
    CommandRoute(
        "refuse_code_break",
        "code-break-refusals",
        CODE_BREAKS,
        "Refuse a code break (signed)",
        refuse_code_break,
        DecideCodeBreakRequest,
        DecideCodeBreakBody,
        CodeBreakRequestAnswer,
    ),
)


def _signature(meaning: str) -> dict[str, str]:
    return {"password": "correct horse battery", "meaning": meaning}


CODE_BREAK_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    BreakCodeBody: {
        "subject_id": "DE01-0001",
        "kind": "emergency",
        "category": "medical_emergency",
        "reason": "anaphylaxis; the antidote depends on the treatment",
        "signature": _signature(CODE_BROKEN),
    },
    ReadBrokenCodeBody: {
        "subject_id": "DE01-0001",
        "reason": "handed over to the night shift",
        "signature": _signature(BROKEN_CODE_READ),
    },
    RequestCodeBreakBody: {
        "subject_id": "DE01-0001",
        "category": "safety_reporting",
        "reason": "expedited report of a suspected unexpected reaction",
        "signature": _signature(CODE_BREAK_REQUESTED),
    },
    DecideCodeBreakBody: {
        "request_id": "DE01-0001-U1",
        "reason": "discussed by telephone",
        "signature": _signature(f"{CODE_BREAK_APPROVED}, or {CODE_BREAK_REFUSED}"),
    },
}


@router.get(
    "/code-breaks",
    response_model=CodeBreaks,
    tags=[CODE_BREAKS],
    summary="Whose code was broken, by whom and why",
    responses=_REFUSALS,
)
def code_breaks(study_id: str, service: RunningService, actor: WhoAsks) -> CodeBreaks:
    """Breaks and requests of the sites that the caller may see, the latest first; never an arm."""
    return list_code_breaks(service.database, actor, study_id)


@router.get(
    "/broken-code-readings",
    response_model=BrokenCodeReadings,
    tags=[CODE_BREAKS],
    summary="Every reading of a broken code",
    responses=_REFUSALS,
)
def readings(study_id: str, service: RunningService, actor: WhoAsks) -> BrokenCodeReadings:
    """Who was shown a treatment, when and why; never what it was."""
    return list_broken_code_readings(service.database, actor, study_id)


@router.get(
    "/unblinded/code-breaks",
    response_model=UnblindedCodeBreaks,
    tags=[CODE_BREAKS],
    summary="Code breaks with arm and written reason",
    responses=_REFUSALS,
)
def unblinded_code_breaks(study_id: str, service: RunningService, actor: WhoAsks) -> UnblindedCodeBreaks:
    """For those who may learn arms anyway."""
    return list_unblinded_code_breaks(service.database, actor, study_id)

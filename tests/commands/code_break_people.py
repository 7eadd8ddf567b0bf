"""The people of a code break and what they do, signed; that signatures need a password is shown through the API."""

from typing import Any

from allocation.access.actors import Actor, Grant
from allocation.access.signing import Signature, content_hash_of
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
from allocation.commands.service import Act
from allocation.commands.signed_requests import asked_content
from allocation.rules.code_break import (
    BROKEN_CODE_READ,
    CODE_BREAK_APPROVED,
    CODE_BREAK_REFUSED,
    CODE_BREAK_REQUESTED,
    CODE_BROKEN,
)
from allocation.study.protocol import Protocol
from tests.api.trial import PEOPLE, STUDY, protocol
from tests.commands.desk import Desk


def person(name: str) -> Actor:
    return Actor(name, name, PEOPLE[name])


INVESTIGATOR, MANAGER, MEDICAL = (
    person(name) for name in ("investigator", "project.manager", "medical.monitor")
)
COLLEAGUE = Actor("colleague", "Colleague", (Grant("investigator", STUDY, "site", "S01"),))
ELSEWHERE = Actor("elsewhere", "Elsewhere", (Grant("investigator", STUDY, "site", "S02"),))
WHY = "anaphylaxis after the second dose"
ACTS: dict[str, tuple[Any, Any, str]] = {
    "break_code": (break_code, BreakCodeRequest, CODE_BROKEN),
    "read_broken_code": (read_broken_code, ReadBrokenCodeRequest, BROKEN_CODE_READ),
    "request_code_break": (request_code_break, RequestCodeBreakRequest, CODE_BREAK_REQUESTED),
    "approve_code_break": (approve_code_break, DecideCodeBreakRequest, CODE_BREAK_APPROVED),
    "refuse_code_break": (refuse_code_break, DecideCodeBreakRequest, CODE_BREAK_REFUSED),
}


def with_policy(**unblinding: Any) -> Protocol:
    return Protocol.model_validate({**protocol(), "unblinding": unblinding})


def do(
    desk: Desk,
    who: Actor,
    command: str,
    *,
    reason: str = WHY,
    key: str | None = None,
    meaning: str | None = None,
    unsigned: bool = False,
    **asked: Any,
) -> dict[str, Any]:
    """The act of `who`, signed for what is asked."""
    run, kind, usual = ACTS[command]
    request = kind.model_validate(asked)
    content = asked_content(STUDY, command, request, reason)
    signature = Signature(
        who.username,
        who.display_name,
        who.grants[0].role,
        desk.now,
        meaning or usual,
        content_hash_of(content),
    )
    act = Act(who, key, reason, None if unsigned else signature)
    answer: dict[str, Any] = run(desk.service, act, STUDY, request)
    return answer


def break_for(
    desk: Desk, who: Actor, subject_id: str, kind: str = "emergency", **more: Any
) -> dict[str, Any]:
    asked = {"subject_id": subject_id, "kind": kind, "category": "medical_emergency", **more}
    return do(desk, who, "break_code", **asked)

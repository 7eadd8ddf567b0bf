"""Code break: showing one subject's treatment to one person, because care or safety needs it. Who may, when, and with whose approval.

An emergency never waits: the investigator breaks the code of the subject at once, whatever the protocol says of approvals. Where it
names an approver, a break that was planned is asked for, approved by somebody else, and then made by the one who asked; the approver
need not learn the treatment. Source: ICH E6(R3) 2.9 and annex 1 (rapid, documented unblinding of a single participant), EU GMP annex 13.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from allocation.errors import DomainRefusal

RULE_VERSION: Final = "code-break/1"

ALWAYS: Final = "investigator"
"""The role that may break a code in an emergency under every protocol."""

BREAKERS: Final = frozenset({"investigator", "medical_monitor"})
"""The roles that may learn the treatment of one subject."""

APPROVERS: Final = frozenset({"medical_monitor", "project_manager"})
"""The roles that a protocol may name to approve planned code breaks."""

CODE_BROKEN: Final = "code broken"
CODE_BREAK_REQUESTED: Final = "code break requested"
CODE_BREAK_APPROVED: Final = "code break approved"
CODE_BREAK_REFUSED: Final = "code break refused"
BROKEN_CODE_READ: Final = "broken code read again"
"""What the signatures mean."""


class CodeBreakKind(StrEnum):
    """An emergency waits for nobody; a planned break may need an approval."""

    EMERGENCY = "emergency"
    PLANNED = "planned"


class CodeBreakCategory(StrEnum):
    """Why a code is broken, in words that everybody may read; the text that goes with it is for the unblinded."""

    MEDICAL_EMERGENCY = "medical_emergency"
    SERIOUS_ADVERSE_EVENT = "serious_adverse_event"
    PREGNANCY = "pregnancy"
    OVERDOSE = "overdose"
    ACCIDENTAL_EXPOSURE = "accidental_exposure"
    SAFETY_REPORTING = "safety_reporting"
    OTHER = "other"


class RequestState(StrEnum):
    """How far a request for a planned code break has come. `used`: the one who asked has been told, one way or the other."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    USED = "used"


OPEN_STATES: Final = (RequestState.REQUESTED, RequestState.APPROVED)
"""The states of a request that something may still come of."""


@dataclass(frozen=True, slots=True)
class CodeBreakPolicy:
    """What the protocol says: the roles for emergencies beside the investigator, and who approves planned breaks (None: nobody)."""

    emergency_by: frozenset[str]
    approval_by: str | None


def check_breakable(subject_id: str, *, open_label: bool, randomized: bool) -> None:
    """Raise DomainRefusal where there is no code to break."""
    if open_label:
        raise DomainRefusal(
            "the study is open-label: there is no code to break",
            code="not-blinded",
            field="study_id",
            fix="the treatment is in the subject's record",
        )
    if not randomized:
        raise DomainRefusal(
            f"subject {subject_id} was never randomized: it has no treatment",
            code="not-randomized",
            field="subject_id",
            fix="correct the subject's number",
        )


def breaking_role(policy: CodeBreakPolicy, kind: CodeBreakKind, held: Set[str]) -> str:
    """The role under which the code is broken, of those `held` at the subject's site. Raises DomainRefusal where none allows it."""
    allowed = BREAKERS
    if policy.approval_by is not None and kind is CodeBreakKind.EMERGENCY:
        allowed = BREAKERS & (policy.emergency_by | {ALWAYS})
    able = sorted(allowed & held)  # the investigator first: the one who cares for the subject
    if not able:
        raise DomainRefusal(
            "by the protocol your role breaks no code in an emergency",
            code="emergency-not-yours",
            field="kind",
            fix="the investigator may; or ask for a planned code break",
        )
    return able[0]


def check_not_told(subject_id: str, *, told: bool) -> None:
    """Raise DomainRefusal for somebody who broke the subject's code before."""
    if told:
        raise DomainRefusal(
            f"you have broken the code of subject {subject_id} already",
            code="already-unblinded",
            field="subject_id",
            fix="read it again: that is recorded, too",
        )


def check_approved(policy: CodeBreakPolicy, kind: CodeBreakKind, state: str | None) -> None:
    """Raise DomainRefusal for a planned break that the protocol wants approved, by the state of the person's own open request."""
    if policy.approval_by is None or kind is CodeBreakKind.EMERGENCY or state == RequestState.APPROVED:
        return
    first = f"a planned code break is approved by the {policy.approval_by.replace('_', ' ')} first"
    if state == RequestState.REQUESTED:
        raise DomainRefusal(
            first, code="approval-awaited", field="kind", fix="wait for the decision; in an emergency, say so"
        )
    raise DomainRefusal(
        first, code="approval-missing", field="kind", fix="ask for it; in an emergency, say so"
    )


def check_request(policy: CodeBreakPolicy, state: str | None) -> None:
    """Raise DomainRefusal for a request that nobody has to approve, or that was made before (`state` of the open one)."""
    if policy.approval_by is None:
        raise DomainRefusal(
            "by the protocol nobody approves a code break",
            code="approval-not-needed",
            field="subject_id",
            fix="break it at once",
        )
    if state is not None:
        raise DomainRefusal(
            f"your request is {state}",
            code="already-requested",
            field="subject_id",
            fix="break the code" if state == RequestState.APPROVED else "wait for the decision",
        )


def check_decision(
    policy: CodeBreakPolicy, held: Set[str], *, asked_by: str, decided_by: str, state: str
) -> str:
    """The role under which a request is decided on. Raises DomainRefusal: decided before, one's own, or another role's to decide."""
    if state != RequestState.REQUESTED:
        raise DomainRefusal(
            f"the request is {state}", code="already-decided", field="request_id", fix="nothing was changed"
        )
    if asked_by == decided_by:
        raise DomainRefusal(
            "nobody decides on a request of their own",
            code="four-eyes",
            field="request_id",
            fix="let somebody else decide",
        )
    if policy.approval_by is None or policy.approval_by not in held:
        whose = "nobody" if policy.approval_by is None else f"the {policy.approval_by.replace('_', ' ')}"
        raise DomainRefusal(
            f"by the protocol {whose} decides on code breaks",
            code="not-the-approver",
            field="request_id",
            fix="let them decide",
        )
    return policy.approval_by

"""The steps of a return, as one table: a site declares, a monitor counts, a project manager approves, the depot receives and settles.

A return is a list of kits that a site sends back: kits that subjects brought back, and unused ones. Each kit ends used again, destroyed
under a certificate, or missing, and with the last of them the return is closed. What a kit is meanwhile says `kit_status.py`. Which gates a
study needs is its policy. A gate that it needs is skipped by nobody, and nobody passes one for the own work (four eyes). ICH E6(R2)
4.6.3, 5.14.4 and 5.18.4(c) ask for the records, the retrieval and the monitor's check; 8.4.2 for the certificate of destruction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from allocation.errors import DomainRefusal
from allocation.rules.kit_authority import (
    DEPOT_ROLES,
    DESTROYED,
    REUSED,
    SITE_ROLES,
    SUPPLY_ROLES,
    WITHDRAW,
    Authority,
)
from allocation.rules.kit_status import KitStatus

RULE_VERSION: Final = "returns/1"
APPROVED: Final = "return approved"
"""What the signature of an approval means."""


class ReturnState(StrEnum):
    """How far a return has come."""

    DECLARED = "declared"
    RECONCILED = "reconciled"
    APPROVED = "approved"
    IN_TRANSIT = "in_transit"
    RECEIVED = "received"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class ReturnStep(StrEnum):
    """What is done with a return."""

    DECLARE = "declare"
    RECONCILE = "reconcile"
    APPROVE = "approve"
    SHIP = "ship"
    RECEIVE = "receive"
    REUSE = "reuse"
    DESTROY = "destroy"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class StepRow:
    """A row of the table. `from_state` is None for a return that does not exist yet; `by`: role, reason and signature."""

    from_state: ReturnState | None
    step: ReturnStep
    to_state: ReturnState
    by: Authority


_S, _T = ReturnState, ReturnStep
_DEPOT_SIGNED: Final = Authority(DEPOT_ROLES, reason=True, signature=DESTROYED)
_SITE_SIGNED: Final = Authority(SITE_ROLES | SUPPLY_ROLES, reason=True, signature=DESTROYED)

STEPS: Final[tuple[StepRow, ...]] = (
    StepRow(None, _T.DECLARE, _S.DECLARED, Authority(SITE_ROLES)),
    StepRow(_S.DECLARED, _T.RECONCILE, _S.RECONCILED, Authority(frozenset({"monitor"}))),
    StepRow(
        _S.RECONCILED, _T.APPROVE, _S.APPROVED, Authority(frozenset({"project_manager"}), signature=APPROVED)
    ),
    StepRow(_S.APPROVED, _T.SHIP, _S.IN_TRANSIT, Authority(SITE_ROLES)),
    StepRow(_S.IN_TRANSIT, _T.RECEIVE, _S.RECEIVED, Authority(DEPOT_ROLES)),
    # These two settle kits: the return stays in its state until its last kit is settled.
    StepRow(_S.RECEIVED, _T.REUSE, _S.RECEIVED, Authority(SUPPLY_ROLES, reason=True, signature=REUSED)),
    StepRow(_S.RECEIVED, _T.DESTROY, _S.RECEIVED, _DEPOT_SIGNED),
    StepRow(_S.APPROVED, _T.DESTROY, _S.APPROVED, _SITE_SIGNED),
    # Until it leaves the site a return may be taken back; what was declared is then declared again, or quarantined.
    StepRow(_S.DECLARED, _T.WITHDRAW, _S.WITHDRAWN, WITHDRAW),
    StepRow(_S.RECONCILED, _T.WITHDRAW, _S.WITHDRAWN, WITHDRAW),
    StepRow(_S.APPROVED, _T.WITHDRAW, _S.WITHDRAWN, WITHDRAW),
)
AT_SITE: Final = (_S.DECLARED, _S.RECONCILED, _S.APPROVED)
"""The states in which the kits of a return are still at its site."""
OPEN: Final = (*AT_SITE, _S.IN_TRANSIT, _S.RECEIVED)
"""The states of a return that has kits which are not settled."""


@dataclass(frozen=True, slots=True)
class ReturnPolicy:
    """Which gates a study needs, and how kits may end (`supply.returns` of the protocol)."""

    reconciliation: bool = True
    approval: bool = True
    destruction_at_site: bool = False
    reuse: bool = False

    @property
    def gated(self) -> bool:
        """Whether anybody must look at a return before its kits leave the site or are destroyed there."""
        return self.reconciliation or self.approval

    def stands_for(self, state: ReturnState) -> tuple[ReturnState, ...]:
        """The state, and those that it is as good as because the study does not need the gate between them."""
        states = [state]
        if states[-1] == ReturnState.DECLARED and not self.reconciliation:
            states.append(ReturnState.RECONCILED)
        if states[-1] == ReturnState.RECONCILED and not self.approval:
            states.append(ReturnState.APPROVED)
        return tuple(states)


_GATES: Final[Mapping[ReturnState, str]] = {
    _S.DECLARED: "a monitor reconciles it first",
    _S.RECONCILED: "a project manager approves it first",
    _S.APPROVED: "it is sent to the depot first",
    _S.IN_TRANSIT: "the depot receives it first",
    _S.RECEIVED: "the depot has it",
    _S.CLOSED: "nothing is left to do",
    _S.WITHDRAWN: "declare the kits again",
}


def check_step(return_id: str, state: ReturnState, step: ReturnStep, policy: ReturnPolicy) -> StepRow:
    """The row for this step of a return in this state, under the study's policy.

    Raises DomainRefusal: `return-gate` with the gate that comes first, `no-destruction-at-site`, `no-reuse`.
    """
    for one in policy.stands_for(state):
        row = next((row for row in STEPS if (row.from_state, row.step) == (one, step)), None)
        if row is None:
            continue
        if step == ReturnStep.DESTROY and one in AT_SITE and not policy.destruction_at_site:
            raise no_destruction_at_site()
        if step == ReturnStep.REUSE and not policy.reuse:
            raise DomainRefusal(
                "this study uses no returned kit again",
                code="no-reuse",
                field="kit_numbers",
                fix="destroy them under a certificate",
            )
        return row
    raise DomainRefusal(
        f"return {return_id} is {state}: it cannot be {_DONE[step]} now",
        code="return-gate",
        field="return_id",
        fix=_GATES[policy.stands_for(state)[-1]],
    )


_DONE: Final[Mapping[ReturnStep, str]] = {
    _T.DECLARE: "declared",
    _T.RECONCILE: "reconciled",
    _T.APPROVE: "approved",
    _T.SHIP: "sent",
    _T.RECEIVE: "received",
    _T.REUSE: "used again",
    _T.DESTROY: "destroyed",
    _T.WITHDRAW: "withdrawn",
}


def no_destruction_at_site() -> DomainRefusal:
    """The refusal of a study whose kits are destroyed at depots alone."""
    return DomainRefusal(
        "this study destroys no kits at sites",
        code="no-destruction-at-site",
        field="kit_numbers",
        fix="return them to the depot",
    )


def check_direct_destruction(policy: ReturnPolicy) -> None:
    """Refuse the destruction of kits at a site without a return, unless the study allows it there and no gate would be skipped by it.

    Raises DomainRefusal (`no-destruction-at-site`, `return-needed`).
    """
    if not policy.destruction_at_site:
        raise no_destruction_at_site()
    if policy.gated:
        raise DomainRefusal(
            "kits at a site are destroyed as a return, after its gates",
            code="return-needed",
            field="kit_numbers",
            fix="declare the return (rtsm returns declare)",
        )


def check_four_eyes(step: ReturnStep, actor: str, done_by: Mapping[ReturnStep, str | None]) -> None:
    """Refuse a gate to whoever did an earlier step of the same return. Raises DomainRefusal (`own-return`)."""
    before = {
        ReturnStep.RECONCILE: (ReturnStep.DECLARE,),
        ReturnStep.APPROVE: (ReturnStep.DECLARE, ReturnStep.RECONCILE),
    }.get(step, ())
    for earlier in before:
        if done_by.get(earlier) == actor:
            raise DomainRefusal(
                f"{actor} has {_DONE[earlier]} this return and cannot be the one who has it {_DONE[step]}",
                code="own-return",
                field="actor",
                fix="somebody else looks at it (four eyes)",
            )


def state_after(row: StepRow, unsettled: int) -> ReturnState:
    """The state that a step leaves a return in, of which `unsettled` kits are neither used again, destroyed nor missing."""
    return row.to_state if unsettled or row.to_state == ReturnState.WITHDRAWN else ReturnState.CLOSED


@dataclass(frozen=True, slots=True)
class ReturnedKit:
    """What decides whether a returned kit may be used again. Dates are the depot's; `dispensed`: whether a subject ever had it."""

    kit_number: str
    status: str
    dispensed: bool
    received_as: str | None
    last_ship_date: date
    lot_gone: bool


def reuse_obstacle(kit: ReturnedKit, today: date) -> str | None:
    """Why a returned kit may not be used again, None where it may.

    It never left the site's control and was never dispensed (it was available there when it was declared), arrived in good order, may
    still be shipped, and its lot was neither rejected nor recalled.
    """
    if kit.dispensed:
        return "a subject had it"
    if kit.lot_gone:
        return "its lot was rejected or recalled"
    if kit.received_as != "good" or kit.status != KitStatus.RETURNED_UNUSED:
        return "it was not in good order, at the site or when it arrived"
    if kit.last_ship_date < today:
        return "it is too near its expiry to be shipped again"
    return None


def rows_of_step(step: ReturnStep) -> tuple[StepRow, ...]:
    """The rows of a step."""
    return tuple(row for row in STEPS if row.step == step)


def roles_of_step(step: ReturnStep) -> frozenset[str]:
    """The roles that may do a step somewhere."""
    return frozenset().union(*(row.by.roles for row in rows_of_step(step)))

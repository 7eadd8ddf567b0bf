"""Opening and closing a cohort by hand, as in a dose escalation when the data of the level before have been reviewed."""

from __future__ import annotations

from typing import Any

from allocation.commands.caps import cohorts_filled, is_cohort_open, lock_study
from allocation.commands.service import FOR_THE_TRAIL, Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, NotFound
from allocation.study.model import Code


class SetCohortRequest(CommandRequest):
    """Open a cohort to new subjects, or close it. Who is in screening in a closed cohort may still be randomized."""

    cohort: Code
    open: bool


def set_cohort(service: Service, act: Act, study_id: str, request: SetCohortRequest) -> dict[str, Any]:
    """Open or close a cohort, with a reason; answers its state.

    Raises NotFound for an unknown cohort; DomainRefusal without a reason, when it is so already, when the cohort that must close
    before it is open, or when its cap or that of its dose level is reached.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        protocol = transaction.protocol
        cohort = next((one for one in protocol.cohorts if one.code == request.cohort), None)
        if cohort is None:
            known = ", ".join(one.code for one in protocol.cohorts) or "it has none"
            raise NotFound(
                f"cohort {request.cohort!r} is not in the protocol", field="cohort", fix=f"one of {known}"
            )
        act.require_reason("a cohort is opened or closed with a reason only", FOR_THE_TRAIL)
        lock_study(transaction)
        was_open = is_cohort_open(transaction, cohort.code)
        if was_open == request.open:
            raise DomainRefusal(
                f"cohort {cohort.code} is {'open' if was_open else 'closed'} already",
                code="cohort-state",
                field="cohort",
                fix="nothing is to be done",
            )
        if request.open:
            if cohort.after is not None and is_cohort_open(transaction, cohort.after):
                raise DomainRefusal(
                    f"cohort {cohort.after} is open, and must close before {cohort.code} opens",
                    code="cohort-out-of-order",
                    field="cohort",
                    fix=f"close cohort {cohort.after} first",
                )
            if cohort.code in cohorts_filled(transaction, cohort.code, more=0):
                raise DomainRefusal(
                    f"cohort {cohort.code} is full, by its own cap or that of its dose level",
                    code="cap-reached",
                    field="cohort",
                    fix="the cap can be raised by a new protocol version",
                )
        after = {
            "cohort": cohort.code,
            "open": request.open,
            "changed_on": transaction.today.isoformat(),
        }
        answer = {"cohort": cohort.code, "state": "open" if request.open else "closed"}
        return transaction.append(after, before={"open": was_open}, answer=answer)

    return execute(service, act, study_id, "set_cohort", request, body)

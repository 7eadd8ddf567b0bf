"""The routes of returns that change something: counts, steps, and the steps that must be signed."""

from __future__ import annotations

from typing import Final

from allocation.api import return_bodies as bodies
from allocation.api.command_route import SITE_DESK, SUPPLY, CommandRoute
from allocation.commands.count_corrections import CorrectKitCountRequest, correct_kit_count
from allocation.commands.kit_counts import (
    ReturnFromSubjectRequest,
    return_from_subject,
)
from allocation.commands.return_ends import (
    DestroyReturnedRequest,
    ReuseRequest,
    destroy_returned_kits,
    reuse_returned_kits,
)
from allocation.commands.return_shipping import (
    DispatchReturnRequest,
    ReceiveReturnRequest,
    dispatch_return,
    receive_return,
)
from allocation.commands.return_steps import ReturnRequest
from allocation.commands.returns import (
    ApproveReturnRequest,
    DeclareReturnRequest,
    ReconcileReturnRequest,
    approve_return,
    declare_return,
    reconcile_return,
    withdraw_return,
)

RETURN_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "return_from_subject",
        "subject-returns",
        SITE_DESK,
        "Take kits back from a subject",
        return_from_subject,
        ReturnFromSubjectRequest,
        bodies.ReturnFromSubjectBody,
        bodies.ReturnFromSubjectAnswer,
    ),
    CommandRoute(
        "correct_kit_count",
        "kit-count-corrections",
        SITE_DESK,
        "Correct the count of a kit that came back",
        correct_kit_count,
        CorrectKitCountRequest,
        bodies.CorrectKitCountBody,
        bodies.CorrectKitCountAnswer,
    ),
    CommandRoute(
        "declare_return",
        "returns",
        SITE_DESK,
        "Declare kits for return",
        declare_return,
        DeclareReturnRequest,
        bodies.DeclareReturnBody,
        bodies.DeclareReturnAnswer,
    ),
    CommandRoute(
        "reconcile_return",
        "return-counts",
        SUPPLY,
        "Count a return (monitor)",
        reconcile_return,
        ReconcileReturnRequest,
        bodies.ReconcileReturnBody,
        bodies.ReconcileReturnAnswer,
    ),
    CommandRoute(
        "dispatch_return",
        "return-dispatches",
        SITE_DESK,
        "Send a return to the depot",
        dispatch_return,
        DispatchReturnRequest,
        bodies.DispatchReturnBody,
        bodies.DispatchReturnAnswer,
    ),
    CommandRoute(
        "receive_return",
        "return-receipts",
        SUPPLY,
        "Receive a return at the depot",
        receive_return,
        ReceiveReturnRequest,
        bodies.ReceiveReturnBody,
        bodies.ReceiveReturnAnswer,
    ),
    CommandRoute(
        "withdraw_return",
        "return-withdrawals",
        SUPPLY,
        "Take a return back, or refuse it",
        withdraw_return,
        ReturnRequest,
        bodies.WithdrawReturnBody,
        bodies.WithdrawReturnAnswer,
    ),
)

SIGNED_RETURN_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "approve_return",
        "return-approvals",
        SUPPLY,
        "Approve a return (signed)",
        approve_return,
        ApproveReturnRequest,
        bodies.ApproveReturnBody,
        bodies.ReturnStateAnswer,
    ),
    CommandRoute(
        "reuse_returned_kits",
        "return-reuses",
        SUPPLY,
        "Use returned kits again (signed)",
        reuse_returned_kits,
        ReuseRequest,
        bodies.ReuseBody,
        bodies.SettleReturnAnswer,
    ),
    CommandRoute(
        "destroy_returned_kits",
        "return-destructions",
        SUPPLY,
        "Record that kits of a return were destroyed (signed)",
        destroy_returned_kits,
        DestroyReturnedRequest,
        bodies.DestroyReturnedBody,
        bodies.SettleReturnAnswer,
    ),
)

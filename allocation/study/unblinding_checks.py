"""Does the policy of code breaks name roles that may have a part in them, and leave the emergency to the investigator?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.rules.code_break import ALWAYS, APPROVERS, BREAKERS
from allocation.study.inconsistency import Findings, choice_text

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


def check_unblinding(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` roles that may not break or approve, and a policy without the investigator."""
    policy = protocol.unblinding
    path = ("unblinding", "emergency_by")
    known = sorted(BREAKERS)
    for index, role in enumerate(policy.emergency_by):
        if role not in BREAKERS:
            findings.add(
                (*path, index), role, "is not a role that may break a code", choice_text(role, known, "")
            )
    findings.unique(path, policy.emergency_by, "role")
    if ALWAYS not in policy.emergency_by:
        findings.add(
            path,
            ", ".join(policy.emergency_by) or "(empty)",
            f"leaves out the {ALWAYS}, who must be able to break a code in an emergency",
            f"add {ALWAYS}",
        )
    approver = policy.approval_by
    if approver is not None and approver not in APPROVERS:
        findings.add(
            ("unblinding", "approval_by"),
            approver,
            "is not a role that may approve code breaks",
            f"{choice_text(approver, sorted(APPROVERS), '')}, or null: each break is made at once",
        )

"""Proposals of supply parameters: how far one may go, who may decide on it, and whether it still fits the protocol it was made for.

    filed --sign--> signed            its parameters are those of a new protocol version
      |---reject--> rejected
      |---withdraw--> withdrawn       by whoever filed it
      |---file another in its place--> superseded
      +---another version is loaded--> stale     its impact was simulated under parameters that are no longer the latest

A proposal is only ever decided on once. Who filed it does not decide on it (four eyes). Sources: 21 CFR 11.10(f) (permitted sequencing of
steps), ICH E6(R3) 4.3 (changes of computerised settings that affect the trial are documented and approved).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from allocation.errors import DomainRefusal

RULE_VERSION: Final = "supply-proposal/1"

PROPOSAL_SIGNED: Final = "supply parameters approved"
PROPOSAL_REJECTED: Final = "supply parameters rejected"
"""What the signatures mean."""


class ProposalState(StrEnum):
    """How far a proposal has come."""

    FILED = "filed"
    SIGNED = "signed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    STALE = "stale"


class ProposalStep(StrEnum):
    """What is done to a proposal."""

    SIGN = "sign"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    SUPERSEDE = "supersede"
    OUTDATE = "outdate"


STEPS: Final[dict[ProposalStep, ProposalState]] = {
    ProposalStep.SIGN: ProposalState.SIGNED,
    ProposalStep.REJECT: ProposalState.REJECTED,
    ProposalStep.WITHDRAW: ProposalState.WITHDRAWN,
    ProposalStep.SUPERSEDE: ProposalState.SUPERSEDED,
    ProposalStep.OUTDATE: ProposalState.STALE,
}
"""Where each step leads from `filed`, which is the only state that any step leads from."""


def next_state(proposal: str, state: str, step: ProposalStep) -> ProposalState:
    """The state after the step. Raises DomainRefusal (`proposal-closed`) for a proposal that is no longer open."""
    if state != ProposalState.FILED:
        raise DomainRefusal(
            f"proposal {proposal} is {state}",
            code="proposal-closed",
            field="proposal_id",
            fix="nothing was changed; tune anew under the present protocol version and file that",
        )
    return STEPS[step]


def check_decider(proposal: str, filed_by: str, decider: str) -> None:
    """Refuse a decision on one's own proposal. Raises DomainRefusal (`own-proposal`)."""
    if filed_by == decider:
        raise DomainRefusal(
            f"{decider} filed proposal {proposal}",
            code="own-proposal",
            field="proposal_id",
            fix="somebody else signs or rejects it; you may withdraw it",
        )


def check_withdrawer(proposal: str, filed_by: str, who: str) -> None:
    """Refuse to take back what somebody else filed. Raises DomainRefusal (`not-your-proposal`)."""
    if filed_by != who:
        raise DomainRefusal(
            f"proposal {proposal} was filed by {filed_by}",
            code="not-your-proposal",
            field="proposal_id",
            fix="reject it, under signature and with a reason",
        )


def check_made_for(
    version: int, sha256: str, *, loaded_sha256: str | None, latest: int, in_force: int
) -> None:
    """Refuse a proposal that was not made for the protocol version in effect, by number and by hash of the document.

    `loaded_sha256`: the hash of that version as it is loaded (None: it is not); `latest`: the latest loaded version; `in_force`: the latest
    that is in force anywhere. A version that is loaded and waits counts, too: the next version follows it, and the impact
    was not simulated under it. Raises DomainRefusal (`proposal-outdated`, `proposal-version-unknown`).
    """
    if loaded_sha256 is None:
        raise DomainRefusal(
            f"was made for protocol version {version}, which is not loaded; the latest is {latest}",
            code="proposal-version-unknown",
            field="report.protocol_version",
            fix=f"tune under version {latest} and file that",
        )
    if loaded_sha256 != sha256:
        raise DomainRefusal(
            f"is not the hash of protocol version {version} as it is loaded, {loaded_sha256}",
            code="proposal-outdated",
            field="report.protocol_hash",
            fix="tune on the protocol as the service has it (`rtsm tune --study`) and file that",
        )
    if version != latest:
        raise DomainRefusal(
            f"was made for protocol version {version}, which is no longer the latest: version {latest} is loaded",
            code="proposal-outdated",
            field="report.protocol_version",
            fix=f"tune under version {latest} and file that",
        )
    if version > in_force:
        raise DomainRefusal(
            f"was made for protocol version {version}, which is not in effect anywhere yet",
            code="proposal-outdated",
            field="report.protocol_version",
            fix="wait until the version is in effect, then tune and file that",
        )

"""The decision on proposed supply parameters: signed, they are those of a new protocol version; rejected, nothing changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, Field

from allocation.access.signing import require_signature
from allocation.commands.service import Act, Service
from allocation.commands.signed_requests import asked_content
from allocation.commands.studies import locked_latest_version, version_entry
from allocation.commands.supply_proposals import (
    NamedProposalRequest,
    check_current,
    ended,
    proposed_protocol,
    report_of,
    told,
)
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal
from allocation.ledger.proposals import proposal_row
from allocation.ledger.versions import countries_in_force
from allocation.rules.supply_proposal import (
    PROPOSAL_REJECTED,
    PROPOSAL_SIGNED,
    ProposalStep,
    check_decider,
    next_state,
)
from allocation.study.tuning_report import Sha256


class SignSupplyProposalRequest(NamedProposalRequest):
    """A proposal to put into effect: `report_sha256` names the report that was read and is signed.

    `effective_at`: the moment (UTC) from which the parameters count; None: from now.
    """

    report_sha256: Sha256
    effective_at: AwareDatetime | None = None


class RejectSupplyProposalRequest(NamedProposalRequest):
    """A proposal to reject; the reason of the act says why."""

    report_sha256: Sha256 | None = Field(default=None, description="the report that was read; none: any")


def sign_supply_proposal(
    service: Service, act: Act, study_id: str, request: SignSupplyProposalRequest
) -> dict[str, Any]:
    """Put proposed supply parameters into effect, signed: they are those of the next protocol version, which is loaded with this act.

    It counts in every country where the version that they were made for is in force; the others wait as for any version. Other
    open proposals go stale. Raises NotFound, SignatureRefused, and DomainRefusal for one's own proposal, one that is no longer open or
    whose version is no longer the latest, another report, and a choice that misses the limit of its risk without a reason.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        connection = transaction.connection
        latest = locked_latest_version(connection, study_id)
        found = proposal_row(connection, study_id, request.proposal_id)
        state = next_state(found.proposal_id, found.state, ProposalStep.SIGN)
        check_decider(found.proposal_id, found.filed_by, act.actor.username)
        check_current(transaction, found.protocol_version, found.protocol_sha256, latest)
        _check_report(found.report_sha256, request.report_sha256)
        content = asked_content(study_id, "sign_supply_proposal", request, act.reason)
        require_signature(act.signature, PROPOSAL_SIGNED, content, username=act.actor.username)
        report = report_of(found)
        if not report.feasible:
            act.require_reason(
                f"proposal {found.proposal_id} does not keep {report.risk.measure} at or below {report.risk.at_most:g}",
                "say why it is signed all the same",
            )
        moment = request.effective_at or transaction.now
        protocol = proposed_protocol(transaction, report, moment.date(), version=latest + 1)
        in_force = countries_in_force(connection, study_id, transaction.now)
        counting: dict[str, datetime] = {
            country.code: moment for country in protocol.countries if in_force.get(country.code) == latest
        }
        loaded = version_entry(transaction, protocol, None if protocol.countries else moment, counting)
        version = {"version": loaded.after["version"], "sha256": loaded.after["sha256"]}
        effect = {name: loaded.answer[name] for name in ("effective_at", "countries")}
        answer = transaction.append(
            {**ended(transaction, found, state), **version},
            before={"state": found.state, **loaded.before},
            answer={**told(found, state), **version, **effect},
        )
        named = {"proposal_id": found.proposal_id, "report_sha256": found.report_sha256}
        transaction.append(
            {**loaded.after, "proposal": named},
            before=loaded.before,
            answer=loaded.answer,
            follows="load_study_version",
        )
        return answer

    return execute(service, act, study_id, "sign_supply_proposal", request, body)


def reject_supply_proposal(
    service: Service, act: Act, study_id: str, request: RejectSupplyProposalRequest
) -> dict[str, Any]:
    """Reject proposed supply parameters, signed and with a reason. Raises as `sign_supply_proposal`; an outdated one may be rejected."""

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        locked_latest_version(transaction.connection, study_id)
        found = proposal_row(transaction.connection, study_id, request.proposal_id)
        state = next_state(found.proposal_id, found.state, ProposalStep.REJECT)
        check_decider(found.proposal_id, found.filed_by, act.actor.username)
        _check_report(found.report_sha256, request.report_sha256 or found.report_sha256)
        content = asked_content(study_id, "reject_supply_proposal", request, act.reason)
        require_signature(act.signature, PROPOSAL_REJECTED, content, username=act.actor.username)
        act.require_reason("a proposal is rejected for a reason")
        return transaction.append(
            ended(transaction, found, state), before={"state": found.state}, answer=told(found, state)
        )

    return execute(service, act, study_id, "reject_supply_proposal", request, body)


def _check_report(filed: str, read: str) -> None:
    if filed != read:
        raise DomainRefusal(
            f"is not the hash of the report that was filed, {filed}",
            code="other-report",
            field="report_sha256",
            fix="read that report, and name its hash",
        )

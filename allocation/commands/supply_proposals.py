"""Proposals of supply parameters: a tune report is filed with its scenario, or taken back (decided on in supply_proposal_decisions.py).

A proposal rests on what was simulated under one protocol version, so it is only good while that version is the latest. What is filed was
tried on: the parameters make a protocol that can follow, and they change something.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any, Final

from pydantic import Field
from sqlalchemy import Connection, Row, func, select

from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.studies import locked_latest_version
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal
from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.entry import moment_text
from allocation.ledger.proposals import proposal_row
from allocation.ledger.schema import ledger_seal, study_version, supply_proposal
from allocation.rules.supply_proposal import (
    RULE_VERSION,
    ProposalState,
    ProposalStep,
    check_made_for,
    check_withdrawer,
    next_state,
)
from allocation.study.applied_parameters import with_parameters
from allocation.study.canonical import protocol_sha256
from allocation.study.model import Code
from allocation.study.parameter_changes import check_takes_effect
from allocation.study.protocol import Protocol
from allocation.study.tuning_report import KeptDocument, KeptReport, TuningReport
from allocation.views.unblinded.loaded_stock import opened_sites

LARGEST_DOCUMENT: Final = 4_000_000
"""Characters of a report or a scenario as canonical JSON."""


class FileSupplyProposalRequest(CommandRequest):
    """A tune report and the scenario that it was simulated under, both whole, as JSON values.

    `scenario`: its canonical JSON (sorted keys, no white space, ASCII) has the SHA-256 `scenario_hash` of the report. `supersedes`: an open
    proposal in whose place this one is filed.
    """

    report: KeptReport
    scenario: KeptDocument = Field(description="the scenario document, with its defaults")
    supersedes: Code | None = None


class NamedProposalRequest(CommandRequest):
    """A proposal that something is done to."""

    proposal_id: Code


def file_supply_proposal(
    service: Service, act: Act, study_id: str, request: FileSupplyProposalRequest
) -> dict[str, Any]:
    """File a tune report as a proposal of supply parameters; answers its number and the hash of the report.

    Raises DomainRefusal for a report of another study or protocol version, one that is filed already, and parameters that the protocol
    cannot have or that would change nothing; NotFound for a proposal to supersede that is not there.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        connection = transaction.connection
        latest = locked_latest_version(connection, study_id)
        report = TuningReport.model_validate(request.report)
        if report.study != study_id:
            raise DomainRefusal(
                f"is of study {report.study}, not {study_id}",
                code="other-study",
                field="report.study",
                fix="file it in its own study",
            )
        sha256 = _hash_of("report", request.report)
        _check_scenario(request.scenario, report.scenario_hash)
        _check_position(connection, study_id, report.ledger_position)
        loaded = check_current(transaction, report.protocol_version, report.protocol_hash, latest)
        _check_new(connection, study_id, sha256)
        if request.supersedes is not None:
            found = proposal_row(connection, study_id, request.supersedes, "supersedes")
            next_state(found.proposal_id, found.state, ProposalStep.SUPERSEDE)
        proposed_protocol(transaction, report, transaction.now.date())
        name = f"P{_count(connection, study_id) + 1}"
        after = {
            "proposal_id": name,
            "report_sha256": sha256,
            "report": request.report,
            "scenario": request.scenario,
            "protocol_version": report.protocol_version,
            "protocol_sha256": loaded,
            "feasible": report.feasible,
            "supersedes": request.supersedes,
            "person": act.actor.username,
            "at": moment_text(transaction.now),
            "reason": act.reason,
            "rule_version": RULE_VERSION,
        }
        answer = {
            "proposal_id": name,
            "report_sha256": sha256,
            "protocol_version": report.protocol_version,
            "state": ProposalState.FILED.value,
            "superseded": request.supersedes,
        }
        return transaction.append(after, answer=answer)

    return execute(service, act, study_id, "file_supply_proposal", request, body)


def withdraw_supply_proposal(
    service: Service, act: Act, study_id: str, request: NamedProposalRequest
) -> dict[str, Any]:
    """Take back what one filed, with a reason. Raises NotFound, DomainRefusal for another's proposal or one that is no longer open."""

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        locked_latest_version(transaction.connection, study_id)
        found = proposal_row(transaction.connection, study_id, request.proposal_id)
        state = next_state(found.proposal_id, found.state, ProposalStep.WITHDRAW)
        check_withdrawer(found.proposal_id, found.filed_by, act.actor.username)
        act.require_reason("a proposal is withdrawn for a reason", "say why, for the audit trail")
        return transaction.append(
            ended(transaction, found, state), before={"state": found.state}, answer=told(found, state)
        )

    return execute(service, act, study_id, "withdraw_supply_proposal", request, body)


def ended(transaction: Transaction, found: Row[Any], state: ProposalState) -> dict[str, Any]:
    """The payload of the entry that ends a proposal."""
    return {
        "proposal_id": found.proposal_id,
        "report_sha256": found.report_sha256,
        "state": state.value,
        "person": transaction.act.actor.username,
        "at": moment_text(transaction.now),
        "reason": transaction.act.reason,
        "rule_version": RULE_VERSION,
    }


def told(found: Row[Any], state: ProposalState) -> dict[str, Any]:
    """The answer to an act that ends a proposal."""
    return {
        "proposal_id": found.proposal_id,
        "report_sha256": found.report_sha256,
        "protocol_version": found.protocol_version,
        "state": state.value,
    }


def report_of(found: Row[Any]) -> TuningReport:
    """The report of a filed proposal."""
    return TuningReport.model_validate(json.loads(found.report_json))


def check_current(transaction: Transaction, version: int, sha256: str, latest: int) -> str:
    """Refuse what was not made for the version in effect (rules/supply_proposal.py); `latest` is the latest loaded one.

    Answers the hash under which it is loaded. A release that knows more keys of the document has another hash of the same version,
    which counts as well.
    """
    columns = study_version.c
    query = select(columns.sha256).where(columns.study_id == transaction.study_id, columns.version == version)
    loaded = transaction.connection.execute(query).scalar()
    if loaded is not None and sha256 == protocol_sha256(transaction.protocol_of(version)):
        sha256 = loaded
    check_made_for(version, sha256, loaded_sha256=loaded, latest=latest, in_force=transaction.version)
    return str(loaded)


def proposed_protocol(
    transaction: Transaction, report: TuningReport, on: date, *, version: int | None = None
) -> Protocol:
    """The protocol that the report was made for with its parameters, tried on as of that day (UTC).

    Raises DomainRefusal, whose field is in `report.choice`, for what the protocol cannot have and for what would change nothing.
    """
    today = transaction.protocol_of(report.protocol_version)
    proposed = report.choice.parameters
    try:
        then = with_parameters(today, proposed, version=version)
        opened = opened_sites(transaction.connection, transaction.study_id)
        check_takes_effect(today, then, proposed, on, opened)
    except DomainRefusal as refusal:
        raise DomainRefusal(
            refusal.message, code=refusal.code, field=f"report.choice.{refusal.field}", fix=refusal.fix
        ) from refusal
    return then


def _hash_of(field: str, document: dict[str, Any]) -> str:
    text = canonical_json(document)
    if len(text) > LARGEST_DOCUMENT:
        raise DomainRefusal(
            f"has {len(text)} characters, more than {LARGEST_DOCUMENT}",
            code="document-too-large",
            field=field,
            fix="leave out what the decision does not rest on, such as single replicates",
        )
    return sha256_hex(text)


def _check_scenario(scenario: dict[str, Any], told_hash: str) -> None:
    found = _hash_of("scenario", scenario)
    if found != told_hash:
        raise DomainRefusal(
            f"has the hash {found}, but the report was made under a scenario with the hash {told_hash}",
            code="scenario-differs",
            field="scenario",
            fix="hand in the scenario that was simulated, with its defaults",
        )


def _check_position(connection: Connection, study_id: str, position: int | None) -> None:
    """Refuse a position that the ledger has not come to."""
    seal = ledger_seal.c
    last = connection.execute(select(func.max(seal.position)).where(seal.study_id == study_id)).scalar() or 0
    if position is not None and position > last:
        raise DomainRefusal(
            f"is {position}, but the ledger of study {study_id} ends at {last}",
            code="position-ahead",
            field="report.ledger_position",
            fix="file it in the database that it was made from",
        )


def _check_new(connection: Connection, study_id: str, sha256: str) -> None:
    table = supply_proposal.c
    query = select(table.proposal_id).where(
        table.study_id == study_id,
        table.report_sha256 == sha256,
        table.state == ProposalState.FILED.value,
    )
    filed = connection.execute(query).scalar()
    if filed is not None:
        raise DomainRefusal(
            f"is filed as proposal {filed}",
            code="already-filed",
            field="report",
            fix="nothing is to be done; it waits for its decision",
        )


def _count(connection: Connection, study_id: str) -> int:
    """How many proposals there are in the study, whose row is locked."""
    query = select(func.count()).where(supply_proposal.c.study_id == study_id)
    return int(connection.execute(query).scalar_one())

"""Proposals of supply parameters: the list, one with its report and scenario, and one beside the settings that it is to replace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, func, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.errors import DomainRefusal
from allocation.ledger.database import Database
from allocation.ledger.proposals import proposal_row
from allocation.ledger.schema import study_version, supply_proposal
from allocation.rules.supply_proposal import ProposalState, check_made_for
from allocation.study.applied_parameters import with_parameters
from allocation.study.canonical import decimal_text
from allocation.study.diff import diff_protocols
from allocation.study.lint_finding import LintFinding
from allocation.study.parameter_changes import ParameterChange, check_takes_effect, parameter_changes
from allocation.study.protocol import Protocol
from allocation.study.supply_checks import OpenedSite
from allocation.study.supply_lint import lint_protocol
from allocation.study.tuning_report import TuningReport
from allocation.views.study_at import StudyAt, protocol_of_version, study_at
from allocation.views.unblinded.loaded_stock import opened_sites
from allocation.views.unblinded.proposal_impact import compared_outcomes, compared_risk
from allocation.views.unblinded.proposal_models import (
    ComparedParameter,
    FiledProposal,
    Proposal,
    ProposalComparison,
    Proposals,
    ValueToday,
)

PERMISSION = "view.proposals"


def list_proposals(database: Database, actor: Actor, study_id: str) -> Proposals:
    """The proposals of the study. Raises NotPermitted, NotFound."""
    authorize(actor, PERMISSION, study_id)
    table = supply_proposal.c
    with database.read() as connection:
        study_at(connection, study_id)
        rows = connection.execute(
            select(*(table[name] for name in Proposal.model_fields))
            .where(table.study_id == study_id)
            .order_by(table.filed_at.desc(), func.length(table.proposal_id).desc(), table.proposal_id.desc())
        )
        proposals = tuple(Proposal(**row._mapping) for row in rows)
    return Proposals(study_id=study_id, proposals=proposals)


def filed_proposal(database: Database, actor: Actor, study_id: str, proposal_id: str) -> FiledProposal:
    """A proposal with its report and scenario. Raises NotPermitted, NotFound."""
    authorize(actor, PERMISSION, study_id)
    with database.read() as connection:
        row = proposal_row(connection, study_id, proposal_id)
    return FiledProposal(
        study_id=study_id,
        proposal=_proposal(row),
        report=json.loads(row.report_json),
        scenario=json.loads(row.scenario_json),
    )


def compare_proposal(database: Database, actor: Actor, study_id: str, proposal_id: str) -> ProposalComparison:
    """A proposal beside the protocol version that it was made for, on the day of the study's last entry or that it was ended on.

    Raises NotPermitted, NotFound.
    """
    authorize(actor, PERMISSION, study_id)
    with database.read() as connection:
        at = study_at(connection, study_id)
        row = proposal_row(connection, study_id, proposal_id)
        on = at.today if row.ended_at is None else row.ended_at.date()
        today = protocol_of_version(connection, study_id, row.protocol_version)
        opened = opened_sites(connection, study_id)
        versions = {
            one.version: one.sha256
            for one in connection.execute(
                select(study_version.c.version, study_version.c.sha256).where(
                    study_version.c.study_id == study_id
                )
            )
        }
    report = TuningReport.model_validate(json.loads(row.report_json))
    proposed = report.choice.parameters
    then = with_parameters(today, proposed)
    changes = parameter_changes(today, then, proposed, on, opened)
    try:
        _check_signable(row, at, versions)
        check_takes_effect(today, then, proposed, on, opened)
        cannot = None
    except DomainRefusal as refusal:
        cannot = refusal.message
    return ProposalComparison(
        study_id=study_id,
        proposal=_proposal(row),
        cannot_be_signed=cannot,
        parameters=_compared(changes),
        outcomes=compared_outcomes(report),
        risk=compared_risk(report),
        protocol_changes=tuple(str(one) for one in diff_protocols(today, then)),
        new_findings=_new_findings(today, then, opened),
        objective=report.objective.name,
        scenario_hash=report.scenario_hash,
        ledger_position=report.ledger_position,
        seed=report.seed,
        replicates_used=report.replicates_used,
        fit=report.fit,
        calibration=report.calibration,
    )


def settings_beside(
    database: Database, actor: Actor, study_id: str, report: TuningReport
) -> tuple[ComparedParameter, ...]:
    """The parameters that a report chose beside those of the protocol in force, on the day of the study's last entry; it need not be filed.

    Raises NotPermitted, NotFound; DomainRefusal where the protocol does not know what they are for.
    """
    authorize(actor, PERMISSION, study_id)
    with database.read() as connection:
        at = study_at(connection, study_id)
        opened = opened_sites(connection, study_id)
    proposed = report.choice.parameters
    then = with_parameters(at.protocol, proposed)
    return _compared(parameter_changes(at.protocol, then, proposed, at.today, opened))


def _compared(changes: Sequence[ParameterChange]) -> tuple[ComparedParameter, ...]:
    return tuple(
        ComparedParameter(
            where=one.where,
            kit_type=one.kit_type,
            parameter=one.parameter,
            today=tuple(
                ValueToday(value=_plain(each.value), sites=each.sites, source=each.source)
                for each in one.today
            ),
            proposed=_plain(one.proposed),
            sites=one.sites,
            changed=one.changed,
            kept=one.kept,
        )
        for one in changes
    )


def _proposal(row: Row[Any]) -> Proposal:
    return Proposal(**{name: row._mapping[name] for name in Proposal.model_fields})


def _check_signable(row: Row[Any], at: StudyAt, versions: dict[int, str]) -> None:
    if row.state != ProposalState.FILED:
        raise DomainRefusal(f"proposal {row.proposal_id} is {row.state}")
    check_made_for(
        row.protocol_version,
        row.protocol_sha256,
        loaded_sha256=versions.get(row.protocol_version),
        latest=max(versions),
        in_force=at.version,
    )


def _plain(value: Any) -> Any:
    """A parameter's value as JSON has it."""
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, tuple):
        return [one.model_dump(mode="json") for one in value]
    return value


def _new_findings(today: Protocol, then: Protocol, opened: Sequence[OpenedSite]) -> tuple[str, ...]:
    """What the blinding linter finds with the proposal and not without it, whatever the value and the place."""

    def what(one: LintFinding) -> tuple[str, tuple[str, ...], tuple[str, ...], date | None]:
        return one.code, one.kit_types, one.places, one.since

    known = {what(one) for one in lint_protocol(today, opened)}
    return tuple(
        f"{one.severity.value} {one.code} ({one.where_text}): {one.value} {one.message}; {one.fix}"
        for one in lint_protocol(then, opened)
        if what(one) not in known
    )

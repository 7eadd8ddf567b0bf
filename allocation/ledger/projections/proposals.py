"""Folds of proposals of supply parameters: filed, and what became of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, update

from allocation.ledger.canonical import canonical_json
from allocation.ledger.projections.fold import Fold, expect_rows, moment
from allocation.ledger.schema import supply_proposal
from allocation.rules.supply_proposal import ProposalState


def file_supply_proposal(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A proposal waits for its decision; the one that it replaces waits no more."""
    row = {
        "study_id": study_id,
        "proposal_id": after["proposal_id"],
        "report_sha256": after["report_sha256"],
        "report_json": canonical_json(after["report"]),
        "scenario_json": canonical_json(after["scenario"]),
        "protocol_version": after["protocol_version"],
        "protocol_sha256": after["protocol_sha256"],
        "feasible": after["feasible"],
        "filed_by": after["person"],
        "filed_at": moment(after["at"]),
        "filing_reason": after["reason"],
        "state": ProposalState.FILED.value,
    }
    connection.execute(insert(supply_proposal), row)
    if after["supersedes"] is not None:
        replaced = {**after, "proposal_id": after["supersedes"], "superseded_by": after["proposal_id"]}
        _end(connection, study_id, {**replaced, "state": ProposalState.SUPERSEDED.value})


def end_supply_proposal(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A proposal is signed, rejected or withdrawn. The version that a signed one becomes has an entry of its own."""
    _end(connection, study_id, after)


def _end(connection: Connection, study_id: str, after: dict[str, Any]) -> None:
    table = supply_proposal.c
    change = (
        update(supply_proposal)
        .where(
            table.study_id == study_id,
            table.proposal_id == after["proposal_id"],
            table.state == ProposalState.FILED.value,
        )
        .values(
            state=after["state"],
            ended_by=after["person"],
            ended_at=moment(after["at"]),
            end_reason=after["reason"],
            superseded_by=after.get("superseded_by"),
            ended_by_version=after.get("version"),
        )
    )
    expect_rows(connection.execute(change), 1, "proposal of supply parameters")


def outdate_open_proposals(connection: Connection, study_id: str, version: int) -> None:
    """A version was loaded: what was proposed before it and not decided on is stale."""
    table = supply_proposal.c
    connection.execute(
        update(supply_proposal)
        .where(table.study_id == study_id, table.state == ProposalState.FILED.value)
        .values(state=ProposalState.STALE.value, ended_by_version=version)
    )


FOLDS: dict[str, Fold] = {
    "file_supply_proposal": file_supply_proposal,
    "sign_supply_proposal": end_supply_proposal,
    "reject_supply_proposal": end_supply_proposal,
    "withdraw_supply_proposal": end_supply_proposal,
}

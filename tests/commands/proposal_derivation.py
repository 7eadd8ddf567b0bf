"""Deriving proposals again: the report's hash, whether it was for the version in effect, and the protocol that its signature made."""

from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.reader import SealedEntry
from allocation.ledger.schema import study_version, supply_proposal
from allocation.study.applied_parameters import with_parameters
from allocation.study.canonical import protocol_sha256
from allocation.study.protocol import Protocol
from allocation.study.tuning_report import TuningReport

if TYPE_CHECKING:
    from tests.commands.derivation import Derivation


def derive_filing(derivation: "Derivation", state: Connection, entry: SealedEntry) -> None:
    """What was filed is whole, and for the latest version."""
    after = entry.after
    assert sha256_hex(canonical_json(after["report"])) == after["report_sha256"]
    assert sha256_hex(canonical_json(after["scenario"])) == after["report"]["scenario_hash"]
    latest = state.execute(select(study_version).order_by(study_version.c.version.desc())).first()
    assert latest is not None
    assert (after["protocol_version"], after["protocol_sha256"]) == (latest.version, latest.sha256)
    filed = state.execute(select(func.count()).select_from(supply_proposal)).scalar_one()
    assert after["proposal_id"] == f"P{filed + 1}"


def derive_signing(derivation: "Derivation", state: Connection, entry: SealedEntry) -> None:
    """The report that is on record makes the very protocol that was signed."""
    after = entry.after
    row = state.execute(
        select(supply_proposal).where(supply_proposal.c.proposal_id == after["proposal_id"])
    ).one()
    assert (row.state, row.report_sha256) == ("filed", after["report_sha256"])
    assert row.filed_by != entry.actor
    text = state.execute(
        select(study_version.c.protocol_json).where(study_version.c.version == row.protocol_version)
    ).scalar_one()
    report = TuningReport.model_validate_json(row.report_json)
    today = Protocol.model_validate_json(text)
    then = with_parameters(today, report.choice.parameters, version=today.study.version + 1)
    assert (after["version"], after["sha256"]) == (then.study.version, protocol_sha256(then))

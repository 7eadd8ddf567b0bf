"""The tune reports of a study: those filed as proposals in the service, and those that `rtsm tune` left in RTSM_HOME. Unblinded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.database import Database
from allocation.rules.supply_proposal import ProposalState
from allocation.study.tuning_report import TuningReport
from allocation.views.unblinded.proposal_models import Proposal
from allocation.views.unblinded.supply_proposals import PERMISSION, filed_proposal, list_proposals

KIND: Final = "threshold-tuning"
FOLDER: Final = "tunings"


@dataclass(frozen=True)
class TuneReport:
    """A report, as written (`document`) and as read. `proposal` None: it was not filed. `made_at`: of its file or filing, UTC."""

    document: dict[str, Any]
    read: TuningReport
    proposal: Proposal | None
    made_at: datetime
    file: Path | None

    def state(self, in_force: int) -> tuple[str, str]:
        """What became of it, in words, and whether that is `good`, `alert` or `muted`. `in_force`: the protocol version that is."""
        if self.proposal is None:
            return "a file of this installation", "muted"
        one = self.proposal
        version = one.ended_by_version
        if one.state == ProposalState.SIGNED and version is not None:
            if version < in_force:
                return f"signed as protocol version {version}; version {in_force} is in force", "muted"
            return (
                (f"in effect since protocol version {version}", "good")
                if version == in_force
                else (f"signed as protocol version {version}, not in effect yet", "good")
            )
        by = f" by {one.ended_by}" if one.ended_by else ""
        words = {
            ProposalState.FILED: ("filed, waits for a signature", "good"),
            ProposalState.REJECTED: (f"rejected{by}", "muted"),
            ProposalState.WITHDRAWN: (f"withdrawn{by}", "muted"),
            ProposalState.SUPERSEDED: (f"superseded by {one.superseded_by}", "muted"),
            ProposalState.STALE: (f"stale: protocol version {version} was loaded", "alert"),
        }
        return words[ProposalState(one.state)]


def tune_reports(
    database: Database, actor: Actor, study_id: str, home: Path
) -> tuple[list[TuneReport], list[str]]:
    """The reports, the latest first, and what is wrong with files that cannot be read. Raises NotPermitted, NotFound."""
    authorize(actor, PERMISSION, study_id)
    found: dict[str, TuneReport] = {}
    for proposal in list_proposals(database, actor, study_id).proposals:
        document = filed_proposal(database, actor, study_id, proposal.proposal_id).report
        read = TuningReport.model_validate(document)
        found[proposal.proposal_id] = TuneReport(document, read, proposal, proposal.filed_at, None)
    filed = {one.proposal.report_sha256 for one in found.values() if one.proposal}
    faults = []
    for file in sorted((home / FOLDER).glob("*/tune-*.json")):
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            if document.get("kind") != KIND or document.get("study") != study_id:
                continue
            if sha256_hex(canonical_json(document)) in filed:
                continue
            made_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            found[str(file)] = TuneReport(
                document, TuningReport.model_validate(document), None, made_at, file
            )
        except (OSError, ValueError, AttributeError) as broken:
            why = f"{broken.error_count()} faults" if isinstance(broken, ValidationError) else str(broken)
            faults.append(f"{file} is no tune report ({why}): remove it, or tune again.")
    return sorted(found.values(), key=lambda one: one.made_at, reverse=True), faults

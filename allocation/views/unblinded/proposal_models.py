"""What is told of proposed supply parameters to those who may learn kit types. Moments are UTC, costs in the study's currency."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from allocation.views.shape import View


class Proposal(View):
    """A proposal: filed, signed, rejected, withdrawn, superseded or stale. Moments are UTC.

    `protocol_version`, `protocol_sha256`: that it was made for; `ended_by_version`: that it became, or that made it stale.
    """

    proposal_id: str
    report_sha256: str
    protocol_version: int
    protocol_sha256: str
    feasible: bool
    filed_by: str
    filed_at: datetime
    filing_reason: str
    state: str
    ended_by: str | None
    ended_at: datetime | None
    end_reason: str | None
    superseded_by: str | None
    ended_by_version: int | None


class Proposals(View):
    """The proposals of a study, the latest first."""

    study_id: str
    proposals: tuple[Proposal, ...]


class FiledProposal(View):
    """A proposal with its report and its scenario, whole, as they were filed. `report_sha256`: the hash of the report's canonical JSON."""

    study_id: str
    proposal: Proposal
    report: dict[str, Any]
    scenario: dict[str, Any]


class ValueToday(View):
    """A value that holds today, at how many sites, and the parameter set of the protocol that it comes from there."""

    value: Any
    sites: int
    source: str


class ComparedParameter(View):
    """A parameter as it is and as it is proposed, at its place and for its kit type (None: the same for every one).

    `today`: the values at the `sites` that are decided by it, the most frequent first; without such a site, that of the place itself.
    `changed`: sites that get another value; `kept`: sites that keep theirs, since the protocol does not know them.
    """

    where: str
    kit_type: str | None
    parameter: str
    today: tuple[ValueToday, ...]
    proposed: Any
    sites: int
    changed: int
    kept: int


class Estimate(View):
    """A simulated mean with its 95 % interval; without one where the report gives no standard error."""

    mean: float
    low: float | None
    high: float | None


class ComparedOutcome(View):
    """A simulated outcome of a replicate under the baseline and as proposed. `difference`: proposed less baseline; with `paired` from
    the same replicates, as the report has it, else as if the two had been played independently, which makes the interval wider.
    """

    outcome: str
    baseline: Estimate | None
    proposed: Estimate | None
    difference: Estimate | None
    paired: bool


class ComparedRisk(View):
    """The risk that was limited. `upper_bound`: from fresh replicates, at that confidence; `certified`: it, too, is within the limit."""

    measure: str
    at_most: float
    baseline: Estimate | None
    proposed: Estimate | None
    replicates: int
    events: int
    upper_bound: float
    confidence: float
    feasible: bool
    certified: bool


class ProposalComparison(View):
    """A proposal beside the settings that it was made to replace.

    `cannot_be_signed`: why not, None for a proposal that can be; `new_findings`: what the blinding linter finds with it and not without;
    `protocol_changes`: all that the signature changes in the protocol's document.
    `fit` and `calibration` as the report has them: what the scenario was fitted on, and how earlier forecasts did.
    """

    study_id: str
    proposal: Proposal
    cannot_be_signed: str | None
    parameters: tuple[ComparedParameter, ...]
    outcomes: tuple[ComparedOutcome, ...]
    risk: ComparedRisk
    protocol_changes: tuple[str, ...]
    new_findings: tuple[str, ...]
    objective: str
    scenario_hash: str
    ledger_position: int | None
    seed: int
    replicates_used: int
    fit: dict[str, Any] | None
    calibration: dict[str, Any] | None

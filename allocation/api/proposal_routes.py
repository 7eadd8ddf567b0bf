"""The routes of proposed supply parameters, with their bodies and answers: file, withdraw, sign and reject (signed), and the views."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter

from allocation.api.answers import Answer
from allocation.api.bodies import REASON, SignatureBody
from allocation.api.command_route import SUPPLY, CommandRoute
from allocation.api.identity import RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.api.unblinded_routes import UNBLINDED
from allocation.commands.service import CommandRequest
from allocation.commands.supply_proposal_decisions import (
    RejectSupplyProposalRequest,
    SignSupplyProposalRequest,
    reject_supply_proposal,
    sign_supply_proposal,
)
from allocation.commands.supply_proposals import (
    FileSupplyProposalRequest,
    NamedProposalRequest,
    file_supply_proposal,
    withdraw_supply_proposal,
)
from allocation.rules.supply_proposal import PROPOSAL_REJECTED, PROPOSAL_SIGNED
from allocation.views.blinded.supply_proposals import BlindedProposals, list_blinded_proposals
from allocation.views.unblinded.proposal_models import FiledProposal, ProposalComparison, Proposals
from allocation.views.unblinded.supply_proposals import compare_proposal, filed_proposal, list_proposals

router = APIRouter(prefix="/studies/{study_id}")
_REFUSALS = responses(401, 403, 404, 422)


class FileSupplyProposalBody(FileSupplyProposalRequest):
    """A tune report to file with its scenario."""

    reason: str = REASON


class WithdrawSupplyProposalBody(NamedProposalRequest):
    """A proposal of one's own to take back. The reason must be given."""

    reason: str = REASON


class SignSupplyProposalBody(SignSupplyProposalRequest):
    """A proposal to put into effect, signed."""

    reason: str = REASON
    signature: SignatureBody | None = None


class RejectSupplyProposalBody(RejectSupplyProposalRequest):
    """A proposal to reject, signed and with a reason."""

    reason: str = REASON
    signature: SignatureBody | None = None


class ProposalAnswer(Answer):
    """A proposal and how far it has come. `report_sha256`: the hash of the report's canonical JSON."""

    proposal_id: str
    report_sha256: str
    protocol_version: int
    state: str


class FiledProposalAnswer(ProposalAnswer):
    """A new proposal. `superseded`: the one in whose place it was filed."""

    superseded: str | None


class SignedProposalAnswer(ProposalAnswer):
    """The protocol version that the proposal became, its hash, and the moments (UTC) from which it counts, anywhere and by country."""

    version: int
    sha256: str
    effective_at: datetime
    countries: dict[str, datetime]


PROPOSAL_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "file_supply_proposal",
        "supply-proposals",
        SUPPLY,
        "File a tune report as a proposal of supply parameters",
        file_supply_proposal,
        FileSupplyProposalRequest,
        FileSupplyProposalBody,
        FiledProposalAnswer,
    ),
    CommandRoute(
        "withdraw_supply_proposal",
        "supply-proposal-withdrawals",
        SUPPLY,
        "Take a proposal of supply parameters back",
        withdraw_supply_proposal,
        NamedProposalRequest,
        WithdrawSupplyProposalBody,
        ProposalAnswer,
    ),
)

SIGNED_PROPOSAL_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "sign_supply_proposal",
        "supply-proposal-signatures",
        SUPPLY,
        "Put proposed supply parameters into effect (signed)",
        sign_supply_proposal,
        SignSupplyProposalRequest,
        SignSupplyProposalBody,
        SignedProposalAnswer,
    ),
    CommandRoute(
        "reject_supply_proposal",
        "supply-proposal-rejections",
        SUPPLY,
        "Reject proposed supply parameters (signed)",
        reject_supply_proposal,
        RejectSupplyProposalRequest,
        RejectSupplyProposalBody,
        ProposalAnswer,
    ),
)


def _signature(meaning: str) -> dict[str, str]:
    return {"password": "correct horse battery", "meaning": meaning}


_HASH: Final = "9f2c" * 16
_ROW: Final[dict[str, Any]] = {
    "parameters": [{"country": "DEU", "kit_type": "K10", "min_buffer": 3, "max_buffer": 8}],
    "label": "3 to 8",
    "means": {"cost": 181200.0, "kits_wasted": 412.5},
    "standard_errors": {"cost": 310.0, "kits_wasted": 1.9},
    "risk": {"estimate": 0.004, "low": 0.003, "high": 0.005},
    "cost": 181200.0,
}

PROPOSAL_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    FileSupplyProposalBody: {
        "report": {
            "kind": "threshold-tuning",
            "study": "ORT-301",
            "protocol_version": 1,
            "protocol_hash": _HASH,
            "ledger_position": 5120,
            "scenario_hash": _HASH,
            "seed": 7,
            "objective": {"name": "cost"},
            "risk": {"measure": "missed_share", "at_most": 0.01},
            "baseline": None,
            "choice": _ROW,
            "pareto": [],
            "rivals": [],
            "certificate": {"replicates": 2000, "events": 3, "upper_bound": 0.0039, "confidence": 0.95},
            "feasible": True,
            "replicates_used": 40000,
            "fit": None,
            "calibration": None,
        },
        "scenario": {"title": "as fitted on 1 July", "seed": 7},
        "reason": "tuned after the third site in France was opened",
    },
    WithdrawSupplyProposalBody: {"proposal_id": "P1", "reason": "tuned again with the new lead times"},
    SignSupplyProposalBody: {
        "proposal_id": "P1",
        "report_sha256": _HASH,
        "signature": _signature(PROPOSAL_SIGNED),
    },
    RejectSupplyProposalBody: {
        "proposal_id": "P1",
        "report_sha256": _HASH,
        "reason": "the depot cannot ship that often",
        "signature": _signature(PROPOSAL_REJECTED),
    },
}


@router.get(
    "/supply-proposals",
    response_model=BlindedProposals,
    tags=[SUPPLY],
    summary="Which supply parameters were proposed, and what became of it",
    responses=_REFUSALS,
)
def blinded_proposals(study_id: str, service: RunningService, actor: WhoAsks) -> BlindedProposals:
    """The proposals, the latest first; never what they propose."""
    return list_blinded_proposals(service.database, actor, study_id)


@router.get(
    "/unblinded/supply-proposals",
    response_model=Proposals,
    tags=[UNBLINDED],
    summary="Proposals of supply parameters",
    responses=_REFUSALS,
)
def proposals(study_id: str, service: RunningService, actor: WhoAsks) -> Proposals:
    """The proposals with the hashes of their reports and the reasons that were given, the latest first."""
    return list_proposals(service.database, actor, study_id)


@router.get(
    "/unblinded/supply-proposals/{proposal_id}",
    response_model=FiledProposal,
    tags=[UNBLINDED],
    summary="A proposal with its report and scenario",
    responses=_REFUSALS,
)
def proposal(study_id: str, proposal_id: str, service: RunningService, actor: WhoAsks) -> FiledProposal:
    """Report and scenario whole, as they were filed."""
    return filed_proposal(service.database, actor, study_id, proposal_id)


@router.get(
    "/unblinded/supply-proposals/{proposal_id}/comparison",
    response_model=ProposalComparison,
    tags=[UNBLINDED],
    summary="A proposal beside the settings that it is to replace",
    responses=_REFUSALS,
)
def comparison(
    study_id: str, proposal_id: str, service: RunningService, actor: WhoAsks
) -> ProposalComparison:
    """Parameter by parameter; the simulated impact of baseline and proposal; the risk with its certified upper bound."""
    return compare_proposal(service.database, actor, study_id, proposal_id)

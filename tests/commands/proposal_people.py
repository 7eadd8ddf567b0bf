"""Tune reports as they are filed, and the people who file and decide on them; that signatures need a password is shown through the API."""

from typing import Any

from allocation.access.actors import Actor
from allocation.access.signing import Signature, content_hash_of
from allocation.commands.service import Act
from allocation.commands.signed_requests import asked_content
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
from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.reader import protocol_at
from allocation.rules.supply_proposal import PROPOSAL_REJECTED, PROPOSAL_SIGNED
from allocation.study.canonical import protocol_sha256
from tests.api.trial import PEOPLE, STUDY
from tests.commands.desk import Desk

STATISTICIAN, SUPPLY, BLINDED_SUPPLY = (
    Actor(name, name, PEOPLE[name]) for name in ("statistician", "open.supply", "supply")
)
SCENARIO = {"title": "fitted", "seed": 1, "recruitment": {"screened_per_site_month": 1.25}}
CHOICE = [{"min_buffer": 2, "max_buffer": 5}, {"kit_type": "ZZKITA", "max_buffer": 6}]
ACTS: dict[str, tuple[Any, Any, str]] = {
    "file_supply_proposal": (file_supply_proposal, FileSupplyProposalRequest, ""),
    "withdraw_supply_proposal": (withdraw_supply_proposal, NamedProposalRequest, ""),
    "sign_supply_proposal": (sign_supply_proposal, SignSupplyProposalRequest, PROPOSAL_SIGNED),
    "reject_supply_proposal": (reject_supply_proposal, RejectSupplyProposalRequest, PROPOSAL_REJECTED),
}


def row(parameters: list[dict[str, Any]], cost: float, risk: float) -> dict[str, Any]:
    return {
        "parameters": parameters,
        "label": "",
        "means": {"cost": cost, "kits_wasted": cost / 100, "shipments": 40.0},
        "standard_errors": {"cost": 30.0, "kits_wasted": 0.5, "shipments": 0.25},
        "risk": {"estimate": risk, "low": risk / 2, "high": risk * 2},
        "cost": cost,
    }


def tune_report(
    version: int, sha256: str, choice: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    """The report of a tune on the small trial under that version."""
    return {
        "kind": "threshold-tuning",
        "study": STUDY,
        "protocol_version": version,
        "protocol_hash": sha256,
        "ledger_position": None,
        "scenario_hash": sha256_hex(canonical_json(SCENARIO)),
        "seed": 7,
        "objective": {"name": "cost"},
        "risk": {"measure": "missed_share", "at_most": 0.01},
        "baseline": row([], 12000.0, 0.004),
        "choice": row(CHOICE if choice is None else choice, 9000.0, 0.003),
        "pareto": [row([{"min_buffer": 3, "max_buffer": 6}], 9800.0, 0.001)],
        "rivals": [],
        "certificate": {"replicates": 1000, "events": 2, "upper_bound": 0.0063, "confidence": 0.95},
        "feasible": True,
        "replicates_used": 5000,
        "fit": {"drop_out": {"ZZARMA": 0.1}},
        "calibration": None,
        **more,
    }


def report_on(desk: Desk, choice: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A report on the study as it is loaded."""
    protocol = protocol_at(desk.database, STUDY)
    return tune_report(protocol.study.version, protocol_sha256(protocol), choice, **more)


def do(
    desk: Desk,
    who: Actor,
    command: str,
    *,
    reason: str = "",
    key: str | None = None,
    unsigned: bool = False,
    **asked: Any,
) -> dict[str, Any]:
    """The act of `who`, signed for what is asked where it is one that is signed."""
    run, kind, meaning = ACTS[command]
    request = kind.model_validate(asked)
    signature = None
    if meaning and not unsigned:
        content = content_hash_of(asked_content(STUDY, command, request, reason))
        signature = Signature(who.username, who.display_name, who.grants[0].role, desk.now, meaning, content)
    answer: dict[str, Any] = run(desk.service, Act(who, key, reason, signature), STUDY, request)
    return answer


def filed(desk: Desk, choice: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A proposal of the statistician."""
    report = report_on(desk, choice, **more)
    return do(desk, STATISTICIAN, "file_supply_proposal", report=report, scenario=SCENARIO)


def signed(desk: Desk, proposal: dict[str, Any], who: Actor = SUPPLY, **more: Any) -> dict[str, Any]:
    """The proposal put into effect by a supply manager."""
    named = {name: proposal[name] for name in ("proposal_id", "report_sha256")}
    return do(desk, who, "sign_supply_proposal", **named, **more)

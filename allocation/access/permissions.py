"""The one permission table: which role may do what. Every command, view, page and export is checked against it.

To change who may do something, change `PERMISSIONS` and nothing else; for acts on kits, the table of kit states, from which its rows
are taken. A new command or view gets a row here; tests/access checks that each has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from allocation.access.actors import ALL, Actor, Grant
from allocation.errors import NotPermitted
from allocation.rules.code_break import APPROVERS, BREAKERS
from allocation.rules.kit_authority import SITE_ROLES, SUPPLY_ROLES
from allocation.rules.kit_status import Act, roles_of
from allocation.rules.return_process import ReturnStep, roles_of_step

BLINDED_ROLES: Final = frozenset(
    {
        "site_coordinator",
        "investigator",
        "site_pharmacist_blinded",
        "monitor",
        "project_manager",
        "supply_manager_blinded",
        "depot_operator",
        "sponsor_blinded",
        "medical_monitor",
        "data_manager",
        "administrator",
        "edc",
    }
)
"""Roles that must never learn an arm. A depot picks by kit number; an administrator gives access and needs no arm for it.

`edc` is the account of an electronic data capture system: it states facts of subjects and signs every message.
"""

UNBLINDED_ROLES: Final = frozenset(
    {"site_pharmacist_unblinded", "supply_manager_unblinded", "unblinded_statistician", "auditor"}
)
"""Roles that may learn arms. An auditor reads the whole ledger, and so is one of them."""

ROLES: Final = BLINDED_ROLES | UNBLINDED_ROLES
"""Every role that an account can be granted. `system` is not among them: no login ever acts as the system."""

SYSTEM: Final = frozenset({"system"})

_SITE_DESK = frozenset({"site_coordinator", "investigator"}) | SYSTEM
_STUDY_TEAM = frozenset({"monitor", "project_manager", "medical_monitor", "data_manager"})

PERMISSIONS: Final[dict[str, frozenset[str]]] = {
    # what changes a study
    # A protocol document holds block sizes, which only the unblinded statistician may read.
    "study.load": frozenset({"unblinded_statistician"}) | SYSTEM,
    # Approvals are regulatory news, and tell nothing of what the version changes.
    "study.put_into_effect": frozenset({"unblinded_statistician", "project_manager"}) | SYSTEM,
    "site.open": frozenset({"project_manager"}) | SYSTEM,
    "lots.load": frozenset({"supply_manager_unblinded"}) | SYSTEM,  # lots and kits are loaded by kit type
    "kits.load": roles_of(Act.LOAD) | SYSTEM,
    "kits.expire": roles_of(Act.EXPIRE) | SYSTEM,
    "kits.quarantine": roles_of(Act.QUARANTINE) | SYSTEM,
    "kits.release": roles_of(Act.RELEASE) | SYSTEM,
    "kits.reject": roles_of(Act.REJECT) | SYSTEM,
    "kits.report_damaged": roles_of(Act.REPORT_DAMAGED) | SYSTEM,
    "kits.report_lost": roles_of(Act.REPORT_LOST) | SYSTEM,
    "kits.destroy": roles_of(Act.DESTROY) | SYSTEM,
    "kits.reissue": roles_of(Act.REISSUE_DEVICE, Act.RETIRE_DEVICE) | SYSTEM,
    "lots.recall": roles_of(Act.RECALL, Act.ASK_BACK) | SYSTEM,
    "excursions.record": roles_of(Act.QUARANTINE) | SYSTEM,
    "excursions.settle": roles_of(Act.RELEASE, Act.REJECT) | SYSTEM,
    "lots.judge": frozenset({"supply_manager_unblinded"}) | SYSTEM,
    "lots.change_expiry": roles_of(Act.EXTEND) | SYSTEM,
    "lots.relabel": roles_of(Act.RELABEL) | SYSTEM,
    # The kits of a lot are of one type: who may name a lot learns which kits are alike.
    "lots.name": frozenset({"supply_manager_unblinded"}) | SYSTEM,
    "list.upload": frozenset({"unblinded_statistician"}) | SYSTEM,
    "list.generate": frozenset({"unblinded_statistician"}) | SYSTEM,
    "list.activate": frozenset({"unblinded_statistician"}) | SYSTEM,
    "method.activate": frozenset({"unblinded_statistician"}) | SYSTEM,
    # A blinded act: a cohort's arms are not shown by it.
    "cohort.set": frozenset({"project_manager", "unblinded_statistician"}) | SYSTEM,
    # what happens to a subject
    "subject.screen": _SITE_DESK,
    "subject.eligibility": _SITE_DESK,
    "subject.randomize": _SITE_DESK,
    "subject.dispense": roles_of(Act.DISPENSE, Act.ASSIGN) | SYSTEM,
    "subject.confirm_dispensing": roles_of(Act.CONFIRM_DISPENSING, Act.PUT_BACK, Act.SET_ASIDE) | SYSTEM,
    "subject.send_home": roles_of(Act.CONFIRM_DISPENSING) | SYSTEM,
    "subject.replace_kit": roles_of(Act.REPORT_DAMAGED_BY_SUBJECT, Act.LOSE_ASSIGNED) | SYSTEM,
    "subject.hold": _SITE_DESK,
    "subject.visit": _SITE_DESK,
    "subject.miss_visit": _SITE_DESK,
    "subject.correct_stratum": _SITE_DESK | frozenset({"data_manager"}),
    "subject.discontinue": _SITE_DESK,
    "subject.complete": _SITE_DESK,
    # What follows from facts (a recorded eligibility, a visit, a factor) is done under this permission, too: the EDC asks for none of it.
    "edc.receive": frozenset({"edc"}) | SYSTEM,
    "edc.send": frozenset({"data_manager"}) | SYSTEM,
    # what happens to supplies
    "resupply.run": SUPPLY_ROLES | SYSTEM,
    "shipment.order": SUPPLY_ROLES | SYSTEM,  # the orders of a run
    "shipment.indent": roles_of(Act.REQUEST) | SYSTEM,
    # Ordering by kit type says what a site is short of.
    "kit_types.order": frozenset({"supply_manager_unblinded"}) | SYSTEM,
    "shipment.approve": SUPPLY_ROLES | SYSTEM,
    "shipment.pack": roles_of(Act.DISPATCH) | SYSTEM,
    "shipment.cancel": roles_of(Act.CANCEL_REQUEST) | SYSTEM,
    "shipment.correct": roles_of(Act.DISPATCH) | SYSTEM,
    "shipment.lose": roles_of(Act.LOSE_SHIPMENT) | SYSTEM,
    "resupply.pause": SUPPLY_ROLES | SYSTEM,
    # Who may name a kit type knows which there are.
    "resupply.pause_kit_type": frozenset({"supply_manager_unblinded"}) | SYSTEM,
    # A tune report tells thresholds by kit type and holds its fitted scenario: for those who may fit one. Parameters take effect by the
    # supply manager's signature, though they become a protocol version: nothing but supply parameters is changed by it.
    "proposal.file": frozenset({"supply_manager_unblinded", "unblinded_statistician"}) | SYSTEM,
    "proposal.decide": frozenset({"supply_manager_unblinded"}) | SYSTEM,
    "shipment.transfer": SUPPLY_ROLES | SYSTEM,
    "shipment.transfer_by_type": frozenset({"supply_manager_unblinded"}) | SYSTEM,
    "pool.take": roles_of(Act.LEND, Act.TAKE_OVER, Act.TAKE_OVER_AT_SITE) | SYSTEM,
    "shipment.dispatch": roles_of(Act.DISPATCH) | SYSTEM,
    "shipment.receive": roles_of(Act.RECEIVE, Act.RECEIVE_AT_DEPOT) | SYSTEM,
    # what comes back
    "subject.return_kits": roles_of(Act.RETURN_FROM_SUBJECT) | SYSTEM,
    "return.declare": roles_of_step(ReturnStep.DECLARE) | SYSTEM,
    "return.reconcile": roles_of_step(ReturnStep.RECONCILE) | SYSTEM,
    "return.approve": roles_of_step(ReturnStep.APPROVE) | SYSTEM,
    "return.ship": roles_of_step(ReturnStep.SHIP) | SYSTEM,
    "return.receive": roles_of_step(ReturnStep.RECEIVE) | SYSTEM,
    "return.reuse": roles_of_step(ReturnStep.REUSE) | SYSTEM,
    "return.destroy": roles_of_step(ReturnStep.DESTROY) | SYSTEM,
    "return.withdraw": roles_of_step(ReturnStep.WITHDRAW) | SYSTEM,
    # Addresses of patients are read by the people who send to them, and not even by the machine's operator. Writing shows nothing.
    "vault.write": SITE_ROLES | SYSTEM,
    "vault.read": SITE_ROLES,
    "vault.forget": SITE_ROLES | frozenset({"data_manager"}) | SYSTEM,
    "vault.audit": SITE_ROLES | frozenset({"monitor", "data_manager", "auditor"}) | SYSTEM,
    "vault.rotate": SYSTEM,
    # A code break shows one subject's treatment to the one who breaks it. It is signed by a person: the machine's operator has no
    # signature, and so is told nothing. Who decides on a request is not told.
    "code.request": BREAKERS | SYSTEM,
    "code.approve": APPROVERS | SYSTEM,
    "code.break": BREAKERS | SYSTEM,
    # what may be read
    "view.overview": BLINDED_ROLES | UNBLINDED_ROLES | SYSTEM,
    "view.subjects.blinded": (
        SITE_ROLES | _STUDY_TEAM | frozenset({"sponsor_blinded"}) | UNBLINDED_ROLES | SYSTEM
    ),
    "view.subjects.unblinded": frozenset({"site_pharmacist_unblinded", "unblinded_statistician", "auditor"})
    | SYSTEM,
    "view.stock.blinded": (
        SITE_ROLES
        | SUPPLY_ROLES
        | frozenset({"monitor", "project_manager", "depot_operator", "sponsor_blinded"})
        | UNBLINDED_ROLES
        | SYSTEM
    ),
    "view.stock.unblinded": (
        frozenset(
            {"site_pharmacist_unblinded", "supply_manager_unblinded", "unblinded_statistician", "auditor"}
        )
        | SYSTEM
    ),
    # Which kits were recalled tells which are of one lot: no more than each site must know of its own.
    "view.recalls": SITE_ROLES | UNBLINDED_ROLES | SYSTEM,
    "view.shipments": (
        SITE_ROLES
        | SUPPLY_ROLES
        | frozenset({"monitor", "project_manager", "depot_operator", "sponsor_blinded"})
        | UNBLINDED_ROLES
        | SYSTEM
    ),
    # That a code was broken, by whom and why, and who read it again: never what it was.
    "view.code_breaks": (
        SITE_ROLES | _STUDY_TEAM | frozenset({"sponsor_blinded"}) | UNBLINDED_ROLES | SYSTEM
    ),
    # That parameters were proposed and what became of it; and, to those who may learn kit types, which ones.
    "view.proposals.blinded": SUPPLY_ROLES | frozenset({"project_manager"}) | UNBLINDED_ROLES | SYSTEM,
    "view.proposals": (frozenset({"supply_manager_unblinded", "unblinded_statistician", "auditor"}) | SYSTEM),
    "view.home_parcels": SITE_ROLES | frozenset({"monitor", "project_manager"}) | UNBLINDED_ROLES | SYSTEM,
    # Kits by number and units that were counted: no kit type, lot or content that differs by it.
    "view.accountability": (
        SITE_ROLES
        | SUPPLY_ROLES
        | frozenset({"monitor", "project_manager", "depot_operator", "sponsor_blinded", "data_manager"})
        | UNBLINDED_ROLES
        | SYSTEM
    ),
    "view.excursions": (
        SITE_ROLES
        | SUPPLY_ROLES
        | frozenset({"monitor", "project_manager", "depot_operator", "sponsor_blinded"})
        | UNBLINDED_ROLES
        | SYSTEM
    ),
    "view.edc": frozenset({"edc"}) | SITE_ROLES | _STUDY_TEAM | UNBLINDED_ROLES | SYSTEM,
    "view.lists": frozenset({"unblinded_statistician", "auditor"}) | SYSTEM,
    "view.draws": frozenset({"unblinded_statistician", "auditor"}) | SYSTEM,
    "view.protocol": frozenset({"unblinded_statistician", "auditor"}) | SYSTEM,
    # A fitted scenario tells drop-out by arm and lots by kit type: what supplies are planned with.
    "scenario.fit": frozenset({"supply_manager_unblinded", "unblinded_statistician", "auditor"}) | SYSTEM,
    # The demand of a study by kit type: what supplies are planned with.
    "forecast.demand": frozenset({"supply_manager_unblinded", "unblinded_statistician", "auditor"}) | SYSTEM,
    # How many come where and when; no arm. A sponsor asks when the study will be complete.
    "forecast.recruitment": SUPPLY_ROLES
    | _STUDY_TEAM
    | frozenset({"sponsor_blinded"})
    | UNBLINDED_ROLES
    | SYSTEM,
    "ledger.read": frozenset({"unblinded_statistician", "auditor"}) | SYSTEM,
    "ledger.verify": BLINDED_ROLES | UNBLINDED_ROLES | SYSTEM,
    "ledger.rebuild": SYSTEM,
    "export.blinded": frozenset({"data_manager", "sponsor_blinded"}) | UNBLINDED_ROLES | SYSTEM,
    "export.unblinded": frozenset({"unblinded_statistician", "auditor"}) | SYSTEM,
    # The list of mail says who was told of what and whether it arrived: never its text.
    "notify.administer": frozenset({"administrator"}) | SYSTEM,
    "access.administer": frozenset({"administrator"}) | SYSTEM,
}
"""permission -> the roles that have it."""

COMMAND_PERMISSIONS: Final[dict[str, str]] = {
    "load_study_version": "study.load",
    "put_version_into_effect": "study.put_into_effect",
    "open_site": "site.open",
    "load_lots": "lots.load",
    "load_kits": "kits.load",
    "number_kits": "kits.load",
    "load_bulk": "kits.load",
    "upload_list": "list.upload",
    "generate_list": "list.generate",
    "activate_list": "list.activate",
    "activate_method": "method.activate",
    "set_cohort": "cohort.set",
    "screen": "subject.screen",
    "record_eligibility": "subject.eligibility",
    "correct_stratum": "subject.correct_stratum",
    "randomize": "subject.randomize",
    "dispense": "subject.dispense",
    "confirm_dispensing": "subject.confirm_dispensing",
    "replace_kit": "subject.replace_kit",
    "hold_dosing": "subject.hold",
    "resume_dosing": "subject.hold",
    "record_visit": "subject.visit",
    "miss_visit": "subject.miss_visit",
    "discontinue": "subject.discontinue",
    "complete": "subject.complete",
    "receive_edc_facts": "edc.receive",
    "apply_edc_facts": "edc.receive",
    "run_resupply": "resupply.run",
    "pause_resupply": "resupply.pause",
    "resume_resupply": "resupply.pause",
    "file_supply_proposal": "proposal.file",
    "sign_supply_proposal": "proposal.decide",
    "reject_supply_proposal": "proposal.decide",
    "withdraw_supply_proposal": "proposal.file",
    "order_shipment": "shipment.order",
    "indent_stock": "shipment.indent",
    "approve_order": "shipment.approve",
    "refuse_order": "shipment.approve",
    "cancel_shipment": "shipment.cancel",
    "pack_kits": "shipment.pack",
    "exchange_kit": "shipment.pack",
    "correct_dispatch": "shipment.correct",
    "lose_shipment": "shipment.lose",
    "transfer_kits": "shipment.transfer",
    "take_from_pool": "pool.take",
    "lend_kits": "pool.take",
    "dispatch_shipment": "shipment.dispatch",
    "receive_shipment": "shipment.receive",
    "expire_kits": "kits.expire",
    "quarantine_kits": "kits.quarantine",
    "release_kits": "kits.release",
    "reject_kits": "kits.reject",
    "report_kits_damaged": "kits.report_damaged",
    "report_kits_lost": "kits.report_lost",
    "destroy_kits": "kits.destroy",
    "reissue_device": "kits.reissue",
    "recall_lot": "lots.recall",
    "change_lot_expiry": "lots.change_expiry",
    "relabel_kits": "lots.relabel",
    "judge_lot": "lots.judge",
    "record_excursion": "excursions.record",
    "settle_excursion": "excursions.settle",
    "change_lot_release": "lots.judge",
    "return_from_subject": "subject.return_kits",
    "correct_kit_count": "subject.return_kits",
    "declare_return": "return.declare",
    "reconcile_return": "return.reconcile",
    "approve_return": "return.approve",
    "dispatch_return": "return.ship",
    "receive_return": "return.receive",
    "reuse_returned_kits": "return.reuse",
    "destroy_returned_kits": "return.destroy",
    "withdraw_return": "return.withdraw",
    "send_home": "subject.send_home",
    "set_patient_address": "vault.write",
    "forget_patient_address": "vault.forget",
    "request_code_break": "code.request",
    "approve_code_break": "code.approve",
    "refuse_code_break": "code.approve",
    "break_code": "code.break",
    "read_broken_code": "code.break",
}
"""The ledger's name of a command -> the permission that it needs."""


def authorize(
    actor: Actor,
    permission: str,
    study_id: str,
    *,
    site_id: str | None = None,
    country: str | None = None,
    depot_id: str | None = None,
) -> str:
    """The role under which `actor` does this in the study at these places.

    Raises NotPermitted when no grant allows it there, KeyError when there is no such permission (a defect of the caller).
    """
    role = actor.role_for(
        PERMISSIONS[permission], study_id, site_id=site_id, country=country, depot_id=depot_id
    )
    if role is not None:
        return role
    place = f" at site {site_id}" if site_id else f" at depot {depot_id}" if depot_id else ""
    held = ", ".join(actor.roles_in(study_id)) or "none"
    raise NotPermitted(
        f"{actor.username} may not do {permission} in study {study_id}{place} (roles held there: {held})",
        field="actor",
        fix="ask an administrator for a role that allows it",
    )


def may(actor: Actor, permission: str, study_id: str) -> bool:
    """Whether the actor has the permission in the whole study: where `authorize` would not refuse."""
    try:
        authorize(actor, permission, study_id)
    except NotPermitted:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Reach:
    """The part of a study that an actor may read under one permission: the whole of it, or what lies at these places."""

    role: str
    whole_study: bool
    sites: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    depots: frozenset[str] = frozenset()


def reach(actor: Actor, permission: str, study_id: str) -> Reach:
    """How far in the study the permission reaches for the actor, over all grants; `role` is that of the widest grant.

    Raises NotPermitted when the actor holds it nowhere in the study.
    """
    allowed = PERMISSIONS[permission]
    grants = [grant for grant in actor.grants if grant.role in allowed and grant.holds_in(study_id)]
    if not grants:
        authorize(actor, permission, study_id)
    widest = min(grants, key=lambda grant: grant.scope_kind != "study")

    def keys(kind: str) -> frozenset[str]:
        return frozenset(grant.scope_key for grant in grants if grant.scope_kind == kind)

    return Reach(
        role=widest.role,
        whole_study=widest.scope_kind == "study",
        sites=keys("site"),
        countries=keys("country"),
        depots=keys("depot"),
    )


def conflicting_role(role: str, study_id: str, held: tuple[Grant, ...]) -> str | None:
    """The role among `held` that may not be held beside `role` in a study: a blinded beside an unblinded one. None if none."""
    if role in BLINDED_ROLES:
        opposite = UNBLINDED_ROLES
    elif role in UNBLINDED_ROLES:
        opposite = BLINDED_ROLES
    else:
        return None
    for grant in held:
        if grant.role in opposite and (study_id == ALL or grant.holds_in(study_id)):
            return grant.role
    return None

"""Replacing a kit that was lost or damaged after it was given to a subject: another one of the same type for the same visit."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import model_validator
from sqlalchemy import select

from allocation.commands.dispensing import refuse_not_dosed
from allocation.commands.home_parcels import parcels_ended_by
from allocation.commands.kit_authority import require_reason_and_signature
from allocation.commands.kit_choice import choose_kits
from allocation.commands.lot_quantities import LotQuantity, units_for
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.schema import kit
from allocation.ledger.subject_paths import path_of, visits_of
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus
from allocation.rules.picking import RULE_VERSION
from allocation.study.model import Code
from allocation.study.subject_schedule import needed_until

WRITTEN_OFF: Final = {"lost": KitAct.LOSE_ASSIGNED, "damaged": KitAct.REPORT_DAMAGED_BY_SUBJECT}
"""What was found -> an act of the table that says what writing it off takes, whether the kit was handed out or only assigned."""


class ReplaceKitRequest(CommandRequest):
    """A kit of a subject that was `found` lost or damaged; of bulk supply, a unit of the lot. The reason is that of the act, and must be
    given."""

    subject_id: Code
    kit_number: Code | None = None
    lot: Code | None = None
    found: Literal["lost", "damaged"]

    @model_validator(mode="after")
    def _one_of_two(self) -> ReplaceKitRequest:
        if (self.kit_number is None) == (self.lot is None):
            raise ValueError("name the kit by kit_number, or a unit of bulk supply by its lot")
        return self


def replace_kit(service: Service, act: Act, study_id: str, request: ReplaceKitRequest) -> dict[str, Any]:
    """Give the subject another kit of the same type for the same visit; answers its number (and nothing that tells the arm).

    The old kit is written off: lost, or damaged and back at the site (in quarantine, if it was only assigned). The new one is chosen as in
    dispensing, and is assigned only if the old one was: then it may be sent home in a parcel of its own, and a parcel of which nothing is
    to come any more ends. One for a kit that was delivered is handed over at the site. Raises NotFound for a kit that the subject does not
    have, NoUsableKit, DomainRefusal where the protocol replaces no kits, without a reason, for a subject not on treatment or on dose hold.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_visit(request.subject_id)
        protocol = transaction.protocol
        if not protocol.dosing.replacement:
            raise DomainRefusal(
                "kits are not replaced in this study",
                code="no-replacement",
                field="kit_number",
                fix="nothing was done",
            )
        require_reason_and_signature(transaction, WRITTEN_OFF[request.found])
        refuse_not_dosed(row)
        old = _kit_of_subject(transaction, row, request)
        visits = visits_of(transaction.connection, study_id, row.subject_id)
        path = path_of(row, visits)
        same_visit = [one for one in visits if one.visit_number == old.visit_number]
        until = needed_until(protocol, path, None, transaction.today)
        chosen = choose_kits(transaction, row, ((old.kit_type, 1),), until)
        (new,) = chosen.kits
        assigned = old.status == KitStatus.ASSIGNED.value
        parcels = parcels_ended_by(transaction, row.subject_id, old.kit_number) if assigned else []
        after = {
            "replaced": old.kit_number,
            "found": request.found,
            "visit_code": same_visit[-1].visit_code,
            "visit_number": old.visit_number,
            "occurrence": len(same_visit),
            "dose_level": row.dose_level,
            "dispensed_on": transaction.today.isoformat(),
            "kits": [new],
            "record": {
                "picking": RULE_VERSION,
                "not_chosen": chosen.passed,
                "needed_until": None if until is None else until.isoformat(),
            },
            **({"awaits_confirmation": True} if assigned else {}),
            **({"parcels": parcels} if parcels else {}),
        }
        answer = {
            "subject_id": row.subject_id,
            "visit_number": old.visit_number,
            "replaced": old.kit_number,
            "kit_number": new["kit_number"],
            "awaits_confirmation": assigned,
        }
        return transaction.append(
            after,
            before={"status": old.status},
            answer=answer,
            subject_id=row.subject_id,
            site_id=row.site_id,
            kit_numbers=(old.kit_number, new["kit_number"]),
        )

    return execute(service, act, study_id, "replace_kit", request, body)


def _kit_of_subject(transaction: Transaction, row: Any, request: ReplaceKitRequest) -> Any:
    """The kit, which the subject has or which is assigned to it. Whose else it is, and whether it exists, is not told."""
    ours = select(kit).where(
        kit.c.study_id == transaction.study_id,
        kit.c.subject_id == row.subject_id,
        kit.c.status.in_((KitStatus.DISPENSED.value, KitStatus.ASSIGNED.value)),
    )
    number = request.kit_number
    if request.lot is not None:
        held = [one.kit_number for one in transaction.connection.execute(ours)]
        asked = [LotQuantity(lot=request.lot, quantity=1)]
        where = f"with subject {row.subject_id}"
        ((number,),) = units_for(
            transaction.connection, transaction.study_id, held, asked, where, field="lot"
        )
    found = transaction.connection.execute(ours.where(kit.c.kit_number == number)).first()
    if found is None:
        raise NotFound(
            f"subject {row.subject_id} does not have kit {number}",
            field="kit_number",
            fix="correct the kit number",
        )
    return found

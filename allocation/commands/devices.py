"""Reusable devices: what came back from a subject is cleaned and inspected, and is then used again at its site, or as a damaged kit.

One act is one device, one inspection and one ledger entry. The answer names the device by number and tells nothing of what is in it: kit
types of one blinding group are all reusable or none is.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import select

from allocation.commands.kit_authority import require_reason_and_signature, require_roles
from allocation.commands.kit_scope import KitScopeRequest, chosen_kits
from allocation.commands.lot_expiry import (
    country_of_kit,
    date_texts,
    expiry_windows,
    held_dates,
    lot_expiries,
)
from allocation.commands.returns import in_open_returns
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.signed_requests import asked_content
from allocation.commands.transaction import Transaction, execute
from allocation.ledger.schema import device_use, kit_count
from allocation.rules.device_reuse import (
    ACT_OF,
    RULE_VERSION,
    InspectedDevice,
    check_fit,
    check_inspectable,
)
from allocation.rules.expiry_change import KitDates, kit_dates
from allocation.rules.kit_status import KitStatus, Place, check_transition
from allocation.study.model import Code


class ReissueDeviceRequest(CommandRequest):
    """A device that came back from a subject, cleaned and inspected. `outcome`: fit, and it is used again at its site; or unfit."""

    kit_number: Code
    outcome: Literal["fit", "unfit"]


def reissue_device(
    service: Service, act: Act, study_id: str, request: ReissueDeviceRequest
) -> dict[str, Any]:
    """Record the inspection of a returned device, with a reason and signed; answers its status and how often it was used.

    Raises DomainRefusal (what `rules/device_reuse.py` refuses; `reason-missing`), KitTransitionRefused for a kit that is not returned at a
    site, NotFound, NotPermitted, SignatureRefused.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        (held,) = chosen_kits(transaction, KitScopeRequest(kit_numbers=(request.kit_number,))).rows
        content = asked_content(study_id, "reissue_device", request, act.reason)
        kit_act = ACT_OF[request.outcome]
        require_reason_and_signature(transaction, kit_act, content)
        row = check_transition(held.kit_number, KitStatus(held.status), Place(held.place_kind), kit_act)
        require_roles(transaction, [row])
        dates = _dates_now(transaction, held)
        device = _inspected(transaction, held, dates.last_dispense)
        check_inspectable(device)
        if request.outcome == "fit":
            check_fit(device, transaction.today)
        asked_on = held.return_asked_on
        after = {
            "kits": [[held.kit_number, held.status, held.place_kind, held.place]],
            "moved_on": transaction.today.isoformat(),
            "by": act.actor.username,
            "outcome": request.outcome,
            "ended_use": {
                "use": held.uses + 1,
                "subject_id": held.subject_id,
                "visit_number": held.visit_number,
                "dispensed_on": held.dispensed_on.isoformat(),
                "return_asked_on": None if asked_on is None else asked_on.isoformat(),
            },
            "rule_version": RULE_VERSION,
            **({"dates": [[held.kit_number, *date_texts(dates)]]} if _fit_with(request, held, dates) else {}),
        }
        answer = {
            "kit_number": held.kit_number,
            "site_id": held.place,
            "status": row.to_status.value,
            "uses": held.uses + 1,
        }
        return transaction.append(
            after,
            before={"status": held.status},
            answer=answer,
            site_id=held.place,
            kit_numbers=(held.kit_number,),
        )

    return execute(service, act, study_id, "reissue_device", request, body)


def _dates_now(transaction: Transaction, held: Any) -> KitDates:
    """The dates of the device at its site today: while a subject had it, its lot may have got others."""
    connection, study_id = transaction.connection, transaction.study_id
    lot = lot_expiries(connection, study_id, [held.lot_id])[held.lot_id]
    country = country_of_kit(connection, study_id, held)
    return kit_dates(lot, country, held.printed_expiry, expiry_windows(transaction.protocol, held.kit_type))


def _fit_with(request: ReissueDeviceRequest, held: Any, dates: KitDates) -> bool:
    return request.outcome == "fit" and dates != held_dates(held)


def _inspected(transaction: Transaction, held: Any, last_dispense: date) -> InspectedDevice:
    """What the rule asks of a kit that is returned at a site. A kit that no subject had has no count of its use."""
    kind = transaction.protocol.kit_type(held.kit_type)
    assert kind is not None  # noqa: S101  (a type with loaded kits stays in the protocol)
    counts, ended = kit_count.c, device_use.c
    latest = transaction.connection.execute(
        select(counts.came_back, counts.returned_units, counts.dispensed_units)
        .where(
            counts.study_id == transaction.study_id,
            counts.kit_number == held.kit_number,
            counts.use == held.uses + 1,
        )
        .order_by(counts.revision.desc())
        .limit(1)
    ).first()
    inspected = select(ended.use).where(
        ended.study_id == transaction.study_id,
        ended.kit_number == held.kit_number,
        ended.use == held.uses + 1,
    )
    counted = latest is not None and latest.came_back and held.dispensed_on is not None
    return InspectedDevice(
        kit_number=held.kit_number,
        reusable=kind.reusable,
        uses_ended=held.uses,
        max_uses=kind.max_uses,
        return_id=in_open_returns(transaction, held.place).get(held.kit_number),
        inspected=transaction.connection.execute(inspected).first() is not None,
        units=Decimal(latest.dispensed_units) if counted and latest is not None else kind.units_per_kit,
        units_back=Decimal(latest.returned_units) if counted and latest is not None else None,
        last_dispense_date=last_dispense,
        lot_status=held.lot_status,
    )

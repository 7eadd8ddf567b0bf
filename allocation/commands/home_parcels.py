"""Direct to patient: the kits that are assigned to a subject are sent home instead of handed over.

What became of them is recorded by `confirm_dispensing`, as of kits that are handed over; it ends the subject's parcels.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection, Row, func, select

from allocation.commands.dispensing import refuse_not_dosed
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.parcel_tables import home_parcel, home_parcel_kit
from allocation.ledger.schema import kit, vault_address
from allocation.ledger.subject_paths import visits_of
from allocation.plain_values import Day
from allocation.rules.home_parcels import ParcelKit, check_parcel, parcels_written_off
from allocation.rules.kit_status import KitStatus
from allocation.study.model import Code

# A name and a number, and no room for an address: both are in the ledger, which forgets nothing.
CarrierName = Annotated[str, Field(max_length=40, pattern=r"^[A-Za-z0-9 .&-]*$")]
TrackingNumber = Annotated[str, Field(max_length=40, pattern=r"^[A-Za-z0-9-]*$")]


class SendHomeRequest(CommandRequest):
    """All kits that are assigned to a subject and not on their way yet. `expected_on`: the date at the site; None is today."""

    subject_id: Code
    carrier: CarrierName = ""
    tracking_number: TrackingNumber = ""
    expected_on: Day | None = None


def send_home(service: Service, act: Act, study_id: str, request: SendHomeRequest) -> dict[str, Any]:
    """Send the kits that are assigned to a subject to the subject's home; answers the parcel and its kits.

    They stay assigned until `confirm_dispensing` says what became of them. Raises DomainRefusal when the protocol does not allow it,
    nothing is assigned, no address is kept, the subject is not on treatment or on hold, or a kit would come past its last dispense date.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_visit(request.subject_id)
        if not transaction.protocol.dosing.home_delivery:
            raise DomainRefusal(
                "the protocol does not send kits to patients",
                code="no-home-delivery",
                field="subject_id",
                fix="hand them over at the site; `dosing.home_delivery` of a new version allows it",
            )
        refuse_not_dosed(row)
        visits = visits_of(transaction.connection, study_id, row.subject_id)
        visit = next((one for one in visits if one.confirmation == "awaited"), None)
        under_way = kits_under_way(transaction.connection, study_id, row.subject_id)
        kits = [one for one in _assigned(transaction, row) if one.kit_number not in under_way]
        if visit is None or not kits:
            raise DomainRefusal(
                f"no kits of subject {row.subject_id} wait to be sent",
                code="nothing-to-send",
                field="subject_id",
                fix="dispense first; what is on its way is confirmed when the subject has it",
            )
        if not _has_address(transaction.connection, study_id, row.subject_id):
            raise DomainRefusal(
                f"no address of subject {row.subject_id} is kept",
                code="no-address",
                field="subject_id",
                fix="keep one in the vault first (`rtsm vault set`)",
            )
        expected_on = request.expected_on or transaction.today
        check_parcel(
            [ParcelKit(one.kit_number, one.last_dispense_date) for one in kits],
            transaction.today,
            expected_on,
        )
        numbers = [one.kit_number for one in kits]
        parcel_id = _next_parcel(transaction, row.subject_id)
        after = {
            "parcel_id": parcel_id,
            "visit_number": visit.visit_number,
            "kits": numbers,
            "carrier": request.carrier,
            "tracking_number": request.tracking_number,
            "sent_on": transaction.today.isoformat(),
            "expected_on": expected_on.isoformat(),
        }
        answer = {
            "parcel_id": parcel_id,
            "subject_id": row.subject_id,
            "visit_number": visit.visit_number,
            "kits": numbers,
            "expected_on": after["expected_on"],
        }
        return transaction.append(
            after,
            answer=answer,
            subject_id=row.subject_id,
            site_id=row.site_id,
            kit_numbers=tuple(numbers),
        )

    return execute(service, act, study_id, "send_home", request, body)


def kits_under_way(connection: Connection, study_id: str, subject_id: str) -> frozenset[str]:
    """The kits in parcels to a subject whose end nobody has recorded."""
    query = (
        select(home_parcel_kit.c.kit_number)
        .join(
            home_parcel,
            (home_parcel.c.study_id == home_parcel_kit.c.study_id)
            & (home_parcel.c.parcel_id == home_parcel_kit.c.parcel_id),
        )
        .where(
            home_parcel.c.study_id == study_id,
            home_parcel.c.subject_id == subject_id,
            home_parcel.c.status == "sent",
        )
    )
    return frozenset(connection.execute(query).scalars())


def open_parcels(connection: Connection, study_id: str, subject_id: str) -> list[str]:
    """The parcels to a subject whose end nobody has recorded."""
    query = select(home_parcel.c.parcel_id).where(
        home_parcel.c.study_id == study_id,
        home_parcel.c.subject_id == subject_id,
        home_parcel.c.status == "sent",
    )
    return list(connection.execute(query.order_by(home_parcel.c.parcel_id)).scalars())


def parcel_contents(connection: Connection, study_id: str, parcel_id: str) -> tuple[str, frozenset[str]]:
    """The site of a parcel, and its kits. Raises NotFound."""
    of_parcel = (home_parcel.c.study_id == study_id, home_parcel.c.parcel_id == parcel_id)
    site_id = connection.execute(select(home_parcel.c.site_id).where(*of_parcel)).scalar()
    if site_id is None:
        raise NotFound(
            f"parcel {parcel_id!r} is not known in study {study_id}",
            field="parcel_id",
            fix="`rtsm shipment home-list` shows the parcels",
        )
    query = select(home_parcel_kit.c.kit_number).where(
        home_parcel_kit.c.study_id == study_id, home_parcel_kit.c.parcel_id == parcel_id
    )
    return str(site_id), frozenset(connection.execute(query).scalars())


def parcels_ended_by(transaction: Transaction, subject_id: str, number: str) -> list[str]:
    """The parcels under way that a kit's write-off leaves with nothing that the subject is still to get; only that kit's own."""
    query = (
        select(home_parcel_kit.c.parcel_id, home_parcel_kit.c.kit_number, kit.c.status)
        .join_from(
            home_parcel_kit,
            home_parcel,
            (home_parcel.c.study_id == home_parcel_kit.c.study_id)
            & (home_parcel.c.parcel_id == home_parcel_kit.c.parcel_id),
        )
        .join(
            kit,
            (kit.c.study_id == home_parcel_kit.c.study_id)
            & (kit.c.kit_number == home_parcel_kit.c.kit_number),
        )
        .where(
            home_parcel.c.study_id == transaction.study_id,
            home_parcel.c.subject_id == subject_id,
            home_parcel.c.status == "sent",
        )
    )
    rows = transaction.connection.execute(query).all()
    parcels: dict[str, list[str]] = {}
    for row in rows:
        parcels.setdefault(row.parcel_id, []).append(row.kit_number)
    of_kit = {parcel: kits for parcel, kits in parcels.items() if number in kits}
    assigned = {row.kit_number for row in rows if row.status == KitStatus.ASSIGNED.value} - {number}
    return parcels_written_off(of_kit, assigned)


def _assigned(transaction: Transaction, row: Any) -> list[Row[Any]]:
    query = select(kit.c.kit_number, kit.c.last_dispense_date).where(
        kit.c.study_id == transaction.study_id,
        kit.c.subject_id == row.subject_id,
        kit.c.status == KitStatus.ASSIGNED.value,
    )
    return list(transaction.connection.execute(query.order_by(kit.c.kit_number)))


def _has_address(connection: Connection, study_id: str, subject_id: str) -> bool:
    query = select(vault_address.c.updated_at).where(
        vault_address.c.study_id == study_id, vault_address.c.subject_id == subject_id
    )
    return connection.execute(query).first() is not None


def _next_parcel(transaction: Transaction, subject_id: str) -> str:
    """The subject's parcels are counted; its row is locked, so no number is taken twice."""
    query = select(func.count()).where(
        home_parcel.c.study_id == transaction.study_id, home_parcel.c.subject_id == subject_id
    )
    return f"{subject_id}-P{transaction.connection.execute(query).scalar_one() + 1}"

"""Shipments on their way: dispatched by the depot, received by the site with a disposition for every kit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, model_validator
from sqlalchemy import Row, Select, select

from allocation.commands.bulk_receiving import ReceivedLot, dispositions_by_lot
from allocation.commands.kit_authority import require_roles
from allocation.commands.kit_candidates import kits_not_released
from allocation.commands.lot_expiry import dates_for_order
from allocation.commands.lot_quantities import lots_named_once
from allocation.commands.return_steps import refuse_shipment_of_return
from allocation.commands.scanned_lots import scanned_box
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.shipment_dates import (
    arrival_date,
    country_of_origin,
    country_of_use,
    dispatch_date,
    expected_arrival,
    locked_origin,
)
from allocation.commands.site_supply import kit_type_supplies, order_policy
from allocation.commands.transaction import Transaction, execute
from allocation.commands.unlisted_kits import scanned_numbers, unlisted_kits
from allocation.errors import DomainRefusal, NotFound
from allocation.gs1_labels import Scan
from allocation.ledger.projections.kit_moves import transition
from allocation.ledger.schema import kit, shipment, shipment_kit
from allocation.ledger.shipment_ends import ShipmentEnds, ends_of_row
from allocation.plain_values import Day
from allocation.rules.bulk_units import is_unit
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus, Place, rows_of
from allocation.rules.packing import Departure, decide_departure, exposed_by_split
from allocation.rules.receipts import Disposition, dispositions_by_scan, judge_delivery
from allocation.rules.shipment_status import SENDERS_STEPS, ShipmentStatus, ShipmentStep, next_status
from allocation.study.pools import countries_supplied

Serials = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=60)], ...],
    Field(max_length=50, description="serial numbers of the temperature loggers in the box"),
]


class DispatchRequest(CommandRequest):
    """A shipment that leaves its depot. `expected_on`: left out, the lane's lead time from the date of dispatch.

    `dispatched_on`: left out, the depot's date now. `split`: what was packed by scan leaves, and the rest becomes a shipment of its own.
    """

    shipment_id: str = Field(min_length=1, max_length=60)
    carrier: str = Field(default="", max_length=100)
    tracking_number: str = Field(default="", max_length=100)
    expected_on: Day | None = None
    dispatched_on: Day | None = None
    loggers: Serials = ()
    split: bool = False


class ReceiveRequest(CommandRequest):
    """A shipment that arrives. Kits that are not named in `dispositions` arrived in good order; quarantined ones stay so.

    `not_arrived` leaves a kit on its way. `unlisted`: scans of kits that were in the box and are not in the shipment:
    they are kept in quarantine. `scans`: every kit that came, scanned out of the box; what was neither scanned nor named has not
    arrived then, and a scanned kit that is not in the shipment is an unlisted one. `bulk`: what became of every unit of a lot of bulk
    supply, by counts; a lot that is not named is as kits that are not. A scan of bulk supply (GS1: lot (10), count (30 or 37)) brings so
    many usable units of its lot, and the others have not arrived.
    """

    shipment_id: str = Field(min_length=1, max_length=60)
    dispositions: dict[str, Disposition] = Field(default_factory=dict)
    unlisted: tuple[Scan, ...] = Field(default=(), max_length=500)
    scans: tuple[Scan, ...] = Field(default=(), max_length=2000)
    bulk: tuple[ReceivedLot, ...] = Field(default=(), max_length=500)

    @model_validator(mode="after")
    def _each_lot_once(self) -> ReceiveRequest:
        lots_named_once(one.lot for one in self.bulk)
        if any(is_unit(one) for one in self.dispositions):
            raise ValueError("names bulk supply among kits by number; give it in bulk by its lot")
        return self


def entered_shipment(
    transaction: Transaction, shipment_id: str, *, leaves: bool = False
) -> tuple[Row[Any], ShipmentEnds]:
    """Act at the place that a shipment goes to, or `leaves`; gives its row and its ends.

    Whoever may act at a depot at the other end may do it, too. Raises NotFound; strangers learn nothing of which shipments there are.
    """
    found = transaction.connection.execute(_by_id(transaction, shipment_id)).first()
    if found is None:
        transaction.refuse_strangers()
        raise NotFound(
            f"shipment {shipment_id!r} is not known", field="shipment_id", fix="give a shipment of this study"
        )
    ends = ends_of_row(found)
    site_id = ends.from_place if leaves and ends.from_kind == Place.SITE else ends.site_id
    if site_id is None:
        transaction.in_study(depot_id=ends.from_place if leaves else ends.to_place)
    else:
        transaction.at_site(site_id, depot_id=ends.depot_id)
    return found, ends


def _by_id(transaction: Transaction, shipment_id: str) -> Select[Any]:
    return select(shipment).where(
        shipment.c.study_id == transaction.study_id, shipment.c.shipment_id == shipment_id
    )


def shipment_for(
    transaction: Transaction, shipment_id: str, step: ShipmentStep, *, leaves: bool
) -> tuple[Row[Any], ShipmentEnds, ShipmentStatus]:
    """Act at an end of a shipment as `entered_shipment`; gives its row, locked, its ends, and its status after the step.

    Raises NotFound, NotPermitted, DomainRefusal (`shipment-state`).
    """
    _, ends = entered_shipment(transaction, shipment_id, leaves=leaves)
    if step in SENDERS_STEPS:
        require_roles(transaction, [transition(KitAct.DISPATCH, ends.from_kind)])
    refuse_shipment_of_return(transaction, shipment_id)
    locked = transaction.connection.execute(_by_id(transaction, shipment_id).with_for_update()).one()
    return locked, ends, next_status(shipment_id, locked.status, step)


def append_step(
    transaction: Transaction,
    found: Row[Any],
    ends: ShipmentEnds,
    status: ShipmentStatus,
    facts: dict[str, Any],
    kits: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Append the entry of a step that takes a shipment to `status`; answers that, with the kits where some were moved."""
    after = {
        "shipment_id": found.shipment_id,
        **ends.payload(),
        "was": found.status,
        "status": status.value,
        **facts,
    }
    answer: dict[str, Any] = {"shipment_id": found.shipment_id, "status": status.value}
    if kits is not None:
        answer["kits"] = list(kits)
    return transaction.append(
        after,
        before={"status": found.status},
        answer=answer,
        site_id=ends.site_id,
        kit_numbers=tuple(kits or ()),
    )


def kits_of_shipment(transaction: Transaction, shipment_id: str, status: KitStatus) -> list[Row[Any]]:
    """The kits of a shipment that are in this status, by number."""
    query = select(
        kit.c.kit_number, kit.c.last_ship_date, kit.c.kit_type, kit.c.lot_id, kit.c.place_kind
    ).where(
        kit.c.study_id == transaction.study_id, kit.c.shipment_id == shipment_id, kit.c.status == status.value
    )
    return list(transaction.connection.execute(query.order_by(kit.c.kit_number)))


def packed_kits(transaction: Transaction, shipment_id: str) -> set[str]:
    """The kits of a shipment that were scanned into its box."""
    query = select(shipment_kit.c.kit_number).where(
        shipment_kit.c.study_id == transaction.study_id,
        shipment_kit.c.shipment_id == shipment_id,
        shipment_kit.c.packed_on.is_not(None),
    )
    return set(transaction.connection.execute(query).scalars())


def dispatch_shipment(service: Service, act: Act, study_id: str, request: DispatchRequest) -> dict[str, Any]:
    """Send a requested or confirmed shipment off; answers its kits and the expected arrival, and the shipment that was split off.

    Kits that are past their last ship date by now, or whose lot may no longer be shipped there, stay behind, available at the depot.
    Where the protocol packs by scan, all others must have been scanned, or the shipment is split. Raises NotFound, DomainRefusal when
    the shipment is not ready to leave, none of its kits may ship, or its dates contradict each other.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        found, ends, after_it = shipment_for(
            transaction, request.shipment_id, ShipmentStep.DISPATCH, leaves=True
        )
        country, today = country_of_use(transaction, ends), locked_origin(transaction, ends)
        rows = kits_of_shipment(transaction, request.shipment_id, KitStatus.REQUESTED)
        to = (country,) if country else countries_supplied(transaction.protocol, ends.to_place)
        barred = kits_not_released(transaction.connection, study_id, request.shipment_id, to)
        stays = {row.kit_number for row in rows if row.last_ship_date < today or row.kit_number in barred}
        departure = decide_departure(
            [row.kit_number for row in rows if row.kit_number not in stays],
            sorted(stays),
            packed_kits(transaction, request.shipment_id),
            by_scan=transaction.protocol.supply.pack_by_scan and ends.from_kind == Place.DEPOT,
            split=request.split,
        )
        _require_ready(request.shipment_id, departure)
        dispatched = dispatch_date(request.dispatched_on, found.requested_on, today)
        expected = expected_arrival(transaction, ends, country, dispatched, request.expected_on)
        leaving = list(departure.leaving)
        after = {
            "shipment_id": request.shipment_id,
            **ends.payload(),
            "was": found.status,
            "dispatched_on": dispatched.isoformat(),
            "expected_on": expected.isoformat(),
            "carrier": request.carrier,
            "tracking_number": request.tracking_number,
            "loggers": list(request.loggers),
            "kits": leaving,
            "left_behind": list(departure.left_behind),
            **dates_of_those_who_stay(transaction, ends, departure.left_behind),
            **_split_off(transaction, found, departure, rows),
        }
        answer = {
            "shipment_id": request.shipment_id,
            "status": after_it.value,
            "kits": leaving,
            "expected_on": expected.isoformat(),
            "split_off": after.get("split_off", {}).get("shipment_id"),
        }
        return transaction.append(
            after,
            before={"status": found.status},
            answer=answer,
            site_id=ends.site_id,
            kit_numbers=tuple(leaving),
        )

    return execute(service, act, study_id, "dispatch_shipment", request, body)


def _require_ready(shipment_id: str, departure: Departure) -> None:
    if departure.to_pack:
        raise DomainRefusal(
            f"{len(departure.to_pack)} kits of shipment {shipment_id} are not packed: {some_of(departure.to_pack)}",
            code="not-packed",
            field="shipment_id",
            fix="scan them into the box, exchange what is missing, or split the shipment",
        )
    if not departure.leaving:
        raise DomainRefusal(
            f"no kit of shipment {shipment_id} may still be shipped, or none was packed",
            code="nothing-to-ship",
            field="shipment_id",
            fix="cancel it, or pack it first",
        )


def some_of(numbers: Sequence[str]) -> str:
    """Kit numbers for a message: the first ten, and how many more."""
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return ", ".join(numbers[:10]) + more


def _split_off(
    transaction: Transaction,
    found: Row[Any],
    departure: Departure,
    rows: Sequence[Row[Any]],
) -> dict[str, Any]:
    """What the entry says of a shipment that is split off; nothing where there is none."""
    if not departure.split_off:
        return {}
    protocol = transaction.protocol
    type_of = {row.kit_number: row.kit_type for row in rows}
    parts = [Counter(type_of[one] for one in part) for part in (departure.leaving, departure.split_off)]
    exposed = exposed_by_split(parts, kit_type_supplies(protocol), order_policy(protocol))
    return {
        "split_off": {
            "shipment_id": f"{found.shipment_id}B",
            "requested_on": found.requested_on.isoformat(),
            "run_id": found.run_id,
            "ordered_by": found.ordered_by,
            "kits": list(departure.split_off),
        },
        "exposed_groups": list(exposed),
    }


def receive_shipment(service: Service, act: Act, study_id: str, request: ReceiveRequest) -> dict[str, Any]:
    """Receive a shipment at its site or depot on the date there, in whole or in part; answers how many kits got which disposition.

    Kits that were in the box without being listed are recorded and kept in quarantine. Raises NotFound, DomainRefusal when it is not in
    transit, a kit is named that is not in it, one would come out of quarantine, or an unlisted one is in it or cannot be in a box.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        found, ends, _ = shipment_for(transaction, request.shipment_id, ShipmentStep.RECEIVE, leaves=False)
        receipt = KitAct.RECEIVE_AT_DEPOT if ends.to_kind == Place.DEPOT else KitAct.RECEIVE
        require_roles(transaction, rows_of(receipt))
        coming = [
            row.kit_number for row in kits_of_shipment(transaction, request.shipment_id, KitStatus.IN_TRANSIT)
        ]
        quarantined = kits_of_shipment(transaction, request.shipment_id, KitStatus.QUARANTINED)
        held = [row.kit_number for row in quarantined if row.place_kind == Place.TRANSIT]
        inside = {*coming, *held}
        box = scanned_box(transaction, request.scans, inside)
        counted = (*request.bulk, *box.received(request.bulk))
        by_lot = dispositions_by_lot(transaction, coming, held, counted, request.shipment_id)
        dispositions: Mapping[str, str] = {**request.dispositions, **by_lot}
        strange = scanned_numbers(transaction, request.unlisted)
        if request.scans:
            dispositions, more = dispositions_by_scan(inside, box.numbers, dispositions)
            strange += more
        unlisted = unlisted_kits(transaction, strange, ends, inside)
        delivery = judge_delivery(coming, held, dispositions, request.shipment_id)
        step = ShipmentStep.RECEIVE if delivery.complete else ShipmentStep.RECEIVE_PART
        status = next_status(request.shipment_id, found.status, step)
        came = [number for number, _ in delivery.kits]
        after = {
            "shipment_id": request.shipment_id,
            **ends.payload(),
            "received_on": arrival_date(transaction, ends).isoformat(),
            "kits": [list(one) for one in delivery.kits],
            **({"quarantined_before": sorted(set(held) & set(came))} if set(held) & set(came) else {}),
            **({"awaited": list(delivery.awaited)} if delivery.awaited else {}),
            **({"unlisted": unlisted} if unlisted else {}),
            **_dates_of_unlisted(transaction, ends, [number for number, *_ in unlisted]),
        }
        counts: dict[str, int] = dict(Counter(disposition for _, disposition in delivery.kits))
        answer = {
            "shipment_id": request.shipment_id,
            "status": status.value,
            "kits": counts,
            "awaited": list(delivery.awaited),
            "unlisted": [one[0] for one in unlisted],
        }
        return transaction.append(
            after,
            before={"status": found.status},
            answer=answer,
            site_id=ends.site_id,
            kit_numbers=tuple(sorted([*came, *answer["unlisted"]])),
        )

    return execute(service, act, study_id, "receive_shipment", request, body)


def dates_of_those_who_stay(
    transaction: Transaction, ends: ShipmentEnds, numbers: Sequence[str]
) -> dict[str, list[list[str]]]:
    """The dates of kits that were set aside for another country and stay where they are after all, where these are others."""
    if not numbers:
        return {}
    country = country_of_origin(transaction, ends)
    dates = dates_for_order(
        transaction.connection, transaction.study_id, transaction.protocol, numbers, country
    )
    return {"dates": dates} if dates else {}


def _dates_of_unlisted(
    transaction: Transaction, ends: ShipmentEnds, numbers: Sequence[str]
) -> dict[str, list[list[str]]]:
    """The dates that kits have in the country where they came without being expected, where these are others."""
    if not numbers:
        return {}
    country = country_of_use(transaction, ends)
    dates = dates_for_order(
        transaction.connection, transaction.study_id, transaction.protocol, numbers, country
    )
    return {"dates": dates} if dates else {}

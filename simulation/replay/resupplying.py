"""Resupply while a recorded study is played: a run on each run day of the study file, and the way of every order to its site."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.study.protocol import Protocol
from simulation.replay.steps import SUPPLY_MANAGER, Seat, Step

RUN = "resupply run of "
PACKING = timedelta(hours=4)
"""From the order to its dispatch."""

DELIVERY = time(9)
"""When a shipment arrives at a site, by the site's clock: before the subjects of the day."""


def resupply_runs(protocol: Protocol, first_day: date, last_day: date) -> list[Step]:
    """The scheduled runs from the day after `first_day` to `last_day`, at the hour (UTC) and on the weekdays of the study file."""
    hour = time(protocol.supply.run_hour_utc, tzinfo=ZoneInfo("UTC"))
    days = [first_day + timedelta(days=after) for after in range(1, (last_day - first_day).days + 1)]
    return [
        Step(
            f"{RUN}{day}",
            datetime.combine(day, hour),
            SUPPLY_MANAGER,
            run_resupply,
            RunResupplyRequest(),
        )
        for day in days
        if day.weekday() in protocol.supply.run_weekdays
    ]


def dispatched(shipment_id: str, ordered_at: datetime) -> Step:
    """A shipment leaves its depot, as the lane's lead time says."""
    request = DispatchRequest(shipment_id=shipment_id)
    return Step(f"dispatch {shipment_id}", ordered_at + PACKING, SUPPLY_MANAGER, dispatch_shipment, request)


def received(shipment_id: str, site: str, timezone: str, dispatch_answer: dict[str, Any]) -> Step:
    """A shipment arrives on the day on which it is expected, all kits in good order."""
    day = date.fromisoformat(dispatch_answer["expected_on"])
    at = datetime.combine(day, DELIVERY, ZoneInfo(timezone)).astimezone(ZoneInfo("UTC"))
    return Step(
        f"receive {shipment_id}",
        at,
        Seat("site", site),
        receive_shipment,
        ReceiveRequest(shipment_id=shipment_id),
    )

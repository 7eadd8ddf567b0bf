"""Resupply while a recorded study is played: a run on each run day of the study file, and the way of every order to its site."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.rules.run_schedule import Cadence, moments
from allocation.study.protocol import Protocol
from simulation.replay.steps import SUPPLY_MANAGER, Seat, Step

RUN = "resupply run of "
PACKING = timedelta(hours=4)
"""From the order to its dispatch."""

DELIVERY = time(9)
"""When a shipment arrives at a site, by the site's clock: before the subjects of the day."""


def resupply_runs(protocol: Protocol, first_day: date, last_day: date) -> list[Step]:
    """The scheduled runs from the day after `first_day` to `last_day`, at the hour (UTC) and on the weekdays of the study file."""
    supply = protocol.supply
    begins = datetime.combine(first_day + timedelta(days=1), time(), UTC)
    due = moments(Cadence(begins, supply.run_weekdays, supply.run_hour_utc), begins)
    return [
        Step(f"{RUN}{moment.date()}", moment, SUPPLY_MANAGER, run_resupply, RunResupplyRequest())
        for moment in takewhile(lambda moment: moment.date() <= last_day, due)
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

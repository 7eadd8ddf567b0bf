"""Excursions that the service recorded are found in the ledger, and fitted."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.ledger.reader import iter_sealed
from allocation.ledger.sealing import seal_pending
from allocation.study.protocol import Protocol
from simulation.fitting.excursions import fit_excursions
from simulation.fitting.observed import Observed, SeenExcursion, SeenShipment, SeenSite, observe
from tests.api.trial import STUDY, protocol
from tests.commands.desk import ACT, Desk, desk_at
from tests.commands.test_excursions import cold_chain, readings, recorded, settled

DAY0 = date(2026, 1, 5)


def test_an_excursion_of_a_shipment_is_read_from_the_ledger_with_its_decision(database_url: str) -> None:
    with desk_at(database_url) as desk:
        _record_and_fit(desk)


def _record_and_fit(desk: Desk) -> None:
    desk.set_up_without_list(cold_chain())
    orders = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]
    shipment_id = orders[0]["shipment_id"]
    for one in orders:
        dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id=one["shipment_id"]))
    start = desk.now
    desk.move(days=1)
    found = recorded(desk, readings(start, 5, 5, 11, 5, 5), shipment_id=shipment_id)
    receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(shipment_id=shipment_id))
    desk.move(days=4)
    settled(desk, found["excursion_id"], "release")
    seal_pending(desk.database)
    seen = observe(STUDY, cold_chain(), iter_sealed(desk.database, STUDY))
    (excursion,) = seen.excursions.values()
    assert excursion.kits == excursion.released == excursion.settled == len(found["quarantined"])
    document, rows = fit_excursions(seen)
    received = sum(one.received_on is not None for one in seen.shipments.values())
    assert document["shipment_probability"] == pytest.approx((1 + 0.2) / (received + 20), abs=1e-6)
    assert document["review_days"] == {"law": "fixed", "min_days": 4}
    assert document["released_probability"] == pytest.approx((1 + 10) / 21, abs=1e-6)
    assert document["per_site_month"] == 0
    assert {row.path for row in rows} >= {"excursions.shipment_probability", "excursions.review_days"}


def seen_study(excursions: dict[str, SeenExcursion]) -> Observed:
    """Two sites open for 100 months in all, and 200 shipments received."""
    found = Observed(STUDY, Protocol.model_validate(protocol()), DAY0, DAY0 + timedelta(days=1522))
    found.sites = {code: SeenSite(code, "DEU", "", DAY0) for code in ("S01", "S02")}
    found.shipments = {
        f"X{number}": SeenShipment(f"X{number}", "D", "S01", DAY0, DAY0, DAY0, 4) for number in range(200)
    }
    found.excursions = excursions
    return found


def test_rates_reviews_and_decisions_are_those_that_were_seen() -> None:
    recorded_on = DAY0 + timedelta(days=10)
    in_transit = {
        f"E{number}": SeenExcursion(
            "transit", f"X{number}", recorded_on, 4, 4 * (number < 15), 4, recorded_on + timedelta(days=5)
        )
        for number in range(20)
    }
    stored = {f"F{number}": SeenExcursion("site", "S01", recorded_on, 9) for number in range(30)}
    nothing = {
        "G1": SeenExcursion("depot", "D", recorded_on, 50),
        "G2": SeenExcursion("transit", "X150", recorded_on, 0),
    }
    document, rows = fit_excursions(seen_study(in_transit | stored | nothing))
    of = {row.path: row for row in rows}
    assert document["shipment_probability"] == pytest.approx(20 / 200, abs=0.01)
    assert document["per_site_month"] == pytest.approx((30 + 0.5) / (100 + 10), abs=1e-3)
    assert document["released_probability"] == pytest.approx(0.625, abs=1e-6)  # (15 + 10) / (20 + 20)
    assert document["review_days"] == {"law": "fixed", "min_days": 5}
    assert of["excursions.review_days"].observations == 20
    low, high = of["excursions.per_site_month"].low, of["excursions.per_site_month"].high
    assert low is not None
    assert high is not None
    assert low < 0.3 < high


def test_a_ledger_without_excursions_leaves_them_out_and_says_so() -> None:
    document, rows = fit_excursions(seen_study({}))
    assert document == {}
    assert [(row.path, row.basis) for row in rows] == [("excursions", "not in a ledger")]

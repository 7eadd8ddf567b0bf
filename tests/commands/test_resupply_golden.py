"""The golden vectors of rules A to E (resupply.md), through the service: a site, its subjects, its stock, its order."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    GenerateListRequest,
    activate_list,
    activation_content,
    generate_randomization_list,
)
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.visits import MissVisitRequest, miss_visit
from allocation.ledger.reader import last_entry
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY, protocol
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk

STARTED = ((17, False), (17, True), (12, False))
"""Days since the first kit, and whether the next visit was marked missed: the three are due in 4, 25 and 9 days."""

VISITS = 8


def rule_c_protocol(
    short_window: int, long_window: int, long_window_from: str, seed_quantity: int, **more: Any
) -> Protocol:
    """One arm and one kit type, `more` parameters; a kit every 21 days; windows without width, so that projected and target date agree."""
    document: dict[str, Any] = deepcopy(protocol())
    document["arms"] = [{"code": "ONE", "name": "The arm", "ratio": 1}]
    document["caps"], document["titration"], document["dose_levels"] = [], [], []
    document["randomization"] = [{"code": "RAND", "visit": "D0", "block_sizes": [1]}]
    screening = document["visits"][0]
    every = {"epoch": "TRT", "dispensing": True}
    document["visits"] = [screening] + [
        {"code": f"D{n}", "number": n + 2, "name": f"DOSE {n}", "target_day": 1 + 21 * n, **every}
        for n in range(VISITS)
    ]
    codes = [f"D{n}" for n in range(VISITS)]
    document["kit_types"] = [
        {**document["kit_types"][0], "expiry": {"dns_days": 0, "dnc_days": 0, "dnd_days": 0}}
    ]
    code = document["kit_types"][0]["code"]
    document["dispensing"] = [{"visits": codes, "kits": [{"kit_type": code, "quantity": 1}]}]
    document["supply"] = {
        "seeding": "on_activation",
        "parameters": [
            {
                "level": "study",
                "parameters": {
                    "min_buffer": 1,
                    "max_buffer": 2,
                    "short_window": short_window,
                    "long_window": long_window,
                    "trigger": "below",
                    "long_window_from": long_window_from,
                    "seed_quantity": seed_quantity,
                    **more,
                },
            }
        ],
    }
    return Protocol.model_validate(document)


@pytest.mark.parametrize(
    ("short_window", "long_window", "start", "sai", "order"),
    [
        (14, 42, "today", 1, 6),
        (14, 42, "today", 2, 5),
        (14, 42, "today", 3, 0),
        (14, 42, "end_of_short_window", 1, 9),
        (14, 42, "end_of_short_window", 2, 8),
        (14, 42, "end_of_short_window", 3, 0),
        (7, 28, "today", 1, 5),
        (7, 28, "today", 2, 0),
        (7, 28, "end_of_short_window", 1, 6),
        (7, 28, "end_of_short_window", 2, 0),
    ],
)
def test_rule_c_orders_the_golden_quantity(
    empty_desk: Desk, short_window: int, long_window: int, start: str, sai: int, order: int
) -> None:
    document = rule_c_protocol(short_window, long_window, start, seed_quantity=len(STARTED) + sai)
    desk = site_with_three_subjects(empty_desk, document)
    answer = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest(sites=("S01",)))
    assert sum(one["kits"] for one in answer["orders"]) == order
    seal_pending(desk.database)
    if order:
        entry = last_entry(desk.database, STUDY, "order_shipment", "S01")
        assert entry is not None
        (decision,) = entry.after["record"]["decisions"]
        assert decision["sai"] == sai
        assert decision["quantity"] == order
    again = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest(sites=("S01",)))
    assert again["orders"] == [], "a second run orders nothing: what was ordered is in the pipeline"
    assert verify_ledger(desk.database, STUDY).difference is None


@pytest.mark.parametrize(
    ("windows", "parameters", "sai", "order"),
    [
        ((0, 0), {"min_buffer": 2, "max_buffer": 6, "trigger": "at"}, 2, 4),
        ((0, 0), {"min_buffer": 2, "max_buffer": 6, "trigger": "below"}, 2, 0),
        ((0, 0), {"min_buffer": 2, "max_buffer": 6, "trigger": "below"}, 0, 6),
        ((14, 42), {"min_buffer": 0, "max_buffer": 0}, 1, 4),
        ((14, 42), {"min_buffer": 0, "max_buffer": 0}, 2, 0),
    ],
    ids=["A-at", "A-below", "A-empty", "B-1", "B-2"],
)
def test_rules_a_and_b_order_the_golden_quantity_as_cases_of_c(
    empty_desk: Desk, windows: tuple[int, int], parameters: dict[str, Any], sai: int, order: int
) -> None:
    document = rule_c_protocol(*windows, "today", len(STARTED) + sai, **parameters)
    decision = _decided(empty_desk, document, order)
    if decision is not None:
        assert (decision["sai"], decision["quantity"]) == (sai, order)


@pytest.mark.parametrize(
    ("confidence", "sai", "order"),
    [("0.5", 1, 6), ("0.5", 2, 0), ("0.9", 2, 6), ("0.9", 3, 0), ("0.97", 3, 6), ("0.97", 4, 0)],
)
def test_rule_d_takes_its_buffers_from_the_demand_of_newcomers(
    empty_desk: Desk, confidence: str, sai: int, order: int
) -> None:
    """Two thirds of a subject a month in the one arm (lambda 0.307 in 14 days): min 0, 1, 2, and 1.38 kits in 42 days: max = min + 2."""
    computed = {
        "buffer_from": "computed",
        "confidence": confidence,
        "enrolment_per_month": "0.6666666666666667",
    }
    document = rule_c_protocol(14, 42, "today", len(STARTED) + sai, **computed)
    decision = _decided(empty_desk, document, order)
    if decision is not None:
        assert (decision["sai"], decision["quantity"]) == (sai, order)
        buffers = decision["buffers"]
        assert buffers["provider"] == "computed"
        assert (buffers["confidence"], buffers["mean_long"]) == (confidence, "1.3799")
        parameters = decision["parameters"]
        assert (parameters["min_buffer"], parameters["max_buffer"]) == (
            buffers["min_buffer"],
            buffers["min_buffer"] + 2,
        )


@pytest.mark.parametrize(("sai", "order"), [(2, 5), (3, 0)])
def test_rule_e_takes_the_band_of_the_active_subjects(empty_desk: Desk, sai: int, order: int) -> None:
    bands = [
        {"from_subjects": start, "min_buffer": low, "max_buffer": high}
        for start, low, high in ((0, 0, 0), (3, 1, 2), (4, 8, 9))
    ]
    document = rule_c_protocol(14, 42, "today", len(STARTED) + sai, buffer_from="bands", bands=bands)
    decision = _decided(empty_desk, document, order)
    if decision is not None:
        assert (decision["sai"], decision["quantity"]) == (sai, order)
        assert decision["buffers"] == {
            "provider": "bands",
            "rule_version": "banded-buffer/1",
            "active_subjects": 3,
            "from_subjects": 3,
            "until_subjects": 4,
            "min_buffer": 1,
            "max_buffer": 2,
        }


def _decided(desk: Desk, document: Protocol, order: int) -> dict[str, Any] | None:
    """Run resupply at the site with three subjects; gives the recorded decision, which derives from the ledger, if there is an order."""
    desk = site_with_three_subjects(desk, document)
    answer = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest(sites=("S01",)))
    assert sum(one["kits"] for one in answer["orders"]) == order
    seal_pending(desk.database)
    assert Derivation(desk.database, STUDY).run()["order_shipment"] == (2 if order else 1)
    entry = last_entry(desk.database, STUDY, "order_shipment", "S01")
    assert entry is not None
    decisions: list[dict[str, Any]] = entry.after["record"]["decisions"]
    return decisions[0] if order else None


def site_with_three_subjects(desk: Desk, document: Protocol) -> Desk:
    """A site whose three subjects have had one kit each and are due again in 4, 9 and 25 days."""
    code = document.kit_types[0].code
    desk.load(document)
    open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id="S01"))
    lots = [{"lot_id": "L1", "kit_type": code, "expiry_date": "2030-01-31"}]
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": lots}))
    rows = [{"kit_number": f"K{n}", "kit_type": code, "lot_id": "L1"} for n in range(80)]
    load_kits(desk.service, ACT, STUDY, LoadKitsRequest.model_validate({"depot_id": "D1", "kits": rows}))
    request = GenerateListRequest(list_id="L", event="RAND", entries_per_stratum=10, seed=1)
    made = generate_randomization_list(desk.service, ACT, STUDY, request)
    act = desk.signed(ACTIVATION, activation_content("L", made["sha256"]))
    activate_list(desk.service, act, STUDY, ActivateListRequest(list_id="L"))
    desk.resupply()
    run_on = desk.now + timedelta(days=30)
    for days_ago, missed in STARTED:
        desk.now = run_on - timedelta(days=days_ago)
        who = desk.randomized()
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="D0"))
        if missed:
            miss_visit(desk.service, ACT, STUDY, MissVisitRequest(subject_id=who, visit_code="D1"))
    desk.now = run_on
    return desk

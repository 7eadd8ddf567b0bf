"""A resupply decision is derived again from the ledger: what counted, what did not and why, and why nothing was sent."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from typer.testing import CliRunner

from allocation.access.actors import Actor, Grant
from allocation.commands import site_supply
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.resupply_explanation import ResupplyExplanation, explain_resupply
from allocation.commands.screening import EligibilityRequest, record_eligibility
from allocation.commands.shipments import (
    DispatchRequest,
    ReceiveRequest,
    dispatch_shipment,
    receive_shipment,
)
from allocation.errors import NotFound, NotPermitted
from allocation.resupply_cli import app
from allocation.study.supply import ExpiryWindows
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk, desk_at
from tests.commands.test_order_limits import two_sites
from tests.commands.test_resupply_golden import STARTED, rule_c_protocol, site_with_three_subjects

NOT_ELIGIBLE = {"eligible": False, "failed_criteria": ("IN01",)}


def explained(desk: Desk, site_id: str = "S01", up_to: date | None = None) -> ResupplyExplanation:
    return explain_resupply(desk.database, ACT.actor, STUDY, site_id, up_to)


def test_an_order_and_the_nothing_after_it_are_explained_and_derived_again(empty_desk: Desk) -> None:
    desk = site_with_three_subjects(empty_desk, rule_c_protocol(14, 42, "today", len(STARTED) + 2))
    run_on = desk.now.date()
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    order = explained(desk)
    assert order.derives_to_the_same
    assert (order.shipment_id, order.why) == ("S01-S002", "triggered")
    (decision,) = order.record["decisions"]
    assert (decision["sai"], decision["trigger_level"], decision["up_to_level"]) == (2, 3, 7)
    assert len(decision["counted"]) == 5
    assert [(line.kits, line.counted) for line in order.stock] == [(2, True)]

    desk.move(days=1)
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    nothing = explained(desk)
    assert nothing.shipment_id is None
    assert nothing.why == "no kit type reached its trigger level"
    assert nothing.derives_to_the_same
    assert [(one.shipment_id, one.status, one.kits, one.counted) for one in nothing.pipeline] == [
        ("S01-S002", "requested", 5, True)
    ]
    assert explained(desk, up_to=run_on) == order


def test_each_kit_and_subject_that_is_not_counted_has_its_reason(empty_desk: Desk) -> None:
    """Seven kits in two lots with DNC 90 days: three expire, one arrives broken, one is set aside; nobody of two is randomized."""
    desk, document = empty_desk, rule_c_protocol(14, 42, "today", 7)
    windows = ExpiryWindows(dns_days=90, dnc_days=90)
    of_type = document.kit_types[0].model_copy(update={"expiry": windows})
    two_sites(desk, document.model_copy(update={"kit_types": (of_type,)}), {"A": 3, "B": 40})
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest(sites=("S01",)))
    sent = dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(shipment_id="S01-S001"))["kits"]
    unusual = dict(zip([one for one in sent if one[0] == "B"], ("damaged", "quarantined"), strict=False))
    request = ReceiveRequest.model_validate({"shipment_id": "S01-S001", "dispositions": unusual})
    receive_shipment(desk.service, ACT, STUDY, request)

    desk.now = datetime(2029, 11, 15, 9, tzinfo=UTC)
    waiting, failed = desk.screened(), desk.screened()
    record_eligibility(desk.service, ACT, STUDY, EligibilityRequest(subject_id=failed, **NOT_ELIGIBLE))
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest(sites=("S01",)))
    found = explained(desk)
    assert found.derives_to_the_same
    assert [(one.lot_id, one.kits, one.why) for one in found.stock] == [
        ("A", 3, "past its last count date (DNC)"),
        ("B", 1, "damaged"),
        ("B", 1, "quarantined"),
        ("B", 2, "counted"),
    ]
    assert found.subjects_not_counted == ((waiting, "not_randomized"), (failed, "not_in_trial"))

    desk.now = datetime(2030, 2, 1, 9, tzinfo=UTC)
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest(sites=("S01",)))
    later = explained(desk)
    assert next((one.lot_id, one.kits, one.why) for one in later.stock) == ("A", 3, "expired")
    assert later.why == "the depot has nothing to ship", "its lot B is past its last ship date by then"
    assert later.derives_to_the_same


def test_a_record_that_the_rules_would_not_make_again_is_called_out(
    empty_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that decides otherwise than on the day of the order (a changed release of the software) is seen."""
    desk = site_with_three_subjects(empty_desk, rule_c_protocol(14, 42, "today", len(STARTED) + 2))
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    assert explained(desk).derives_to_the_same
    monkeypatch.setattr(site_supply, "countable_kits", lambda at: {at.protocol.kit_types[0].code: 1})
    assert not explained(desk).derives_to_the_same


def test_only_who_may_know_kit_types_reads_it_and_an_undecided_site_is_not_found(empty_desk: Desk) -> None:
    two_sites(empty_desk, rule_c_protocol(14, 42, "today", 7), {"A": 9})
    with pytest.raises(NotFound, match="no resupply run has decided site 'S01'"):
        explained(empty_desk)
    blinded = Actor("b", "B", (Grant("supply_manager_blinded", STUDY),))
    with pytest.raises(NotPermitted):
        explain_resupply(empty_desk.database, blinded, STUDY, "S01")


def test_the_command_line_tells_it_in_plain_lines(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk_at(sqlite_url) as desk:
        site_with_three_subjects(desk, rule_c_protocol(14, 42, "today", len(STARTED) + 2))
        run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
        ordered_on = desk.now.date()
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)
    told = CliRunner().invoke(app, ["explain", "S01"])
    assert told.exit_code == 0, told.output
    for line in (
        "S01-S002 to S01 from D1",
        "1 to 2, as set by study",
        "expiry 2030-01-31, counted",
        "Derived again from the ledger: the same.",
    ):
        assert line in told.output
    answer = json.loads(CliRunner().invoke(app, ["explain", "S01", "--json"]).output)
    assert answer["derives_to_the_same"] is True
    before = CliRunner().invoke(app, ["explain", "S01", "--date", str(ordered_on - timedelta(days=90))])
    assert before.exit_code == 1

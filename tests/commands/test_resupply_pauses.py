"""Pauses at run time and time-phased parameters, through the service: what a run orders, and what it says of what it does not."""

from typing import Any

import pytest

from allocation.access.actors import Actor, Grant
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.resupply_explanation import ResupplyExplanation, explain_resupply
from allocation.commands.resupply_pauses import PauseRequest, pause_resupply, resume_resupply
from allocation.commands.service import Act
from allocation.errors import DomainRefusal, NotFound, NotPermitted
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.sealing import seal_pending
from allocation.study.protocol import Protocol
from allocation.views.blinded.resupply_schedule import resupply_schedule
from tests.api.trial import STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import Desk
from tests.commands.test_order_limits import ordered, two_sites
from tests.commands.test_resupply_golden import rule_c_protocol

OPEN = Actor("olga", "Olga", (Grant("supply_manager_unblinded", STUDY),))
BLINDED = Actor("bert", "Bert", (Grant("supply_manager_blinded", STUDY),))


def pause(desk: Desk, actor: Actor = BLINDED, reason: str = "alarm", **what: str) -> dict[str, Any]:
    return pause_resupply(desk.service, Act(actor, reason=reason), STUDY, PauseRequest(**what))


def resume(desk: Desk, actor: Actor = BLINDED, **what: str) -> dict[str, Any]:
    return resume_resupply(desk.service, Act(actor, reason="repaired"), STUDY, PauseRequest(**what))


def explained(desk: Desk, site_id: str) -> ResupplyExplanation:
    return explain_resupply(desk.database, OPEN, STUDY, site_id)


def test_a_paused_site_gets_no_order_until_it_is_resumed_and_the_ledger_says_who_and_why(
    empty_desk: Desk,
) -> None:
    desk = empty_desk
    two_sites(desk, rule_c_protocol(14, 42, "today", 6), {"L1": 80})
    before = desk.state()
    for refused in (
        {"reason": " "},
        {"site_id": "S09"},
        {"kit_type": "ZZKITA"},
        {"kit_type": "K-NONE", "actor": OPEN},
    ):
        with pytest.raises((DomainRefusal, NotFound, NotPermitted)):
            pause(desk, **refused)  # type: ignore[arg-type]
    with pytest.raises(DomainRefusal) as caught:
        resume(desk, site_id="S01")
    assert caught.value.code == "pause-state"
    assert desk.state() == before

    pause(desk, site_id="S01", reason="refrigerator alarm")
    with pytest.raises(DomainRefusal):
        pause(desk, site_id="S01")
    (shown,) = resupply_schedule(desk.database, BLINDED, STUDY, now=desk.now).paused
    assert (shown.site_id, shown.by) == ("S01", "bert")
    assert set(ordered(desk)) == {"S02"}
    nothing = explained(desk, "S01")
    assert nothing.why == "paused by bert since 2026-03-02 because refrigerator alarm"
    assert nothing.derives_to_the_same
    resume(desk, site_id="S01")
    assert set(ordered(desk)) == {"S01"}
    seal_pending(desk.database)
    assert Derivation(desk.database, STUDY).run()["order_shipment"] == 2
    projected = desk.state()
    rebuild_projections(desk.database, STUDY)
    assert desk.state() == projected


def test_a_paused_kit_type_is_left_out_of_orders_at_one_site_or_everywhere(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(stocked=False)
    pause(desk, OPEN, kit_type="ZZKITA")
    pause(desk, OPEN, kit_type="ZZKITB", site_id="S02")
    assert resupply_schedule(desk.database, BLINDED, STUDY, now=desk.now).paused == (), (
        "a kit type is not told"
    )
    run_resupply(desk.service, Act(OPEN), STUDY, RunResupplyRequest())
    assert {line["kit_type"] for line in explained(desk, "S01").record["lines"]} == {"ZZKITB", "ZZKITC"}
    found = explained(desk, "S02")
    assert set(found.record["paused"]) == {"ZZKITA", "ZZKITB"}
    assert {line["kit_type"] for line in found.record["lines"]} <= {"ZZKITC"}
    assert found.derives_to_the_same


def test_a_pause_of_the_protocol_and_a_new_maximum_begin_and_end_on_their_days_without_a_new_version(
    empty_desk: Desk,
) -> None:
    """Site S01 is paused from 4 to 6 March; from 5 March on the maximum is 9 in Germany, where S01 is, and stays 2 in France."""
    document = rule_c_protocol(0, 0, "today", 2).model_dump(mode="json")
    document["supply"]["single_kit_protection"] = False
    document["supply"]["parameters"] += [
        {"level": "site", "key": "S01", "parameters": {"paused": True, "valid_from": "2026-03-04"}},
        {"level": "site", "key": "S01", "parameters": {"paused": False, "valid_from": "2026-03-07"}},
        {"level": "country", "key": "DEU", "parameters": {"max_buffer": 9, "valid_from": "2026-03-05"}},
        {"level": "country", "key": "DEU", "parameters": {"min_buffer": 3, "valid_from": "2026-03-06"}},
    ]
    desk = empty_desk
    two_sites(desk, Protocol.model_validate(document), {"L1": 80})
    assert ordered(desk) == {"S01": 2, "S02": 2}, "seeded"
    desk.move(days=3)
    assert ordered(desk) == {}, "on the 5th S02 has 2, which is not below 1"
    desk.move(days=1)
    assert ordered(desk) == {}, "on the 6th S01 is below its new minimum, and paused"
    assert explained(desk, "S01").why == "paused"
    desk.move(days=1)
    assert ordered(desk) == {"S01": 7}, "on the 7th: 2 < 3, up to 9"
    (decision,) = explained(desk, "S01").record["decisions"]
    sources = decision["parameter_sources"]
    assert (sources["max_buffer"], sources["min_buffer"]) == (
        "country DEU, from 2026-03-05",
        "country DEU, from 2026-03-06",
    )

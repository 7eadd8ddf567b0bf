"""Dosing after an amendment: a subject who stays on its version is confirmed, replaced and held by it, and supply plans by it."""

from datetime import timedelta
from typing import Any

import pytest

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.confirming import ConfirmDispensingRequest, confirm_dispensing
from allocation.commands.dose_hold import HoldDosingRequest, hold_dosing
from allocation.commands.kit_replacement import ReplaceKitRequest, replace_kit
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.visits import VisitRequest, record_visit
from allocation.study.protocol import Protocol
from allocation.views.blinded.subjects import projected_visits
from allocation.views.unblinded.amendments import preview_amendment
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.dosing_trial import (
    BECAUSE,
    assert_sound,
    dispensing,
    document,
    give,
    kit_states,
    refused,
    set_up,
)
from tests.commands.test_versions_by_country import amend, entries, versions_of

STAYS = "at_randomization_version"


def second(dosing: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    data = document(dosing, **changes)
    data["study"] = {**data["study"], "version": 2}
    data["supply"]["parameters"][0]["parameters"] |= {"seed_quantity": 6, "max_buffer": 6}
    return data


@pytest.mark.parametrize(("rule", "version"), [(STAYS, 1), ("next_visit", 2)])
def test_kits_are_confirmed_and_dosing_is_held_by_the_version_that_the_subject_follows(
    empty_desk: Desk, rule: str, version: int
) -> None:
    desk = set_up(empty_desk, document({"confirmation": True, "not_dispensed_to": "stock"}))
    who = desk.randomized()
    (kit,) = give(desk, who, "V2")["kit_numbers"]
    desk.move(hours=1)
    amend(desk, second({"confirmation": True, "not_dispensed_to": "quarantine"}, amendment_rule=rule))
    request = ConfirmDispensingRequest.model_validate(
        {"subject_id": who, "not_dispensed": [{"kit_number": kit, "reason": "torn"}]}
    )
    confirm_dispensing(desk.service, ACT, STUDY, request)
    assert kit_states(desk, kit)[0][0] == {1: "site_available", 2: "quarantined"}[version]
    hold_dosing(desk.service, BECAUSE, STUDY, HoldDosingRequest(subject_id=who))
    assert versions_of(desk, "confirm_dispensing") == versions_of(desk, "hold_dosing") == [version]
    assert_sound(desk)


def test_a_kit_is_replaced_only_where_the_version_that_the_subject_follows_lets_it(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, document({"replacement": True}))
    stays = desk.randomized()
    (lost,) = give(desk, stays, "V2")["kit_numbers"]
    desk.move(hours=1)
    amend(desk, second({"replacement": False}, amendment_rule=STAYS))
    new = desk.randomized()
    (kept,) = give(desk, new, "V2")["kit_numbers"]
    replace_kit(
        desk.service,
        BECAUSE,
        STUDY,
        ReplaceKitRequest(subject_id=stays, kit_number=lost, found="lost"),
    )
    with refused(desk, "no-replacement"):
        replace_kit(
            desk.service,
            BECAUSE,
            STUDY,
            ReplaceKitRequest(subject_id=new, kit_number=kept, found="lost"),
        )
    assert versions_of(desk, "replace_kit") == [1]
    assert_sound(desk)


def by_weight() -> list[dict[str, Any]]:
    """Two kits of V3 below 60 kg, four from there on; V2 as before."""
    light = {"measure": "weight", "below": 60}
    heavy = {"measure": "weight", "at_least": 60}
    return dispensing(1, ("V2",)) + [
        {**row, "bands": [band], "kits": [{**row["kits"][0], "quantity": quantity}]}
        for row in dispensing(1, ("V3",))
        for band, quantity in ((light, 2), (heavy, 4))
    ]


@pytest.mark.parametrize(("rule", "kits"), [("next_visit", 6), (STAYS, 2)])
def test_supply_and_preview_plan_by_the_measures_that_the_followed_version_goes_by(
    empty_desk: Desk, rule: str, kits: int
) -> None:
    desk = set_up(empty_desk, document())
    people = [desk.randomized(), desk.randomized()]
    for who, weight in zip(people, (59, 60), strict=True):
        give(desk, who, "V2")
        request = VisitRequest(subject_id=who, visit_number="2.1", weight_kg=weight)
        record_visit(desk.service, ACT, STUDY, request)
    desk.move(days=10)
    measured = {"measurements": {"planning_weight_kg": 70, "planning_height_cm": 170}}
    version = second(measured, dispensing=by_weight(), amendment_rule=rule)
    told = preview_amendment(desk.database, SYSTEM_ACTOR, Protocol.model_validate(version), desk.now)
    assert (sum(one.before for one in told.demand_totals), told.obstacles) == (2, ())
    assert sum(one.after for one in told.demand_totals) == kits
    amend(desk, version)
    assert due_at_sites(desk) == kits
    held = HoldDosingRequest(subject_id=people[1])
    hold_dosing(desk.service, BECAUSE, STUDY, held)
    assert due_at_sites(desk) == {6: 2, 2: 1}[kits], "nothing is planned while dosing is on hold"
    third = Protocol.model_validate({**version, "study": {**version["study"], "version": 3}})
    told = preview_amendment(desk.database, SYSTEM_ACTOR, third, desk.now)
    assert sum(one.before for one in told.demand_totals) == {6: 2, 2: 1}[kits]
    assert_sound(desk)


def due_at_sites(desk: Desk) -> int:
    """D(long) of all kit types in a run of resupply, by its entry."""
    run_resupply(desk.service, Act(SYSTEM_ACTOR), STUDY, RunResupplyRequest())
    run = [one.after for one in entries(desk) if one.command == "run_resupply"][-1]
    return sum(one[4] for site in run["sites"] for one in site["kit_types"])


def test_projected_visits_are_those_of_the_version_that_the_subject_follows(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, document())
    stays = desk.randomized()
    desk.move(hours=1)
    version = second(amendment_rule=STAYS)
    version["visits"][2]["target_day"] += 7
    amend(desk, version)
    new = desk.randomized()
    moved = version["visits"][2]["code"]
    targets = [
        next(
            one.target
            for one in projected_visits(desk.database, SYSTEM_ACTOR, STUDY, who, now=desk.now).visits
            if one.visit_code == moved
        )
        for who in (stays, new)
    ]
    assert targets[1] - targets[0] == timedelta(days=7)

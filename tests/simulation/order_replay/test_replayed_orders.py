"""Replay equality: on the recorded inputs the twin orders what the service ordered, and says where it would not."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import rtsm
from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.errors import NotFound, NotPermitted
from allocation.ledger.database import Database
from allocation.ledger.reader import SealedEntry, protocol_at, sealed_entries
from allocation.ledger.sealing import seal_pending
from simulation.order_replay.comparison import compare_orders, replay_orders
from simulation.order_replay.errors import OrderReplayError
from simulation.scenario import Scenario
from tests.api.trial import STUDY
from tests.commands.desk import desk_at

Played = tuple[Database, Scenario, str]


@pytest.mark.slow
def test_the_twin_orders_what_the_service_ordered_in_a_played_trial(played: Played) -> None:
    result = CliRunner().invoke(
        rtsm.app, ["scenario", "replay-orders", "ORT-301", "--json", "--db", played[2]]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    entries = sealed_entries(played[0], "ORT-301")
    orders = [one for one in entries if one.command == "order_shipment"]
    assert (found["equal"], found["differences"]) == (True, [])
    assert found["agreed"] == found["orders"] == len(orders) > 40
    assert found["kits"] == sum(len(one.after["kits"]) for one in orders)
    assert found["runs"] == sum(one.command == "run_resupply" for one in entries) > 50


@pytest.mark.slow
def test_each_order_that_differs_is_told_once(played: Played) -> None:
    entries = sealed_entries(played[0], "ORT-301")
    protocol = protocol_at(played[0], "ORT-301")
    orders = [at for at, one in enumerate(entries) if one.command == "order_shipment"]
    # An order with a kit less, one that was never placed, and a visit that was not recorded.
    short, absent = orders[3], orders[5]
    kits = entries[short].after["kits"]
    changed = list(entries[: orders[9]])
    changed[short] = replace(entries[short], after={**entries[short].after, "kits": kits[:-1]})
    forgotten = changed.pop(absent)
    gone = forgotten.after["shipment_id"]
    changed = [
        one for one in changed if one.after.get("shipment_id") != gone and not _handed_out(one, kits[-1])
    ]
    changed = [_without_kit(one, kits[-1], entries[short].after["shipment_id"]) for one in changed]
    found = compare_orders("ORT-301", protocol, changed)
    runs = {(one.run_id, one.site_id) for one in found.differences}
    assert (entries[short].after["run_id"], entries[short].site_id) in runs
    assert (forgotten.after["run_id"], forgotten.site_id) in runs
    assert not found.equal
    told = [
        one
        for one in found.differences
        if one.run_id == forgotten.after["run_id"] and one.site_id == forgotten.site_id
    ]
    assert all(one.service == {} for one in told)
    assert sum(sum(one.twin.values()) for one in told) == len(forgotten.after["kits"])


def _handed_out(entry: SealedEntry, number: str) -> bool:
    return entry.command == "dispense" and any(one["kit_number"] == number for one in entry.after["kits"])


def _without_kit(entry: SealedEntry, number: str, shipment_id: str) -> SealedEntry:
    """The dispatch and receipt of a shipment without a kit."""
    if entry.command != "receive_shipment" or entry.after["shipment_id"] != shipment_id:
        return entry
    return replace(
        entry, after={**entry.after, "kits": [one for one in entry.after["kits"] if one[0] != number]}
    )


def test_the_twin_orders_the_same_on_both_databases_and_only_for_the_unblinded(database_url: str) -> None:
    with desk_at(database_url) as desk:
        desk.set_up()
        desk.randomized()
        desk.move(days=30)
        desk.resupply()
        seal_pending(desk.database)
        found = replay_orders(desk.database, SYSTEM_ACTOR, STUDY)
        assert found.equal, found.differences
        assert found.orders == found.agreed > 0
        assert found.runs >= 2
        with pytest.raises(NotFound):
            replay_orders(desk.database, SYSTEM_ACTOR, "NONE")
        with pytest.raises(NotPermitted):
            replay_orders(desk.database, Actor("r", "R", (Grant("supply_manager_blinded"),)), STUDY)


@pytest.mark.slow
def test_what_the_twin_does_not_play_is_refused(played: Played) -> None:
    entries = sealed_entries(played[0], "ORT-301", up_to=5)
    unknown = replace(entries[-1], command="hold_dosing")
    with pytest.raises(OrderReplayError, match="hold_dosing"):
        compare_orders("ORT-301", protocol_at(played[0], "ORT-301"), [*entries, unknown])

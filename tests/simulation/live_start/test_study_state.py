"""What a study has come to is read alike from both databases."""

from __future__ import annotations

from collections import Counter

import pytest

from allocation.ledger.reader import protocol_at, sealed_entries
from allocation.ledger.sealing import seal_pending
from simulation.live_start.errors import LiveStartError
from simulation.live_start.history import history_of
from simulation.live_start.study_state import state_at
from tests.api.trial import STUDY
from tests.commands.desk import desk_at


def test_both_databases_give_the_state_and_the_history(database_url: str) -> None:
    with desk_at(database_url) as desk:
        desk.set_up()
        desk.randomized()
        desk.move(days=30)
        desk.resupply()
        seal_pending(desk.database)
        event = protocol_at(desk.database, STUDY).randomization[0].code
        state = state_at(desk.database, STUDY, None, event)
        entries = sealed_entries(desk.database, STUDY)
        assert state.position == len(entries)
        assert [one.code for one in state.subjects] == [
            one.subject_id for one in entries if one.command == "screen"
        ]
        assert [one.arm for one in state.subjects if one.randomized_on] == [
            one.after["arm"] for one in entries if one.command == "randomize"
        ]
        assert sum(one.used for one in state.blocks.values()) == 1
        loaded = sum(len(one.after["kits"]) for one in entries if one.command == "load_kits")
        held = sum((kits for kits in state.stock.values()), Counter()).total()
        gone = sum(state.gone.values()) + state.set_aside.total() + state.dispensed
        assert held + state.in_flight + gone == loaded
        assert state.in_flight == sum(
            len(one.after["kits"]) for one in entries if one.command == "order_shipment"
        ) - sum(len(one.after["kits"]) for one in entries if one.command == "receive_shipment")
        history = history_of(desk.database, state)
        assert history.filter(week=-1, series="randomized")["value"].to_list() == [1]
        assert history.filter(week=-1, series="kits_in_transit")["value"].to_list() == [state.in_flight]
        with pytest.raises(LiveStartError, match="begins on"):
            state_at(desk.database, STUDY, state.begins_on.replace(year=2000), event)

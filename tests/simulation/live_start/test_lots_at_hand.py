"""The lots of a live start: those that the ledger has go on as it has them, the others as the scenario plans them."""

from __future__ import annotations

from datetime import date

import pytest

from allocation.rules.lot_status import LotStatus
from simulation.day_law import DayLaw
from simulation.live_start.lots_at_hand import lots_at_hand
from simulation.live_start.study_state import LotFacts, StudyState
from simulation.scenario import load_scenario
from tests.conftest import REPOSITORY


@pytest.mark.parametrize(("released_for", "waits"), [((), True), (("*",), False)])
def test_a_lot_waits_for_its_release_by_the_scenario_only_while_the_study_has_not_released_it(
    released_for: tuple[str, ...], waits: bool
) -> None:
    scenario = load_scenario(REPOSITORY / "studies" / "demo-scenario.yaml")
    planned = next(lot for lot in scenario.lots if max(one.on for one in lot.arrivals) > scenario.starts_on)
    law = DayLaw(min_days=9)
    waiting = scenario.model_copy(update={"lots": (planned.model_copy(update={"release_delay_days": law}),)})
    status = LotStatus.RELEASED if released_for else LotStatus.PENDING
    lots = {planned.code: LotFacts(planned.kit_type, planned.expires_on, status, released_for)}
    state = StudyState("S", date(2025, 1, 6), 1, date(2025, 1, 6), lots=lots)
    [found] = lots_at_hand(state, waiting)
    assert found.arrivals
    assert found.release_delay_days == (law if waits else None)

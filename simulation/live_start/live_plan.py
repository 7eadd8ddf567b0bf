"""A scenario that goes on from a study's present state: what `rtsm simulate SCENARIO --from-study STUDY` plays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.study.protocol import Protocol
from simulation.engines.plan import Names, TrialPlan
from simulation.engines.plan_of_study import names_of, plan_of
from simulation.live_start.checks import check_days, check_goes_on, check_match
from simulation.live_start.errors import LiveStartError
from simulation.live_start.lots_at_hand import lots_at_hand
from simulation.live_start.present_state import with_present
from simulation.live_start.study_state import StudyState, state_at
from simulation.scenario import Scenario


@dataclass(frozen=True)
class LiveStart:
    """The scenario from day 0 on, its plan with the present state, and the state itself."""

    scenario: Scenario
    plan: TrialPlan
    names: Names
    state: StudyState

    def as_json(self) -> dict[str, Any]:
        """What the simulation begins with."""
        state, present = self.state, self.plan.present
        return {
            "study": state.study_id,
            "at": state.at.isoformat(),
            "position": state.position,
            "day_0": self.scenario.starts_on.isoformat(),
            "days": self.scenario.duration_days,
            "sites_open": len(state.sites),
            "screened": len(state.subjects),
            "in_screening": int((present.arm < 0).sum()),
            "randomized": sum(one.randomized_on is not None for one in state.subjects),
            "on_study": int((present.arm >= 0).sum()),
            "kits_at_depots": int(present.depot_stock.sum()),
            "kits_at_sites": int(present.stock.sum()),
            "kits_in_transit": int(present.contents.sum()),
            "shipments_in_transit": present.shipments,
            "kits_set_aside": dict(sorted(state.set_aside.items())),
        }

    def told(self) -> str:
        """The same in a few lines."""
        of = self.as_json()
        aside = ", ".join(f"{kits} {status}" for status, kits in of["kits_set_aside"].items())
        return (
            f"{of['study']} as of {of['at']} (ledger position {of['position']}), {of['days']} days from {of['day_0']} on: "
            f"{of['sites_open']} sites open, {of['screened']} screened ({of['in_screening']} in screening), "
            f"{of['randomized']} randomized ({of['on_study']} on study)\n"
            f"Kits usable: {of['kits_at_depots']} at depots, {of['kits_at_sites']} at sites, {of['kits_in_transit']} on their way in "
            f"{of['shipments_in_transit']} shipments" + (f"; set aside: {aside}" if aside else "")
        )


def live_start(
    database: Database,
    actor: Actor,
    study_id: str,
    scenario: Scenario,
    protocol: Protocol,
    at: date | None = None,
    days: int | None = None,
) -> LiveStart:
    """The state of a study at the end of the day `at` (UTC; None: that of its last entry), as the beginning of a simulation.

    Day 0 is the day after. `days` from then on are simulated; None: to the end of the scenario. It tells arms: unblinded.
    Raises NotPermitted; LiveStartError for a scenario that is not of this study, or has ended; NotSimulated as `plan_of`.
    """
    authorize(actor, "scenario.fit", study_id)
    if protocol.study.id != study_id:
        raise LiveStartError(
            f"the scenario is of study {protocol.study.id}, not of {study_id}",
            code="other-protocol",
            field="--from-study",
            fix=f"name study {protocol.study.id}, or a scenario whose protocol is that of {study_id}",
        )
    state = state_at(database, study_id, at, protocol.randomization[0].code)
    return start_from(state, protocol, scenario, days)


def start_from(
    state: StudyState, protocol: Protocol, scenario: Scenario, days: int | None = None
) -> LiveStart:
    """As `live_start`, from a state that was read before: for several scenarios of the same study and day."""
    day0 = state.at + timedelta(days=1)
    left = check_days(scenario, state.at, days)
    check_match(state, protocol, scenario)
    going_on = scenario.model_copy(
        update={
            "starts_on": day0,
            "duration_days": left,
            "site_stock_at_start": "none",
            "lots": tuple(lots_at_hand(state, scenario)),
        }
    )
    names = names_of(protocol, going_on)
    beginning = plan_of(protocol, going_on)
    check_goes_on(beginning)
    plan = with_present(state, protocol, scenario, beginning, names.lots, day0)
    return LiveStart(going_on, plan, names, state)

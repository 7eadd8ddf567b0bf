"""The lots of a simulation that begins with what is there: those in stock and on their way, as the ledger has them, and those to come."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from simulation.live_start.study_state import Pile, StudyState
from simulation.scenario import LotArrival, LotPlan, Scenario


def code_of(state: StudyState, pile: Pile) -> str:
    """The lot's code; with the expiry, for kits that expire on another day than their lot."""
    own = pile.expires_on == state.lots[pile.lot].expires_on
    return pile.lot if own else f"{pile.lot} {pile.expires_on}"


def lots_at_hand(state: StudyState, scenario: Scenario) -> list[LotPlan]:
    """The lots with their arrivals after the state's day: of the scenario, and of shipments to depots when they are due."""
    planned = {one.code: one for one in scenario.lots}
    arrivals: dict[str, list[LotArrival]] = {
        one.code: [arrival for arrival in one.arrivals if arrival.on > state.at] for one in scenario.lots
    }
    piles = {code_of(state, pile): pile for pile in _piles(state)}
    for (depot, on), kits in _between_depots(state).items():
        for pile, count in kits.items():
            arrival = LotArrival(depot=depot, on=on, kits=count)
            arrivals.setdefault(code_of(state, pile), []).append(arrival)
    for code, facts in state.lots.items():
        if arrivals.get(code):
            piles.setdefault(code, Pile(code, facts.expires_on))
    lots = []
    for code, pile in piles.items():
        facts, known = state.lots[pile.lot], planned.get(pile.lot)
        # A lot that is not released yet may be used where and when the scenario says, once kits of it arrive.
        released = facts.released_for or (known.released_for if known else ())
        made = known.manufactured_on if known else scenario.starts_on
        lots.append(
            # Not validated: a lot that is at hand needs no arrival.
            LotPlan.model_construct(
                code=code,
                kit_type=facts.kit_type,
                manufactured_on=made,
                expires_on=pile.expires_on,
                released_for=tuple(released),
                arrivals=tuple(arrivals.get(code, [])),
                release_delay_days=known.release_delay_days if known and not facts.released_for else None,
            )
        )
    for one in scenario.lots:
        if one.code not in state.lots and arrivals[one.code]:
            lots.append(one.model_copy(update={"arrivals": tuple(arrivals[one.code])}))
    return lots


def _piles(state: StudyState) -> set[Pile]:
    held = [*state.stock.values(), *(one.kits for one in state.shipments)]
    return {pile for kits in held for pile in kits}


def _between_depots(state: StudyState) -> dict[tuple[str, date], Counter[Pile]]:
    """What is on its way to depots, by depot and the day on which it is due: tomorrow, where that is past or unknown."""
    tomorrow = state.at + timedelta(days=1)
    coming: dict[tuple[str, date], Counter[Pile]] = {}
    for one in state.shipments:
        if one.to[0] == "depot":
            due = max(one.due_on or tomorrow, tomorrow)
            coming.setdefault((one.to[1], due), Counter()).update(one.kits)
    return coming

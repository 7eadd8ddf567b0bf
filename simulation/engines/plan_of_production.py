"""The lots of a plan, and when those arrive whose manufacture or release is drawn."""

from __future__ import annotations

from datetime import date

import numpy as np

from allocation.study.protocol import Protocol
from simulation.day_law import DayLaw
from simulation.engines.day_laws import LawTables
from simulation.engines.plan import Production
from simulation.engines.plan_arrays import ints
from simulation.production import LotPlan
from simulation.scenario import Scenario
from simulation.streams import word_of

AT_ONCE = DayLaw()


def lots_in_order(protocol: Protocol, scenario: Scenario) -> list[LotPlan]:
    """The lots, those of campaigns too, by kit type (in the protocol's order), expiry and code."""
    place = {kit_type.code: index for index, kit_type in enumerate(protocol.kit_types)}
    made = [lot for campaign in scenario.campaigns for lot in campaign.lots()]
    return sorted([*scenario.lots, *made], key=lambda lot: (place[lot.kit_type], lot.expires_on, lot.code))


def laws_by_lot(scenario: Scenario) -> dict[str, tuple[DayLaw, DayLaw, DayLaw]]:
    """The laws of manufacture, labelling and release of the lots whose arrival is drawn."""
    laws = {
        lot.code: (AT_ONCE, AT_ONCE, lot.release_delay_days)
        for lot in scenario.lots
        if lot.release_delay_days is not None
    }
    for campaign in scenario.campaigns:
        of_campaign = (campaign.lead_days, campaign.label_days, campaign.release_days)
        laws |= dict.fromkeys((lot.code for lot in campaign.lots()), of_campaign)
    return laws


def production_of(protocol: Protocol, scenario: Scenario, tables: LawTables) -> Production:
    """The arrivals that are drawn."""
    laws = laws_by_lot(scenario)
    depots = [depot.code for depot in protocol.depots]
    drawn = [(index, lot) for index, lot in enumerate(lots_in_order(protocol, scenario)) if lot.code in laws]
    arrivals = [
        (made, index, depots.index(arrival.depot), days_from_start(arrival.on, scenario), arrival.kits)
        for made, (index, lot) in enumerate(drawn)
        for arrival in lot.arrivals
    ]
    columns = ints(arrivals).reshape(-1, 5).T
    return Production(
        size=len(drawn),
        words=np.array([word_of(lot.code) for _, lot in drawn], dtype=np.uint64),
        laws=ints([tables.add(law) for _, lot in drawn for law in laws[lot.code]]),
        arrivals=len(arrivals),
        made=ints(columns[0]),
        lot=ints(columns[1]),
        depot=ints(columns[2]),
        day=ints(columns[3]),
        kits=ints(columns[4]),
    )


def days_from_start(on: date, scenario: Scenario) -> int:
    """A date as a day of the plan."""
    return (on - scenario.starts_on).days

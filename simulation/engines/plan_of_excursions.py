"""The temperature excursions of a plan."""

from __future__ import annotations

from allocation.study.protocol import Protocol
from simulation.engines.day_laws import LawTables
from simulation.engines.plan import Excursions
from simulation.engines.plan_arrays import ints
from simulation.scenario import DAYS_PER_MONTH, Scenario


def excursions_of(protocol: Protocol, scenario: Scenario, tables: LawTables) -> Excursions:
    """What the scenario assumes of excursions; a kit type that is not named is concerned where none is."""
    excursions = scenario.excursions
    law = tables.add(excursions.review_days)
    return Excursions(
        on=excursions.shipment_probability > 0 or excursions.per_site_month > 0,
        in_transit=excursions.shipment_probability,
        per_day=excursions.per_site_month / DAYS_PER_MONTH,
        concerned=ints(
            [
                not excursions.kit_types or kit_type.code in excursions.kit_types
                for kit_type in protocol.kit_types
            ]
        ),
        review_law=law,
        longest_review=tables.largest(law),
        released=excursions.released_probability,
    )

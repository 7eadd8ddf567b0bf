"""Who comes to screening."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.study.supply import Site
from simulation.laws import normal_quantile, pick
from simulation.trial import Person

if TYPE_CHECKING:
    from simulation.twin import Twin


def person(twin: Twin, site: Site, entity: str) -> Person:
    """Who comes: sex, age within the protocol's limits, race by country, strata."""
    population, limits = twin.scenario.population, twin.protocol.screening

    def u(purpose: str) -> float:
        return twin.streams.uniform(entity, purpose)

    age = round(normal_quantile(population.age_mean_years, population.age_sd_years, u("age")))
    age = max(age, limits.age_min if limits.age_min is not None else 0)
    age = min(age, limits.age_max if limits.age_max is not None else 130)
    race = population.race_by_country.get(site.country, population.race)
    return Person(
        sex=pick(population.sex, u("sex")),
        age=age,
        race=pick(race, u("race")),
        ethnic=pick(population.ethnicity, u("ethnic")),
        factors={factor: pick(levels, u(f"factor {factor}")) for factor, levels in population.strata.items()},
    )

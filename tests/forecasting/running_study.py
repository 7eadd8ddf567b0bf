"""A small running study: six sites of the demo, played for ten weeks by the real service, with much that goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from allocation.access.actors import SYSTEM_ACTOR
from allocation.access.signing import Signature, content_hash_of
from allocation.ledger.database import Database, open_database
from allocation.ledger.sealing import seal_pending
from allocation.study.protocol import Protocol
from simulation.driver import Cast, ServiceTrial
from simulation.scenario import Scenario, load_scenario_and_protocol
from simulation.twin import Twin
from tests.conftest import REPOSITORY

STUDY = "ORT-301"
BEGINS = date(2025, 1, 6)
CENSUS = date(2025, 2, 16)
"""Six weeks in: four more are played."""
DAYS = 70
_SITES = 6


def documents() -> tuple[Protocol, Scenario]:
    """The demo with its first sites only, which open at once, recruit fast and are supplied too sparingly."""
    scenario, protocol = load_scenario_and_protocol(REPOSITORY / "studies" / "demo-scenario.yaml")
    study: dict[str, Any] = protocol.model_dump(mode="json")
    played: dict[str, Any] = scenario.model_dump(mode="json")
    study["sites"] = [one | {"planned_activation": BEGINS.isoformat()} for one in study["sites"][:_SITES]]
    known = {one["code"] for one in study["sites"]}
    study["lanes"] = [one for one in study["lanes"] if one.get("site") in (None, *known)]
    sparing = {"min_buffer": 1, "max_buffer": 2, "seed_quantity": 2, "short_window": 5, "long_window": 12}
    parameters = study["supply"]["parameters"][0]
    study["supply"]["parameters"] = [parameters | {"parameters": parameters["parameters"] | sparing}]
    played["duration_days"] = DAYS
    played["recruitment"] |= {"screened_per_site_month": 6.0, "month_factors": [], "pauses": []}
    played["recruitment"]["country_factors"] = {}
    played["activation"]["delay_days"] = {"law": "fixed", "min_days": 3}
    played["screening"]["duration_days"] = {"law": "fixed", "min_days": 7}
    return Protocol.model_validate(study), Scenario.model_validate(played)


@contextmanager
def running_study(file: Path) -> Iterator[tuple[Database, str]]:
    """The study in an SQLite file, sealed, with its URL."""
    protocol, scenario = documents()
    twin = Twin(protocol, scenario)

    def sign(_actor: object, meaning: str, content: dict[str, object]) -> Signature:
        return Signature("system", "The operator", "system", twin.clock(), meaning, content_hash_of(content))

    everyone = SYSTEM_ACTOR
    cast = Cast(
        project_manager=everyone,
        statistician=everyone,
        supply_manager=everyone,
        depots={depot.code: everyone for depot in protocol.depots},
        sites={one.code: everyone for one in protocol.sites},
        sign=sign,
    )
    url = f"sqlite:///{file}"
    database = open_database(url)
    try:
        trial = ServiceTrial(database, protocol, scenario, twin.clock, cast)
        trial.set_up()
        twin.run(trial)
        seal_pending(database)
        yield database, url
    finally:
        database.dispose()

"""A small running study: six sites of the demo, played for ten weeks by the real service, with much that goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from allocation.ledger.database import Database, open_database
from allocation.ledger.sealing import seal_pending
from allocation.study.protocol import Protocol
from simulation.scenario import Scenario, load_scenario_and_protocol
from tests.simulation.test_twin import SCENARIO, on_stage

STUDY = "ORT-301"
BEGINS = date(2025, 1, 6)
CENSUS = date(2025, 2, 16)
"""Six weeks in: more than three more are played."""
DAYS = 67
_SITES = 6


def documents() -> tuple[Protocol, Scenario]:
    """The demo with its first sites only, which open at once, recruit fast and are supplied too sparingly."""
    scenario, protocol = load_scenario_and_protocol(SCENARIO)
    study: dict[str, Any] = protocol.model_dump(mode="json")
    played: dict[str, Any] = scenario.model_dump(mode="json")
    study["sites"] = [one | {"planned_activation": BEGINS.isoformat()} for one in study["sites"][:_SITES]]
    known = {one["code"] for one in study["sites"]}
    study["lanes"] = [one for one in study["lanes"] if one.get("site") in (None, *known)]
    sparing = {"min_buffer": 1, "max_buffer": 2, "seed_quantity": 2, "short_window": 8, "long_window": 12}
    parameters = study["supply"]["parameters"][0]
    study["supply"]["parameters"] = [parameters | {"parameters": parameters["parameters"] | sparing}]
    study["supply"]["run_weekdays"] = [0, 3]
    played["duration_days"] = DAYS
    played["recruitment"] |= {"screened_per_site_month": 6.0, "month_factors": [], "pauses": []}
    played["recruitment"]["country_factors"] = {}
    played["activation"]["delay_days"] = {"law": "fixed", "min_days": 3}
    played["screening"]["duration_days"] = {"law": "fixed", "min_days": 7}
    return Protocol.model_validate(study), Scenario.model_validate(played)


@contextmanager
def running_study(file: Path) -> Iterator[tuple[Database, str]]:
    """The study in an SQLite file, sealed, with its URL."""
    url = f"sqlite:///{file}"
    database = open_database(url)
    try:
        twin, trial = on_stage(database, *documents())
        trial.set_up()
        twin.run(trial)
        seal_pending(database)
        yield database, url
    finally:
        database.dispose()

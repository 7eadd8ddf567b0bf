"""A short trial that the real service recorded, played once for all tests that read its ledger."""

from collections.abc import Iterator

import pytest

from allocation.ledger.database import Database, open_database
from allocation.ledger.sealing import seal_pending
from simulation.scenario import Scenario, load_scenario
from tests.simulation.test_twin import SCENARIO, staged

DAYS = 95


def busy() -> dict[str, object]:
    """The demo's assumptions, but with more of all that is to be estimated: three times as many screened, and far more that goes wrong."""
    scenario = load_scenario(SCENARIO)
    flat = {"screened_per_site_month": 3.2, "month_factors": (), "pauses": (), "monthly_decay": 0.0}
    leaving = {"ORT20": 0.09, "ORTTITR": 0.08, "PLACEBO": 0.15}
    return {
        "recruitment": scenario.recruitment.model_dump() | flat,
        "drop_out": scenario.drop_out.model_dump() | {"monthly_probability": leaving, "periods": ()},
        "visits": scenario.visits.model_dump() | {"missed_probability": 0.1, "late_probability": 0.25},
        "shipping": scenario.shipping.model_dump() | {"lost_probability": 0.05},
    }


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Scenario, str]]:
    url = f"sqlite:///{tmp_path_factory.mktemp('fit') / 'rtsm.db'}"
    database = open_database(url)
    try:
        twin, trial = staged(database, DAYS, busy())
        trial.set_up()
        twin.run(trial)
        seal_pending(database)
        yield database, twin.scenario, url
    finally:
        database.dispose()

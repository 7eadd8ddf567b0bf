"""The twin plays a trial through the real service, and what it does follows from its scenario and seed alone."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.access.signing import Signature, content_hash_of
from allocation.ledger.database import Database, open_database
from allocation.ledger.reader import sealed_entries
from allocation.ledger.schema import kit, site, subject_visit
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from simulation.driver import Cast, ServiceTrial
from simulation.scenario import Scenario, load_scenario_and_protocol
from simulation.trial import Tally
from simulation.twin import Twin

SCENARIO = Path(__file__).parents[2] / "studies" / "demo-scenario.yaml"


def staged(
    database: Database, days: int, change: dict[str, object] | None = None, **event: object
) -> tuple[Twin, ServiceTrial]:
    """The demo for some days, by the operator in every part; `event` says what is other in its first randomization."""
    scenario, protocol = load_scenario_and_protocol(SCENARIO)
    amended = protocol.model_dump(mode="json")
    amended["randomization"][0] |= event
    protocol = Protocol.model_validate(amended)
    document = scenario.model_dump() | {"duration_days": days} | (change or {})
    return on_stage(database, protocol, Scenario.model_validate(document))


def on_stage(database: Database, protocol: Protocol, scenario: Scenario) -> tuple[Twin, ServiceTrial]:
    """A trial that is to be played, by the operator in every part."""
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
    return twin, ServiceTrial(database, protocol, twin.scenario, twin.clock, cast)


def play(database: Database, days: int, change: dict[str, object] | None = None) -> tuple[Twin, Tally]:
    """The demo, played to its end."""
    twin, trial = staged(database, days, change)
    trial.set_up()
    return twin, twin.run(trial)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.dispose()


@pytest.mark.slow
def test_a_played_trial_verifies_its_tally_is_the_ledgers_and_time_never_goes_backwards(
    database: Database,
) -> None:
    twin, tally = play(database, days=72)
    study_id = twin.protocol.study.id
    seal_pending(database)
    entries = sealed_entries(database, study_id)
    commands = [entry.command for entry in entries]
    assert tally.randomized > 5
    assert commands.count("screen") == tally.screened
    assert commands.count("randomize") == tally.randomized
    assert commands.count("dispense") == tally.dispensings
    assert commands.count("order_shipment") == tally.shipments
    assert commands.count("open_site") == tally.sites
    assert verify_ledger(database, study_id).difference is None
    moments = [entry.recorded_at for entry in entries]
    assert moments == sorted(moments)
    with database.read() as connection:
        latest = connection.execute(select(subject_visit.c.visit_date)).scalars()
        assert all(day is None or day <= twin.clock().date() for day in latest)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_trial(tmp_path: Path) -> None:
    ledgers = []
    for name in ("one", "two"):
        database = open_database(f"sqlite:///{tmp_path / name}.db")
        twin, _ = play(database, days=50)
        entries = sealed_entries(database, twin.protocol.study.id)
        ledgers.append([(e.recorded_at, e.command, e.subject_id, e.site_id) for e in entries])
        database.dispose()
    assert ledgers[0] == ledgers[1]


@pytest.mark.slow
def test_without_supplies_every_dose_is_missed_and_none_is_invented(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'rtsm.db'}")
    scenario, _ = load_scenario_and_protocol(SCENARIO)
    never = date(2035, 1, 1)
    lots = [
        lot.model_dump()
        | {"arrivals": [arrival.model_dump() | {"on": never} for arrival in lot.arrivals]}
        | {"expires_on": date(2036, 1, 1)}
        for lot in scenario.lots
    ]
    _, tally = play(database, days=60, change={"lots": lots})
    assert tally.missed_dispensings > 0
    assert tally.dispensings == 0
    with database.read() as connection:
        assert connection.execute(select(kit)).first() is None
        assert connection.execute(select(site)).first() is not None
    database.dispose()


def test_the_method_of_a_protocol_that_draws_at_randomization_is_activated_with_the_scenarios_seed(
    tmp_path: Path,
) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'rtsm.db'}")
    try:
        drawn = {"method": "minimization", "drawn": "at_randomization", "parameters": {"p": 0.8}}
        twin, trial = staged(database, days=10, **drawn, block_sizes=[])
        trial.set_up()
        entries = sealed_entries(database, twin.protocol.study.id)
        (activation,) = [one for one in entries if one.command in ("activate_method", "activate_list")]
        assert activation.after["seed"] == str(twin.scenario.randomization_list.seed)
        assert activation.after["method"] == "minimization"
        assert activation.signature is not None
    finally:
        database.dispose()

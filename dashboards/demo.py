"""The demo: a trial played through the real service, its datasets built and exported, its ledger verified, all in RTSM_HOME."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from allocation.ledger.database import default_url, open_database
from allocation.ledger.reader import last_position, studies
from allocation.ledger.sealing import Sealer, seal_pending
from allocation.ledger.verify import Verification, verify_ledger
from allocation.study.canonical import protocol_sha256
from allocation.study.protocol import Protocol
from dashboards.demo_people import create_people, demo_cast, demo_people
from dashboards.demo_progress import DemoProgress
from dashboards.errors import DemoFailed, DemoRefused
from dashboards.home import DemoRecord, Home, database_name
from simulation.driver import ServiceTrial
from simulation.scenario import Scenario, load_scenario_and_protocol
from simulation.trial import Tally
from simulation.twin import Twin

if TYPE_CHECKING:
    from dashboards.demo_planning import Planned

SCENARIO: Final = Path(__file__).resolve().parent.parent / "studies" / "demo-scenario.yaml"
EXPORT_FORMATS: Final = ("xpt", "dataset-json", "csv", "parquet")


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What is to be played, and what a record says of it. `days`: None plays the scenario to its end."""

    protocol: Protocol
    scenario: Scenario
    file: Path
    digest: str

    @classmethod
    def read(cls, file: Path, days: int | None) -> DemoPlan:
        """Read a scenario and its protocol. Raises ScenarioError, ProtocolError."""
        scenario, protocol = load_scenario_and_protocol(file)
        if days is not None:
            scenario = scenario.model_copy(update={"duration_days": days})
        whole = protocol_sha256(protocol) + scenario.model_dump_json(exclude={"duration_days"})
        return cls(protocol, scenario, file, hashlib.sha256(whole.encode()).hexdigest())

    def record(self) -> DemoRecord:
        """The record of a demo that is being made of this plan."""
        return DemoRecord(
            state="playing",
            study_id=self.protocol.study.id,
            scenario=self.scenario.name,
            digest=self.digest,
            days=self.scenario.duration_days,
            database=database_name(default_url()),
        )


def standing_demo(
    home: Home, plan: DemoPlan, *, fresh: bool, days_asked: bool, say: Callable[[str], None]
) -> DemoRecord | None:
    """The complete demo of this home, to be used as it is; None when one is to be made, for which the home is then ready.

    With `fresh`, and after an interrupted demo, what the demo made is removed. Raises DemoRefused when the home or its database
    holds something that no demo made, or a complete demo of other length than was asked for.
    """
    found = home.record()
    if found is None:
        _require_empty(home)
        return None
    if found.database != database_name(default_url()):
        raise DemoRefused(
            f"the demo of {home.folder} is in {found.database}, not in {database_name(default_url())}: name that database "
            "with --db, or another home with RTSM_HOME"
        )
    gone = found.database == f"sqlite:///{home.sqlite_file}" and not home.sqlite_file.exists()
    if found.state == "complete" and not fresh and not gone:
        if days_asked and found.days != plan.scenario.duration_days:
            raise DemoRefused(
                f"{home.folder} holds a demo of {found.days} days, not {plan.scenario.duration_days}: leave out --days to use "
                "it, or add --fresh to make another"
            )
        say(f"Using the demo in {home.folder} of {found.made_at} (--fresh makes it again).")
        if found.digest != plan.digest:
            say("The protocol or the scenario was changed since: --fresh plays it as it is now.")
        return found
    why = "it was interrupted" if found.state == "playing" else "its database is gone" if gone else "--fresh"
    say(f"Removing the demo in {home.folder} ({why}).")
    home.remove_demo()
    _require_empty(home)
    return None


def _require_empty(home: Home) -> None:
    """Raises DemoRefused when the database has studies or accounts in it that are not this demo's."""
    name = database_name(default_url())
    if name == f"sqlite:///{home.sqlite_file}":
        taken = home.sqlite_file.exists()
    else:
        database = open_database()
        taken = bool(studies(database)) or last_position(database, "SYSTEM") > 0
        database.dispose()
    if taken:
        raise DemoRefused(
            f"{name} holds data that no complete demo of this home made: name an empty home with RTSM_HOME, or an "
            "empty database with --db"
        )


class Demo:
    """A demo in the making. The steps are called in the order in which they stand here."""

    def __init__(self, home: Home, plan: DemoPlan, shown: DemoProgress) -> None:
        """Open the database of the environment, and leave the mark that a demo is being made. Raises DatabaseUnavailable."""
        self.home = home
        self.plan = plan
        self.study_id = plan.protocol.study.id
        self._shown = shown
        self._began = time.monotonic()
        self._people = demo_people(plan.protocol)
        home.folder.mkdir(parents=True, exist_ok=True)
        self.database = open_database()
        self._record = plan.record()
        home.write_record(self._record)
        self._twin = Twin(plan.protocol, plan.scenario)
        self._trial: ServiceTrial | None = None

    def set_up(self) -> ServiceTrial:
        """Create the accounts, load the protocol, generate and activate the randomization list."""
        clock = self._twin.clock
        with self._shown.step("set up", f"Setting up {self.study_id} and {len(self._people)} accounts"):
            create_people(self.database, self._people, clock)
            cast = demo_cast(self.database, self._people, clock)
            trial = ServiceTrial(self.database, self.plan.protocol, self.plan.scenario, clock, cast)
            trial.set_up()
        self._trial = trial
        return trial

    def play(self, pace: Callable[[], None] | None = None) -> Tally:
        """Play the scenario to its end through the service; `pace` is called after each simulated day. `set_up` comes first."""
        trial = self._trial or self.set_up()
        scenario = self.plan.scenario
        sealer = Sealer(self.database)
        sealer.start()
        try:
            with self._shown.play(
                f"Playing {scenario.duration_days} days of {self.study_id}", scenario.starts_on
            ) as bar:
                return self._twin.run(trial, bar, pace)
        finally:
            sealer.stop()

    def plan_supply(self) -> Planned:
        """Forecast, tune, and put proposed thresholds into effect (demo_planning.py). `play` comes first."""
        # The simulator's compiler takes seconds to import, and minutes to compile on a fresh machine.
        from dashboards.demo_planning import plan_demo

        trial = self._trial or self.set_up()
        return plan_demo(self.database, trial, self.plan.scenario, self.plan.file, self._shown)

    def verify(self) -> Verification:
        """Verify the ledger. Raises DemoFailed with the first difference."""
        with self._shown.step("verify", "Verifying the ledger"):
            seal_pending(self.database)
            found = verify_ledger(self.database, self.study_id)
        if found.difference is not None:
            raise DemoFailed(f"the ledger of {self.study_id} is not intact: {found.difference.message}")
        return found

    def build_datasets(self) -> dict[str, int]:
        """Build the lake by Dagster's assets, in this process, and export the blinded datasets; gives rows by dataset."""
        # Dagster and the libraries of the pipelines take seconds to import; the play does not need them.
        from dagster import DagsterInstance

        from pipelines.dagster_home import prepare_dagster_home
        from pipelines.exports import export_datasets
        from pipelines.refresh import refresh_lake
        from pipelines.release import release

        with self._shown.step("datasets", "Building the datasets and checking their contracts"):
            folder = prepare_dagster_home(self.home.dagster)
            with DagsterInstance.from_config(str(folder)) as instance:
                made = refresh_lake(self.database, self.home.folder, self.study_id, instance=instance)
        with self._shown.step("exports", f"Exporting them as {', '.join(EXPORT_FORMATS)}"):
            released = release(self.database, self.home.folder, self.study_id, "blinded")
            export_datasets(
                released.sdtm,
                EXPORT_FORMATS,
                self.home.exports / self.study_id,
                study_id=self.study_id,
                created=released.moment,
                blinded=True,
                ledger_position=released.position,
                operational=released.operational,
            )
        return {name: int(one["rows"]) for name, one in made.blinded.manifest["datasets"].items()}

    def complete(
        self,
        tally: Tally,
        verification: Verification,
        rows: dict[str, int],
        planned: Planned | None = None,
    ) -> DemoRecord:
        """Write the record that the demo is complete, with what was made, and give it."""
        scenario = self.plan.scenario
        self._shown.seconds["all"] = time.monotonic() - self._began
        summary: dict[str, Any] = {
            "first_day": scenario.starts_on,
            "last_day": scenario.starts_on + timedelta(days=scenario.duration_days - 1),
            "sites": tally.sites,
            "screened": tally.screened,
            "screen_failures": tally.screen_failures,
            "randomized": tally.randomized,
            "dispensings": tally.dispensings,
            "missed_dispensings": tally.missed_dispensings,
            "visits": tally.visits,
            "discontinued": tally.discontinued,
            "completed": tally.completed,
            "shipments": tally.shipments,
            "kits_shipped": tally.kits_shipped,
            "kits": verification.kits,
            "ledger_entries": verification.entries,
            "projection_rows": verification.rows,
            "chain_head": verification.chain_head,
            "datasets": rows,
            "planned": None if planned is None else asdict(planned),
            "seconds": {name: round(spent, 1) for name, spent in self._shown.seconds.items()},
        }
        made_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        record = replace(self._record, state="complete", made_at=made_at, summary=summary)
        self.home.write_record(record)
        return record

    def close(self) -> None:
        """Close the database."""
        self.database.dispose()


def make_demo(home: Home, plan: DemoPlan, shown: DemoProgress, *, planning: bool = False) -> DemoRecord:
    """Make the whole demo in an empty home. Raises DemoFailed, and what the service, the twin or the pipelines raise.

    `planning`: with forecasts, and thresholds that are tuned, proposed and signed.
    """
    demo = Demo(home, plan, shown)
    try:
        demo.set_up()
        tally = demo.play()
        planned = demo.plan_supply() if planning else None
        verification = demo.verify()
        return demo.complete(tally, verification, demo.build_datasets(), planned)
    finally:
        demo.close()

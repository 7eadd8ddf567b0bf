"""Dagster on a real ledger: definitions load, both products are built, checked and published whole, and the sensor follows."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from allocation.ledger.database import Database, open_database
from pipelines.assets import ASSETS, SNAPSHOT_KEY, STUDIES, LedgerResource
from pipelines.contract_checks import CHECKS
from pipelines.dagster_home import prepare_dagster_home
from pipelines.datasets import DATASETS, PRODUCTS, datasets_of
from pipelines.definitions import defs, resources
from pipelines.errors import DatasetsRejected, LakeError, PipelineError
from pipelines.events.frames import EVENT_SCHEMAS
from pipelines.lake import Lake
from pipelines.refresh import Refresh, refresh_lake
from pipelines.release import release
from pipelines.sensor import ledger_sensor
from tests.pipelines.small_trial import STUDY, SmallTrial


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as kept:
        yield kept


def _files(lake: Lake) -> dict[str, bytes]:
    """Every Parquet file and manifest of the published snapshots, by product and path."""
    return {
        f"{product}/{path.relative_to(snapshot.folder)}": path.read_bytes()
        for product in PRODUCTS
        for snapshot in [lake.snapshot(STUDY, product)]
        for path in snapshot.folder.rglob("*")
        if path.is_file()
    }


def test_the_definitions_load_and_hold_every_dataset_with_its_check() -> None:
    dg.Definitions.validate_loadable(defs)
    keys = {key.to_user_string() for asset in ASSETS for key in asset.keys}
    wanted = {f"{product}/{one.name}" for product in PRODUCTS for one in datasets_of(product)}
    assert keys == wanted | {f"unblinded/events/{name}" for name in EVENT_SCHEMAS} | {
        SNAPSHOT_KEY.to_user_string()
    }
    checked = {key.asset_key.to_user_string() for check in CHECKS for key in check.check_keys}
    assert checked == {
        f"{product}/{one.name}" for product in PRODUCTS for one in datasets_of(product) if one.contract
    }
    assert {one.name for one in DATASETS if one.contract is None} == {
        "supply/subject_progress",
        "supply/stock",
    }


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def done(request: pytest.FixtureRequest, home: Path) -> Iterator[Refresh]:
    """What the first refresh of the small trial did, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("built")
    else:
        with request.getfixturevalue("migrated_postgres").lend() as url:
            opened = open_database(url)
            yield refresh_lake(SmallTrial(opened).play().database, home, STUDY)
            opened.dispose()


@pytest.mark.slow
def test_a_refresh_builds_checks_and_publishes_both_products_on_either_database(done: Refresh) -> None:
    assert done.changed
    assert done.position == done.blinded.position == done.unblinded.position
    dm = done.unblinded.read("sdtm/dm").select("SUBJID", "ARM", "ACTARM", "ARMNRS", "RFXENDTC")
    assert dm.rows() == [
        ("1001", "Placebo", "Placebo", None, "2026-04-06"),
        ("1002", "Active", "Active", None, "2026-04-14"),
        ("1003", None, None, "SCREEN FAILURE", None),
        ("1004", None, None, "NOT ASSIGNED", None),
        ("2001", "Active", "Placebo", None, "2026-03-23"),
        ("2002", "Placebo", None, "ASSIGNED, NOT TREATED", None),
        ("2003", None, None, "NOT ASSIGNED", None),
    ]
    assert done.blinded.read("sdtm/dm")["ARM"].drop_nulls().unique().to_list() == ["Blinded Treatment"]
    assert set(done.unblinded.manifest["contracts"]) == {
        one.name for one in datasets_of("unblinded") if one.contract
    }
    assert all(verdict["passed"] for verdict in done.unblinded.manifest["contracts"].values())
    assert "chain_hash" not in done.blinded.manifest
    assert not any(name.startswith("events/") for name in done.blinded.datasets)


@pytest.fixture(scope="module")
def moved_on(built_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Lake]]:
    """The small trial after one more visit, and its lake after a refresh before and one after it; tests only read them."""
    home = tmp_path_factory.mktemp("moved")
    shutil.copytree(built_lake, home / "lake")
    opened = open_database(f"sqlite:///{home / 'rtsm.db'}")
    SmallTrial(opened).play().on(4, 15).visited("1002", "V4")
    refresh_lake(opened, home, STUDY)
    yield opened, Lake(home)
    opened.dispose()


@pytest.mark.slow
def test_a_lake_that_was_deleted_is_rebuilt_byte_for_byte_in_one_step_or_in_many(
    moved_on: tuple[Database, Lake], home: Path
) -> None:
    database, lake = moved_on
    refresh_lake(database, home, STUDY)
    many, one = _files(lake), _files(Lake(home))
    assert one.keys() == many.keys()
    assert [name for name in one if one[name] != many[name]] == []


def test_with_nothing_sealed_since_nothing_is_done(refreshed_trial: SmallTrial, home: Path) -> None:
    before = _files(Lake(home))
    again = refresh_lake(refreshed_trial.database, home, STUDY)
    assert not again.changed
    assert again.unblinded == Lake(home).snapshot(STUDY, "unblinded")
    assert _files(Lake(home)) == before


@pytest.mark.slow
def test_a_broken_dataset_blocks_publication_and_its_keys_are_named(
    refreshed_trial: SmallTrial, home: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    trial, lake = refreshed_trial, Lake(home)
    before = {product: lake.snapshot(STUDY, product) for product in PRODUCTS}
    trial.on(4, 15).visited("1002", "V4")
    from pipelines import datasets

    def broken(*arguments: object, **frames: pl.DataFrame) -> pl.DataFrame:
        frame = datasets.dm(*arguments, **frames)  # type: ignore[arg-type]
        wrong = pl.when(pl.col("SUBJID") == "1002").then(pl.lit("Screen Failure")).otherwise("ARM")
        return frame.with_columns(wrong.alias("ARM"))

    patched = tuple(
        type(one)(one.name, broken, one.inputs, one.description, one.contract, one.products)
        if one.name == "sdtm/dm"
        else one
        for one in DATASETS
    )
    with monkeypatch.context() as patching:
        patching.setattr(datasets, "DATASETS", patched)
        with pytest.raises(DatasetsRejected) as refusal:
            refresh_lake(trial.database, home, STUDY, instance=instance)
    told = str(refusal.value)
    assert "unblinded/sdtm/dm: no reason such as screen failure stands in place of an arm" in told
    assert "SMALL-1-S1-1002" in told
    assert {product: lake.snapshot(STUDY, product) for product in PRODUCTS} == before
    assert list((lake.product_folder(STUDY, "unblinded") / "staging").iterdir()) == []
    run = instance.get_runs()[0]
    failed = [
        one
        for record in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        if record.dagster_event
        for one in [record.dagster_event.event_specific_data]
        if isinstance(one, dg.AssetCheckEvaluation) and not one.passed
    ]
    assert {one.asset_key.to_user_string() for one in failed} >= {"unblinded/sdtm/dm"}
    keys = [key for one in failed for failure in one.metadata["failures"].value for key in failure["keys"]]
    assert {"STUDYID": STUDY, "USUBJID": "SMALL-1-S1-1002"} in keys
    after = refresh_lake(trial.database, home, STUDY)
    assert after.position == before["unblinded"].position + 1


@pytest.mark.slow
def test_a_second_refresh_reaches_only_the_verdicts_of_what_changed(
    refreshed_trial: SmallTrial, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = refreshed_trial
    checked: list[str] = []
    from pipelines import verdicts

    real = verdicts.check
    monkeypatch.setattr(
        verdicts, "check", lambda name, *rest, **named: (checked.append(name), real(name, *rest, **named))[1]
    )
    monkeypatch.setattr(verdicts, "_reached", {})
    trial.on(4, 15).visited("1002", "V4")
    refresh_lake(trial.database, home, STUDY)
    assert set(checked) & {"TA", "TE", "TV", "TI", "kits", "kit_movements", "sites", "shipments"} == set()
    assert "SV" in checked
    # Both products have the same SV, so its verdict is reached once.
    assert checked.count("SV") == 1


@pytest.mark.slow
def test_after_a_change_of_the_code_the_lake_is_built_anew(
    refreshed_trial: SmallTrial, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not refresh_lake(refreshed_trial.database, home, STUDY).changed
    monkeypatch.setattr("pipelines.lake.source_digest", lambda package: f"other {package}")
    assert refresh_lake(refreshed_trial.database, home, STUDY).changed
    assert not refresh_lake(refreshed_trial.database, home, STUDY).changed


def test_a_study_without_entries_is_refused_by_name(sqlite_trial: SmallTrial, home: Path) -> None:
    with pytest.raises(
        LakeError, match="study 'NOPE' has no sealed ledger entry: loaded studies are SMALL-1"
    ):
        refresh_lake(sqlite_trial.database, home, "NOPE")


@pytest.mark.slow
def test_one_dataset_alone_cannot_be_built_since_a_snapshot_is_whole(
    sqlite_trial: SmallTrial, home: Path, instance: dg.DagsterInstance
) -> None:
    instance.add_dynamic_partitions(STUDIES.name or "", [STUDY])
    url = str(sqlite_trial.database.engine.url)
    outcome = dg.materialize(
        [*ASSETS, *CHECKS],
        selection=dg.AssetSelection.assets(SNAPSHOT_KEY).without_checks(),
        partition_key=STUDY,
        resources=resources(str(home), url),
        instance=instance,
        raise_on_error=False,
    )
    assert not outcome.success
    assert Lake(home).find_snapshot(STUDY, "unblinded") is None


def test_what_fails_in_a_step_is_told_with_its_cause(
    sqlite_trial: SmallTrial, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.events import reading

    monkeypatch.setattr(reading, "TRANSLATIONS", {})
    with pytest.raises(
        PipelineError, match=r"ledger_events: .*'load_study_version', which has no translation"
    ):
        refresh_lake(sqlite_trial.database, home, STUDY)


@pytest.mark.slow
def test_an_export_as_of_an_earlier_position_is_what_stood_then(
    built: Refresh, moved_on: tuple[Database, Lake]
) -> None:
    database, lake = moved_on
    earlier = built.unblinded
    then = release(database, lake.home, STUDY, "unblinded", earlier.position)
    assert {name: frame.rows() for name, frame in then.sdtm.items()} == {
        name.upper(): frame.rows() for name, frame in earlier.read_group("sdtm").items()
    }
    now = release(database, lake.home, STUDY, "unblinded")
    assert now.sdtm["SV"].height == then.sdtm["SV"].height + 1
    with pytest.raises(LakeError, match="no ledger position 9999"):
        release(database, lake.home, STUDY, "unblinded", 9999)


def test_the_sensor_asks_for_a_run_of_each_study_that_has_moved_and_for_no_other(
    trial: SmallTrial, instance: dg.DagsterInstance
) -> None:
    url = trial.database.engine.url.render_as_string(hide_password=False)

    def tick(cursor: str | None) -> dg.SensorResult:
        context = dg.build_sensor_context(
            instance=instance, cursor=cursor, resources={"ledger": LedgerResource(url=url)}, definitions=defs
        )
        found = ledger_sensor(context)
        assert isinstance(found, dg.SensorResult)
        return found

    first = tick(None)
    position = json.loads(first.cursor or "")[STUDY]
    (request,) = first.run_requests or []
    assert (request.run_key, request.partition_key) == (f"{STUDY}:{position}", STUDY)
    (added,) = first.dynamic_partitions_requests or []
    assert added.partition_keys == [STUDY]
    assert not tick(first.cursor).run_requests
    trial.on(4, 15).visited("1002", "V4")
    trial.sealed()
    (moved,) = tick(first.cursor).run_requests or []
    assert moved.run_key == f"{STUDY}:{position + 1}"


def test_while_a_studys_run_is_under_way_the_sensor_waits(
    sqlite_trial: SmallTrial, instance: dg.DagsterInstance
) -> None:
    url = sqlite_trial.database.engine.url.render_as_string(hide_password=False)
    instance.create_run_for_job(
        defs.resolve_job_def("refresh_lake"),
        tags={"dagster/partition": STUDY},
        status=dg.DagsterRunStatus.STARTED,
    )
    context = dg.build_sensor_context(
        instance=instance, resources={"ledger": LedgerResource(url=url)}, definitions=defs
    )
    found = ledger_sensor(context)
    assert isinstance(found, dg.SensorResult)
    assert not found.run_requests
    assert json.loads(found.cursor or "") == {}


def test_the_dagster_home_asks_its_visitors_for_no_address(tmp_path: Path) -> None:
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(tmp_path / "dagster"))) as made:
        assert made.nux_enabled is False


def test_the_dagster_home_sends_nothing_and_never_waits_for_a_dead_run(tmp_path: Path) -> None:
    folder = prepare_dagster_home(tmp_path / "dagster")
    with dg.DagsterInstance.from_config(str(folder)) as made:
        assert made.telemetry_enabled is False
        queue = made.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 1
        assert made.run_monitoring_enabled
        assert made.run_monitoring_max_runtime_seconds == 7200
        assert made.run_retries_enabled
        assert made.run_retries_max_retries == 2
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: true\n", encoding="utf-8")
    prepare_dagster_home(folder)
    assert "true" in (folder / "dagster.yaml").read_text(encoding="utf-8")

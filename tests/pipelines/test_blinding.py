"""Blinding as non-interference: exchange the treatments of a study and leave all else, and every blinded byte stays the same."""

import hashlib
from pathlib import Path

import polars as pl
import pytest

from allocation.ledger.database import open_database
from pipelines.datasets import datasets_of, derive
from pipelines.events.frames import EventFrames
from pipelines.events.reading import read_events
from pipelines.lake import write_parquet
from pipelines.sdtm.masking import masked_events
from tests.pipelines.small_trial import EXCHANGED, STUDY, SmallTrial


@pytest.fixture(scope="module")
def twin_events(tmp_path_factory: pytest.TempPathFactory) -> EventFrames:
    """The same story in a study where A and B are exchanged in the list and in the kits."""
    opened = open_database(f"sqlite:///{tmp_path_factory.mktemp('twin') / 'rtsm.db'}")
    SmallTrial(opened, labels=dict(EXCHANGED)).play()
    events = read_events(opened, STUDY)
    opened.dispose()
    return events


def _bytes(events: EventFrames, folder: Path) -> dict[str, str]:
    # A run's number has a random part, which differs between any two studies.
    same_runs = events["shipments"].with_columns(pl.lit("RUN").alias("run_id"))
    derived = derive({**events, "shipments": same_runs}, "blinded")
    return {name: write_parquet(frame, folder / f"{name}.parquet") for name, frame in derived.items()}


def test_the_twin_differs_in_its_treatments(played_events: EventFrames, twin_events: EventFrames) -> None:
    arms = [events["randomizations"]["arm"].to_list() for events in (played_events, twin_events)]
    assert [EXCHANGED[arm] for arm in arms[0]] == arms[1]
    assert (
        derive(played_events, "unblinded")["sdtm/dm"].equals(derive(twin_events, "unblinded")["sdtm/dm"])
        is False
    )


def test_every_byte_of_the_blinded_product_is_the_same_in_the_twin(
    played_events: EventFrames, twin_events: EventFrames, tmp_path: Path
) -> None:
    first, second = _bytes(played_events, tmp_path / "1"), _bytes(twin_events, tmp_path / "2")
    assert set(first) == {dataset.name for dataset in datasets_of("blinded")}
    assert {name for name in first if first[name] != second[name]} == set()


def test_no_arm_kit_type_dose_level_or_lot_is_in_the_blinded_product(played_events: EventFrames) -> None:
    words = (
        "Placebo",
        "PLACEBO",
        "Active",
        "ACTIVE",
        "KA",
        "KB",
        "LOT0",
        "LOT1",
        "L1",
        "L2",
        "PBO",
        "HIGH",
        "LOW",
    )
    for name, frame in derive(played_events, "blinded").items():
        values = {
            value
            for column in frame.select(pl.col(pl.String)).iter_columns()
            for value in column.drop_nulls().unique()
        }
        assert values & set(words) == set(), name
        told = [value for value in values for word in ("Placebo", "Active") if word in value]
        assert told == [], name


def test_masked_events_hold_no_treatment_and_no_frame_that_nothing_blinded_needs(
    played_events: EventFrames,
) -> None:
    masked = masked_events(played_events)
    assert masked["randomizations"]["arm"].unique().to_list() == ["BLINDED"]
    assert masked["dispensings"]["kit_type"].unique().to_list() == ["Bottle"]
    assert masked["kits"]["kit_type"].unique().to_list() == ["Bottle"]
    for frame, column in (
        ("randomizations", "dose_level"),
        ("randomizations", "stratum"),
        ("visits", "dose_level"),
        ("dispensings", "dose_level"),
        ("dispensings", "lot_id"),
        ("kits", "lot_id"),
    ):
        assert masked[frame][column].null_count() == masked[frame].height, (frame, column)
    assert masked["lots"].is_empty()
    assert masked["protocol_versions"].is_empty()
    assert masked["entries"]["chain_hash"].unique().to_list() == [""]


def test_the_blinded_product_has_the_structure_of_the_unblinded_one(played_events: EventFrames) -> None:
    blinded, unblinded = (derive(played_events, product) for product in ("blinded", "unblinded"))
    assert set(unblinded) - set(blinded) == {"supply/kits"}
    for name, frame in blinded.items():
        assert frame.schema == unblinded[name].schema, name
    for name in ("sdtm/dm", "sdtm/sv", "sdtm/ex", "sdtm/ds", "sdtm/da"):
        assert blinded[name].height == unblinded[name].height, name


def test_a_hash_of_a_blinded_frame_depends_on_its_content_alone(
    played_events: EventFrames, tmp_path: Path
) -> None:
    frame = derive(played_events, "blinded")["sdtm/dm"]
    digest = write_parquet(frame, tmp_path / "a.parquet")
    assert digest == write_parquet(frame.clone(), tmp_path / "b.parquet")
    assert digest == hashlib.sha256((tmp_path / "a.parquet").read_bytes()).hexdigest()

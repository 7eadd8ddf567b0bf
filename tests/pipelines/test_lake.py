"""The lake: a reader has a whole snapshot or the previous one, and the same content has the same bytes and name."""

import json
import os
from pathlib import Path

import polars as pl
import pytest

from pipelines.errors import LakeError
from pipelines.lake import CURRENT, KEPT_SNAPSHOTS, Lake, published_events, write_parquet
from pipelines.source_digest import source_digest

STUDY, PRODUCT = "S", "blinded"


def _stage(lake: Lake, run: str, value: int) -> None:
    folder = lake.staging_folder(STUDY, PRODUCT, run)
    for name in ("sdtm/dm", "supply/kits"):
        write_parquet(pl.DataFrame({"value": [value]}), folder / f"{name}.parquet")


def _publish(lake: Lake, run: str, value: int, position: int) -> str:
    _stage(lake, run, value)
    return lake.publish(STUDY, PRODUCT, run, {"position": position}).name


def test_before_the_first_snapshot_the_lake_says_how_to_build_one(tmp_path: Path) -> None:
    assert Lake(tmp_path).find_snapshot(STUDY, PRODUCT) is None
    with pytest.raises(
        LakeError, match="no blinded snapshot of study 'S' yet: build it with `rtsm pipeline refresh"
    ):
        Lake(tmp_path).snapshot(STUDY, PRODUCT)


def test_a_published_snapshot_is_read_by_name_and_describes_its_datasets(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    _publish(lake, "run", 7, 12)
    snapshot = lake.snapshot(STUDY, PRODUCT)
    assert snapshot.position == 12
    assert snapshot.datasets == ("sdtm/dm", "supply/kits")
    assert snapshot.read("sdtm/dm").rows() == [(7,)]
    assert snapshot.scan("sdtm/dm").collect().rows() == [(7,)]
    assert list(snapshot.read_group("supply")) == ["kits"]
    described = snapshot.manifest["datasets"]["sdtm/dm"]
    assert described["rows"] == 1
    assert described["columns"] == {"value": "Int64"}
    with pytest.raises(LakeError, match="no dataset 'sdtm/xx': it has sdtm/dm, supply/kits"):
        snapshot.read("sdtm/xx")


def test_the_same_content_has_the_same_name_and_another_one_has_another(tmp_path: Path) -> None:
    first = _publish(Lake(tmp_path / "1"), "a", 7, 12)
    assert _publish(Lake(tmp_path / "2"), "b", 7, 12) == first
    assert _publish(Lake(tmp_path / "3"), "c", 8, 12) != first


def test_what_is_staged_is_not_seen_before_it_is_published(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    _publish(lake, "one", 1, 1)
    _stage(lake, "two", 2)
    assert lake.snapshot(STUDY, PRODUCT).read("sdtm/dm").rows() == [(1,)]


@pytest.mark.parametrize("dies_at", ["manifest", "rename", "pointer"])
def test_an_interrupted_publication_leaves_the_previous_snapshot_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    lake = Lake(tmp_path)
    _publish(lake, "one", 1, 1)
    _stage(lake, "two", 2)
    replace, rename = os.replace, Path.rename

    def dying_replace(source: Path, target: Path) -> None:
        if (dies_at, Path(target).name) in (("manifest", "manifest.json"), ("pointer", CURRENT)):
            raise OSError("power cut")
        replace(source, target)

    def dying_rename(self: Path, target: Path) -> Path:
        if dies_at == "rename":
            raise OSError("power cut")
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr("pipelines.lake.os.replace", dying_replace)
        patched.setattr(Path, "rename", dying_rename)
        with pytest.raises(OSError, match="power cut"):
            lake.publish(STUDY, PRODUCT, "two", {"position": 2})
    assert lake.snapshot(STUDY, PRODUCT).position == 1
    assert lake.snapshot(STUDY, PRODUCT).read("supply/kits").rows() == [(1,)]
    _publish(lake, "three", 2, 2)
    assert lake.snapshot(STUDY, PRODUCT).read("supply/kits").rows() == [(2,)]


def test_a_slow_run_never_turns_the_lake_back(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    newer = _publish(lake, "fast", 2, 20)
    assert _publish(lake, "slow", 1, 19) == newer
    assert lake.snapshot(STUDY, PRODUCT).position == 20
    assert not lake.staging_folder(STUDY, PRODUCT, "slow").exists()


def test_publishing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first = _publish(lake, "one", 1, 1)
    files = {
        path: path.stat().st_mtime_ns for path in lake.snapshot(STUDY, PRODUCT).folder.rglob("*.parquet")
    }
    assert _publish(lake, "two", 1, 1) == first
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_old_snapshots_go_and_the_last_ones_stay_for_their_readers(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    names = [_publish(lake, f"run{position}", position, position) for position in range(1, 7)]
    kept = sorted(path.name for path in (lake.product_folder(STUDY, PRODUCT) / "snapshots").iterdir())
    assert kept == names[-KEPT_SNAPSHOTS:]


def test_verdicts_of_contracts_go_into_the_manifest(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    _stage(lake, "run", 1)
    lake.stage_verdicts(STUDY, PRODUCT, "run", json.dumps({"sdtm/dm": {"passed": True}}))
    snapshot = lake.publish(STUDY, PRODUCT, "run", {"position": 1})
    assert lake.snapshot(STUDY, PRODUCT).manifest["contracts"] == {"sdtm/dm": {"passed": True}}
    assert sorted(path.name for path in snapshot.folder.rglob("*.json")) == ["manifest.json"]


def test_events_that_other_code_made_are_not_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    assert published_events(None) is None
    staged = lake.staging_folder(STUDY, PRODUCT, "run") / "events" / "visits.parquet"
    write_parquet(pl.DataFrame({"position": [1]}), staged)
    snapshot = lake.publish(STUDY, PRODUCT, "run", {"position": 1})
    assert list(published_events(snapshot) or {}) == ["visits"]
    monkeypatch.setattr("pipelines.lake.source_digest", lambda package: f"other {package}")
    assert published_events(snapshot) is None


def test_a_changed_rule_changes_the_digest_of_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "somerules"
    (package / "deep").mkdir(parents=True)
    rule = package / "deep" / "rule.py"
    digests = []
    monkeypatch.syspath_prepend(str(tmp_path))
    for text in ("LIMIT = 1\n", "LIMIT = 2\n", "LIMIT = 1\n"):
        rule.write_text(text)
        digests.append(source_digest.__wrapped__("somerules"))
    assert digests[0] == digests[2] != digests[1]

"""The lake: derived datasets as Parquet, published as whole snapshots. It can be deleted and rebuilt, byte for byte.

    lake/STUDY/blinded/current                     the name of the snapshot to read
    lake/STUDY/blinded/snapshots/NAME/manifest.json
    lake/STUDY/blinded/snapshots/NAME/sdtm/dm.parquet
    lake/STUDY/blinded/staging/RUN/...             what a run has made so far; nobody reads it
    lake/STUDY/unblinded/...                       the same, and events/: give this folder to unblinded people only

A snapshot is never changed after its name stands in `current`, which is replaced in one step: a reader sees the whole snapshot
or the previous one. NAME is the ledger position and a hash of the manifest, which has the hash of every file, so the same
content has the same name. The last KEPT_SNAPSHOTS stay for readers that are still at one.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.errors import LakeError
from pipelines.events.frames import EventFrames
from pipelines.source_digest import source_digest

MANIFEST = "manifest.json"
CURRENT = "current"
CONTRACTS = "contracts.json"
DERIVING_CODE = "pipelines"
KEPT_SNAPSHOTS = 3
FIX = "build it with `rtsm pipeline refresh STUDY`"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A published snapshot of one product of one study. `position`: the last ledger position that it was built from."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name in the lake: position and content."""
        return self.folder.name

    @property
    def position(self) -> int:
        """The last sealed ledger position that it holds."""
        return int(self.manifest["position"])

    @property
    def is_of_this_code(self) -> bool:
        """Whether the code that runs now made it; datasets of older code may differ."""
        return bool(self.manifest.get("derived_by") == source_digest(DERIVING_CODE))

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of its datasets, such as "sdtm/dm"."""
        return tuple(self.manifest["datasets"])

    def path(self, dataset: str) -> Path:
        """The Parquet file of a dataset. Raises LakeError for a dataset that the snapshot does not have."""
        if dataset not in self.manifest["datasets"]:
            raise LakeError(
                f"snapshot {self.name} has no dataset {dataset!r}: it has {', '.join(self.datasets)}"
            )
        return self.folder / f"{dataset}.parquet"

    def scan(self, dataset: str) -> pl.LazyFrame:
        """A dataset, lazily. Raises LakeError."""
        return pl.scan_parquet(self.path(dataset))

    def read(self, dataset: str) -> pl.DataFrame:
        """A dataset. Raises LakeError."""
        return pl.read_parquet(self.path(dataset))

    def read_group(self, group: str) -> dict[str, pl.DataFrame]:
        """The datasets of a group (events, sdtm, supply) by their names without it."""
        names = [name for name in self.datasets if name.startswith(f"{group}/")]
        return {name.removeprefix(f"{group}/"): self.read(name) for name in names}


@dataclass(frozen=True, slots=True)
class Lake:
    """The lake under `home` (RTSM_HOME)."""

    home: Path

    def product_folder(self, study_id: str, product: str) -> Path:
        """Where a product of a study lies."""
        return self.home / "lake" / study_id / product

    def staging_folder(self, study_id: str, product: str, run_id: str) -> Path:
        """Where a run puts datasets before they are published."""
        return self.product_folder(study_id, product) / "staging" / run_id

    def find_snapshot(self, study_id: str, product: str) -> Snapshot | None:
        """The snapshot that is published now; None before the first."""
        folder = self.product_folder(study_id, product)
        try:
            name = (folder / CURRENT).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        snapshot = folder / "snapshots" / name
        return Snapshot(snapshot, json.loads((snapshot / MANIFEST).read_text(encoding="utf-8")))

    def snapshot(self, study_id: str, product: str) -> Snapshot:
        """The snapshot that is published now. Raises LakeError before the first."""
        found = self.find_snapshot(study_id, product)
        if found is None:
            raise LakeError(f"the lake has no {product} snapshot of study {study_id!r} yet: {FIX}")
        return found

    def publish(self, study_id: str, product: str, run_id: str, facts: Mapping[str, Any]) -> Snapshot:
        """Publish what the run has staged, with `facts` (at least `position`) in the manifest; gives the snapshot that stands then.

        A snapshot that is older than the published one is dropped: a slow run never turns the lake back.
        """
        staging = self.staging_folder(study_id, product, run_id)
        folder = self.product_folder(study_id, product)
        manifest = {
            "study_id": study_id,
            "product": product,
            "derived_by": source_digest(DERIVING_CODE),
            **facts,
            "datasets": _described(staging),
        }
        if (staging / CONTRACTS).exists():
            manifest["contracts"] = json.loads((staging / CONTRACTS).read_text(encoding="utf-8"))
            (staging / CONTRACTS).unlink()
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        name = f"{int(facts['position']):010d}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        _write_atomically(staging / MANIFEST, text.encode())
        with _locked(folder):
            standing = self.find_snapshot(study_id, product)
            if standing is not None and standing.position > int(facts["position"]):
                shutil.rmtree(staging)
                return standing
            target = folder / "snapshots" / name
            target.parent.mkdir(exist_ok=True)
            if target.exists():
                shutil.rmtree(staging)
            else:
                staging.rename(target)
            _write_atomically(folder / CURRENT, f"{name}\n".encode())
            _forget_old(folder, name)
        return Snapshot(target, manifest)

    def stage_verdicts(self, study_id: str, product: str, run_id: str, verdicts: str) -> None:
        """Put the verdicts of the contracts (JSON text) beside the staged datasets; `publish` takes them into the manifest."""
        staging = self.staging_folder(study_id, product, run_id)
        staging.mkdir(parents=True, exist_ok=True)
        _write_atomically(staging / CONTRACTS, verdicts.encode())

    def drop_staging(self, study_id: str, product: str, run_id: str) -> None:
        """Remove what a run has staged, if anything."""
        shutil.rmtree(self.staging_folder(study_id, product, run_id), ignore_errors=True)


def published_events(snapshot: Snapshot | None) -> EventFrames | None:
    """The event frames of an unblinded snapshot; None without one, or where other code made them: the ledger is read anew."""
    if snapshot is None or not snapshot.is_of_this_code:
        return None
    return snapshot.read_group("events")


def write_parquet(frame: pl.DataFrame, path: Path) -> str:
    """Write a frame to `path` in one step and give the file's SHA-256; the same frame gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    frame.write_parquet(unfinished, compression="zstd", statistics=True)
    digest = hashlib.sha256(unfinished.read_bytes()).hexdigest()
    os.replace(unfinished, path)
    return digest


def _described(staging: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(staging.rglob("*.parquet")):
        schema = pl.read_parquet_schema(path)
        found[path.relative_to(staging).with_suffix("").as_posix()] = {
            "rows": pl.scan_parquet(path).select(pl.len()).collect().item(),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "columns": {name: str(kind) for name, kind in schema.items()},
        }
    return found


def _write_atomically(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One publication at a time for a product, over all processes; the lock ends with the process."""
    with (folder / "publish.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_old(folder: Path, current: str) -> None:
    names = sorted((path for path in (folder / "snapshots").iterdir() if path.name != current), key=_age)
    for path in names[: max(0, len(names) - (KEPT_SNAPSHOTS - 1))]:
        shutil.rmtree(path)


def _age(snapshot: Path) -> tuple[float, str]:
    return (snapshot / MANIFEST).stat().st_mtime, snapshot.name

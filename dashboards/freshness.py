"""How fresh the derived datasets are: how far the published snapshot of the lake reaches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.datasets import datasets_of
from pipelines.lake import MANIFEST, Lake


@dataclass(frozen=True, slots=True)
class PublishedDatasets:
    """The blinded snapshot that stands. `position`: the last ledger position in it; `published_at` is UTC; `rows` by dataset."""

    position: int
    published_at: datetime
    rows: dict[str, int]


def described_datasets() -> dict[str, str]:
    """What each blinded dataset holds, in a line, by its name such as "sdtm/dm"."""
    return {dataset.name: dataset.description for dataset in datasets_of("blinded")}


def published_datasets(home: Path, study_id: str) -> PublishedDatasets | None:
    """What stands published of a study; None before the first snapshot."""
    snapshot = Lake(home).find_snapshot(study_id, "blinded")
    if snapshot is None:
        return None
    written = (snapshot.folder / MANIFEST).stat().st_mtime
    return PublishedDatasets(
        position=snapshot.position,
        published_at=datetime.fromtimestamp(written, UTC),
        rows={name: int(one["rows"]) for name, one in snapshot.manifest["datasets"].items()},
    )

"""The datasets of a product as of a ledger position, checked: what an export hands out.

The published snapshot is taken where it is the one asked for; otherwise the datasets are derived from the ledger and not
published.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from allocation.ledger.database import Database
from allocation.ledger.reader import last_position
from pipelines.datasets import Product, datasets_of, derive
from pipelines.errors import DatasetsRejected, LakeError
from pipelines.events.frames import EventFrames, as_of, last_entry
from pipelines.events.reading import read_events
from pipelines.lake import Lake, Snapshot, published_events
from pipelines.verdicts import check_product, known_verdicts


@dataclass(frozen=True, slots=True)
class Release:
    """Datasets of one product. `sdtm` by upper-case name without the empty ones; `moment`: that of the last entry (UTC)."""

    study_id: str
    product: Product
    position: int
    moment: datetime
    sdtm: dict[str, pl.DataFrame]
    operational: dict[str, pl.DataFrame]


def release(
    database: Database, home: Path, study_id: str, product: Product, position: int | None = None
) -> Release:
    """The datasets as of a sealed position (None: the last). Raises LakeError for a position that the ledger does not have,
    DatasetsRejected when a dataset breaks its contract, DerivationError."""
    last = last_position(database, study_id)
    wanted = last if position is None else position
    if not 1 <= wanted <= last:
        raise LakeError(f"study {study_id!r} has no ledger position {wanted}: its positions are 1 to {last}")
    lake = Lake(home)
    standing = lake.find_snapshot(study_id, "unblinded")
    events = as_of(read_events(database, study_id, published_events(standing)), wanted)
    snapshot = lake.find_snapshot(study_id, product)
    if (
        snapshot is not None
        and snapshot.position == wanted
        and snapshot.is_of_this_code
        and _same_ledger(standing, events)
    ):
        frames = {dataset.name: snapshot.read(dataset.name) for dataset in datasets_of(product)}
    else:
        frames = derive(events, product)
        _require_contracts(product, study_id, frames, snapshot)
    moment = events["entries"]["recorded_at"][-1]
    return Release(study_id, product, wanted, moment, _sdtm(frames), _group(frames, "supply"))


def _same_ledger(standing: Snapshot | None, events: EventFrames) -> bool:
    """Whether the lake was built from this ledger: the chain hash at its position is the ledger's."""
    return standing is not None and standing.manifest["chain_hash"] == last_entry(events)[1]


def _require_contracts(
    product: Product, study_id: str, frames: dict[str, pl.DataFrame], snapshot: Snapshot | None
) -> None:
    known = known_verdicts(snapshot.manifest) if snapshot else {}
    broken = [
        f"  {name}: {failure['text']} ({failure['count']} failing)"
        for name, verdict in check_product(product, frames, known).items()
        for failure in verdict.failures
        if failure["severity"] == "critical"
    ]
    if broken:
        raise DatasetsRejected(
            f"study {study_id}: nothing was exported, since datasets break their contracts:\n"
            + "\n".join(broken)
        )


def _group(frames: dict[str, pl.DataFrame], group: str) -> dict[str, pl.DataFrame]:
    return {
        name.removeprefix(f"{group}/"): frame
        for name, frame in frames.items()
        if name.startswith(f"{group}/")
    }


def _sdtm(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """A dataset without rows is not part of a package (CORE-000579)."""
    return {name.upper(): frame for name, frame in _group(frames, "sdtm").items() if frame.height}

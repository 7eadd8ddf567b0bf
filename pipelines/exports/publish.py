"""Publishing an export: every dataset in every format asked for, and a manifest, as a whole or not at all.

The files are written into a folder beside the target, which then takes the target's name in one rename. A reader sees the
earlier export or the new one, never half of one; after an error the earlier export stands as it was. Given the same frames and
the same `created`, the files are the same, byte for byte.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import polars as pl

from pipelines.errors import ExportError
from pipelines.exports.csv import write_csv
from pipelines.exports.dataset_json import dataset_metadata, write_dataset_json, write_dataset_ndjson
from pipelines.exports.parquet import write_parquet
from pipelines.exports.xpt import write_xpt
from pipelines.sdtm.conform import Conformed, conform

MANIFEST = "manifest.json"
# Format -> ending of its files. Each format has a folder of its own, so that a folder is what a checker expects.
FORMATS: Mapping[str, str] = {
    "xpt": ".xpt",
    "dataset-json": ".json",
    "dataset-ndjson": ".ndjson",
    "csv": ".csv",
    "parquet": ".parquet",
}


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file of an export; `path` is relative to the export's folder."""

    dataset: str
    label: str
    format: str
    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds and what it was made from; the content of manifest.json. `created` is ISO 8601 in UTC."""

    study_id: str
    created: str
    ledger_position: int | None
    blinded: bool
    software_version: str
    files: tuple[ExportedFile, ...]


def export_datasets(
    frames: Mapping[str, pl.DataFrame],
    formats: Iterable[str],
    out_dir: Path,
    *,
    study_id: str,
    created: datetime,
    blinded: bool,
    ledger_position: int | None = None,
    operational: Mapping[str, pl.DataFrame] | None = None,
    on_file: Callable[[ExportedFile], None] | None = None,
) -> Manifest:
    """Write the SDTM `frames` (by dataset name) in all `formats` to `out_dir`, and return the manifest.

    out_dir is created, or replaced where it holds an earlier export; a folder with anything else in it is refused.
    created: aware moment, the only time that the files carry. ledger_position: the last ledger position that the frames
    were built from. blinded says which product this is; it is recorded, not applied: mask the frames first.
    operational: frames outside SDTM (supply), by name; written in all formats but XPT, whose names are too short for them.
    on_file is told each file as it is written, for progress.
    Raises ConformError for a frame that does not fit its dataset, ExportError for a wrong request.
    """
    wanted = _checked_formats(formats)
    if created.tzinfo is None:
        raise ExportError(f"the moment of an export, {created.isoformat()}, needs a time zone")
    if not frames and not operational:
        raise ExportError("there is no dataset to export")
    software_version = version("openrtsm")
    with _published(out_dir) as folder:
        files: list[ExportedFile] = []
        for dataset, is_sdtm in _datasets(frames, operational or {}, ascii_only="xpt" in wanted):
            for name in wanted:
                if name == "xpt" and not is_sdtm:
                    continue
                path = folder / name / (dataset.name.lower() + FORMATS[name])
                path.parent.mkdir(exist_ok=True)
                _write(dataset, name, path, study_id, created, software_version)
                files.append(_described(dataset, name, path, folder))
                if on_file is not None:
                    on_file(files[-1])
        moment = f"{created.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        manifest = Manifest(study_id, moment, ledger_position, blinded, software_version, tuple(files))
        text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return manifest


def _checked_formats(formats: Iterable[str]) -> list[str]:
    asked = list(dict.fromkeys(formats))
    for name in asked:
        if name not in FORMATS:
            raise ExportError(f"no export format {name!r}: there are {', '.join(FORMATS)}")
    if not asked:
        raise ExportError(f"no export format given: there are {', '.join(FORMATS)}")
    return asked


def _datasets(
    frames: Mapping[str, pl.DataFrame], operational: Mapping[str, pl.DataFrame], *, ascii_only: bool
) -> Iterator[tuple[Conformed, bool]]:
    for name, frame in frames.items():
        yield conform(name, frame, ascii_only=ascii_only), True
    for name, frame in operational.items():
        labels = {column: column.replace("_", " ").capitalize() for column in frame.columns}
        yield Conformed(name, name.replace("_", " ").capitalize(), frame, labels, ()), False


def _write(
    dataset: Conformed, name: str, path: Path, study_id: str, created: datetime, software_version: str
) -> None:
    if name == "xpt":
        write_xpt(dataset, path, created=created)
    elif name == "csv":
        write_csv(dataset.frame, path)
    elif name == "parquet":
        write_parquet(dataset.frame, path, name=dataset.name, label=dataset.label, labels=dataset.labels)
    else:
        as_text = _dates_as_text(dataset)
        metadata = dataset_metadata(
            as_text, study_id=study_id, created=created, software_version=software_version, last_modified=None
        )
        write = write_dataset_json if name == "dataset-json" else write_dataset_ndjson
        write(as_text, path, metadata)


def _dates_as_text(dataset: Conformed) -> Conformed:
    """JSON has no dates and no decimals: ISO 8601 text in UTC, and floats."""
    written: Sequence[pl.Expr] = [
        pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(kind, pl.Datetime)
        else pl.col(name).cast(pl.Float64) if isinstance(kind, pl.Decimal)
        else pl.col(name).cast(pl.String)
        for name, kind in dataset.frame.schema.items()
        if isinstance(kind, (pl.Datetime, pl.Decimal, pl.Date, pl.Null, pl.Categorical, pl.Enum))
    ]  # fmt: skip
    return Conformed(
        dataset.name, dataset.label, dataset.frame.with_columns(written), dataset.labels, dataset.keys
    )


def _described(dataset: Conformed, name: str, path: Path, folder: Path) -> ExportedFile:
    content = path.read_bytes()
    return ExportedFile(
        dataset.name,
        dataset.label,
        name,
        path.relative_to(folder).as_posix(),
        dataset.frame.height,
        len(content),
        hashlib.sha256(content).hexdigest(),
    )


@contextmanager
def _published(out_dir: Path) -> Iterator[Path]:
    """Give a fresh folder that takes the place of `out_dir` when the block ends without an error, and is removed otherwise."""
    out_dir = out_dir.resolve()
    if out_dir.exists() and not out_dir.is_dir():
        raise ExportError(f"{out_dir} is a file: name a folder")
    if out_dir.is_dir() and any(out_dir.iterdir()) and not (out_dir / MANIFEST).is_file():
        raise ExportError(
            f"{out_dir} holds something other than an export (no {MANIFEST}): name another folder or empty it"
        )
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}.", dir=out_dir.parent))
    fresh, earlier = work / "new", work / "earlier"
    fresh.mkdir()
    try:
        yield fresh
        if out_dir.exists():
            out_dir.rename(earlier)
        try:
            fresh.rename(out_dir)
        except OSError:
            if earlier.exists():
                earlier.rename(out_dir)
            raise
    finally:
        shutil.rmtree(work)

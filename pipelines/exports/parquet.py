"""Parquet: the typed copy, for analysis. Labels are kept in the file's metadata."""

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl


def write_parquet(
    frame: pl.DataFrame, path: Path, *, name: str, label: str, labels: Mapping[str, str]
) -> None:
    """Write the frame, zstd-compressed, with the dataset's name and label and the columns' labels as file metadata."""
    metadata = {"dataset": name, "label": label, "column_labels": json.dumps(dict(labels), sort_keys=True)}
    frame.write_parquet(path, compression="zstd", metadata=metadata)

"""CSV: UTF-8, a header line, LF line ends, missing as nothing, ISO 8601 dates."""

from pathlib import Path

import polars as pl


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write the frame; text is quoted where CSV needs it. Moments are written in UTC with a Z."""
    moments = [
        pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.Datetime)
    ]
    frame.with_columns(moments).write_csv(path, line_terminator="\n")

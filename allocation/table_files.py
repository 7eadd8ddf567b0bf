"""A table that somebody sends as a file, CSV or XLSX: which of the two it is, its content says."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.csv_rows import TableRows, read_csv_table
from allocation.xlsx_rows import is_xlsx, read_xlsx_table


def read_table(
    content: bytes,
    columns: Sequence[str],
    what: str,
    optional: Sequence[str] = (),
    *,
    sheet: str | None = None,
    whole_numbers: Sequence[str] = (),
) -> TableRows:
    """The rows of the file and the faults of its cells, as `read_csv_table` or `read_xlsx_table` reads them.

    `sheet` and `whole_numbers` are of XLSX alone. Raises FileRefused for a file that is no such table at all.
    """
    if not is_xlsx(content):
        return read_csv_table(content, columns, what, optional)
    return read_xlsx_table(content, columns, what, optional, sheet=sheet, whole_numbers=whole_numbers)

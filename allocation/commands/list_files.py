"""A statistician's randomization list from a CSV or XLSX file, as the request of its upload; faults are kept with their lines."""

from __future__ import annotations

import hashlib

from allocation.commands.lists import UnreadableCell, UploadedEntry, UploadListRequest
from allocation.commands.malformed import request_from
from allocation.table_files import read_table

COLUMNS = ("sequence", "randomization_number", "arm")
OPTIONAL = ("stratum", "holder", "block")
WHAT = "the randomization list"


def read_list(
    content: bytes,
    list_id: str,
    event: str,
    *,
    sheet: str | None = None,
    allow_truncated_last_block: bool = False,
    keep_draft: bool = False,
    protocol_version: int | None = None,
) -> UploadListRequest:
    """The list in a file: sequence, randomization_number, arm; if needed stratum, holder, block.

    XLSX is known by its content; `sheet` names the one to read where several are filled. Raises FileRefused for a file that cannot
    be read as a table at all; what is wrong with single lines goes into the request, so that the upload answers with everything.
    """
    table = read_table(content, COLUMNS, WHAT, OPTIONAL, sheet=sheet, whole_numbers=("sequence", "block"))
    return request_from(
        UploadListRequest,
        list_id=list_id,
        event=event,
        protocol_version=protocol_version,
        entries=tuple(UploadedEntry(line=line, **_printable(row)) for line, row in table.rows),
        unreadable=tuple(
            UnreadableCell(line=fault.line, column=fault.column, message=fault.message)
            for fault in table.faults
        ),
        allow_truncated_last_block=allow_truncated_last_block,
        keep_draft=keep_draft,
        file_sha256=hashlib.sha256(content).hexdigest(),
        sheet=sheet,
    )


def _printable(row: dict[str, str]) -> dict[str, str]:
    """The row without control characters: each is a fault of its own, and the rest of the line is checked all the same."""
    return {
        name: "".join(one for one in text if one.isprintable()) if not text.isprintable() else text
        for name, text in row.items()
    }

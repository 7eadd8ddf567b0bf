"""A form's CSV export of an EDC (as Viedoc writes it), one row an instance of the form: for an EDC without an interface, or a first load.

The columns are named by item ids, in the first row, or in the second below one of labels. SubjectId and, if there, EventId, EventSeq and
SubjectFormSeq say whose and where; every other column is an item, and may serve as the form's status (source: attribute).
"""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import datetime
from typing import Final

from allocation.edc.facts import EdcMessage
from allocation.edc.field_map import Picked, item_fact
from allocation.edc.refusals import malformed
from allocation.study.edc import Edc

SUBJECT: Final = "SubjectId"
_PLACE: Final = {"event": "EventId", "event_repeat": "EventSeq", "form_repeat": "SubjectFormSeq"}


def read_export(content: bytes, form: str, name: str, edc: Edc, exported_at: datetime) -> EdcMessage:
    """The message that the export of `form` is; `name` names the file. All counts as of `exported_at`. Raises DomainRefusal."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise malformed(f"it is no CSV in UTF-8 ({type(error).__name__})") from None
    header_at = next((index for index, row in enumerate(rows[:2]) if SUBJECT in row), None)
    if header_at is None:
        raise malformed(f"it has no column {SUBJECT}", "export with item ids as the names of columns")
    header = rows[header_at]
    if len(set(header)) != len(header):
        raise malformed("two columns have one name")
    picked = Picked(edc)
    ordinal = 0
    for line, cells in enumerate(rows[header_at + 1 :], start=header_at + 2):
        if not cells:
            continue
        if len(cells) != len(header):
            raise malformed(f"line {line} has {len(cells)} cells under {len(header)} columns")
        row = dict(zip(header, cells, strict=True))
        if not row[SUBJECT]:
            raise malformed(f"line {line} has no {SUBJECT}")
        address = {level: row.get(column, "") for level, column in _PLACE.items()} | {"form": form}
        about_form = item_fact({**address, "item": ""}, None, exported_at, ordinal)
        word = row.get(edc.form_status.name)
        picked.add_form(row[SUBJECT], about_form.model_copy(update={"kind": "form"}), word)
        for column, value in row.items():
            if column == SUBJECT or column in _PLACE.values():
                continue
            ordinal += 1
            picked.add_item(
                row[SUBJECT], item_fact({**address, "item": column}, value or None, exported_at, ordinal)
            )
        ordinal += 1
    return EdcMessage(
        message_id=f"export.{name}"[:200],
        source="export",
        file_type="Snapshot",
        created_at=exported_at,
        sha256=hashlib.sha256(content).hexdigest(),
        says_only_changes=True,
        subjects=picked.subjects(),
        unmapped=tuple(picked.unmapped),
    )

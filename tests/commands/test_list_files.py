"""A list from a file: CSV and XLSX say the same, and what a spreadsheet does to numbers is named with its line."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from openpyxl import Workbook

from allocation.commands.list_files import read_list
from allocation.errors import FileRefused

COLUMNS = ["stratum", "sequence", "block", "randomization_number", "arm"]
ROWS = [["SEVERITY=MILD", n, 1, f"00{n}7", arm] for n, arm in enumerate("ABC", start=1)]


def csv_bytes(rows: list[list[Any]] = ROWS) -> bytes:
    return "".join(",".join(map(str, row)) + "\n" for row in [COLUMNS, *rows]).encode()


def xlsx_bytes(
    change: Callable[[Workbook], None] = lambda _book: None, rows: list[list[Any]] = ROWS
) -> bytes:
    book = Workbook()
    sheet = book.active
    sheet.title = "MRL"
    for row in [COLUMNS, *rows]:
        sheet.append(row)
    change(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def faults(content: bytes) -> list[tuple[int, str]]:
    return [(one.line, one.column) for one in read_list(content, "L", "RAND").unreadable]


def refused(content: bytes, **options: Any) -> str:
    with pytest.raises(FileRefused) as caught:
        read_list(content, "L", "RAND", **options)
    return " ".join(caught.value.problems)


def test_csv_and_xlsx_give_the_same_entries_with_the_zeros_of_their_numbers() -> None:
    from_csv, from_xlsx = read_list(csv_bytes(), "L", "RAND"), read_list(xlsx_bytes(), "L", "RAND")
    assert from_csv.entries == from_xlsx.entries
    assert [one.randomization_number for one in from_xlsx.entries] == ["0017", "0027", "0037"]
    assert [(one.line, one.sequence, one.block) for one in from_xlsx.entries] == [
        (2, 1, 1),
        (3, 2, 1),
        (4, 3, 1),
    ]
    assert from_xlsx.unreadable == ()


def test_the_request_carries_the_hash_of_the_file_as_it_was_sent() -> None:
    content = xlsx_bytes()
    assert read_list(content, "L", "RAND").file_sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("cell", "value", "said"),
    [
        ("D3", 27, "number 27"),
        ("D3", 2.5, "number 2.5"),
        ("D3", "=A1", "formula"),
        ("D3", date(2026, 3, 4), "date"),
        ("E3", True, "true or false"),
        ("E3", "#N/A", "error"),
        ("B3", 1.5, "no whole number"),
        ("B3", date(2026, 3, 4), "date"),
        ("F3", "note", "more than 5 columns"),
    ],
)
def test_a_cell_that_is_not_what_it_shows_is_a_fault_of_its_line(cell: str, value: Any, said: str) -> None:
    def change(book: Workbook) -> None:
        book.active[cell] = value
        if value == "#N/A":
            book.active[cell].data_type = "e"

    (fault,) = read_list(xlsx_bytes(change), "L", "RAND").unreadable
    assert fault.line == 3
    assert said in fault.message


def test_hidden_rows_and_columns_merged_cells_and_gaps_are_faults() -> None:
    def change(book: Workbook) -> None:
        sheet = book.active
        sheet.row_dimensions[3].hidden = True
        sheet.column_dimensions["E"].hidden = True
        sheet.append([])
        sheet["A7"] = "SEVERITY=MILD"
        sheet.merge_cells("D2:E2")

    found = faults(xlsx_bytes(change))
    assert {line for line, _ in found} == {1, 2, 3, 5, 6}


def test_empty_lines_at_the_end_are_no_entries() -> None:
    def change(book: Workbook) -> None:
        book.active["A9"] = None
        book.active.row_dimensions[9].height = 20

    assert len(read_list(xlsx_bytes(change), "L", "RAND").entries) == 3


def test_of_several_sheets_one_must_be_named() -> None:
    def change(book: Workbook) -> None:
        book.create_sheet("Notes").append(["not a list"])
        book.create_sheet("Empty")

    content = xlsx_bytes(change)
    assert "MRL, Notes; name the one sheet" in refused(content)
    assert "'X'; the workbook has MRL, Notes, Empty" in refused(content, sheet="X")
    assert "line 1: the columns are not a list" in refused(content, sheet="Notes")
    assert len(read_list(content, "L", "RAND", sheet="MRL").entries) == 3


def test_a_hidden_sheet_is_said() -> None:
    def change(book: Workbook) -> None:
        book.active.sheet_state = "hidden"
        book.create_sheet("Front")

    assert (1, "") in faults(xlsx_bytes(change))


def test_a_workbook_cut_off_anywhere_is_refused_whole() -> None:
    content = xlsx_bytes()
    for length in range(4, len(content), max(len(content) // 40, 1)):
        assert "no whole XLSX file" in refused(content[:length])


def test_other_archives_broken_parts_and_document_types_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "not a workbook")
    assert "no whole XLSX file" in refused(out.getvalue())

    def with_part(name: str, text: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(xlsx_bytes())) as book, zipfile.ZipFile(out, "w") as changed:
            for part in book.namelist():
                changed.writestr(part, text if part == name else book.read(part))
        return out.getvalue()

    assert "no whole XLSX file" in refused(with_part("xl/worksheets/sheet1.xml", b"<worksheet"))
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet>&a;</worksheet>'
    assert "document type" in refused(with_part("xl/worksheets/sheet1.xml", bomb))


def test_a_workbook_that_unpacks_to_too_much_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allocation.xlsx_rows.LARGEST_UNPACKED", 100)
    assert "too large" in refused(xlsx_bytes())


def test_ragged_lines_of_a_csv_file_are_faults_and_broken_quotes_end_it() -> None:
    assert faults(csv_bytes() + b"SEVERITY=MILD,4,2\n") == [(5, "")]
    assert "line 5" in refused(csv_bytes() + b'SEVERITY=MILD,4,2,"00')

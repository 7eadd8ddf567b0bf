"""Inbound files (sites as CSV; lots and kits as CSV or XLSX) as the requests of their commands, errors by line.

The files' columns are those of the request rows; allocation/commands/README.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from allocation.commands.bulk_loading import BulkRow, LoadBulkRequest
from allocation.commands.kits import KitRow, LoadKitsRequest, LoadLotsRequest, LotRow
from allocation.commands.malformed import fault_of, request_from
from allocation.commands.service import CommandRequest
from allocation.commands.sites import OpenSitesRequest, SiteRow
from allocation.csv_rows import read_csv_rows
from allocation.errors import FileRefused
from allocation.table_files import read_table

Row = TypeVar("Row", bound=CommandRequest)

_YES_OR_NO = {"yes": True, "no": False}

LONGEST_NUMBER = 30
"""Digits; what is longer stays a text, and is refused as one."""


def read_sites(content: bytes) -> OpenSitesRequest:
    """Sites to open: site_id; optional name, country, depot_id, timezone, profile. Raises FileRefused."""
    rows = read_csv_rows(
        content, ("site_id",), "the file of sites", ("name", "country", "depot_id", "timezone", "profile")
    )
    sites = _parsed(rows, "the file of sites", lambda line, row: _row_of(SiteRow, line, row))
    return OpenSitesRequest(sites=sites)


def read_lots(content: bytes, sheet: str | None = None) -> LoadLotsRequest:
    """Lots: lot_id, kit_type, expiry_date; if needed manufactured_on, released_for (`DEU;FRA` or `*`), status, expiry_printed
    (yes or no), blinded_lot.

    `sheet`: of an XLSX file in which several are filled. Raises FileRefused.
    """
    optional = ("manufactured_on", "released_for", "status", "expiry_printed", "blinded_lot")
    columns = ("lot_id", "kit_type", "expiry_date")
    rows = read_table(content, columns, "the file of lots", optional, sheet=sheet).sound_rows(
        "the file of lots"
    )

    def lot(line: int, row: dict[str, str]) -> LotRow:
        given: dict[str, Any] = _given(row)
        if "released_for" in given:
            given["released_for"] = tuple(part.strip() for part in given["released_for"].split(";"))
        printed = given.get("expiry_printed", "").strip().casefold()
        if printed in _YES_OR_NO:
            given["expiry_printed"] = _YES_OR_NO[printed]
        return LotRow.model_validate({**given, "line": line})

    return LoadLotsRequest(lots=_parsed(rows, "the file of lots", lot))


def read_kits(content: bytes, depot_id: str, sheet: str | None = None) -> LoadKitsRequest:
    """Kits of a packager's list: kit_number, kit_type, lot_id; optional pick_sequence. Raises FileRefused.

    `sheet`: of an XLSX file in which several are filled.
    """
    columns = ("kit_number", "kit_type", "lot_id")
    numbers = ("pick_sequence",)
    table = read_table(content, columns, "the file of kits", numbers, sheet=sheet, whole_numbers=numbers)
    rows = table.sound_rows("the file of kits")
    kits = _parsed(rows, "the file of kits", lambda line, row: _row_of(KitRow, line, row, "pick_sequence"))
    return request_from(LoadKitsRequest, depot_id=depot_id, kits=kits)


def read_bulk(content: bytes, depot_id: str, sheet: str | None = None) -> LoadBulkRequest:
    """Bulk supply: kit_type, lot_id, quantity. Raises FileRefused. `sheet`: of an XLSX file in which several are filled."""
    columns, what = ("kit_type", "lot_id", "quantity"), "the file of bulk supply"
    rows = read_table(content, columns, what, sheet=sheet, whole_numbers=("quantity",)).sound_rows(what)
    parsed = _parsed(rows, what, lambda line, row: _row_of(BulkRow, line, row, "quantity"))
    return request_from(LoadBulkRequest, depot_id=depot_id, rows=parsed)


def _given(row: dict[str, str]) -> dict[str, str]:
    """The cells that are filled in."""
    return {name: value for name, value in row.items() if value}


def _row_of(kind: type[Row], line: int, row: dict[str, str], *whole_numbers: str) -> Row:
    """The row of a file as the request's, which takes no text for a number. Raises ValidationError."""
    given: dict[str, Any] = {**_given(row), "line": line}
    for name in whole_numbers:
        text = given.get(name, "")
        if text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER:
            given[name] = int(text)
    return kind.model_validate(given)


def _parsed(
    rows: list[tuple[int, dict[str, str]]], what: str, parse: Callable[[int, dict[str, str]], Row]
) -> tuple[Row, ...]:
    parsed: list[Row] = []
    problems: list[str] = []
    for line, row in rows:
        try:
            parsed.append(parse(line, row))
        except ValidationError as error:
            for found in error.errors():
                fault = fault_of(found)
                problems.append(
                    f"line {line}: {fault.field} {found['input']!r} {fault.message} ({fault.fix})"
                )
    if problems:
        raise FileRefused(what, problems)
    return tuple(parsed)

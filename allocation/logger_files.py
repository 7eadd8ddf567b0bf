"""Files of temperature loggers as curves: CSV as the loggers' own programs export it, told by what stands in it.

A header line names a column of moments (or a date and a time column) and a column of temperatures with its unit: "Temperature (°C)",
"Temp [°F]", "Channel 1 °C", "Temperatur/°C". Lines before it (serial number, settings) are passed over, lines behind it must all be
readings. Separators: comma, semicolon, tab. Decimal points or commas. Dates: ISO, day first, or month first where a day above 12 shows
it. Moments are those of `timezone`, unless the header says UTC or GMT. Wrong or missing units are refused with the line: degrees are
never guessed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from allocation.errors import FileRefused, InvalidParameter
from allocation.rules.temperature import Curve

WHAT: Final = "the logger file"
COLDEST, WARMEST = -200.0, 150.0
"""Degrees Celsius between which a logger measures; what lies outside is another unit, or a broken sensor."""
MOST_READINGS: Final = 1_000_000

_MOMENT = re.compile(r"date|time|datum|zeit|uhrzeit|fecha|hora|heure|timestamp", re.IGNORECASE)
_TEMPERATURE = re.compile(r"temp|°\s*[cf]\b|\bdeg(rees)?\s*[cf]\b|celsius|fahrenheit", re.IGNORECASE)
_NOT_A_READING = re.compile(r"limit|alarm|set\s*point|min\b|max\b|mkt|mean|average", re.IGNORECASE)
_CELSIUS = re.compile(r"°\s*c\b|\bdeg(rees)?\.?\s*c\b|celsius|[\[(/]\s*c\s*[\])]?\s*$", re.IGNORECASE)
_FAHRENHEIT = re.compile(r"°\s*f\b|\bdeg(rees)?\.?\s*f\b|fahrenheit|[\[(/]\s*f\s*[\])]?\s*$", re.IGNORECASE)
_UTC = re.compile(r"\b(utc|gmt)\b(?!\s*[+-]?\s*[1-9])", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
_TIMES: Final = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
_ISO_DATES: Final = ("%Y-%m-%d", "%Y/%m/%d")
_DAY_FIRST: Final = ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%d-%b-%Y", "%d %b %Y")
_MONTH_FIRST: Final = ("%m/%d/%Y", "%m/%d/%y", "%m-%d-%Y")


@dataclass(frozen=True, slots=True)
class LoggerFile:
    """A curve read from a file, the unit that the file had (C or F), and whether it told its own time zone."""

    curve: Curve
    unit: str
    in_utc: bool


@dataclass(frozen=True, slots=True)
class _Header:
    line: int
    separator: str
    moments: tuple[int, ...]
    temperature: int
    unit: str
    in_utc: bool


def read_logger_file(content: bytes, timezone: str) -> LoggerFile:
    """The readings of a logger's CSV file. `timezone`: the IANA zone of its moments. Raises FileRefused naming line and fix."""
    lines = _text_of(content).splitlines()
    header = _header(lines)
    texts: list[tuple[int, str, float]] = []
    problems: list[str] = []
    for line, cells in _rows(lines, header):
        wanted = max(*header.moments, header.temperature)
        if len(cells) <= wanted:
            problems.append(f"line {line}: has {len(cells)} columns, not {wanted + 1}; give the whole file")
            continue
        moment = " ".join(cells[index] for index in header.moments)
        celsius = _celsius(cells[header.temperature], header.unit)
        if isinstance(celsius, str):
            problems.append(f"line {line}: {celsius}")
        else:
            texts.append((line, moment, celsius))
        if len(texts) > MOST_READINGS:
            raise FileRefused(WHAT, [f"line {line}: more than {MOST_READINGS} readings; split the file"])
    if problems:
        raise FileRefused(WHAT, problems)
    if len(texts) < 2:
        raise FileRefused(WHAT, [f"line {header.line}: fewer than two readings follow; give the whole file"])
    in_utc = header.in_utc or all(moment.endswith("Z") for _, moment, _ in texts)
    zone = UTC if in_utc else ZoneInfo(timezone)
    moments = _moments(texts)
    seconds = np.array([one.replace(tzinfo=zone).timestamp() for one in moments])
    late = np.flatnonzero(np.diff(seconds) <= 0)
    if len(late):
        line, moment, _ = texts[int(late[0]) + 1]
        raise FileRefused(
            WHAT,
            [
                f"line {line}: {moment} is not after the line before; sort the readings, and state the time zone"
            ],
        )
    try:
        curve = Curve(seconds, np.array([celsius for _, _, celsius in texts]))
    except InvalidParameter as error:
        raise FileRefused(WHAT, [f"line {header.line}: {error}"]) from error
    return LoggerFile(curve, header.unit, in_utc)


def _text_of(content: bytes) -> str:
    """The text: UTF-8, UTF-16 with its mark, or the Windows page that older programs write."""
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if "\x00" in text:
        raise FileRefused(WHAT, ["line 1: is no text; export the readings as CSV"])
    return text


def _header(lines: list[str]) -> _Header:
    """The first line that names moments and temperatures. Raises FileRefused."""
    for line, text in enumerate(lines, start=1):
        separator = max(";\t,", key=text.count)
        cells = [cell.strip().strip('"') for cell in text.split(separator)]
        temperatures = [
            index
            for index, cell in enumerate(cells)
            if _TEMPERATURE.search(cell) and not _NOT_A_READING.search(cell)
        ]
        moments = [
            index for index, cell in enumerate(cells) if _MOMENT.search(cell) and index not in temperatures
        ]
        if not temperatures or not moments or any(_NUMBER.fullmatch(cell) for cell in cells):
            continue
        name = cells[temperatures[0]]
        unit = "C" if _CELSIUS.search(name) else "F" if _FAHRENHEIT.search(name) else ""
        if _CELSIUS.search(name) and _FAHRENHEIT.search(name):
            unit = ""
        if not unit:
            raise FileRefused(
                WHAT,
                [
                    f"line {line}: column {name!r} names no unit; write it like 'Temperature (°C)' or 'Temperature (°F)'"
                ],
            )
        in_utc = any(_UTC.search(cells[index]) for index in moments)
        return _Header(line, separator, tuple(moments[:2]), temperatures[0], unit, in_utc)
    raise FileRefused(
        WHAT,
        [
            "line 1: no header names a column of date and time and one of temperatures; export it with its column names"
        ],
    )


def _rows(lines: list[str], header: _Header) -> Iterator[tuple[int, list[str]]]:
    """The lines behind the header that are not empty, with their numbers."""
    reader = csv.reader(lines[header.line :], delimiter=header.separator)
    for line, cells in enumerate(reader, start=header.line + 1):
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield line, stripped


def _celsius(text: str, unit: str) -> float | str:
    """The temperature in degrees Celsius, or what is wrong with it."""
    written = re.sub(r"\s*°?\s*[CF]$", "", text, flags=re.IGNORECASE)
    stated = text[len(written) :].strip(" °").upper()
    if stated and stated != unit:
        return f"{text!r} is in °{stated}, but the column in °{unit}; export one unit"
    if not _NUMBER.fullmatch(written):
        return f"{text!r} is not a temperature; take out lines that are no readings"
    value = float(written.replace(",", "."))
    celsius = value if unit == "C" else (value - 32) / 1.8
    if not COLDEST <= celsius <= WARMEST:
        return f"{text} °{unit} is outside what a logger measures; correct the unit of the column, or the reading"
    return celsius


def _moments(texts: list[tuple[int, str, float]]) -> list[datetime]:
    """All moments by one way of writing them that fits every line. Raises FileRefused where none does, or two disagree."""
    ways = [
        (f"{day}{gap}{time}", order)
        for order, days in (("iso", _ISO_DATES), ("day", _DAY_FIRST), ("month", _MONTH_FIRST))
        for day in days
        for time in _TIMES
        for gap in (" ", "T")
    ]
    fitting: dict[str, list[datetime]] = {}
    farthest = texts[0]
    for form, order in ways:
        found: list[datetime] = []
        for one in texts:
            try:
                found.append(datetime.strptime(one[1].removesuffix("Z"), form))  # noqa: DTZ007  (the zone comes from the header)
            except ValueError:
                farthest = max(farthest, one) if found else farthest
                break
        else:
            fitting.setdefault(order, found)
    if not fitting:
        line, text, _ = farthest
        raise FileRefused(
            WHAT,
            [
                f"line {line}: {text!r} is no date and time that all lines have; write it like 2026-03-31 14:05"
            ],
        )
    several = list(fitting.values())
    if any(one != several[0] for one in several[1:]):
        line, text, _ = texts[0]
        raise FileRefused(
            WHAT, [f"line {line}: {text!r} may be day or month first; export dates like 2026-03-31 14:05"]
        )
    return several[0]

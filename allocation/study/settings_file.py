"""A file of another system's resupply settings (CSV or XLSX) as parameter sets of the study document. All lines or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import Field

from allocation.errors import FileRefused, InvalidParameter
from allocation.study.foreign_settings import (
    START_WORDS,
    TRIGGER_WORDS,
    WORDS,
    MappedSettings,
    Vocabulary,
    map_settings,
)
from allocation.study.inconsistency import choice_text
from allocation.study.model import LARGEST, ProtocolPart, is_code
from allocation.study.supply import ParameterSet, ResupplyParameters
from allocation.study.yaml_files import dump_document
from allocation.table_files import read_table

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol

Meaning = TypeVar("Meaning")

WHAT: Final = "the file of resupply settings"
LEVELS: Final = ("study", "country_group", "country", "profile", "site")
LONGEST_WINDOW: Final = 730
"""Days; as in the protocol."""

_LONGEST_NUMBER: Final = 10


class SupplySection(ProtocolPart):
    """The part of `supply` that an import writes."""

    parameters: tuple[ParameterSet, ...] = Field(min_length=1)


class SupplyDocument(ProtocolPart):
    """A document of nothing but parameter sets: its text can be pasted into a study file, or merged with it."""

    supply: SupplySection


@dataclass(frozen=True, slots=True)
class LineDoubt:
    """What should be compared with the source system; `lines` count from 1 as an editor shows them."""

    lines: tuple[int, ...]
    column: str
    message: str

    def __str__(self) -> str:
        """As people read it; many lines are shortened."""
        shown = ", ".join(str(line) for line in self.lines[:6]) + (", ..." if len(self.lines) > 6 else "")
        return f"line{'s' if len(self.lines) > 1 else ''} {shown}: {self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class ImportedSettings:
    """The parameter sets in the order of the file, and what is doubtful about them."""

    parameters: tuple[ParameterSet, ...]
    doubts: tuple[LineDoubt, ...]

    def as_yaml(self) -> str:
        """The sets as a `supply` section, by the writer of study files."""
        return dump_document(SupplyDocument(supply=SupplySection(parameters=self.parameters)))


def columns(vocabulary: Vocabulary) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns that a file of the vocabulary must have, and those that it may have."""
    words = WORDS[vocabulary]
    needed = ("level", "key", "kit_type", *words.quantities)
    return needed, (words.seed_quantity, "trigger", "long_window_from", "valid_from")


def read_settings(
    content: bytes, vocabulary: Vocabulary, *, sheet: str | None = None, protocol: Protocol | None = None
) -> ImportedSettings:
    """Read a file of settings. XLSX is known by its content, and `sheet` names its sheet where several are filled.

    `level` is study, country_group, country, profile or site (empty: study), `key` its code; an empty `kit_type` is every kit type.
    With a `protocol`, its names are checked. Raises FileRefused with every fault of every line.
    """
    needed, optional = columns(vocabulary)
    words = WORDS[vocabulary]
    table = read_table(
        content,
        needed,
        WHAT,
        optional,
        sheet=sheet,
        whole_numbers=(*words.quantities, words.seed_quantity),
    )
    problems = [(fault.line, str(fault)) for fault in table.faults]
    at_fault = {fault.line for fault in table.faults}
    sets: list[ParameterSet] = []
    doubts: dict[tuple[str, str], list[int]] = {}
    first: dict[tuple[str, str, str | None, date | None], int] = {}
    for line, row in table.rows:
        if line in at_fault:
            continue
        reader = _Line(row, vocabulary, protocol)
        found = reader.read()
        problems += [(line, f"line {line}: {problem}") for problem in reader.problems]
        if found is None:
            continue
        entry, mapped = found
        key = (entry.level, entry.key, entry.kit_type, entry.parameters.valid_from)
        if key in first:
            problems.append(
                (
                    line,
                    f"line {line}: key: line {first[key]} has the same place, kit type and valid_from (keep one)",
                )
            )
        first.setdefault(key, line)
        sets.append(entry)
        for doubt in mapped.doubts:
            doubts.setdefault((doubt.column, doubt.message), []).append(line)
    if problems:
        raise FileRefused(WHAT, [text for _, text in sorted(problems, key=lambda one: one[0])])
    return ImportedSettings(
        tuple(sets),
        tuple(LineDoubt(tuple(lines), column, message) for (column, message), lines in doubts.items()),
    )


class _Line:
    """One line of the file: reads it, and keeps all that is wrong with it as `column: value, what is wrong (fix)`."""

    def __init__(self, row: dict[str, str], vocabulary: Vocabulary, protocol: Protocol | None) -> None:
        self.row, self.vocabulary, self.protocol = row, vocabulary, protocol
        self.problems: list[str] = []

    def read(self) -> tuple[ParameterSet, MappedSettings] | None:
        """The parameter set, and how it came about; None where `problems` has why not."""
        words = WORDS[self.vocabulary]
        level = self._level()
        kit_type = self._kit_type()
        values = {column: self._whole(column) for column in (*words.quantities, words.seed_quantity)}
        trigger = self._word("trigger", TRIGGER_WORDS)
        starts = self._word("long_window_from", START_WORDS)
        valid_from = self._day("valid_from")
        if self.problems:
            return None
        try:
            mapped = map_settings(self.vocabulary, values, trigger, starts)
        except InvalidParameter as refused:
            self._fault(refused.field or "", refused.message, refused.fix or "")
            return None
        rule = mapped.parameters
        parameters = ResupplyParameters(
            min_buffer=rule.min_buffer,
            max_buffer=rule.max_buffer,
            short_window=rule.short_window,
            long_window=rule.long_window,
            trigger=rule.trigger.value,
            long_window_from=rule.long_window_from.value,
            seed_quantity=mapped.seed_quantity,
            valid_from=valid_from,
        )
        key = "" if level == "study" else self.row["key"]
        return ParameterSet(level=level, key=key, kit_type=kit_type, parameters=parameters), mapped

    def _fault(self, column: str, message: str, fix: str) -> None:
        self.problems.append(f"{column}: {message} ({fix})")

    def _level(self) -> str:
        level, key = self.row["level"] or "study", self.row["key"]
        if level not in LEVELS:
            self._fault("level", f"{level!r} is no level", f"use one of {', '.join(LEVELS)}")
        elif level == "study":
            if key:
                self._fault("key", f"{key!r} would be ignored at level study", "leave it empty")
        elif not is_code(key):
            self._fault("key", f"{key!r} is no code of a {level.replace('_', ' ')}", "name the place")
        elif self.protocol is not None:
            self._known("key", key, list(self._keys(level, self.protocol)), level.replace("_", " "))
        return level

    @staticmethod
    def _keys(level: str, protocol: Protocol) -> Iterator[str]:
        """The codes that a level's key may have in the protocol."""
        if level == "country_group":
            yield from sorted({one.group for one in protocol.countries if one.group is not None})
        elif level == "country":
            yield from (one.code for one in protocol.countries)
        elif level == "profile":
            yield from (one.code for one in protocol.supply.profiles)
        else:
            yield from (one.code for one in protocol.sites)

    def _kit_type(self) -> str | None:
        code = self.row["kit_type"]
        if not code:
            return None
        if not is_code(code):
            self._fault("kit_type", f"{code!r} is no code", "use letters, digits and . _ -, no spaces")
        elif self.protocol is not None:
            self._known("kit_type", code, [one.code for one in self.protocol.kit_types], "kit type")
        return code

    def _known(self, column: str, value: str, known: list[str], kind: str) -> None:
        if value not in known:
            self._fault(
                column, f"{value!r} is no {kind} of the study", choice_text(value, known, f"it has no {kind}")
            )

    def _whole(self, column: str) -> int | None:
        text = self.row[column]
        words = WORDS[self.vocabulary]
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER):
            self._fault(column, f"{text!r} is no whole number from 0", "write it like 4")
            return None
        window = column in (words.short_window, words.long_window)
        most = LONGEST_WINDOW // words.days_a_unit if window else LARGEST
        if int(text) > most:
            self._fault(column, f"{text} is more than {most}", "check the unit")
            return None
        return int(text)

    def _word(self, column: str, words: Mapping[str, Meaning]) -> Meaning | None:
        text = self.row[column].casefold()
        if text and text not in words:
            self._fault(column, f"{self.row[column]!r} is not known", f"use one of {', '.join(words)}")
        return words.get(text)

    def _day(self, column: str) -> date | None:
        text = self.row[column]
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            self._fault(column, f"{text!r} is no date", "write it like 2026-03-01")
            return None

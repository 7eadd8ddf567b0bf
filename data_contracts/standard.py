"""SDTMIG 3.4 and its terminology as typed values: the datasets, variables and codelists that this project writes.

The tables (`tables/*.csv`) are our own compact metadata, see data_contracts/README.md for sources and what was left out.
They live here, below every other package, because contracts and exports must judge by the same table.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from data_contracts.errors import UnknownDatasetError

INTEGER_SUFFIXES = ("SEQ", "DY")
INTEGER_VARIABLES = frozenset({"AGE", "TAETORD"})


@dataclass(frozen=True, slots=True)
class Codelist:
    """One controlled terminology list. `terms` maps a submission value to its NCI concept code, in CT order."""

    name: str
    code: str
    title: str
    extensible: bool
    terms: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a dataset. `format` is "", "datetime", "duration" (ISO 8601) or "nullflavor" (ISO 21090)."""

    dataset: str
    name: str
    label: str
    type: Literal["Char", "Num"]
    core: Literal["Req", "Exp", "Perm"]
    role: str
    codelists: tuple[str, ...]
    format: str
    source: str

    @property
    def is_integer(self) -> bool:
        """Whether a numeric variable holds whole numbers only (sequence numbers, study days, age, element order)."""
        return self.type == "Num" and (self.name in INTEGER_VARIABLES or self.name.endswith(INTEGER_SUFFIXES))


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset: label, observation class, structure, the natural keys, and its variables in IG order."""

    name: str
    label: str
    observation_class: str
    structure: str
    keys: tuple[str, ...]
    variables: tuple[Variable, ...]

    @property
    def variable_names(self) -> tuple[str, ...]:
        """The names of all its variables in the order of the implementation guide."""
        return tuple(variable.name for variable in self.variables)

    @property
    def is_subject_level(self) -> bool:
        """Whether the dataset has rows by subject (USUBJID), other than trial design."""
        return "USUBJID" in self.variable_names

    def variable(self, name: str) -> Variable:
        """Return the variable of that name; raises UnknownDatasetError where the dataset has none."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise UnknownDatasetError(
            f"{self.name} has no variable {name!r}: SDTMIG 3.4 knows {', '.join(self.variable_names)}"
        )


def _rows(table: str) -> Iterator[dict[str, str]]:
    text = files("data_contracts").joinpath("tables", table).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


@cache
def _datasets() -> dict[str, Dataset]:
    variables: dict[str, list[Variable]] = {}
    for row in _rows("sdtm_variables.csv"):
        variables.setdefault(row["dataset"], []).append(
            Variable(
                row["dataset"],
                row["variable"],
                row["label"],
                row["type"],  # type: ignore[arg-type]
                row["core"],  # type: ignore[arg-type]
                row["role"],
                tuple(row["codelists"].split()),
                row["format"],
                row["source"],
            )
        )
    return {
        row["dataset"]: Dataset(
            row["dataset"],
            row["label"],
            row["class"],
            row["structure"],
            tuple(row["keys"].split()),
            tuple(variables[row["dataset"]]),
        )
        for row in _rows("sdtm_datasets.csv")
    }


@cache
def _codelists() -> dict[str, Codelist]:
    found: dict[str, tuple[str, str, bool, dict[str, str]]] = {}
    for row in _rows("sdtm_terminology.csv"):
        entry = found.setdefault(
            row["codelist"], (row["codelist_code"], row["name"], row["extensible"] == "Yes", {})
        )
        entry[3][row["term"]] = row["term_code"]
    return {name: Codelist(name, *entry) for name, entry in found.items()}


def dataset_names() -> tuple[str, ...]:
    """The SDTM datasets of the tables, in the order in which they are built and listed."""
    return tuple(_datasets())


def dataset(name: str) -> Dataset:
    """Return the dataset of that name (upper case); raises UnknownDatasetError."""
    try:
        return _datasets()[name]
    except KeyError:
        raise UnknownDatasetError(
            f"no SDTM dataset {name!r} in the tables: they hold {', '.join(_datasets())}"
        ) from None


def codelist(name: str) -> Codelist:
    """Return the codelist of that short name, such as "NCOMPLT"; raises UnknownDatasetError."""
    try:
        return _codelists()[name]
    except KeyError:
        raise UnknownDatasetError(
            f"no codelist {name!r} in the tables: they hold {', '.join(sorted(_codelists()))}"
        ) from None


def paired_terms(short: str, long: str) -> dict[str, str]:
    """Map each term of the `short` codelist to the term of the `long` one with the same NCI concept.

    NCI gives a test code and its test name one concept, so the pairs need no table of their own:
    `paired_terms("DATESTCD", "DATEST")["DISPAMT"]` is "Dispensed Amount".
    """
    names = {code: term for term, code in codelist(long).terms.items()}
    return {term: names[code] for term, code in codelist(short).terms.items() if code in names}

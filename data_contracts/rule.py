"""What a contract is made of: rules, each one thing that must hold, stated as plain data.

A rule is turned into one Great Expectations expectation by `data_contracts.suite`. Rules that look at several columns,
several rows or several datasets carry a `mask`: it computes one truth value a row BEFORE the expectation, which then judges
that derived column. So the keys of the rows that fail still come out of the expectation.

A mask gives null for a row that the rule does not speak about; null passes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

Severity = Literal["critical", "warning", "info"]
Kind = Literal[
    "present",
    "filled",
    "member",
    "at_most",
    "matches",
    "between",
    "unique",
    "holds",
    "order",
    "contains",
    "typed",
]
ColumnType = Literal["text", "number", "integer", "date", "moment"]


@dataclass(frozen=True, slots=True)
class Frames:
    """The frame under check, and the frames of other datasets that a rule may compare it with, by dataset name."""

    own: pl.DataFrame
    others: Mapping[str, pl.DataFrame]


Mask = Callable[[Frames], "pl.Expr | pl.Series"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `columns` are those that it reads, the first is the one that it blames; `needs` names what it reads elsewhere.

    severity: critical (blocks), warning (a person should look), info (allowed by the standard, worth knowing).
    """

    rule_id: str
    text: str
    kind: Kind
    columns: tuple[str, ...]
    severity: Severity = "critical"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    mask: Mask | None = None

    @property
    def derived_column(self) -> str:
        """The name of the column of truth values that a rule with a mask adds."""
        return f"rule {self.rule_id}"


def present(dataset: str, column: str, severity: Severity = "critical") -> Rule:
    """The column exists, even if it is empty."""
    return Rule(
        f"{dataset}.{column}.present", f"{column} is a column of {dataset}", "present", (column,), severity
    )


def filled(dataset: str, column: str, severity: Severity = "critical") -> Rule:
    """The column has a value in every row."""
    return Rule(
        f"{dataset}.{column}.filled", f"{column} has a value in every row", "filled", (column,), severity
    )


def member(
    dataset: str, column: str, terms: Iterable[Any], source: str, severity: Severity = "critical"
) -> Rule:
    """A value, where there is one, is one of the terms; `source` says which list this is."""
    return Rule(
        f"{dataset}.{column}.in-codelist",
        f"{column} is a term of {source}",
        "member",
        (column,),
        severity,
        {"value_set": list(terms)},
    )


def at_most(dataset: str, column: str, length: int, severity: Severity = "critical") -> Rule:
    """A value has at most `length` characters."""
    return Rule(
        f"{dataset}.{column}.length",
        f"{column} has at most {length} characters",
        "at_most",
        (column,),
        severity,
        {"max_value": length},
    )


def matches(
    dataset: str, column: str, regex: str, text: str, severity: Severity = "critical", slug: str = "pattern"
) -> Rule:
    """A value matches the regular expression (write it with ^ and $)."""
    return Rule(f"{dataset}.{column}.{slug}", text, "matches", (column,), severity, {"regex": regex})


def between(
    dataset: str, column: str, low: float | None, high: float | None, severity: Severity = "critical"
) -> Rule:
    """A number is at least `low` and at most `high` (None: no bound)."""
    bounds = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    return Rule(
        f"{dataset}.{column}.range",
        f"{column} is {' and '.join(bounds)}",
        "between",
        (column,),
        severity,
        {"min_value": low, "max_value": high},
    )


def typed(dataset: str, column: str, kind: ColumnType) -> Rule:
    """The column is of that type; rules that read a column of another type are not judged."""
    return Rule(
        f"{dataset}.{column}.type",
        f"{column} is of type {kind}",
        "typed",
        (column,),
        "critical",
        {"type": kind},
    )


def type_fits(have: pl.DataType, kind: ColumnType) -> bool:
    """Whether a polars type is the type of a contract; a column without any value fits every type. A moment is in UTC."""
    return (
        have == pl.Null
        or {
            "text": have == pl.String,
            "number": have.is_numeric(),
            "integer": have.is_integer(),
            "date": have == pl.Date,
            "moment": isinstance(have, pl.Datetime) and have.time_zone == "UTC",
        }[kind]
    )


def unique(dataset: str, columns: Iterable[str], severity: Severity = "critical") -> Rule:
    """No two rows have the same values in these columns together."""
    names = tuple(columns)
    return Rule(f"{dataset}.unique-key", f"one row for each {', '.join(names)}", "unique", names, severity)


def ordered_columns(dataset: str, columns: Iterable[str], severity: Severity = "critical") -> Rule:
    """Every column is one of these, and they stand in this order (absent ones aside)."""
    return Rule(
        f"{dataset}.columns",
        f"{dataset} has only columns of its standard, in the standard's order",
        "order",
        (),
        severity,
        {"column_list": list(columns)},
    )


def contains(
    dataset: str, slug: str, column: str, values: Iterable[str], severity: Severity = "critical"
) -> Rule:
    """The column holds each of these values at least once."""
    wanted = sorted(values)
    return Rule(
        f"{dataset}.{slug}",
        f"{column} holds {', '.join(wanted)}",
        "contains",
        (column,),
        severity,
        {"value_set": wanted},
    )


def holds(
    dataset: str,
    slug: str,
    columns: Iterable[str],
    text: str,
    mask: Mask | pl.Expr,
    *,
    needs: Mapping[str, Iterable[str]] | None = None,
    severity: Severity = "critical",
) -> Rule:
    """A statement about each row that a mask computes: a polars expression on the frame, or a function of `Frames`."""
    return Rule(
        f"{dataset}.{slug}",
        text,
        "holds",
        tuple(columns),
        severity,
        {},
        tuple((name, tuple(wanted)) for name, wanted in (needs or {}).items()),
        (lambda _: mask) if isinstance(mask, pl.Expr) else mask,
    )

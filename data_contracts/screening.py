"""Which rules may fail: rules that are alike are judged together first, since each expectation costs ten milliseconds, however few
the rows, and nearly all rules hold.

A condition on values holds in all rows exactly where it holds for every value that occurs. So all columns under one condition
become one column of the values that occur in them, all truth values one column, and all columns that must exist one question.
Where the answer is no, the rules behind it are suspects, to be judged each by itself on the rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from data_contracts.rule import Rule

_OF_TRUTHS = ("holds", "typed", "unique")


@dataclass(frozen=True, slots=True)
class Question:
    """One rule that holds exactly where all of `rules` do. `suspects`: those of them that can have failed if it does not hold."""

    asked: Rule
    suspects: tuple[Rule, ...]


def about_columns(rules: Iterable[Rule]) -> list[Question]:
    """The questions that rules about the columns of a frame come to, for a frame with the same columns."""
    exist = tuple(rule for rule in rules if rule.kind == "present")
    questions = [Question(rule, (rule,)) for rule in rules if rule.kind != "present"]
    if exist:
        columns = tuple(rule.columns[0] for rule in exist)
        questions.append(
            Question(Rule("all-present", f"{', '.join(columns)} are columns", "present", columns), exist)
        )
    return questions


def about_values(rules: Iterable[Rule], frame: pl.DataFrame) -> tuple[list[Question], pl.DataFrame]:
    """The questions that rules about the values of a frame come to, and the frame that they are to be judged on.

    frame: with the derived columns of the rules that have one.
    """
    alike: dict[tuple[str, ...], list[Rule]] = {}
    for rule in rules:
        alike.setdefault(_condition(rule, frame), []).append(rule)
    questions, columns = [], []
    for number, group in enumerate(alike.values()):
        asked, suspects, name = group[0], group, f"values {number}"
        if asked.kind in _OF_TRUTHS:
            truths = [_truths(rule, frame) for rule in group]
            suspects = [rule for rule, truth in zip(group, truths, strict=True) if not truth.all()]
            values = _occurring(name, truths)
            question = Rule(name, "every rule holds", "member", (name,), arguments={"value_set": [True]})
        else:
            values = _occurring(name, [frame[rule.columns[0]] for rule in group])
            question = replace(asked, rule_id=name, columns=(name,), arguments=_needed(asked, values))
        questions.append(Question(question, tuple(suspects)))
        columns.append(values)
    height = max(map(len, columns), default=0)
    return questions, pl.DataFrame([_stretched(values, height) for values in columns])


def _occurring(name: str, columns: Iterable[pl.Series]) -> pl.Series:
    """The values that occur in some of the columns, each once."""
    return pl.concat([column.rename(name) for column in columns]).unique()


def _needed(rule: Rule, occurring: pl.Series) -> Mapping[str, Any]:
    """The rule's arguments; of a codelist only the terms that occur, since the library copies the list dozens of times."""
    if rule.kind != "member":
        return rule.arguments
    terms, found = rule.arguments["value_set"], set(occurring)
    return {"value_set": [term for term in terms if term in found] or terms[:1]}


def _condition(rule: Rule, frame: pl.DataFrame) -> tuple[str, ...]:
    """What rules have in common that can be judged together."""
    if rule.kind in _OF_TRUTHS:
        return ("truths",)
    if rule.kind == "contains":
        return ("contains", rule.rule_id)
    return (rule.kind, repr(sorted(rule.arguments.items())), str(frame.schema[rule.columns[0]]))


def _truths(rule: Rule, frame: pl.DataFrame) -> pl.Series:
    """One truth value a row; two rows without a value are not the same in one column, but may be in several."""
    if rule.kind != "unique":
        return frame[rule.derived_column]
    key = frame.select(rule.columns).fill_nan(None)
    once = ~key.is_duplicated()
    return once | key.to_series().is_null() if len(rule.columns) == 1 else once


def _stretched(values: pl.Series, height: int) -> pl.Series:
    """The values, the first of them repeated up to the height of the frame: that changes no verdict."""
    missing = height - len(values)
    return pl.concat([values, values.new_from_index(0, missing)]) if missing and len(values) else values

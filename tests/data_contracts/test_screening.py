"""Rules that are alike are asked together first: the answer is no wherever one of them fails, and names no rule that cannot have."""

from typing import Any

import polars as pl
import pytest

from data_contracts.rule import Rule, filled, holds, matches, member, unique
from data_contracts.screening import about_columns, about_values

FRAME = pl.DataFrame({"A": ["x", "y", None], "B": ["y", "y", "z"], "N": [1.0, None, float("nan")]})
LETTERS = [matches("D", name, "^[x-z]$", "a letter") for name in "AB"]


def asked(*rules: Rule) -> list[tuple[str, tuple[str, ...], list[Any]]]:
    """Of each question: its kind, the columns that its suspects blame, and the values that it is judged on."""
    questions, frame = about_values(rules, FRAME)
    return [
        (
            one.asked.kind,
            tuple(rule.rule_id for rule in one.suspects),
            frame[one.asked.columns[0]].unique().to_list(),
        )
        for one in questions
    ]


def test_columns_under_one_condition_are_judged_on_all_values_that_occur_in_them() -> None:
    ((kind, suspects, values),) = asked(*LETTERS)
    assert (kind, suspects) == ("matches", ("D.A.pattern", "D.B.pattern"))
    assert set(values) == {"x", "y", "z", None}


def test_another_condition_or_another_type_is_another_question() -> None:
    kinds = [
        kind for kind, *_ in asked(*LETTERS, matches("D", "A", "^y$", "a y", slug="y"), filled("D", "A"))
    ]
    assert kinds == ["matches", "matches", "filled"]
    assert len(asked(filled("D", "A"), filled("D", "B"), filled("D", "N"))) == 2


def test_of_a_codelist_the_terms_that_occur_are_asked_for_and_never_none() -> None:
    for terms, wanted in ((["w", "y", "z"], ["y", "z"]), (["v", "w"], ["v"])):
        (question,), _ = about_values([member("D", "B", terms, "a list")], FRAME)
        assert question.asked.arguments == {"value_set": wanted}


@pytest.mark.parametrize(
    ("columns", "suspected"),
    [("A", False), ("B", True), ("N", False), ("AB", False), ("BN", False), ("AN", False)],
)
def test_rows_are_the_same_where_all_values_are_and_one_missing_value_is_no_double(
    columns: str, suspected: bool
) -> None:
    ((_, suspects, values),) = asked(unique("D", columns))
    assert (suspects, set(values)) == ((("D.unique-key",), {True, False}) if suspected else ((), {True}))


def test_missing_values_are_the_same_in_a_key_of_several_columns() -> None:
    twice = pl.DataFrame({"A": ["x", "x"], "N": [None, float("nan")]})
    (question,), _ = about_values([unique("D", "AN")], twice)
    assert [rule.rule_id for rule in question.suspects] == ["D.unique-key"]


def test_of_truth_values_only_the_rules_that_are_untrue_somewhere_are_suspected() -> None:
    rules = [holds("D", slug, ["A"], slug, pl.lit(True)) for slug in ("good", "bad")]
    truths = {"rule D.good": [True, True, True], "rule D.bad": [True, False, True]}
    (question,), frame = about_values(
        rules, FRAME.with_columns(**{k: pl.Series(v) for k, v in truths.items()})
    )
    assert [rule.rule_id for rule in question.suspects] == ["D.bad"]
    assert not frame[question.asked.columns[0]].all()


def test_a_frame_without_rows_gives_a_frame_without_rows() -> None:
    questions, frame = about_values([*LETTERS, filled("D", "N")], FRAME.clear())
    assert (len(questions), frame.height) == (2, 0)


def test_all_columns_that_must_exist_are_one_question() -> None:
    exist = [Rule(f"D.{name}.present", name, "present", (name,)) for name in "ABC"]
    (question,) = about_columns(exist)
    assert question.asked.columns == ("A", "B", "C")
    assert question.suspects == tuple(exist)

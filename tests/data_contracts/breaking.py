"""Breaking a correct study in one way, and seeing which rules notice and whose keys they give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from data_contracts import ContractResult, check, contract
from tests.data_contracts.good_study import STUDY, good_frames

Change = Callable[[pl.DataFrame], pl.DataFrame]


def subject(number: str) -> str:
    """The USUBJID of a subject of the small study."""
    return f"{STUDY}-{number}"


@dataclass(frozen=True)
class Broken:
    """One way to break a study: in the rows where `where` holds, put `values`; the rule of that id must fail, and no other.

    also: changes to other datasets, where one cell alone would break two rules. fails: the rows that must be named, when they
    are not the changed ones. beside: rules that cannot but notice too, such as the codelist of a term that is too long.
    """

    rule: str
    where: Mapping[str, Any]
    values: Mapping[str, Any]
    also: Mapping[str, Change] = field(default_factory=dict)
    fails: pl.Expr | None = None
    beside: tuple[str, ...] = ()

    @property
    def dataset(self) -> str:
        """The dataset whose contract has the rule."""
        return self.rule.split(".")[0]


def rows_where(where: Mapping[str, Any]) -> pl.Expr:
    """The expression that picks the rows with these values; all rows where nothing is given."""
    return pl.all_horizontal(
        pl.lit(True), *(pl.col(name).eq_missing(pl.lit(value)) for name, value in where.items())
    )


def put(where: Mapping[str, Any], values: Mapping[str, Any]) -> Change:
    """The change that puts `values` into the rows where `where` holds; a column that is not there yet is added, empty elsewhere."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        chosen = rows_where(where)
        return frame.with_columns(
            pl.when(chosen)
            .then(pl.lit(value))
            .otherwise(pl.col(name) if name in frame.columns else pl.lit(None))
            .alias(name)
            for name, value in values.items()
        )

    return change


def without(**where: Any) -> Change:
    """The change that takes the rows away where these values stand."""
    return lambda frame: frame.filter(~rows_where(where))


def another(where: Mapping[str, Any], **values: Any) -> Change:
    """The change that adds a copy of the rows where `where` holds, with other values."""
    return lambda frame: pl.concat(
        [frame, put({}, values)(frame.filter(rows_where(where)))], how="vertical_relaxed"
    )


def assert_only_that_rule_notices(broken: Broken) -> ContractResult:
    """Break the small study; assert that exactly the rule (and those beside) fails, with the keys of exactly the broken rows."""
    frames = good_frames()
    for name, change in broken.also.items():
        frames[name] = change(frames[name])
    marked = frames[broken.dataset].with_columns(rows_where(broken.where).alias("changed"))
    assert marked["changed"].any(), f"nothing to break where {broken.where}"
    marked = put({"changed": True}, broken.values)(marked)
    expected = marked.filter(pl.col("changed") if broken.fails is None else broken.fails)
    assert expected.height
    frame = marked.drop("changed")
    # A new column takes its place in the standard's order.
    standard_order = next(rule for rule in contract(broken.dataset).rules if rule.kind == "order").arguments[
        "column_list"
    ]
    frame = frame.select(name for name in standard_order if name in frame.columns)

    result = check(broken.dataset, frame, frames)
    failed = {failure.rule: failure for failure in result.failures}
    assert set(failed) == {broken.rule, *broken.beside}, [str(one) for one in result.failures]
    failure = failed[broken.rule]
    keys = [name for name in contract(broken.dataset).keys if name in frame.columns]
    assert list(failure.keys) == list(expected.select(keys).unique(maintain_order=True).iter_rows(named=True))
    assert failure.count == expected.height
    assert result.passed == all(one.severity != "critical" for one in result.failures)
    return result

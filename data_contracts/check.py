"""Checking a frame against the contract of its dataset, by Great Expectations, with the keys of the rows that fail.

contract_for("DM")                          the contract as a suite (to read, to diff, to document)
check("DM", frame, others={"EX": ex, ...})  the verdict
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import polars as pl

from data_contracts.errors import ContractCheckError, ContractViolated
from data_contracts.registry import Contract, contract, datasets
from data_contracts.rule import Frames, Rule, Severity, type_fits
from data_contracts.screening import Question, about_columns, about_values
from data_contracts.suite import suite_of

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

KEYS_SHOWN = 20
# Great Expectations keeps its context in a global: one validation at a time.
_one_at_a_time = Lock()


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule that does not hold. `keys`: up to 20 of the failing rows, by the dataset's key columns."""

    rule: str
    text: str
    expectation: str
    column: str | None
    severity: Severity
    count: int
    keys: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        shown = "; ".join(
            ", ".join(f"{name}={value}" for name, value in key.items()) for key in self.keys[:3]
        )
        return f"{self.rule} [{self.severity}]: {self.text}; {self.count} failing" + (
            f" ({shown})" if shown else ""
        )


@dataclass(frozen=True, slots=True)
class ContractResult:
    """The verdict on one frame. `passed`: no critical rule failed. `not_evaluated`: rule id -> why it could not be judged."""

    dataset: str
    rows: int
    evaluated: tuple[str, ...]
    failures: tuple[Failure, ...]
    not_evaluated: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether no critical rule failed; warnings and information do not count."""
        return not any(failure.severity == "critical" for failure in self.failures)

    def require(self) -> "ContractResult":
        """Return the result if it passed; raises ContractViolated with every critical failure otherwise."""
        if not self.passed:
            critical = [str(failure) for failure in self.failures if failure.severity == "critical"]
            raise ContractViolated(f"{self.dataset} breaks its contract:\n  " + "\n  ".join(critical))
        return self


def contract_for(dataset: str) -> "ExpectationSuite":
    """Return the contract of a dataset as a Great Expectations suite; raises UnknownDatasetError.

    Expectations on a column named "rule ..." judge a truth value that `check` computes for each row.
    """
    agreed = contract(dataset)
    return suite_of(dataset, agreed.rules)


def check(
    dataset: str,
    frame: pl.DataFrame,
    others: Mapping[str, pl.DataFrame] | None = None,
    key_columns: Sequence[str] | None = None,
) -> ContractResult:
    """Check one frame against its dataset's contract.

    frame: the rows (a DataFrame, not lazy); empty text counts as missing.
    others: frames of other datasets by name, for the rules that compare; a rule whose frame is not given is listed in
    `not_evaluated`, never passed silently.
    key_columns: what names a row in the failures; the dataset's own keys when not given.
    Raises UnknownDatasetError for a dataset without a contract, ContractCheckError for a key column that is not there or
    an expectation that raised.
    """
    agreed = contract(dataset)
    keys = _present_keys(agreed, frame, key_columns)
    prepared = Frames(
        agreed.prepare(dataset, frame),
        {name: agreed.prepare(name, other) for name, other in (others or {}).items() if name in agreed.needs},
    )
    mistyped = {name: _mistyped(name, other) for name, other in prepared.others.items()}
    own = _mistyped(dataset, prepared.own)
    not_evaluated = {
        rule.rule_id: why for rule in agreed.rules if (why := _obstacle(rule, prepared, own, mistyped))
    }
    rules = [rule for rule in agreed.rules if rule.rule_id not in not_evaluated]
    of_rows = [rule for rule in rules if rule.kind not in ("present", "order") and not _vacuous(rule, frame)]
    failures = [
        *_column_failures(dataset, tuple(frame.columns)),
        *_row_failures(dataset, of_rows, _with_masks(prepared, of_rows), keys),
    ]
    order = {rule.rule_id: position for position, rule in enumerate(agreed.rules)}
    failures.sort(key=lambda failure: order[failure.rule])
    return ContractResult(
        dataset, frame.height, tuple(rule.rule_id for rule in rules), tuple(failures), not_evaluated
    )


def _present_keys(agreed: Contract, frame: pl.DataFrame, asked: Sequence[str] | None) -> list[str]:
    if asked is not None and (missing := [name for name in asked if name not in frame.columns]):
        raise ContractCheckError(
            f"key column {missing[0]!r} is not in the frame of {agreed.dataset}: it has {', '.join(frame.columns)}"
        )
    return [name for name in (asked or agreed.keys) if name in frame.columns]


def _mistyped(dataset: str, frame: pl.DataFrame) -> set[str]:
    """The columns of the frame that are of another type than its contract says."""
    if dataset not in datasets():
        return set()
    types = {
        rule.columns[0]: rule.arguments["type"] for rule in contract(dataset).rules if rule.kind == "typed"
    }
    return {name for name, have in frame.schema.items() if name in types and not type_fits(have, types[name])}


def _obstacle(
    rule: Rule, prepared: Frames, mistyped: set[str], mistyped_elsewhere: Mapping[str, set[str]]
) -> str | None:
    """Why the rule cannot be judged on these frames; None where it can."""
    if rule.kind in ("present", "order"):
        return None
    for column in rule.columns:
        if column not in prepared.own.columns:
            return f"no column {column}"
        if column in mistyped and rule.kind != "typed":
            return f"{column} is of the wrong type"
    for name, columns in rule.needs:
        if name not in prepared.others:
            return f"needs the frame of {name}"
        for column in columns:
            if column not in prepared.others[name].columns:
                return f"needs the column {column} of {name}"
            if column in mistyped_elsewhere[name]:
                return f"{column} of {name} is of the wrong type"
    return None


def _vacuous(rule: Rule, frame: pl.DataFrame) -> bool:
    """Whether the rule speaks only of the values of one column that the frame does not have (a permissible variable): it holds."""
    return (
        len(rule.columns) == 1
        and rule.columns[0] not in frame.columns
        and rule.kind not in ("filled", "contains")
    )


def _with_masks(prepared: Frames, rules: Iterable[Rule]) -> pl.DataFrame:
    """The frame with a column of truth values for each rule that Great Expectations cannot state by itself."""
    masks: dict[str, pl.Series] = {}
    for rule in rules:
        if rule.kind == "typed":
            fits = type_fits(prepared.own.schema[rule.columns[0]], rule.arguments["type"])
            masks[rule.derived_column] = pl.repeat(fits, prepared.own.height, dtype=pl.Boolean, eager=True)
        if rule.mask is None:
            continue
        try:
            made = rule.mask(prepared)
            truth = prepared.own.select(made).to_series() if isinstance(made, pl.Expr) else made
        except pl.exceptions.PolarsError as error:
            raise ContractCheckError(f"rule {rule.rule_id} could not be computed: {error}") from error
        masks[rule.derived_column] = truth.fill_null(True)
    return prepared.own.with_columns(**masks)


@lru_cache(maxsize=256)
def _column_failures(dataset: str, have: tuple[str, ...]) -> tuple[Failure, ...]:
    """Of the rules about a frame's columns; they depend on the names alone, which are the same from one check to the next."""
    rules, wanted = [], list(have)
    for rule in contract(dataset).rules:
        if rule.kind == "order":
            wanted = [name for name in rule.arguments["column_list"] if name in have]
            rules.append(Rule(rule.rule_id, rule.text, rule.kind, (), rule.severity, {"column_list": wanted}))
        elif rule.kind == "present":
            rules.append(rule)
    frame = pl.DataFrame(schema=dict.fromkeys(have, pl.String))
    failures = []
    for rule, result in _failed(dataset, _suspects(dataset, about_columns(rules), frame), frame):
        if rule.kind == "present":
            columns = list(rule.columns)
        else:
            unknown = [name for name in have if name not in wanted]
            columns = unknown or [name for name, want in zip(have, wanted, strict=False) if name != want]
        failures.append(_failure(rule, result, len(columns), [{"column": name} for name in columns]))
    return tuple(failures)


def _row_failures(dataset: str, rules: list[Rule], frame: pl.DataFrame, keys: list[str]) -> list[Failure]:
    suspects = _suspects(dataset, *about_values(rules, frame))
    read = set(keys)
    for rule in suspects:
        read |= {rule.derived_column} if rule.kind in ("holds", "typed") else set(rule.columns)
    failures = []
    for rule, result in _failed(dataset, suspects, frame.select(n for n in frame.columns if n in read)):
        numbers = result.result.get("partial_unexpected_index_list") or []
        failing = (
            frame[sorted(numbers)].select(keys).unique(maintain_order=True) if keys and numbers else None
        )
        named = [] if failing is None else [_plain(key) for key in failing.iter_rows(named=True)]
        count = result.result.get("unexpected_count")
        failures.append(_failure(rule, result, 1 if count is None else int(count), named))
    return failures


def _failure(rule: Rule, result: Any, count: int, keys: list[dict[str, Any]]) -> Failure:
    return Failure(
        rule.rule_id,
        rule.text,
        result.expectation_config.type,
        rule.columns[0] if rule.columns else None,
        rule.severity,
        count,
        tuple(keys[:KEYS_SHOWN]),
    )


def _suspects(dataset: str, questions: list[Question], frame: pl.DataFrame) -> list[Rule]:
    """The rules behind the questions that Great Expectations answers with no."""
    verdicts = _outcome(dataset, [one.asked for one in questions], frame, {"result_format": "BOOLEAN_ONLY"})
    doubted = {rule.rule_id for rule, result in verdicts if not result.success}
    return [rule for one in questions if one.asked.rule_id in doubted for rule in one.suspects]


def _failed(dataset: str, rules: list[Rule], frame: pl.DataFrame) -> list[tuple[Rule, Any]]:
    """Return the failed rules with Great Expectations' result of each."""
    # The failing rows come back as row numbers. Asked for key columns, the library walks all failing rows one by one: 10 s for
    # 100,000 of them, where the numbers take a fraction of a second.
    shown = {"result_format": "SUMMARY", "partial_unexpected_count": KEYS_SHOWN}
    failed = []
    for rule, result in _outcome(dataset, rules, frame, shown):
        if result.success:
            continue
        if raised := _raised(result.exception_info):
            raise ContractCheckError(f"rule {rule.rule_id} could not be checked: {raised}")
        failed.append((rule, result))
    return failed


def _outcome(
    dataset: str, rules: list[Rule], frame: pl.DataFrame, shown: dict[str, Any]
) -> list[tuple[Rule, Any]]:
    """Each rule with Great Expectations' result of it; the frame becomes a pandas one here and only here."""
    if not rules:
        return []
    by_id = {rule.rule_id: rule for rule in rules}
    with _one_at_a_time:
        batch = _frame_asset().get_batch({"dataframe": frame.to_pandas()})
        outcome = batch.validate(suite_of(dataset, rules), result_format=shown)
    return [(by_id[result.expectation_config.meta["rule"]], result) for result in outcome.results]


@cache
def _frame_asset() -> Any:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    # Its type is a dictionary that the library does not export.
    quiet: Any = {"globally": False, "metric_calculations": False, "profilers": False}
    context.variables.progress_bars = quiet
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


def _raised(exception_info: Mapping[str, Any]) -> str | None:
    if "raised_exception" in exception_info:
        infos: Iterable[Any] = [exception_info]
    else:
        infos = exception_info.values()
    for info in infos:
        if info["raised_exception"]:
            return str(info["exception_message"])
    return None


def _plain(key: Mapping[str, Any]) -> dict[str, Any]:
    """The key with whole floats (sequence numbers from a SAS file) as integers."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in key.items()
    }

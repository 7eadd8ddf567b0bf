"""What a comparison found: counts by dataset and variable, the reasons used, and examples of what is different."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simulation.replay.listed_reasons import LISTED_REASONS

EXAMPLES = 20
NO_VALUE = "NO_VALUE"
_NO_VALUE_TEXT = "neither the original nor the export has a value"
NOT_STATED = "NOT_STATED"
_NOT_STATED_TEXT = "the original does not state a value that follows from others; the export does"
ROWS = "(rows)"


@dataclass(slots=True)
class VariableComparison:
    """How the rows of both sides agree in one variable. `reasons`: why rows were not applicable, counted by code."""

    name: str
    matched: int = 0
    different: int = 0
    not_applicable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def differs(self, example: dict[str, Any]) -> None:
        """Count a difference that no reason covers and keep the first few as examples."""
        self.different += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)

    def excused(self, code: str, rows: int = 1) -> None:
        """Count rows to which the comparison does not apply, for a listed reason."""
        self.not_applicable += rows
        self.reasons[code] += rows


@dataclass(slots=True)
class DatasetComparison:
    """One dataset. `rows` counts rows by key: on both sides (matched), missing or extra without a reason (different)."""

    name: str
    original_rows: int
    exported_rows: int
    rows: VariableComparison = field(default_factory=lambda: VariableComparison(ROWS))
    missing: int = 0
    extra: int = 0
    variables: list[VariableComparison] = field(default_factory=list)
    absent: bool = False

    @property
    def ok(self) -> bool:
        """True if no row and no value differs without a listed reason."""
        return not self.absent and not any(part.different for part in [self.rows, *self.variables])


@dataclass(frozen=True, slots=True)
class NotCompared:
    """A variable of the original that holds values and takes no part in the comparison, and why."""

    dataset: str
    variable: str
    why: str


@dataclass(slots=True)
class Comparison:
    """The whole result. `ok` is False if any compared fact of the original came back otherwise without a listed reason.

    `not_compared` says of which variables of the original nothing is said.
    """

    study_id: str
    datasets: list[DatasetComparison] = field(default_factory=list)
    not_compared: list[NotCompared] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True if every dataset is ok and there is at least one."""
        return bool(self.datasets) and all(dataset.ok for dataset in self.datasets)

    def reasons(self) -> dict[str, int]:
        """How many rows or values each listed reason covers, over all datasets."""
        total: Counter[str] = Counter()
        for dataset in self.datasets:
            for part in [dataset.rows, *dataset.variables]:
                total.update(part.reasons)
        return dict(sorted(total.items()))

    def dataset(self, name: str) -> DatasetComparison:
        """The comparison of one dataset; KeyError if it was not compared."""
        for dataset in self.datasets:
            if dataset.name == name:
                return dataset
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """The result as plain values for `--json`."""
        return {
            "study": self.study_id,
            "ok": self.ok,
            "datasets": [
                {
                    "dataset": dataset.name,
                    "ok": dataset.ok,
                    "absent_from_export": dataset.absent,
                    "rows_original": dataset.original_rows,
                    "rows_exported": dataset.exported_rows,
                    "rows_missing": dataset.missing,
                    "rows_extra": dataset.extra,
                    "rows": _part(dataset.rows),
                    "variables": [_part(variable) for variable in dataset.variables],
                }
                for dataset in self.datasets
            ],
            "reasons": [
                {"code": code, "count": count, "text": reason_text(code)}
                for code, count in self.reasons().items()
            ],
            "not_compared": [asdict(one) for one in self.not_compared],
        }

    def to_rich(self) -> RenderableType:
        """The result as a table for a terminal, followed by the reasons used, what is not compared, and the first differences."""
        table = Table(title=f"{self.study_id}: the replayed study against the original", title_justify="left")
        for heading in ("dataset", "variable"):
            table.add_column(heading)
        for heading in ("matched", "different", "not applicable"):
            table.add_column(heading, justify="right")
        table.add_column("reasons")
        for dataset in self.datasets:
            for place, part in enumerate([dataset.rows, *dataset.variables]):
                reasons = ", ".join(f"{code} {count}" for code, count in sorted(part.reasons.items()))
                table.add_row(
                    dataset.name if not place else "",
                    part.name,
                    str(part.matched),
                    Text(str(part.different), style="bold red" if part.different else ""),
                    str(part.not_applicable),
                    reasons,
                    end_section=place == len(dataset.variables),
                )
        legend = Table.grid(padding=(0, 2))
        for code, count in self.reasons().items():
            legend.add_row(code, str(count), reason_text(code))
        lines = [Text(line, style="red") for line in self.differences()]
        verdict = "every fact compared came back" if self.ok else "facts of the original came back otherwise"
        return Group(
            table,
            legend,
            self._left_out(),
            *lines,
            Text(verdict, style="bold green" if self.ok else "bold red"),
        )

    def _left_out(self) -> RenderableType:
        """What is not compared as a table, a line a reason; a dataset that is not compared at all by its name."""
        by_reason: dict[str, dict[str, list[str]]] = {}
        for one in self.not_compared:
            by_reason.setdefault(one.why, {}).setdefault(one.dataset, []).append(one.variable)
        compared = {dataset.name for dataset in self.datasets}
        table = Table(title="of the original, not compared", title_justify="left")
        table.add_column("variables")
        table.add_column("why")
        for why, datasets in by_reason.items():
            parts = [
                f"{dataset} {' '.join(variables)}" if dataset in compared else dataset
                for dataset, variables in datasets.items()
            ]
            table.add_row(", ".join(parts), why)
        return table

    def differences(self) -> list[str]:
        """The first differences of each variable as one line each: dataset, key, variable, original and exported value."""
        lines: list[str] = []
        for dataset in self.datasets:
            if dataset.absent:
                lines.append(f"{dataset.name}: the export has no such dataset")
            for part in [dataset.rows, *dataset.variables]:
                for example in part.examples:
                    key = ", ".join(f"{name}={value}" for name, value in example["key"].items())
                    what = f"{example['original']!r} came back as {example['exported']!r}"
                    if part.name == ROWS:
                        what = "is missing" if example["exported"] is None else "is not in the original"
                    lines.append(f"{dataset.name} {key} {part.name} {what}")
        return lines


def _part(part: VariableComparison) -> dict[str, Any]:
    return {
        "variable": part.name,
        "matched": part.matched,
        "different": part.different,
        "not_applicable": part.not_applicable,
        "reasons": dict(sorted(part.reasons.items())),
        "examples": part.examples,
    }


def reason_text(code: str) -> str:
    """What a reason code means, in a sentence."""
    if code == NO_VALUE:
        return _NO_VALUE_TEXT
    if code == NOT_STATED:
        return _NOT_STATED_TEXT
    return next(reason.text for reason in LISTED_REASONS if reason.code == code)

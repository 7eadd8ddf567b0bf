"""The what-if comparisons of a study that `rtsm whatif` left in RTSM_HOME. Unblinded: they tell kits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from forecasting.what_if.paired import Difference

FOLDER: Final = "what-if"
FILE: Final = "comparison.json"


@dataclass(frozen=True)
class KeptComparison:
    """A comparison: changes against one base. `at`: the day of the study's state that it began with, None where it began with documents.

    `differences`: change -> measure -> difference; `shares`: change -> risk or ratio -> its values.
    """

    name: str
    scenario: str
    at: str | None
    replicates: int
    seed: int
    made_at: datetime
    differences: dict[str, dict[str, Difference]]
    shares: dict[str, dict[str, dict[str, Any]]]

    @property
    def begins(self) -> str:
        """From what it begins, in words."""
        return f"from the study's state on {self.at}" if self.at else "from its beginning"


def kept_comparisons(home: Path, study_id: str) -> tuple[list[KeptComparison], list[str]]:
    """The comparisons, the latest first, and what is wrong with files that cannot be read."""
    found, faults = [], []
    for file in sorted((home / FOLDER).glob(f"*/{FILE}")):
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            if told["study"] == study_id:
                found.append(_read(told, file))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as broken:
            faults.append(f"{file} is no comparison ({broken}): remove it, or run `rtsm whatif` again.")
    return sorted(found, key=lambda one: one.made_at, reverse=True), faults


def _read(told: dict[str, Any], file: Path) -> KeptComparison:
    changes = told["changes"]
    return KeptComparison(
        name=file.parent.name,
        scenario=told["scenario"],
        at=(told.get("live_start") or {}).get("at"),
        replicates=told["replicates"],
        seed=told["seed"],
        made_at=datetime.fromtimestamp(file.stat().st_mtime, UTC),
        differences={
            one["name"]: {
                name: Difference.of_json(name, values) for name, values in one["differences"].items()
            }
            for one in changes
        },
        shares={one["name"]: {**one["risks"], **one["ratios"]} for one in changes},
    )

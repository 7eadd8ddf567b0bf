"""Any field of a scenario or protocol by its path, such as `protocol.kit_types[K10].expiry.dnd_days`."""

from __future__ import annotations

import re
from typing import Any, Final

from allocation.study.inconsistency import Findings, Path, choice_text
from forecasting.what_if.change_file import Override
from forecasting.what_if.documents import Documents

_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[([^\[\]]+)\]")


def override(change: Override, documents: Documents, path: Path, findings: Findings) -> None:
    """Set a field in place. Its kind and limits are checked when the documents are read."""
    here = (*path, "path")
    if change.document is None:
        findings.add(
            here, change.path, "begins with neither scenario nor protocol", "write it like scenario.seed"
        )
        return
    steps = _steps(change.path)
    if steps is None or len(steps) < 2:
        findings.add(
            here,
            change.path,
            "is not a path",
            "write it like scenario.costs.lost_subject or protocol.sites[0].depot",
        )
        return
    part: Any = getattr(documents, change.document)
    for step in steps[1:-1]:
        found = _found(part, step, here, change.path, findings)
        if found is None:
            return
        part = part[found]
    last = _found(part, steps[-1], here, change.path, findings, is_last=True)
    if last is not None:
        part[last] = change.value


def _steps(path: str) -> list[str] | None:
    steps, at = [], 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            return None
        steps.append(match.group(1) or match.group(2))
        at = match.end()
    return steps


def _found(
    part: Any, step: str, here: Path, path: str, findings: Findings, is_last: bool = False
) -> str | int | None:
    """The key or place of a step in a part of the document; None, and a finding, where there is none."""
    if isinstance(part, list):
        codes = [str(item.get("code", "")) if isinstance(item, dict) else "" for item in part]
        if step in codes:
            return codes.index(step)
        if step.isdigit() and int(step) < len(part):
            return int(step)
        known = [code for code in codes if code] or [str(index) for index in range(len(part))]
        fix = choice_text(step, known, "the list is empty: set the whole list")
        findings.add(here, path, f"names {step}, which that list does not have", fix)
        return None
    if isinstance(part, dict):
        # A mapping by code may get a key more, and what it takes is checked when the document is read.
        if step in part or (is_last and _is_open(part)):
            return step
        findings.add(
            here,
            path,
            f"names {step}, which is not a key there",
            choice_text(step, list(part), "add it with its parent"),
        )
        return None
    findings.add(
        here, path, f"goes on at {step}, where a single value or nothing stands", "set the part before it"
    )
    return None


def _is_open(part: dict[str, Any]) -> bool:
    """Whether the keys are codes (of arms, countries, depots ...) and not fields, which are in small letters."""
    return not part or any(not key.islower() for key in part)

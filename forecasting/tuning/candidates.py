"""Candidates: a setting for each group of sites and kit types, as thresholds of a plan and as rows of resupply parameters."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from allocation.rules.computed_buffer import compute_buffer
from allocation.study.newcomers import newcomers
from forecasting.tuning.site_groups import Group
from forecasting.tuning.trial import Trial
from simulation.engines.other_thresholds import Thresholds
from simulation.engines.plan_arrays import Ints, ints

_compute = lru_cache(maxsize=4096)(compute_buffer)


class Setting(NamedTuple):
    """The thresholds of one group, in kits and days; None: as the protocol has them. With `confidence`, rule D computes the buffers."""

    min_buffer: int | None = None
    max_buffer: int | None = None
    short_window: int | None = None
    long_window: int | None = None
    seed_quantity: int | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Candidate:
    """Thresholds that can be played. Two candidates with the same thresholds are the same (`key`)."""

    key: str
    label: str
    thresholds: Thresholds
    parameters: tuple[dict[str, Any], ...]

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and other.key == self.key


def own_candidate(trial: Trial) -> Candidate:
    """The protocol's own thresholds."""
    return _candidate(trial, "the protocol's own", Thresholds(), ())


def candidate_of(
    trial: Trial, groups: tuple[Group, ...], settings: tuple[Setting, ...], label: str = ""
) -> Candidate:
    """The candidate with a setting for each group. A first supply that nobody sets is half way between min and max."""
    whole = tuple(_with_seed(trial, one) for one in settings)
    values: dict[str, Ints | None] = {}
    for name in Thresholds._fields:
        if all(getattr(one, name) is None for one in whole) and not (
            name in ("min_buffer", "max_buffer") and any(one.confidence for one in whole)
        ):
            values[name] = None
            continue
        table = trial.held(name).copy()
        for group, one in zip(groups, whole, strict=True):
            if getattr(one, name) is not None:
                table[group.cells] = getattr(one, name)
        values[name] = ints(table)
    rows = [
        {**group.keys(), **{name: value for name, value in one._asdict().items() if value is not None}}
        for group, one in zip(groups, whole, strict=True)
    ]
    if any(
        entry.parameters.buffer_from not in (None, "min_max")
        for entry in trial.run.protocol.supply.parameters
    ):
        for one, row in zip(whole, rows, strict=True):
            if one.min_buffer is not None:
                row["buffer_from"] = "min_max"
    if any(one.confidence is not None for one in whole):
        rates = trial.enrolment_per_month()
        for group, one, row in zip(groups, whole, rows, strict=True):
            if one.confidence is not None:
                _compute_group(trial, group, one.confidence, values, row, rates)
    return _candidate(trial, label or _label(groups, whole), Thresholds(**values), tuple(rows))


def _compute_group(
    trial: Trial,
    group: Group,
    confidence: float,
    values: dict[str, Ints | None],
    row: dict[str, Any],
    rates: Any,
) -> None:
    """The buffers of a group by rule D, into the tables `values`; and what the rule goes by into the row. First supplies stay."""
    run, coming = trial.run, newcomers(trial.run.protocol)
    of = {name: trial.held(name) if table is None else table for name, table in values.items()}
    for site, kit_type in zip(*np.nonzero(group.cells), strict=True):
        found = _compute(
            float(rates[site]),
            confidence,
            coming.ratio,
            coming.dispensings[run.names.kit_types[kit_type]],
            int(of["short_window"][site, kit_type]),
            int(of["long_window"][site, kit_type]),
        )
        for name in ("min_buffer", "max_buffer"):
            of[name][site, kit_type] = getattr(found, name)
    rate = {float(rates[site]) for site in np.nonzero(group.cells.any(axis=1))[0]}
    row |= {"buffer_from": "computed", "enrolment_per_month": max(rate)}


def _with_seed(trial: Trial, one: Setting) -> Setting:
    if not trial.seeds or one.seed_quantity is not None or one.min_buffer is None or one.max_buffer is None:
        return one
    return one._replace(seed_quantity=-(-(one.min_buffer + one.max_buffer) // 2))


def _candidate(
    trial: Trial, label: str, thresholds: Thresholds, parameters: tuple[dict[str, Any], ...]
) -> Candidate:
    """The key is a hash of the plan's resupply, so that what comes to the same is played once."""
    held = trial.plan_under(thresholds).resupply
    tables: tuple[Ints, ...] = (held.min_buffer, held.max_buffer, held.short_window, held.long_window)
    tables += (held.seed_quantity,) if trial.seeds else ()
    key = hashlib.sha256(b"|".join(table.tobytes() for table in tables)).hexdigest()[:16]
    return Candidate(key, label, thresholds, parameters)


def _label(groups: tuple[Group, ...], settings: tuple[Setting, ...]) -> str:
    """Such as `(5, 14)`, or `HIGH (5, 9); LOW (1, 3)`."""
    texts: list[str] = []
    alike = len(set(settings)) == 1
    for group, one in zip(groups[:1] if alike else groups, settings[:1] if alike else settings, strict=True):
        words = [] if one.min_buffer is None else [f"({one.min_buffer}, {one.max_buffer})"]
        if one.confidence is not None:
            words.append(f"confidence {one.confidence:g}")
        if one.short_window is not None or one.long_window is not None:
            words.append(f"windows {one.short_window}/{one.long_window}")
        text = " ".join(words) or "as the protocol has it"
        texts.append(text if alike or group.name == "all" else f"{group.name} {text}")
    return "; ".join(texts)

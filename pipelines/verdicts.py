"""Verdicts of contracts, remembered by what they were reached on, so that a refresh checks only what changed.

Great Expectations takes about a tenth of a second for each dataset, whatever the number of rows; most datasets of most refreshes,
and many of the two products, are the same as before. A verdict holds for the same frame, the same columns of the frames that its
contract compares with, and the same contracts (their source). Published snapshots carry their verdicts in the manifest.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

import polars as pl

from data_contracts.check import ContractResult, check
from data_contracts.registry import contract
from pipelines.datasets import Product, datasets_of
from pipelines.source_digest import source_digest

Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a contract says of a dataset. `failures` are JSON values: rule, text, severity, count, keys of failing rows."""

    fingerprint: str
    passed: bool
    rows: int
    rules: int
    failures: tuple[dict[str, Any], ...]
    not_evaluated: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        return {**asdict(self), "failures": list(self.failures)}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "Verdict":
        """The verdict that `as_json` gave."""
        return Verdict(**{**values, "failures": tuple(values["failures"])})


_reached: dict[str, Verdict] = {}
"""Verdicts of this process, by fingerprint: the second product meets those of the first."""


def check_product(product: Product, frames: Frames, known: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """The verdict on each dataset of a product that has a contract, by its name such as "sdtm/dm".

    frames: every dataset of the product by name. known: verdicts by fingerprint that need not be reached again.
    Raises UnknownDatasetError, ContractCheckError.
    """
    checked = {one.name: one.contract for one in datasets_of(product) if one.contract}
    by_contract = {name: frames[dataset] for dataset, name in checked.items()}
    verdicts = {}
    for dataset, name in checked.items():
        needed = {other: by_contract[other] for other in contract(name).needs if other in by_contract}
        fingerprint = fingerprint_of(name, frames[dataset], needed)
        verdict = known.get(fingerprint) or _reached.get(fingerprint)
        if verdict is None:
            verdict = _verdict(fingerprint, check(name, frames[dataset], others=needed))
            _reached[fingerprint] = verdict
        verdicts[dataset] = verdict
    return verdicts


def _verdict(fingerprint: str, result: ContractResult) -> Verdict:
    failures = tuple(
        {
            "rule": failure.rule,
            "text": failure.text,
            "severity": failure.severity,
            "count": failure.count,
            "keys": list(failure.keys),
        }
        for failure in result.failures
    )
    not_evaluated = dict(result.not_evaluated)
    return Verdict(fingerprint, result.passed, result.rows, len(result.evaluated), failures, not_evaluated)


def fingerprint_of(name: str, frame: pl.DataFrame, needed: Frames) -> str:
    """What the verdict of contract `name` depends on: the frame, the columns read of others, and the contracts' source."""
    columns: dict[str, set[str]] = {other: set() for other in needed}
    for rule in contract(name).rules:
        for other, wanted in rule.needs:
            if other in needed:
                columns[other] |= set(wanted) & set(needed[other].columns)
    parts = [source_digest("data_contracts"), name, frame_digest(frame)]
    parts += [
        f"{other}:{frame_digest(needed[other].select(sorted(columns[other])))}" for other in sorted(needed)
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def frame_digest(frame: pl.DataFrame) -> str:
    """SHA-256 of a frame's columns, types and values."""
    content = BytesIO()
    frame.rechunk().write_ipc(content)
    return hashlib.sha256(content.getbuffer()).hexdigest()


def verdicts_text(verdicts: Mapping[str, Verdict]) -> str:
    """Verdicts by dataset as JSON text."""
    return json.dumps({name: one.as_json() for name, one in verdicts.items()}, sort_keys=True)


def known_verdicts(manifest: Mapping[str, Any]) -> dict[str, Verdict]:
    """The verdicts of a snapshot's manifest, by fingerprint."""
    found = [Verdict.from_json(values) for values in manifest.get("contracts", {}).values()]
    return {verdict.fingerprint: verdict for verdict in found}

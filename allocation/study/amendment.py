"""May one protocol version follow another in a running study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.study.inconsistency import Findings, Inconsistency, Path

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol

_KEPT = {
    "arms": "subjects may have been randomized to it",
    "visits": "subjects may have had it",
    "kit_types": "kits of it may exist",
    "depots": "it may hold stock",
    "countries": "sites may be open there",
    "sites": "it may have subjects and stock",
    "stratification": "subjects were stratified by it",
    "dose_levels": "subjects may be on it",
    "cohorts": "subjects may belong to it",
    "epochs": "visits took place in it",
    "randomization": "subjects were randomized by it",
}
"""What a later version may close but not drop, since the ledger names it, and why."""


def version_errors(old: Protocol, new: Protocol) -> list[Inconsistency]:
    """Everything that stops `new` from following `old`; empty when it may.

    The study's identity stays, the version counts up by one, and nothing that the ledger may already name goes away.
    """
    findings = Findings()
    if new.study.id != old.study.id:
        findings.add(
            ("study", "id"),
            new.study.id,
            f"is not the study {old.study.id}",
            "a study keeps its id; load it as another study",
        )
    if new.study.version != old.study.version + 1:
        findings.add(
            ("study", "version"),
            new.study.version,
            f"does not follow version {old.study.version}",
            f"set it to {old.study.version + 1}",
        )
    if new.study.mode != old.study.mode:
        findings.add(
            ("study", "mode"),
            new.study.mode,
            f"differs from {old.study.mode}, the mode that the study's records were made in",
            "test, training and production are separate studies: load it under another id",
        )
    if new.subject_identifier != old.subject_identifier:
        findings.add(
            ("subject_identifier", "template"),
            new.subject_identifier.template,
            f"differs from {old.subject_identifier.template}, so that subjects would change their USUBJID",
            "keep it",
        )
    for part, reason in _KEPT.items():
        kept = {one.code for one in getattr(new, part)}
        for one in getattr(old, part):
            if one.code not in kept:
                path: Path = (part,)
                findings.add(
                    path,
                    one.code,
                    f"is missing, but version {old.study.version} has it",
                    f"keep it: {reason}",
                )
    _check_levels(old, new, findings)
    _check_visit_numbers(old, new, findings)
    return findings.found


def _check_levels(old: Protocol, new: Protocol, findings: Findings) -> None:
    before = {factor.code: factor for factor in old.stratification}
    for index, factor in enumerate(new.stratification):
        levels = {level.code for level in factor.levels}
        for level in before[factor.code].levels if factor.code in before else ():
            if level.code not in levels:
                findings.add(
                    ("stratification", index, "levels"),
                    level.code,
                    f"is missing, but version {old.study.version} has it",
                    "keep it: subjects were stratified by it",
                )


def _check_visit_numbers(old: Protocol, new: Protocol, findings: Findings) -> None:
    for index, visit in enumerate(new.visits):
        before = old.visit(visit.code)
        if before is not None and before.number != visit.number:
            findings.add(
                ("visits", index, "number"),
                visit.number,
                f"is another number than the {before.number} that visit {visit.code} had",
                "keep it: it is the SDTM VISITNUM of visits that took place",
            )

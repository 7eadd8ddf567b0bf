"""Makes the changes of a file in a scenario and its protocol: a trial for each, or every reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as FilePath

from allocation.study.inconsistency import Findings, Inconsistency, Path
from allocation.study.yaml_files import load_document
from forecasting.what_if.arm_changes import change_ratio, drop_arm
from forecasting.what_if.change_file import Change, ChangeFile
from forecasting.what_if.documents import Documents, Trial
from forecasting.what_if.errors import ChangeFileError
from forecasting.what_if.overrides import override
from forecasting.what_if.recruiting_changes import add_sites, change_recruitment
from forecasting.what_if.supply_changes import (
    change_lead_times,
    change_shelf_life,
    change_thresholds,
    lose_depot,
)


@dataclass(frozen=True)
class Changed:
    """A change, and the trial that it makes of the base."""

    change: Change
    trial: Trial


def load_changes(files: list[FilePath], base: Trial) -> list[Changed]:
    """The changes of the files, made in `base`. Raises ChangeFileError with every problem of the first file that has any."""
    changed: list[Changed] = []
    for file in files:
        changed += _of_file(file, base, {one.change.slug for one in changed})
    return changed


def _of_file(file: FilePath, base: Trial, taken: set[str]) -> list[Changed]:
    made: list[Changed] = []

    def check(read: ChangeFile) -> list[Inconsistency]:
        made.clear()
        findings, slugs = Findings(), set(taken)
        for index, change in enumerate(read.changes):
            path: Path = ("changes", index)
            if change.slug in slugs:
                fix = "give each change a name of its own, in letters and digits"
                findings.add((*path, "name"), change.name, "is the name of another change, too", fix)
            slugs.add(change.slug)
            trial = changed_trial(change, base, path, findings)
            if trial is not None:
                made.append(Changed(change, trial))
        return findings.found

    load_document(ChangeFile, file, ChangeFileError, check)
    return made


def changed_trial(change: Change, base: Trial, path: Path, findings: Findings) -> Trial | None:
    """The trial that a change makes of `base`; None where it makes none, with the reasons in `findings`. `path`: the change's own."""
    documents, before = Documents.of(base), len(findings.found)
    for index, sites in enumerate(change.sites):
        add_sites(sites, documents, (*path, "sites", index), findings)
    for index, rate in enumerate(change.recruitment):
        change_recruitment(rate, documents, (*path, "recruitment", index), findings)
    if change.ratio is not None:
        change_ratio(change.ratio, documents, (*path, "ratio"), findings)
    if change.drop_arm is not None:
        drop_arm(change.drop_arm, documents, (*path, "drop_arm"), findings)
    for index, parameters in enumerate(change.thresholds):
        change_thresholds(parameters, documents, (*path, "thresholds", index), findings)
    for index, lane in enumerate(change.lead_times):
        change_lead_times(lane, documents, (*path, "lead_times", index), findings)
    for index, life in enumerate(change.shelf_life):
        change_shelf_life(life, documents, (*path, "shelf_life", index), findings)
    for index, lost in enumerate(change.depots_lost):
        lose_depot(lost, documents, (*path, "depots_lost", index), findings)
    for index, field in enumerate(change.set):
        override(field, documents, (*path, "set", index), findings)
    if len(findings.found) > before:
        return None
    trial, wrong = documents.read(base)
    for reason in wrong:
        findings.add(path, change.name, f"makes no trial that can be played: {reason}", "correct the change")
    return trial

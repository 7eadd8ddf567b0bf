"""Do the parts of the design fit each other: arms, strata, cohorts, epochs and cells, caps."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING

from allocation.study.inconsistency import Findings, Path
from allocation.study.randomization_checks import check_randomization, check_regions
from allocation.study.strata import strata_of, stratum_key

if TYPE_CHECKING:
    from allocation.study.design import StratificationFactor
    from allocation.study.protocol import Protocol


def check_design(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` whatever in the design contradicts itself or names what is not there."""
    _check_identity(protocol, findings)
    _check_arms(protocol, findings)
    _check_stratification(protocol, findings)
    _check_cohorts(protocol, findings)
    check_randomization(protocol, findings)
    _check_cells(protocol, findings)
    _check_caps(protocol, findings)
    findings.unique(("criteria",), [criterion.code for criterion in protocol.criteria], "code", "code")
    for index, parameter in enumerate(protocol.trial_parameters):
        if parameter.codes and len(parameter.codes) != len(parameter.values):
            findings.add(
                ("trial_parameters", index, "codes"),
                len(parameter.codes),
                f"codes do not fit {len(parameter.values)} values",
                "give one code for each value, or none at all",
            )
    findings.unique(
        ("trial_parameters",), [parameter.code for parameter in protocol.trial_parameters], "code", "code"
    )


def check_stratum(protocol: Protocol, path: Path, key: str, findings: Findings) -> None:
    """Check that `key` is that of a stratum of a randomization event, spelt as `strata.stratum_key` does."""
    factors = {factor.code for factor in protocol.stratification}
    known = {
        stratum_key(levels, event.factors): None
        for event in protocol.randomization
        if factors.issuperset(event.factors)
        for levels in strata_of(protocol, event)
    }
    findings.name(path, key, list(known), "stratum (FACTOR=LEVEL, joined by |)")


def _check_identity(protocol: Protocol, findings: Findings) -> None:
    study = protocol.study
    start, end = study.planned_start, study.planned_enrolment_end
    if start is not None and end is not None and end < start:
        findings.add(
            ("study", "planned_enrolment_end"),
            end,
            f"is before planned_start {start}",
            "enrolment ends after the study starts: correct one of the two",
        )
    template = protocol.subject_identifier.template
    path: Path = ("subject_identifier", "template")
    try:
        names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as broken:
        findings.add(
            path, template, f"has unbalanced braces ({broken})", "write it like {study}-{site}-{subject}"
        )
        return
    for name in sorted(names - {"study", "site", "subject"}):
        findings.add(
            path, template, f"has the unknown field {{{name}}}", "use {study}, {site} and {subject} only"
        )
    if "subject" not in names:
        findings.add(path, template, "gives every subject the same identifier", "add the field {subject}")


def _check_arms(protocol: Protocol, findings: Findings) -> None:
    codes = [arm.code for arm in protocol.arms]
    levels = [level.code for level in protocol.dose_levels]
    findings.unique(("arms",), codes, "code", "code")
    findings.unique(("arms",), [arm.name for arm in protocol.arms], "name", "name")
    allocated = {
        code
        for event in protocol.randomization
        for code in (
            *(event.arms or [one.arm for one in event.ratio] or codes),
            *(share.arm for transition in event.transitions for share in transition.to),
        )
    }
    epochs = [epoch.code for epoch in protocol.epochs]
    for index, arm in enumerate(protocol.arms):
        path: Path = ("arms", index)
        findings.name((*path, "start_dose_level"), arm.start_dose_level, levels, "dose level")
        for at, period in enumerate(arm.treatments):
            findings.name((*path, "treatments", at, "epoch"), period.epoch, epochs, "epoch")
        findings.unique((*path, "treatments"), [one.epoch for one in arm.treatments], "epoch", "epoch")
        if arm.as_treated is not None:
            rule = arm.as_treated
            findings.name(
                (*path, "as_treated", "unless_dose_level"), rule.unless_dose_level, levels, "dose level"
            )
            findings.name((*path, "as_treated", "then_arm"), rule.then_arm, codes, "arm")
            if rule.then_arm == arm.code:
                findings.add(
                    (*path, "as_treated", "then_arm"), arm.code, "is the arm itself", "name another arm"
                )
        if arm.code not in allocated:
            findings.add(
                (*path, "code"),
                arm.code,
                "is in no randomization event, so no subject ever gets it",
                "add it to the arms of an event, or leave the event's arms empty for all",
            )


def _check_stratification(protocol: Protocol, findings: Findings) -> None:
    findings.unique(("stratification",), [factor.code for factor in protocol.stratification], "code", "code")
    for index, factor in enumerate(protocol.stratification):
        path: Path = ("stratification", index)
        findings.unique((*path, "levels"), [level.code for level in factor.levels], "code", "code")
        _check_derived_levels(protocol, factor, path, findings)


def _check_derived_levels(
    protocol: Protocol, factor: StratificationFactor, path: Path, findings: Findings
) -> None:
    """A factor that the service reads off the place needs a level for every place that there is."""
    if factor.source not in ("site", "country", "region"):
        return
    places = {
        "site": [site.code for site in protocol.sites],
        "country": [country.code for country in protocol.countries],
        "region": sorted({country.region for country in protocol.countries if country.region is not None}),
    }[factor.source]
    levels = [level.code for level in factor.levels]
    for missing in [place for place in places if place not in levels]:
        findings.add(
            (*path, "levels"),
            ", ".join(levels),
            f"have no level for the {factor.source} {missing}, where subjects could not be stratified",
            f"add a level with code {missing}, or set source: entered",
        )
    if factor.source == "region":
        check_regions(protocol, f"factor {factor.code} takes its level from the region", findings)


def _check_cohorts(protocol: Protocol, findings: Findings) -> None:
    codes = [cohort.code for cohort in protocol.cohorts]
    findings.unique(("cohorts",), codes, "code", "code")
    after = {cohort.code: cohort.after for cohort in protocol.cohorts}
    for index, cohort in enumerate(protocol.cohorts):
        path: Path = ("cohorts", index)
        findings.names((*path, "arms"), cohort.arms, [arm.code for arm in protocol.arms], "arm")
        findings.name((*path, "after"), cohort.after, codes, "cohort")
        levels = [level.code for level in protocol.dose_levels]
        findings.name((*path, "dose_level"), cohort.dose_level, levels, "dose level")
        check_no_cycle((*path, "after"), cohort.code, after, "cohort", findings)


def check_no_cycle(
    path: Path, start: str, next_of: dict[str, str | None], kind: str, findings: Findings
) -> None:
    """Check that following `next_of` from `start` does not come back to `start`."""
    step, seen = next_of.get(start), set[str]()
    while step is not None and step not in seen:
        if step == start:
            findings.add(
                path,
                next_of[start],
                f"leads back to the {kind} {start} itself",
                f"name an earlier {kind}, or none",
            )
            return
        seen.add(step)
        step = next_of.get(step)


def _check_cells(protocol: Protocol, findings: Findings) -> None:
    arms = [arm.code for arm in protocol.arms]
    epochs = [epoch.code for epoch in protocol.epochs]
    elements = [element.code for element in protocol.elements]
    findings.unique(("epochs",), epochs, "code", "code")
    findings.unique(("elements",), elements, "code", "code")
    visits = [visit.code for visit in protocol.visits]
    for index, element in enumerate(protocol.elements):
        findings.name(("elements", index, "starts_at_visit"), element.starts_at_visit, visits, "visit")
    for index, cell in enumerate(protocol.cells):
        path: Path = ("cells", index)
        findings.name((*path, "arm"), cell.arm, arms, "arm")
        findings.name((*path, "epoch"), cell.epoch, epochs, "epoch")
        findings.names((*path, "elements"), cell.elements, elements, "element")
    given = [f"{cell.arm} x {cell.epoch}" for cell in protocol.cells]
    findings.unique(("cells",), given, "cell (arm x epoch)")
    if protocol.cells:
        for missing in [
            f"{arm} x {epoch}" for arm in arms for epoch in epochs if f"{arm} x {epoch}" not in given
        ]:
            findings.add(
                ("cells",),
                missing,
                "is an arm and epoch without a cell",
                "add the cell: what the arm goes through in the epoch (every arm has one in every epoch)",
            )


def _check_caps(protocol: Protocol, findings: Findings) -> None:
    known = {
        "region": sorted({country.region for country in protocol.countries if country.region is not None}),
        "country": [country.code for country in protocol.countries],
        "site": [site.code for site in protocol.sites],
        "cohort": [cohort.code for cohort in protocol.cohorts],
        "dose_level": sorted({one.dose_level for one in protocol.cohorts if one.dose_level is not None}),
    }
    for index, cap in enumerate(protocol.caps):
        path: Path = ("caps", index, "key")
        if cap.scope == "study":
            if cap.key:
                findings.add(
                    path, cap.key, "would be ignored with scope study", "remove it, or name its scope"
                )
        elif cap.scope == "stratum":
            check_stratum(protocol, path, cap.key, findings)
        else:
            what = "dose level of a cohort" if cap.scope == "dose_level" else cap.scope
            findings.name(path, cap.key, known[cap.scope], what)
    findings.unique(
        ("caps",),
        [f"{cap.kind} / {cap.scope} {cap.key}".strip() for cap in protocol.caps],
        "cap (kind, scope, key)",
    )

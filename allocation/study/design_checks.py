"""Do the parts of the design fit each other: arms, strata, cohorts, randomization events, epochs and cells, caps."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING, Final

from allocation.study.inconsistency import Findings, Path
from allocation.study.strata import strata_of, stratum_key

if TYPE_CHECKING:
    from allocation.study.design import RandomizationEvent, StratificationFactor
    from allocation.study.protocol import Protocol

METHOD_PARAMETERS: Final[dict[str, dict[str, bool]]] = {
    "minimization": {"p": True},
    "biased_coin": {"p": True},
    "big_stick": {"b": True},
    "urn": {"alpha": False, "beta": False},
}
"""Randomization method -> its parameters -> whether it must be given; the other methods have none."""


def check_design(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` whatever in the design contradicts itself or names what is not there."""
    _check_identity(protocol, findings)
    _check_arms(protocol, findings)
    _check_stratification(protocol, findings)
    _check_cohorts(protocol, findings)
    for index, event in enumerate(protocol.randomization):
        _check_event(protocol, event, ("randomization", index), findings)
    findings.unique(("randomization",), [event.code for event in protocol.randomization], "code", "code")
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
    allocated = {code for event in protocol.randomization for code in (event.arms or codes)}
    for index, arm in enumerate(protocol.arms):
        path: Path = ("arms", index)
        findings.name((*path, "start_dose_level"), arm.start_dose_level, levels, "dose level")
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
        _check_regions(protocol, f"factor {factor.code} takes its level from the region", findings)


def _check_regions(protocol: Protocol, reason: str, findings: Findings) -> None:
    for index, country in enumerate(protocol.countries):
        if country.region is None:
            findings.add(
                ("countries", index), country.code, f"has no region, but {reason}", "give it a region"
            )


def _check_cohorts(protocol: Protocol, findings: Findings) -> None:
    codes = [cohort.code for cohort in protocol.cohorts]
    findings.unique(("cohorts",), codes, "code", "code")
    after = {cohort.code: cohort.after for cohort in protocol.cohorts}
    for index, cohort in enumerate(protocol.cohorts):
        path: Path = ("cohorts", index)
        findings.names((*path, "arms"), cohort.arms, [arm.code for arm in protocol.arms], "arm")
        findings.name((*path, "after"), cohort.after, codes, "cohort")
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


def _check_event(protocol: Protocol, event: RandomizationEvent, path: Path, findings: Findings) -> None:
    arm_codes = [arm.code for arm in protocol.arms]
    factors = [factor.code for factor in protocol.stratification]
    findings.name((*path, "visit"), event.visit, [visit.code for visit in protocol.visits], "visit")
    findings.names((*path, "factors"), event.factors, factors, "stratification factor")
    findings.names((*path, "arms"), event.arms, arm_codes, "arm")
    kit_types = [kit_type.code for kit_type in protocol.kit_types]
    findings.names((*path, "gate_kit_types"), event.gate_kit_types, kit_types, "kit type")
    if event.supply_gate == "chosen_kit_types" and not event.gate_kit_types:
        findings.add(
            (*path, "supply_gate"), event.supply_gate, "names no kit type", "list them in gate_kit_types"
        )
    if event.supply_gate != "chosen_kit_types" and event.gate_kit_types:
        findings.add(
            (*path, "gate_kit_types"),
            ", ".join(event.gate_kit_types),
            f"would be ignored with supply_gate {event.supply_gate}",
            "set supply_gate: chosen_kit_types, or remove them",
        )
    if event.held_by == "region":
        _check_regions(protocol, f"randomization event {event.code} holds its blocks by region", findings)
    _check_blocks(protocol, event, path, findings)
    _check_method_parameters(event, path, findings)


def _check_blocks(protocol: Protocol, event: RandomizationEvent, path: Path, findings: Findings) -> None:
    path = (*path, "block_sizes")
    if event.method != "permuted_block":
        if event.block_sizes:
            findings.add(
                path,
                list(event.block_sizes),
                f"would be ignored by the method {event.method}",
                "remove them, or set method: permuted_block",
            )
        return
    if not event.block_sizes:
        findings.add(path, "(none)", "is not enough for method permuted_block", "list one size or more")
    ratio_sum = sum(arm.ratio for arm in protocol.arms if not event.arms or arm.code in event.arms)
    findings.unique(path, event.block_sizes, "block size")
    for index, size in enumerate(event.block_sizes):
        if size <= 0 or (ratio_sum and size % ratio_sum):
            findings.add(
                (*path, index),
                size,
                f"is not a multiple of {ratio_sum}, the sum of the arms' ratios",
                f"use {ratio_sum}, {2 * ratio_sum} or {3 * ratio_sum}",
            )


def _check_method_parameters(event: RandomizationEvent, path: Path, findings: Findings) -> None:
    known = METHOD_PARAMETERS.get(event.method, {})
    for name in event.parameters:
        findings.name(
            (*path, "parameters", name), name, list(known), f"parameter of the method {event.method}"
        )
    for name in [name for name, required in known.items() if required and name not in event.parameters]:
        findings.add(
            (*path, "parameters"), event.method, f"needs the parameter {name}", f"add {name} under parameters"
        )
    p, b = event.parameters.get("p"), event.parameters.get("b")
    if p is not None and "p" in known and not 0 < p < 1:
        findings.add(
            (*path, "parameters", "p"),
            p,
            "leaves no random element in the allocation"
            if p == 1
            else "is not a probability between 0 and 1",
            "use a value such as 0.8 (ICH E9 2.3.2: dynamic allocation keeps a random element)",
        )
    if b is not None and "b" in known and (b < 1 or b != int(b)):
        findings.add((*path, "parameters", "b"), b, "is not a largest imbalance", "use a whole number from 1")
    for name in ("alpha", "beta"):
        value = event.parameters.get(name)
        if value is not None and name in known and value < 0:
            findings.add((*path, "parameters", name), value, "is a negative number of balls", "use 0 or more")
    if event.method == "minimization" and not event.factors:
        findings.add(
            (*path, "factors"), "(none)", "leaves minimization nothing to balance", "list the factors"
        )


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
            findings.name(path, cap.key, known[cap.scope], cap.scope)
    findings.unique(
        ("caps",),
        [f"{cap.kind} / {cap.scope} {cap.key}".strip() for cap in protocol.caps],
        "cap (kind, scope, key)",
    )

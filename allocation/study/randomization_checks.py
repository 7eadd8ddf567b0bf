"""Do the randomization events fit the rest of the protocol: methods, blocks, arms and ratios, admission and transitions, gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.rules.restricted.design import design_problems
from allocation.study.allocation_scheme import RESERVED_FACTORS, event_ratio, runs_of
from allocation.study.inconsistency import Findings, Path
from allocation.study.minimization_settings import minimization_settings
from allocation.study.randomization_design import COVARIATE_ADAPTIVE, LIST_ONLY

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.randomization_design import RandomizationEvent


def check_randomization(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` whatever in the randomization events contradicts itself or names what is not there."""
    findings.unique(("randomization",), [event.code for event in protocol.randomization], "code", "code")
    for at, factor in enumerate(protocol.stratification):
        if factor.code in RESERVED_FACTORS:
            findings.add(
                ("stratification", at, "code"),
                factor.code,
                "is kept for the cohort and the present arm in the key of a run",
                "choose another code",
            )
    for index, event in enumerate(protocol.randomization):
        path: Path = ("randomization", index)
        before = len(findings.found)
        _check_names(protocol, event, path, findings)
        _check_gate(protocol, event, path, findings)
        _check_later_event(protocol, event, index, path, findings)
        if len(findings.found) == before:
            _check_arms(protocol, event, path, findings)
        if len(findings.found) == before:
            _check_method(protocol, event, path, findings)
        _check_drawing(event, path, findings)


def check_regions(protocol: Protocol, reason: str, findings: Findings) -> None:
    """Check that every country has a region, which `reason` needs."""
    for index, country in enumerate(protocol.countries):
        if country.region is None:
            findings.add(
                ("countries", index), country.code, f"has no region, but {reason}", "give it a region"
            )


def _check_names(protocol: Protocol, event: RandomizationEvent, path: Path, findings: Findings) -> None:
    arms = [arm.code for arm in protocol.arms]
    factors = [factor.code for factor in protocol.stratification]
    findings.name((*path, "visit"), event.visit, [visit.code for visit in protocol.visits], "visit")
    findings.names((*path, "factors"), event.factors, factors, "stratification factor")
    findings.names((*path, "arms"), event.arms, arms, "arm")
    for at, share in enumerate(event.ratio):
        findings.name((*path, "ratio", at, "arm"), share.arm, arms, "arm")
    findings.unique((*path, "ratio"), [share.arm for share in event.ratio], "arm", "arm")
    if event.arms and event.ratio and set(event.arms) != {share.arm for share in event.ratio}:
        findings.add(
            (*path, "ratio"),
            ", ".join(share.arm for share in event.ratio),
            f"names other arms than arms: {', '.join(event.arms)}",
            "name the same arms, or leave one of the two out",
        )
    if event.held_by == "region":
        check_regions(protocol, f"randomization event {event.code} holds its blocks by region", findings)


def _check_gate(protocol: Protocol, event: RandomizationEvent, path: Path, findings: Findings) -> None:
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


def _check_later_event(
    protocol: Protocol, event: RandomizationEvent, index: int, path: Path, findings: Findings
) -> None:
    """The first event takes subjects in; a later one says whom it admits and what becomes of each arm."""
    arms = [arm.code for arm in protocol.arms]
    if index == 0:
        for name in ("admission", "transitions"):
            if getattr(event, name):
                findings.add(
                    (*path, name), event.code, "is of a later event, but this is the first", "remove it"
                )
        return
    if event.admission is None:
        findings.add(
            (*path, "admission"),
            "(none)",
            f"is missing: {event.code} is a later event, and must say whom it admits",
            "give admission: {after: EVENT}",
        )
        return
    admission = event.admission
    earlier = [one.code for one in protocol.randomization[:index]]
    findings.name((*path, "admission", "after"), admission.after, earlier, "earlier event")
    findings.names((*path, "admission", "from_arms"), admission.from_arms, arms, "arm")
    visits = [visit.code for visit in protocol.visits]
    findings.names((*path, "admission", "visits_done"), admission.visits_done, visits, "visit")
    if admission.max_days_after is not None and admission.max_days_after < admission.min_days_after:
        findings.add(
            (*path, "admission", "max_days_after"),
            admission.max_days_after,
            f"is below min_days_after {admission.min_days_after}",
            "swap or correct them",
        )
    for at, transition in enumerate(event.transitions):
        findings.name((*path, "transitions", at, "from_arm"), transition.from_arm, arms, "arm")
        for place, share in enumerate(transition.to):
            findings.name((*path, "transitions", at, "to", place, "arm"), share.arm, arms, "arm")
    findings.unique((*path, "transitions"), [one.from_arm for one in event.transitions], "arm", "from_arm")
    mapped = {one.from_arm for one in event.transitions}
    for arm in admission.from_arms if event.transitions else ():
        if arm in arms and arm not in mapped:
            findings.add(
                (*path, "transitions"),
                arm,
                "is an arm that the event admits, but no transition says what becomes of it",
                "add one, or leave transitions empty to draw everybody anew",
            )


def _check_method(protocol: Protocol, event: RandomizationEvent, path: Path, findings: Findings) -> None:
    """The rules themselves say what is wrong with a design, for each ratio that the event allocates by."""
    if event.method == "list":
        given = {"block_sizes": list(event.block_sizes), "parameters": event.parameters}
        for name, value in given.items():
            if value:
                findings.add(
                    (*path, name),
                    value,
                    "would be ignored by the method list",
                    f"remove {name}, or set method: permuted_block",
                )
        return
    seen = set()
    for ratio in dict.fromkeys(run.ratio for run in runs_of(protocol, event)):
        shares = [share for _, share in ratio]
        if len(ratio) == 1 and event.transitions:
            continue  # nothing is drawn: the subject is kept, moved, or (of a split) has one open arm left
        if event.method in COVARIATE_ADAPTIVE:
            problems = minimization_settings(protocol, event, ratio).problems()
        else:
            problems = design_problems(event.method, shares, event.parameters, event.block_sizes)
        if len(ratio) == 1 and event.method == "permuted_block":
            # A study of one arm numbers its subjects from a list all the same.
            problems = [problem for problem in problems if problem.path != ("ratio",)]
        for problem in problems:
            if (problem.path, problem.message) not in seen:
                seen.add((problem.path, problem.message))
                findings.add((*path, *problem.path), problem.value, problem.message, problem.fix)


def _check_arms(protocol: Protocol, event: RandomizationEvent, path: Path, findings: Findings) -> None:
    """Every run has an arm to allocate to, and dynamic blocks have one ratio, since any run may be handed any block."""
    runs = runs_of(protocol, event)
    for run in runs:
        if not run.ratio:
            findings.add(
                (*path, "arms"),
                event.code,
                f"leaves no open arm for {run.key}",
                "open an arm, or name others for the event, the transition or the cohort",
            )
    cohorts: list[str | None] = [one.code for one in protocol.cohorts] or [None]
    for at, transition in enumerate(event.transitions):
        # A split has runs of its own, and was looked at above.
        reached = [event_ratio(protocol, event, cohort, transition.from_arm) for cohort in cohorts]
        if len(transition.to) == 1 and not all(reached):
            findings.add(
                (*path, "transitions", at, "to"),
                transition.to[0].arm,
                f"leaves no open arm for those who are in {transition.from_arm}",
                "name an open arm (of the cohort), or the arm itself to keep them in it",
            )
    if event.block_assignment == "dynamic" and len({run.ratio for run in runs}) > 1:
        findings.add(
            (*path, "block_assignment"),
            event.block_assignment,
            "hands any block to any run, but cohorts or transitions have ratios of their own",
            "set block_assignment: static",
        )


def _check_drawing(event: RandomizationEvent, path: Path, findings: Findings) -> None:
    if event.draws_live and event.method in LIST_ONLY:
        findings.add(
            (*path, "drawn"),
            event.drawn,
            f"does not fit the method {event.method}, which is drawn from a list",
            "set drawn: from_list",
        )
    if not event.draws_live and event.method in COVARIATE_ADAPTIVE:
        findings.add(
            (*path, "drawn"),
            event.drawn,
            f"does not fit the method {event.method}, which looks at the subject's factors",
            "set drawn: at_randomization",
        )
    if not event.draws_live and any(len(one.to) == 1 for one in event.transitions):
        findings.add(
            (*path, "drawn"),
            event.drawn,
            "cannot number subjects who keep or change their arm without a draw: a list has no entry for them",
            "set drawn: at_randomization",
        )
    if event.draws_live and event.block_assignment == "dynamic":
        findings.add(
            (*path, "block_assignment"),
            event.block_assignment,
            "would be ignored: an arm that is drawn at randomization comes from no block",
            "set block_assignment: static",
        )
    if event.draws_live and event.forced == "FR2":
        findings.add(
            (*path, "forced"),
            event.forced,
            "fills skipped list entries later, but this event has no list",
            "use FR1, or set drawn: from_list",
        )

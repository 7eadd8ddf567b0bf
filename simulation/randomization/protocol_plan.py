"""The plan of a comparison from a study protocol, and the methods that suit its ratio."""

from __future__ import annotations

from collections import Counter
from math import ceil

from allocation.errors import NotFound
from allocation.rules.restricted.design import design_problems
from allocation.study.allocation_scheme import event_ratio
from allocation.study.errors import Problem, ProtocolError
from allocation.study.inconsistency import choice_text
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import COVARIATE_ADAPTIVE, RandomizationEvent
from simulation.randomization.contenders import Entry
from simulation.randomization.plan import PlannedFactor, TrialPlan

_TYPICAL: tuple[tuple[str, dict[str, float]], ...] = (
    ("complete", {}),
    ("biased_coin", {"p": 2 / 3}),
    ("big_stick", {"b": 2}),
    ("big_stick", {"b": 3}),
    ("biased_coin_imbalance_tolerance", {"p": 2 / 3, "b": 3}),
    ("adjustable_biased_coin", {"a": 2}),
    ("generalized_biased_coin", {"gamma": 2}),
    ("wei_urn", {"alpha": 0, "beta": 1}),
    ("block_urn", {"lambda": 2}),
    ("block_urn", {"lambda": 3}),
    ("ehrenfest_urn", {"b": 4}),
    ("mass_weighted_urn", {"alpha": 2}),
    ("mass_weighted_urn", {"alpha": 4}),
)
"""Methods with the parameters that the literature compares them at (Berger et al. 2021; Ryeznik & Sverdlov 2018)."""

_ADAPTIVE: tuple[tuple[str, dict[str, float]], ...] = (
    ("minimization", {"p": 0.8}),
    ("hu_hu", {"p": 0.85, "whole": 0.2, "stratum": 0.3}),
)
"""Covariate-adaptive methods for a study with factors (Pocock & Simon 1975; Hu & Hu 2012)."""


def plan_of_protocol(
    protocol: Protocol, event_code: str | None, replicates: int, seed: int
) -> tuple[TrialPlan, RandomizationEvent, tuple[str, ...]]:
    """The plan for a randomization event (None: the first), the event, and what was assumed.

    Raises NotFound for an unknown event, ProtocolError for a protocol without planned subjects or with one arm.
    """
    event = protocol.randomization[0] if event_code is None else protocol.event(event_code)
    if event is None:
        codes = [one.code for one in protocol.randomization]
        raise NotFound(
            f"{event_code} is no randomization event of {protocol.study.id}",
            field="--event",
            fix=choice_text(str(event_code), codes, "leave it out"),
        )
    arms = event_ratio(protocol, event)
    subjects = protocol.study.planned_subjects
    if subjects < 2 or len(arms) < 2:
        path, value, what = (
            ("study.planned_subjects", str(subjects), "leaves nothing to compare designs on")
            if subjects < 2
            else ("arms", arms[0][0], "is the only arm, so that nothing is randomized")
        )
        fix = "state how many subjects are planned" if subjects < 2 else "compare a study of two arms or more"
        raise ProtocolError(protocol.study.id, [Problem(path, 0, 0, value, what, fix)])
    factors = [_factor(protocol, code) for code in event.factors]
    if event.held_by != "stratum":
        factors.append(_places(protocol, event.held_by, event.held_by.upper()))
    remarks = tuple(
        f"{factor.code}: levels taken as equally common, since the protocol does not say."
        for factor in factors
        if len({share for _, share in factor.levels}) == 1
    )
    plan = TrialPlan(f"{protocol.study.id} {event.code}", arms, subjects, tuple(factors), replicates, seed)
    return plan, event, remarks


def own_entry(protocol: Protocol, event: RandomizationEvent) -> Entry:
    """The method that the protocol names."""
    if event.method not in COVARIATE_ADAPTIVE:
        return Entry(event.method, event.parameters, event.block_sizes)
    return Entry(
        event.method,
        event.parameters,
        measure=event.measure,
        ratio_rule=event.ratio_rule,
        weights={factor.code: factor.weight for factor in protocol.stratification},
    )


def suitable_entries(plan: TrialPlan, event: RandomizationEvent) -> list[Entry]:
    """The methods that suit the ratio, at typical parameters; those with a total, at the subjects of a mean stratum."""
    whole = sum(plan.ratio)
    per_stratum = ceil(plan.subjects / len(plan.prevalences) / whole) * whole
    blocks = sorted(
        {(size,) for size in (whole * (2 if whole == 2 else 1), 2 * whole * (2 if whole == 2 else 1))}
    )
    if event.method == "permuted_block":
        blocks = [(size,) for size in event.block_sizes]
    entries = [Entry("permuted_block", {}, sizes) for sizes in blocks]
    entries += [Entry(method, parameters) for method, parameters in _TYPICAL]
    entries += [
        Entry("random_allocation_rule", {"n": per_stratum}),
        Entry("truncated_binomial", {"n": per_stratum}),
        Entry("maximal_procedure", {"n": per_stratum, "b": 3}),
    ]
    unequal = len(set(plan.ratio)) > 1
    adaptive = [Entry(method, parameters) for method, parameters in _ADAPTIVE] if plan.factors else []
    return adaptive + [
        entry
        for entry in entries
        if not design_problems(entry.method, plan.ratio, entry.parameters, entry.block_sizes)
        and (unequal or entry.method != "mass_weighted_urn")
    ]


def _factor(protocol: Protocol, code: str) -> PlannedFactor:
    factor = next(one for one in protocol.stratification if one.code == code)
    if factor.source in ("site", "country", "region"):
        return _places(protocol, factor.source, code)
    return PlannedFactor(code, tuple((level.code, 1 / len(factor.levels)) for level in factor.levels))


def _places(protocol: Protocol, kind: str, code: str) -> PlannedFactor:
    """The sites, countries or regions as levels, by planned subjects where there are any."""
    planned: Counter[str] = Counter()
    if kind == "site":
        planned.update({site.code: site.planned_subjects for site in protocol.sites})
    else:
        for country in protocol.countries:
            planned[(country.region or "") if kind == "region" else country.code] += country.planned_subjects
    total = planned.total()
    if not planned:
        return PlannedFactor(code, (("ALL", 1.0),))
    return PlannedFactor(
        code, tuple((place, count / total if total else 1 / len(planned)) for place, count in planned.items())
    )

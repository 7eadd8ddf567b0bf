"""What is compared, from a YAML file: a comparison (methods, ratio, factors with prevalences), or a study protocol.

A comparison is a document of its own, with a worked example in `studies/randomization-comparison.yaml`. From a protocol come arms, ratio,
planned subjects and factors of a randomization event, and the methods that suit its ratio; since a protocol does not say how common a
level is, levels are taken as equally common, except those of sites, countries and regions, which have planned subjects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from allocation.study.errors import DocumentError
from allocation.study.inconsistency import Findings, Inconsistency
from allocation.study.model import Code, ProtocolPart, Text
from allocation.study.yaml_files import load_document, load_protocol
from allocation.study.yaml_positions import read_positions
from simulation.errors import SimulationError
from simulation.randomization.contenders import Contender, Entry, Within
from simulation.randomization.families import FAMILIES
from simulation.randomization.plan import PlannedFactor, TrialPlan
from simulation.randomization.protocol_plan import own_entry, plan_of_protocol, suitable_entries
from simulation.scenario import Shares

DEFAULT_REPLICATES: Final = 2_000
DEFAULT_SEED: Final = 1
MOST_REPLICATES: Final = 100_000
MOST_BIAS: Final = 100
"""Standard deviations of a response that a bias may have."""


class ComparisonError(DocumentError):
    """A comparison cannot be made; `problems` has every reason."""

    default_code = "comparison-invalid"


class ComparedMethod(ProtocolPart):
    """A method with its parameters, named as in a protocol. `within` study: one sequence for all strata together.

    `measure` and `ratio_rule` are of minimization alone.
    """

    method: Text
    parameters: dict[str, float] = Field(default_factory=dict)
    block_sizes: tuple[int, ...] = ()
    within: Within = "strata"
    measure: Literal["range", "variance", "sd"] = "range"
    ratio_rule: Literal["unit_arms", "biased_coin"] = "unit_arms"
    label: str = Field(default="", max_length=40, description="its name in table and plot")

    def entry(self) -> Entry:
        """The same as the contenders take it."""
        return Entry(
            self.method,
            self.parameters,
            self.block_sizes,
            self.within,
            self.label,
            self.measure,
            self.ratio_rule,
        )


class ComparisonFactor(ProtocolPart):
    """A stratification factor: its levels, each with its share of the subjects."""

    code: Code
    levels: Shares = Field(description="level: share, summing to 1")


class Comparison(ProtocolPart):
    """Designs to compare on one planned trial."""

    schema_version: Literal[1] = 1
    name: Text
    arms: Annotated[dict[Code, Annotated[int, Field(ge=1, le=100)]], Field(min_length=2, max_length=20)] = (
        Field(description="arm: share of the ratio")
    )
    subjects: int = Field(ge=2, le=10_000)
    factors: tuple[ComparisonFactor, ...] = ()
    replicates: int = Field(default=DEFAULT_REPLICATES, ge=100, le=MOST_REPLICATES)
    seed: int = Field(default=DEFAULT_SEED, ge=0)
    trend: float = Field(
        default=0, ge=-MOST_BIAS, le=MOST_BIAS, description="drift from the first to the last subject, in SD"
    )
    guessing: float = Field(
        default=0,
        ge=-MOST_BIAS,
        le=MOST_BIAS,
        description="shift of whoever is guessed into the first arm, in SD",
    )
    methods: tuple[ComparedMethod, ...] = Field(min_length=1)

    def plan(self) -> TrialPlan:
        """The trial that the designs are compared on."""
        return TrialPlan(
            self.name,
            tuple(self.arms.items()),
            self.subjects,
            tuple(PlannedFactor(factor.code, tuple(factor.levels.items())) for factor in self.factors),
            self.replicates,
            self.seed,
            self.trend,
            self.guessing,
        )


@dataclass(frozen=True)
class Wanted:
    """A comparison ready to be made: the plan, (method, contender, the protocol's own?) for each, and remarks for the reader."""

    plan: TrialPlan
    contenders: list[tuple[str, Contender, bool]]
    remarks: tuple[str, ...] = ()


def wanted_comparison(
    path: Path,
    event: str | None = None,
    replicates: int | None = None,
    seed: int | None = None,
    trend: float | None = None,
    guessing: float | None = None,
) -> Wanted:
    """Read the comparison or the protocol in the YAML file `path`; what is given beside `event` goes before what the file says.

    `event` names the randomization event of a protocol (None: its first). Raises ComparisonError, ProtocolError, NotFound, or
    SimulationError for guessing with other than two arms 1:1.
    """
    given = {"replicates": replicates, "seed": seed, "trend": trend, "guessing": guessing}
    changed = {name: value for name, value in given.items() if value is not None}
    if _is_comparison(path):
        read = load_document(Comparison, path, ComparisonError, comparison_problems)
        plan = replace(read.plan(), **changed)  # type: ignore[arg-type]
        _check_guessing(plan)
        entries = [(method.entry(), False) for method in read.methods]
        return Wanted(plan, _contenders(entries, plan))
    protocol = load_protocol(path)
    plan, chosen, remarks = plan_of_protocol(protocol, event, DEFAULT_REPLICATES, DEFAULT_SEED)
    plan = replace(plan, **changed)  # type: ignore[arg-type]
    _check_guessing(plan)
    own = own_entry(protocol, chosen)
    known = own.method in FAMILIES and not FAMILIES[own.method].problems(own, plan)
    others = [one for one in suitable_entries(plan, chosen) if one != own]
    if not known:
        remarks = (*remarks, f"The protocol's own method, {own.method}, is not among those compared.")
    entries = [*([(own, True)] if known else []), *((entry, False) for entry in others)]
    return Wanted(plan, _contenders(entries, plan), remarks)


def _check_guessing(plan: TrialPlan) -> None:
    if plan.guessing and not plan.even:
        raise SimulationError(
            "it is defined for two arms 1:1",
            code="guessing-needs-two-arms",
            field="guessing",
            fix="leave it out",
        )


def comparison_problems(comparison: Comparison) -> list[Inconsistency]:
    """What is wrong with a comparison beyond its shape: unknown methods, parameters out of range, names given twice."""
    findings = Findings()
    findings.unique(("factors",), [factor.code for factor in comparison.factors], "code", "code")
    plan = comparison.plan()
    if len(plan.prevalences) > 1_000:
        findings.add(
            ("factors",),
            len(plan.prevalences),
            "strata are too many to compare",
            "leave out factors or levels",
        )
    labels: list[str] = []
    for index, method in enumerate(comparison.methods):
        family = FAMILIES.get(method.method)
        path = ("methods", index)
        if family is None:
            findings.name((*path, "method"), method.method, list(FAMILIES), "randomization method")
            continue
        problems = family.problems(method.entry(), plan)
        for problem in problems:
            findings.add((*path, *problem.path), problem.value, problem.message, problem.fix)
        if not problems:
            labels.append(family.contender(method.entry(), plan).label)
    findings.unique(("methods",), labels, "label", "label")
    return findings.found


def _contenders(entries: list[tuple[Entry, bool]], plan: TrialPlan) -> list[tuple[str, Contender, bool]]:
    return [(entry.method, FAMILIES[entry.method].contender(entry, plan), own) for entry, own in entries]


def _is_comparison(path: Path) -> bool:
    """Whether the file holds a comparison; what cannot be read at all is left to the reader of protocols to explain."""
    try:
        data = read_positions(path.read_text(encoding="utf-8-sig")).data
    except (OSError, UnicodeDecodeError):
        return False
    return isinstance(data, dict) and "study" not in data

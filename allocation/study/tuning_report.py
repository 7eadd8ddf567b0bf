"""The report of a threshold tuning (`rtsm tune`), as far as a proposal rests on it: what was chosen, against what, at which risk.

The report is filed as it is and kept whole: what these models do not know is kept, too, and whoever files it may say more than they ask.
What they do know must be there, be of its kind, and not contradict itself. Costs are in the study's currency, shares from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    GetCoreSchemaHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from allocation.plain_values import PlainModel, fault_in_text
from allocation.study.model import LARGEST, Code, Text
from allocation.study.proposed_parameters import ProposedSet

ROUNDING: Final = 1e-9
"""By how much a share may miss its limits: a mean of differences that is 0 comes out as a little less."""

Share = Annotated[FiniteFloat, Field(ge=-ROUNDING, le=1 + ROUNDING)]
Amount = Annotated[FiniteFloat, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="64 hexadecimal digits")]

DEEPEST: Final = 40
"""How many lists and mappings may lie in each other in a document that is kept."""


class ReportPart(PlainModel):
    """A frozen piece of a report that may hold more than is named here."""

    model_config = ConfigDict(frozen=True, extra="allow")


class RiskEstimate(ReportPart):
    """The simulated risk with its interval."""

    estimate: Share
    low: Share
    high: Share

    @model_validator(mode="after")
    def _ordered(self) -> RiskEstimate:
        if not self.low - ROUNDING <= self.estimate <= self.high + ROUNDING:
            raise ValueError(
                f"has the estimate {self.estimate:g} outside of its interval, {self.low:g} to {self.high:g}; correct the three"
            )
        return self


class SimulatedRow(ReportPart):
    """One set of parameters that was simulated, with its outcomes. `means`: outcome -> mean of a replicate, with its standard error.

    `cost`: the mean cost of a replicate. No parameters: those of the protocol as it is.
    """

    parameters: tuple[ProposedSet, ...] = Field(max_length=10_000)
    label: str = ""
    means: dict[str, FiniteFloat] = Field(default_factory=dict)
    standard_errors: dict[str, Amount] = Field(default_factory=dict)
    risk: RiskEstimate | None = None
    cost: FiniteFloat | None = None


class PairedDifference(ReportPart):
    """The choice less the baseline in the same replicates, with its 95 % interval."""

    difference: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat


class Objective(ReportPart):
    """What was made as small as possible."""

    name: Text


class RiskLimit(ReportPart):
    """Which risk was to stay at or below what."""

    measure: Text
    at_most: Share


class Certificate(ReportPart):
    """What fresh replicates, which no search had seen, say of the choice: an upper confidence bound of its risk."""

    replicates: int = Field(ge=1)
    events: int = Field(ge=0)
    upper_bound: Share
    confidence: Annotated[FiniteFloat, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _possible(self) -> Certificate:
        if self.events > self.replicates:
            raise ValueError(
                f"has {self.events} events in {self.replicates} replicates; correct one of the two"
            )
        return self


class TuningReport(ReportPart):
    """What a tune was made for and what it found. `feasible` False: no choice met the limit, and this one came nearest."""

    kind: Literal["threshold-tuning"]
    study: Code
    protocol_version: int = Field(ge=1, le=LARGEST)
    protocol_hash: Sha256
    ledger_position: int | None = Field(default=None, ge=0, description="none: from documents alone")
    scenario_hash: Sha256
    seed: int = Field(ge=0)
    objective: Objective
    risk: RiskLimit
    baseline: SimulatedRow | None = None
    against_baseline: dict[str, Any] = Field(
        default_factory=dict, description="outcome -> the choice less the baseline, replicate by replicate"
    )
    choice: SimulatedRow
    pareto: tuple[SimulatedRow, ...] = ()
    rivals: tuple[SimulatedRow, ...] = ()
    certificate: Certificate
    feasible: bool
    replicates_used: int = Field(ge=0)
    fit: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _proposes_something(self) -> TuningReport:
        if not self.choice.parameters:
            raise ValueError("has no parameters in its choice; give at least one set")
        for outcome in self.against_baseline:
            try:
                self.paired(outcome)
            except ValidationError as invalid:
                raise ValueError(
                    f"has no difference, low and high of {outcome} in against_baseline; give the three numbers"
                ) from invalid
        return self

    @field_validator("against_baseline", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return {} if value is None else value

    def paired(self, outcome: str) -> PairedDifference | None:
        """The difference of the same replicates in an outcome, where the report has it."""
        found = self.against_baseline.get(outcome)
        return PairedDifference.model_validate(found) if isinstance(found, dict) else None

    @property
    def certified(self) -> bool:
        """Whether the upper bound of the risk, too, is within the limit."""
        return self.feasible and self.certificate.upper_bound <= self.risk.at_most


class _KeptAsItIs:
    """Lets a model judge a document, which then stays as it was written: its hash is that of the document, not of our reading of it."""

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            _judged,
            handler.generate_schema(TuningReport),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value),
        )


def _judged(value: Any, judge: core_schema.ValidatorFunctionWrapHandler) -> Any:
    judge(_writable(value))
    return value


def _writable(value: Any) -> Any:
    """The value, when it can be kept as JSON. Raises ValueError with the place of the first fault."""
    for path, fault in faults_of_document(value):
        raise ValueError(f"at {path or 'its top'}, {fault}")
    return value


KeptReport = Annotated[dict[str, Any], _KeptAsItIs()]
"""A report as plain JSON values, found to be one."""

KeptDocument = Annotated[dict[str, Any], BeforeValidator(_writable)]
"""Another document that is kept as it was written, as plain JSON values."""


def faults_of_document(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """What keeps a document of JSON values from being kept, with its place: numbers that JSON cannot write, text that no database holds."""
    if depth > DEEPEST:
        yield path, f"lies deeper than {DEEPEST} levels; flatten it"
    elif isinstance(value, dict):
        for key, item in value.items():
            if (fault := fault_in_text(str(key))) is not None:
                yield path, f"a key {fault}"
            yield from faults_of_document(item, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from faults_of_document(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, str):
        if (fault := fault_in_text(value)) is not None:
            yield path, fault
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield path, f"{value} is not a number; leave it out, or give null"
    elif value is not None and not isinstance(value, bool | int):
        yield path, f"is a {type(value).__name__}; give JSON values only"

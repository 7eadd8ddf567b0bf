"""Laws of whole days, probabilities and shares: what the assumptions of a scenario are written with."""

from __future__ import annotations

from math import isclose
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from allocation.study.model import ProtocolPart, Text

Probability = Annotated[float, Field(ge=0, le=1)]


def sums_to_one(shares: dict[str, float]) -> dict[str, float]:
    """Raise ValueError unless the shares sum to 1."""
    if not isclose(sum(shares.values()), 1, abs_tol=1e-6):
        raise ValueError(f"sums to {sum(shares.values()):g}, not to 1; correct a share")
    return shares


Shares = Annotated[dict[Text, Probability], Field(min_length=1), AfterValidator(sums_to_one)]
"""Name -> probability, summing to 1."""


class DayLaw(ProtocolPart):
    """A law of whole days.

    `fixed`: always `min_days`. `uniform`: each whole day from `min_days` to `max_days` equally likely. `gamma`: mean `mean_days`,
    shape `shape` (standard deviation mean / sqrt(shape)), rounded to the nearest day and held between `min_days` and `max_days`.
    """

    law: Literal["fixed", "uniform", "gamma"] = "fixed"
    min_days: int = Field(default=0, ge=-30, le=730)
    max_days: int | None = Field(default=None, ge=0, le=730, description="uniform: needed; gamma: a limit")
    mean_days: float | None = Field(default=None, gt=0, le=730)
    shape: float | None = Field(default=None, gt=0, le=1000)

    @model_validator(mode="after")
    def _complete(self) -> DayLaw:
        needed = {"fixed": (), "uniform": ("max_days",), "gamma": ("mean_days", "shape")}[self.law]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(
                f"is a {self.law} law without {' and '.join(missing)}; give {' and '.join(missing)}"
            )
        unused = {"fixed": ("max_days", "mean_days", "shape"), "uniform": ("mean_days", "shape"), "gamma": ()}
        ignored = [name for name in unused[self.law] if getattr(self, name) is not None]
        if ignored:
            raise ValueError(
                f"is a {self.law} law, which has no {' and no '.join(ignored)}; leave that out, or name the law that has it"
            )
        if self.max_days is not None and self.max_days < self.min_days:
            raise ValueError(
                f"has max_days {self.max_days} below min_days {self.min_days}; swap or correct them"
            )
        return self

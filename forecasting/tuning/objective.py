"""What is made as small as the risk allows: cost, waste or shipments."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forecasting.tuning.figures import figure

MEANINGS: Final = {
    "cost": "kits shipped, shipments, storage, destruction and lost subjects, at the costs of protocol and scenario",
    "waste": "kits wasted by any cause, and those at sites or on their way when a trial is not over at the end",
    "shipments": "shipments that leave a depot",
}


class ObjectiveName(StrEnum):
    """What can be made small."""

    COST = "cost"
    WASTE = "waste"
    SHIPMENTS = "shipments"


@dataclass(frozen=True)
class Objective:
    """The figure and its unit."""

    name: ObjectiveName
    unit: str

    def values(self, outcomes: NDArray[np.float64]) -> NDArray[np.float64]:
        """By replicate."""
        return figure(outcomes, self.name.value)

    @property
    def rises(self) -> bool:
        """Whether higher thresholds can only raise it. They may spare shipments."""
        return self.name is not ObjectiveName.SHIPMENTS

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {"name": self.name.value, "unit": self.unit, "meaning": MEANINGS[self.name.value]}

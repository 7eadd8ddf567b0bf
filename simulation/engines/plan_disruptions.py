"""What a plan says of depots that are lost for a time, and of arms that close."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Outages(NamedTuple):
    """By depot and day, the first day from then on on which something may leave (a weekday, where lanes keep to those), and on which
    something may arrive; the number of days of the plan: not before its end. `longest`: the most days that either adds."""

    any: bool
    leaves: NDArray[np.int64]
    arrives: NDArray[np.int64]
    longest: int


class Closings(NamedTuple):
    """Whether an arm closes, and by arm of the event the day from which on nobody gets it (the number of days of the plan: never)."""

    any: bool
    day: NDArray[np.int64]

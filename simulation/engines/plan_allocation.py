"""What a plan says of randomization: the design and its groups, the supply that is asked about, minimization, and replacement."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MINIMIZED: Final = 100
"""The method of an event that minimizes; every other is a constant of allocation/rules/restricted/probabilities.py."""


class Allocation(NamedTuple):
    """How the event allocates. Its arms are numbered by themselves: `arms` says which of the plan's each is.

    `method` as above, `live`: drawn at randomization, not from a list; `parameters`, and `table` (of `table_rows` x `table_columns`) as the
    rules take them. `group`, by site and drawn stratum, is the run of entries or counts, of which there are `groups`; `central`: a run
    takes the next block of one list when it needs one. `plain`: permuted blocks from static runs, whatever the supply.
    """

    method: int
    live: bool
    plain: bool
    arms: NDArray[np.int64]
    arm_count: int
    parameters: NDArray[np.float64]
    table: NDArray[np.float64]
    table_rows: int
    table_columns: int
    group: NDArray[np.int64]
    groups: int
    central: bool


class ArmSupply(NamedTuple):
    """What a site must have to randomize. `looked_at`: whether anything is asked of its stock at all.

    `gate` is a constant of rules/supply_gates.py, on `asked` kits by kit type (0: not asked of), of which some are `chosen`; `forced` one
    of rules/forced.py. The first dispensing in arm a takes `needed_kits` of `needed_kit_type` in the places `needed_start[a]` to
    `needed_start[a + 1]` - 1. `shares` are the arms' shares of the ratio. Caps on forced randomization: scope, place and limit as in Caps.
    `wait_days`: how long a subject who is refused waits at most, asked for again each day.
    """

    looked_at: bool
    gate: int
    asked: NDArray[np.int64]
    chosen: NDArray[np.int64]
    forced: int
    needed_start: NDArray[np.int64]
    needed_kit_type: NDArray[np.int64]
    needed_kits: NDArray[np.int64]
    shares: NDArray[np.float64]
    caps: int
    cap_scope: NDArray[np.int64]
    cap_place: NDArray[np.int64]
    cap_limit: NDArray[np.int64]
    wait_days: int


class Minimization(NamedTuple):
    """Minimization as its rule takes it: columns of counts are `units`; `margin` gives, by site and drawn stratum, where each of the `rows`
    of counts of a subject stands among all `margins`: the whole, the stratum, then each factor's level."""

    units: int
    rows: int
    margins: int
    margin: NDArray[np.int64]
    weights: NDArray[np.float64]
    shares: NDArray[np.int64]
    arm_of_unit: NDArray[np.int64]
    measure: int
    by_rank: bool
    probability: float
    simple_first: int


class Replacing(NamedTuple):
    """For who leaves after randomization somebody is sought with `probability`, until `most` (-1: no limit) have been, and screened days by
    `law` later. `replaces`: whether this happens at all; `same_arm`: a replacement takes the arm of the one it replaces.

    `kit_probability`: that a kit which was handed out is replaced on the same day.
    """

    replaces: bool
    same_arm: bool
    probability: float
    most: int
    law: int
    kit_probability: float

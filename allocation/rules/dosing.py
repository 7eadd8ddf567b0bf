"""What a subject receives at a visit, and how the dose level moves.

What is dispensed follows from plain rows of the protocol: for the arm, the visit, the dose level and the bands of weight, body surface
area or age, the first row that matches wins. It states kits, or a dose that kits of several strengths make up (calculated_dose.py,
dose_kits.py). Dose levels are ordered integers here (the protocol's `order`); blinded people read the level's label, never a strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, overload

from allocation.errors import InvalidParameter, TitrationRefused
from allocation.rules.calculated_dose import MEASURE_OF, DoseDecision, DoseRule, calculate_dose
from allocation.rules.compilable import BoolArray, IntArray, compilable
from allocation.rules.dose_kits import make_up_dose
from allocation.rules.measures import Band, Measure, Measures

RULE_VERSION: Final = "dosing/1"

MOVE_ALLOWED: Final = 0
TOO_MANY_STEPS: Final = 1
ABOVE_HIGHEST: Final = 2
BELOW_LOWEST: Final = 3
OTHER_STEP_FORCED: Final = 4
NO_FORCED_STEP: Final = -1_000_000
"""No step is forced: outside any range of dose levels."""


Flags = BoolArray | Sequence[bool]
Integers = IntArray | Sequence[int]
"""Columns of the dispensing table: arrays to the simulator, and plain sequences to the service, which asks for one row at a time."""

ANY: Final = -1
"""A row of the dispensing table for any arm, or any dose level; also the level of a subject without one."""
NOTHING_DUE: Final = -1
NO_ROW: Final = -2


@compilable
def dispensing_row(
    at_visit: Flags, arms: Integers, levels: Integers, holds: Flags, arm: int, level: int
) -> int:
    """Return the index of the first row of the dispensing table that matches a subject of `arm` on dose level `level`.

    `at_visit` tells which rows are for the visit, `arms` and `levels` for whom (ANY for all), `holds` whether the subject is in the row's
    bands. NOTHING_DUE: no row is for this visit and arm. NO_ROW: some are, but none for the level and bands: the protocol has a hole.
    """
    found = NOTHING_DUE
    for i in range(len(at_visit)):
        if not at_visit[i] or (arms[i] != ANY and arms[i] != arm):
            continue
        if (levels[i] == ANY or levels[i] == level) and holds[i]:
            return i
        found = NO_ROW
    return found


@compilable
def forced_step(first_move: bool, forced_first: int) -> int:
    """Return the only move of the dose that is allowed now: `forced_first` at the first one, then NO_FORCED_STEP."""
    return forced_first if first_move else NO_FORCED_STEP


@compilable
def titration_step(
    level: int, steps: int, lowest: int, highest: int, max_steps: int, forced_steps: int
) -> tuple[int, int]:
    """Return (new level, outcome) of a dose move by `steps` levels: positive up, negative down, 0 maintain.

    `max_steps` is the largest move at one visit; `forced_steps` is the only move allowed at this visit (a forced first
    step), or NO_FORCED_STEP. A refused move leaves the level as it is; the outcome says why. A level that is outside the
    limits (they may have been narrowed by an amendment) may be maintained or moved towards them.
    """
    if forced_steps != NO_FORCED_STEP and steps != forced_steps:
        return level, OTHER_STEP_FORCED
    if abs(steps) > max_steps:
        return level, TOO_MANY_STEPS
    if steps > 0 and level + steps > highest:
        return level, ABOVE_HIGHEST
    if steps < 0 and level + steps < lowest:
        return level, BELOW_LOWEST
    return level + steps, MOVE_ALLOWED


class DoseMove(StrEnum):
    """What the site asks for, in blinded words."""

    UP = "up"
    DOWN = "down"
    MAINTAIN = "maintain"


@dataclass(frozen=True, slots=True)
class TitrationLimits:
    """The limits of investigator titration: levels (ordered integers), the largest move, and a forced first move (of one level).

    Raises InvalidParameter naming the field.
    """

    lowest: int
    highest: int
    max_steps: int = 1
    forced_first: DoseMove | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.lowest > self.highest:
            raise InvalidParameter(f"{self.lowest} is above highest {self.highest}", field="lowest")
        if self.max_steps < 1:
            raise InvalidParameter(f"must be 1 or more, not {self.max_steps}", field="max_steps")


@dataclass(frozen=True, slots=True)
class TitrationDecision:
    """The record of a dose move: level before and after, and what was asked for."""

    rule_version: str
    level_before: int
    level_after: int
    move: DoseMove
    steps: int
    limits: TitrationLimits


_REFUSALS: Final[dict[int, str]] = {
    TOO_MANY_STEPS: "the dose cannot move by so many steps at one visit",
    ABOVE_HIGHEST: "the dose cannot be moved up any further",
    BELOW_LOWEST: "the dose cannot be moved down any further",
    OTHER_STEP_FORCED: "the protocol prescribes another dose move at this visit",
}


def titrate(
    level: int, move: DoseMove, limits: TitrationLimits, *, steps: int = 1, first_move: bool = False
) -> TitrationDecision:
    """Decide a dose move that the site asked for; `first_move` says that the subject has never had one.

    Raises TitrationRefused (with no level or strength in the message), and InvalidParameter for fewer than 1 step.
    """
    if steps < 1:
        raise InvalidParameter(f"must be 1 or more, not {steps}", field="steps")
    signed = _signed_steps(move, steps)
    prescribed = NO_FORCED_STEP
    if limits.forced_first is not None:
        prescribed = _signed_steps(limits.forced_first, 1)
    forced = forced_step(first_move, prescribed)
    after, outcome = titration_step(level, signed, limits.lowest, limits.highest, limits.max_steps, forced)
    if outcome != MOVE_ALLOWED:
        raise TitrationRefused(_REFUSALS[outcome], field="move", fix="choose another move")
    return TitrationDecision(RULE_VERSION, level, after, move, signed, limits)


def _signed_steps(move: DoseMove, steps: int) -> int:
    if move == DoseMove.MAINTAIN:
        return 0
    return steps if move == DoseMove.UP else -steps


def move_to(level: int, wanted: int) -> tuple[DoseMove, int]:
    """Return the move that leads from one level to another, and its steps (1 for maintain, which has none)."""
    if wanted == level:
        return DoseMove.MAINTAIN, 1
    return (DoseMove.UP if wanted > level else DoseMove.DOWN), abs(wanted - level)


@dataclass(frozen=True, slots=True)
class DispensingRow:
    """A row of the dispensing table: at these visits, for this arm and dose level (None: any), in these bands (all of them), these kits.

    `kits` is (kit type, quantity) with quantities of 1 or more; `dose` is made up of further kits. `entry` is the place of the entry that
    it comes from in the protocol; several rows may come from one.
    """

    visits: tuple[str, ...]
    arm: str | None
    dose_level: str | None
    kits: tuple[tuple[str, int], ...]
    entry: int | None = None
    bands: tuple[Band, ...] = ()
    dose: DoseRule | None = None


@dataclass(frozen=True, slots=True)
class DispensingDecision:
    """The record of what is due at a visit: `row` is the place of the entry that matched, None when nothing is dispensed.

    `measures`: what the row was chosen and the dose was calculated by; both None where the visit needs neither.
    """

    rule_version: str
    visit: str
    arm: str
    dose_level: str | None
    row: int | None
    kits: tuple[tuple[str, int], ...]
    measures: Measures | None = None
    dose: DoseDecision | None = None


def measures_needed(rows: Sequence[DispensingRow], visit: str) -> frozenset[Measure]:
    """Return what must be known of EVERY subject who is dispensed at `visit`, whatever the arm and level.

    It is asked of all alike: a visit that asked only the subjects of one arm for their weight would tell who is in it.
    """
    needed: set[Measure] = set()
    for row in rows:
        if (row.bands or row.dose is not None) and visit in row.visits:
            needed.update(band.measure for band in row.bands)
            basis = None if row.dose is None else MEASURE_OF[row.dose.basis]
            if basis is not None:
                needed.add(basis)
    return frozenset(needed)


def kits_due(
    rows: Sequence[DispensingRow],
    visit: str,
    arm: str,
    dose_level: str | None,
    measures: Measures | None = None,
) -> DispensingDecision:
    """Return the kit types and quantities for a subject of `arm` at `visit` on `dose_level` (None: has no dose level).

    The first matching row wins; a kit type that comes twice is summed. No row for this visit and arm: nothing is dispensed.
    Raises InvalidParameter where rows exist for this visit and arm, but none for the dose level and `measures`: the protocol has a hole,
    and dispensing nothing in silence would be a missed dose. Also for a measure that is needed and not known, and for a dose that the
    strengths cannot make up.
    """
    place = dispensing_row(
        [visit in row.visits for row in rows],
        [ANY if row.arm is None else int(row.arm != arm) for row in rows],
        [ANY if row.dose_level is None else int(row.dose_level != dose_level) for row in rows],
        _InBands(rows, measures or Measures()),
        0,
        0,
    )
    if place >= 0:
        return _due_by(rows[place], place, visit, arm, dose_level, measures)
    if place == NO_ROW:
        raise InvalidParameter(
            f"visit {visit} dispenses to arm {arm}, but no row matches dose level {dose_level}"
            + ("" if measures is None else f" and {measures}"),
            field="dispensing",
            fix="add a row for this dose level, or one for any level",
        )
    return DispensingDecision(RULE_VERSION, visit, arm, dose_level, None, ())


@dataclass(frozen=True, slots=True)
class _InBands(Sequence[bool]):
    """Whether a subject is in the bands of each row, asked of the rows that matter only: what a band goes by need not be known else."""

    rows: Sequence[DispensingRow]
    measures: Measures

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> bool: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bool]: ...
    def __getitem__(self, index: int | slice) -> bool | Sequence[bool]:
        if isinstance(index, slice):
            return _InBands(self.rows[index], self.measures)
        return all(band.holds(self.measures) for band in self.rows[index].bands)


def _due_by(
    row: DispensingRow, index: int, visit: str, arm: str, dose_level: str | None, measures: Measures | None
) -> DispensingDecision:
    kits, dose = row.kits, None
    if row.dose is not None:
        dose = calculate_dose(row.dose, measures)
        kits = (*kits, *make_up_dose(dose.dose, row.dose.strengths).kits)
    totals: dict[str, int] = {}
    for kit_type, quantity in kits:
        if quantity < 1:
            raise InvalidParameter(
                f"kit type {kit_type} has quantity {quantity}", field=f"dispensing[{index}].kits"
            )
        totals[kit_type] = totals.get(kit_type, 0) + quantity
    place = index if row.entry is None else row.entry
    used = measures if row.bands or row.dose is not None else None
    return DispensingDecision(RULE_VERSION, visit, arm, dose_level, place, tuple(totals.items()), used, dose)

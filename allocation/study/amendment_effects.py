"""What an amendment does to one subject on study: which coming visits it adds, drops or moves, and what they dispense then.

Nothing here decides: the schedule (subject_schedule.py) is asked twice, by the version followed until then and by the new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal

from allocation.errors import RuleError
from allocation.rules.demand import PlannedDispensing
from allocation.rules.dosing import DispensingRow
from allocation.rules.measures import Measures
from allocation.rules.visits import VisitWindow
from allocation.study.dose_paths import dispensing_rows
from allocation.study.subject_schedule import (
    SubjectPath,
    dose_level_before,
    planned_dispensings,
    scheduled_dose_level,
    visits_ahead,
)

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol

Kits = tuple[tuple[str, int], ...]
"""(kit type, quantity), by kit type."""

MONDAY: Final = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A protocol with its dispensing table, which is made once for all subjects."""

    protocol: Protocol
    rows: tuple[DispensingRow, ...]


def plan_of(protocol: Protocol) -> Plan:
    """The plan of a protocol."""
    return Plan(protocol, dispensing_rows(protocol))


@dataclass(frozen=True, slots=True)
class VisitEffect:
    """A coming visit that is added, dropped, or has another window; the window is None where there is no such visit."""

    visit: str
    change: Literal["added", "dropped", "moved"]
    old: VisitWindow | None
    new: VisitWindow | None


@dataclass(frozen=True, slots=True)
class KitEffect:
    """A coming visit that dispenses something else: the kits then and now (empty: none)."""

    visit: str
    old: Kits
    new: Kits


@dataclass(frozen=True, slots=True)
class SubjectEffect:
    """What changes for a subject. `before` and `after` are all its coming dispensings, for the demand.

    `hole`: the new version does not say what this subject is due (its arm or dose level has no row): `after` is empty then.
    """

    subject_id: str
    visits: tuple[VisitEffect, ...]
    kits: tuple[KitEffect, ...]
    before: tuple[PlannedDispensing, ...]
    after: tuple[PlannedDispensing, ...]
    hole: bool = False

    @property
    def changes(self) -> bool:
        """Whether anything changes for the subject."""
        return self.hole or bool(self.visits or self.kits)


def advanced(
    plan: Plan, path: SubjectPath, today: date, day: date
) -> tuple[SubjectPath, tuple[PlannedDispensing, ...]]:
    """The path as it will be on `day` (see `path_on`), and what is dispensed until then."""
    then = path_on(plan.protocol, path, today, day)
    still = {one.visit for one in _dispensings(plan, then) or ()}
    return then, tuple(one for one in _dispensings(plan, path) or () if one.visit not in still)


def effect_on_subject(
    old: Plan,
    new: Plan,
    path: SubjectPath,
    today: date,
    effective_on: date,
    measures: Measures | None = None,
) -> SubjectEffect:
    """Compare the subject's coming visits under the version followed until then and under the new one from `effective_on` (site's date).

    Visits whose target is before that day are taken to happen on it, under the old version. One that is overdue `today` is still to come
    under the new one, unless such a visit passes it over. `path.measures` are what the old version plans doses by, `measures` what the new
    one does.
    """
    then, passed = advanced(old, path, today, effective_on)
    still = _dispensings(old, then) or ()
    windows = tuple(
        {visit.code: window for visit, window in visits_ahead(plan.protocol, then)} for plan in (old, new)
    )
    coming = _dispensings(new, replace(then, measures=measures))
    return SubjectEffect(
        path.subject_id,
        _visit_effects(*windows),
        () if coming is None else _kit_effects(still, coming),
        _dispensings(old, path) or (),
        () if coming is None else (*passed, *coming),
        hole=coming is None,
    )


def path_on(protocol: Protocol, path: SubjectPath, today: date, day: date) -> SubjectPath:
    """The path as it will be on `day` if every visit with its target from `today` until before `day` takes place on its target."""
    while True:
        due = [(visit, window) for visit, window in visits_ahead(protocol, path)]
        visit, window = next(
            ((visit, window) for visit, window in due if today <= window.target < day), (None, None)
        )
        if visit is None or window is None:
            return path
        done = {**path.done, visit.code: window.target}
        if not visit.dispensing or path.arm is None:
            path = replace(path, done=done)
            continue
        before = dose_level_before(protocol, path, visit.code)
        path = replace(
            path,
            done=done,
            dispensed=path.dispensed | {visit.code},
            dose_level=scheduled_dose_level(protocol, path.arm, before, visit.code),
            first_dose_on=path.first_dose_on or window.target,
        )


def week_of(day: date) -> date:
    """The Monday of the day's week."""
    return day - timedelta(days=(day.weekday() - MONDAY) % 7)


def demand_by_week(dispensings: Iterable[PlannedDispensing], today: date) -> Counter[tuple[date, str]]:
    """Kits by (Monday of the week, kit type), at the earliest permissible date; what is overdue counts as due `today`."""
    demand: Counter[tuple[date, str]] = Counter()
    for one in dispensings:
        demand[week_of(max(one.projected, today)), one.kit_type] += one.quantity
    return demand


def _dispensings(plan: Plan, path: SubjectPath) -> tuple[PlannedDispensing, ...] | None:
    """What is planned for the subject; None where the protocol does not say what is due. The rule's error is not for every reader."""
    try:
        return planned_dispensings(plan.protocol, plan.rows, path)
    except (RuleError, ValueError):
        return None


def _visit_effects(old: dict[str, VisitWindow], new: dict[str, VisitWindow]) -> tuple[VisitEffect, ...]:
    found = [
        VisitEffect(code, "dropped" if code not in new else "moved", window, new.get(code))
        for code, window in old.items()
        if new.get(code) != window
    ]
    found += [VisitEffect(code, "added", None, window) for code, window in new.items() if code not in old]
    return tuple(sorted(found, key=lambda one: ((one.new or one.old or _NEVER).target, one.visit)))


_NEVER: Final = VisitWindow(date.max, date.max, date.max)


def _kit_effects(old: Iterable[PlannedDispensing], new: Iterable[PlannedDispensing]) -> tuple[KitEffect, ...]:
    before, after = _by_visit(old), _by_visit(new)
    visits = [*before, *(visit for visit in after if visit not in before)]
    return tuple(
        KitEffect(visit, before.get(visit, ()), after.get(visit, ()))
        for visit in visits
        if before.get(visit, ()) != after.get(visit, ())
    )


def _by_visit(dispensings: Iterable[PlannedDispensing]) -> dict[str, Kits]:
    kits: dict[str, Counter[str]] = {}
    for one in dispensings:
        kits.setdefault(one.visit, Counter())[one.kit_type] += one.quantity
    return {visit: tuple(sorted(counts.items())) for visit, counts in kits.items()}

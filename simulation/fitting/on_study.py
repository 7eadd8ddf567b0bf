"""What subjects on study did, as it was seen: visits, doses asked for, and leaving early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp, log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulation.fitting.day_laws import Days, fit_days, moved_to_monday
from simulation.fitting.estimate import Estimate, basis_of, event_rate, probability, shares
from simulation.fitting.observed import Observed, SeenSubject, SeenVisit
from simulation.fitting.supplying import law_document, law_rows
from simulation.laws import day_in_window, weekday_near
from simulation.scenario import DAYS_PER_MONTH, DayLaw, VisitBehaviour

_PRIOR_MISSED, _PRIOR_LATE, _PRIOR_TERMINATION = 0.03, 0.04, 0.5
_PRIOR_LEAVING: Final = 0.01
"""A month, for each arm."""
_BETTER_PERIODS: Final = 4.5
"""Log-likelihood that two periods of drop-out must gain over one: two parameters, one of them searched for."""
_LATE_DEFAULT: Final = DayLaw(law="uniform", min_days=1, max_days=7)


@dataclass(frozen=True)
class WindowDays:
    """Visits inside their window by days from the target, and how many of each day the triangular law would have."""

    offsets: NDArray[np.int64]
    observed: NDArray[np.int64]
    expected: NDArray[np.float64]
    uniform_gain: float


def fit_visits(found: Observed) -> tuple[dict[str, Any], list[Estimate], WindowDays]:
    """The part `visits` of a scenario, its estimates, and the days inside windows."""
    defined = {visit.code: visit for visit in found.protocol.visits}
    missed = attended = early = late = 0
    late_days: list[Days] = []
    inside: list[tuple[date, date, date, date]] = []
    on_weekend = 0
    for subject, randomized_on in found.randomized():
        for seen in subject.visits:
            visit = defined.get(seen.code)
            if visit is None or visit.optional or visit.target_day in (None, 1):
                continue
            if seen.on is None:
                missed += 1
                continue
            if seen.on < randomized_on or seen.code == found.protocol.screening.visit:
                continue
            attended += 1
            on_weekend += seen.on.weekday() >= 5
            early += seen.days_outside < 0
            if seen.days_outside > 0:
                late += 1
                low, high = moved_to_monday(seen.days_outside, seen.on)
                late_days.append((max(low, 1), high))
            elif (
                seen.days_outside == 0
                and seen.target is not None
                and visit.window_before + visit.window_after
            ):
                opens = seen.target - timedelta(days=visit.window_before)
                inside.append((opens, seen.target, seen.target + timedelta(days=visit.window_after), seen.on))
    missed_row = probability(
        "visits.missed_probability", missed, missed + attended, _PRIOR_MISSED, "per visit"
    )
    late_row = probability(
        "visits.late_probability", late, attended, _PRIOR_LATE, "per visit that took place"
    )
    weekdays = on_weekend == 0
    law = fit_days(late_days, lowest=1)
    window = _window_days(inside, weekdays)
    peaked = window.uniform_gain <= 0
    known = "day_law" in VisitBehaviour.model_fields
    gain = abs(window.uniform_gain)
    word = "triangular" if peaked else "uniform"
    note = f"likelier than {'uniform' if peaked else 'triangular'} by a log-likelihood of {gain:.1f}"
    rows = [
        missed_row,
        late_row,
        *law_rows("visits.late_days", law, _LATE_DEFAULT, "after the window"),
        Estimate(
            "visits.weekdays_only",
            str(weekdays).lower(),
            "",
            attended,
            basis_of(attended),
            note=f"{on_weekend} on weekends",
        ),
        Estimate(
            "visits.day_law",
            word if len(inside) else "triangular",
            "",
            len(inside),
            basis_of(len(inside)),
            note=note if peaked or known else f"{note}; a scenario has no such law, so triangular stays",
        ),
        Estimate("visits.most_doses_missed", 0.1, "", 0, "not in a ledger", note="left at its default"),
    ]
    if early:
        rows.append(
            Estimate(
                "visits before their window", str(early), "", attended, "recorded", note="a scenario has none"
            )
        )
    document: dict[str, Any] = {
        "missed_probability": round(float(missed_row.value), 6),
        "late_probability": round(float(late_row.value), 6),
        "late_days": law_document(law.law if law else _LATE_DEFAULT),
        "weekdays_only": weekdays,
    }
    if known:
        document["day_law"] = word
    return document, rows, window


def _window_days(inside: Sequence[tuple[date, date, date, date]], weekdays: bool) -> WindowDays:
    """Observed days from the target against the triangular law, moved to weekdays as a scenario's are; and how much likelier uniform is."""
    reach = max(
        (max((target - opens).days, (closes - target).days) for opens, target, closes, _ in inside), default=0
    )
    offsets = np.arange(-reach, reach + 1)
    observed, expected = np.zeros(len(offsets), dtype=np.int64), np.zeros(len(offsets))
    gain = 0.0
    for opens, target, closes, on in inside:
        days = (closes - opens).days + 1
        cuts = [opens + timedelta(days=day) for day in range(days)]
        triangular, uniform = Counter[date](), Counter[date]()
        for day, share in zip(cuts, _triangular(opens, target, closes), strict=True):
            moved = weekday_near(day, opens, closes) if weekdays else day
            triangular[moved] += share  # type: ignore[assignment]
            uniform[moved] += 1 / days  # type: ignore[assignment]
        for day, share in triangular.items():
            if abs((day - target).days) <= reach:
                expected[(day - target).days + reach] += share
        observed[(on - target).days + reach] += 1
        gain += log(max(uniform[on], 1e-9)) - log(max(triangular[on], 1e-9))
    return WindowDays(offsets, observed, expected, gain)


_SHARES: dict[tuple[int, int], list[float]] = {}


def _triangular(opens: date, target: date, closes: date) -> list[float]:
    """The share of each day of a window, read off the law that draws it (a fine grid of its uniform number)."""
    key = ((target - opens).days, (closes - target).days)
    if key not in _SHARES:
        fine = 2000
        counts = Counter(
            (day_in_window(opens, target, closes, (u + 0.5) / fine) - opens).days for u in range(fine)
        )
        _SHARES[key] = [counts[day] / fine for day in range(sum(key) + 1)]
    return _SHARES[key]


def fit_titration(found: Observed) -> tuple[list[dict[str, Any]], list[Estimate]]:
    """The part `titration` of a scenario: what sites asked for at each dose level, arms pooled since sites do not know them."""
    if not any(one.kind == "investigator" for one in found.protocol.titration):
        return [], []
    moves: dict[str | None, Counter[str]] = {level.code: Counter() for level in found.protocol.dose_levels}
    for subject in found.subjects.values():
        for one in subject.moves:
            if one.level in moves:
                moves[one.level][one.move] += 1
    documents, rows = [], []
    for level, counts in moves.items():
        if not counts.total():
            documents.append({"dose_level": level, "up": 0.0, "maintain": 1.0, "down": 0.0})
            rows.append(
                Estimate(
                    f"titration.{level}",
                    "maintain",
                    "",
                    0,
                    "prior",
                    note="no titration visit at this level yet",
                )
            )
            continue
        possible = {name: counts[name] for name in ("up", "maintain", "down")}
        shared, of_level = shares(f"titration.{level}", possible, "of what was asked for and allowed")
        documents.append({"dose_level": level, **shared})
        rows += of_level
    return documents, rows


@dataclass(frozen=True)
class Leaving:
    """Leaving early: by arm (code, events, subject-months), by study month observed and expected events, and those at risk."""

    by_arm: tuple[tuple[str, int, float], ...]
    observed: NDArray[np.int64]
    expected: NDArray[np.float64]


def fit_drop_out(found: Observed) -> tuple[dict[str, Any], list[Estimate], Leaving]:
    """The part `drop_out` of a scenario, its estimates, and what a plot shows.

    The hazard is constant, by arm, from the day after randomization; before some day it may be another multiple in all arms, where that is
    clearly likelier. Who completed or is on study counts with the time seen.
    """
    arms = [arm.code for arm in found.protocol.arms]
    days, left, arm_of = _times(found, arms)
    cut, ratio, gain = _period(days, left, arm_of, len(arms))
    monthly: dict[str, float] = {}
    rows: list[Estimate] = []
    by_arm = []
    hazards = np.zeros(len(arms))
    for index, arm in enumerate(arms):
        mine = arm_of == index
        events = int(left[mine].sum())
        weighed = float((days[mine] + (ratio - 1) * np.minimum(days[mine], cut)).sum()) / DAYS_PER_MONTH
        hazard, low, high = event_rate(events, weighed, _PRIOR_LEAVING)
        hazards[index] = hazard
        monthly[arm] = round(1 - exp(-hazard), 6)
        months = float(days[mine].sum()) / DAYS_PER_MONTH
        by_arm.append((arm, events, months))
        note = f"{events} left in {months:.0f} subject-months; prior worth half an event at 1 % a month"
        rows.append(
            Estimate(
                f"drop_out.monthly_probability.{arm}",
                1 - exp(-hazard),
                "per month",
                int(mine.sum()),
                basis_of(int(mine.sum())),
                1 - exp(-low),
                1 - exp(-high),
                note,
            )
        )
    early = int((left & (days <= cut)).sum()) if cut else 0
    rows.append(
        Estimate(
            "drop_out.periods",
            f"{ratio:.2f} times to day {cut}" if cut else "none",
            "",
            int(left.sum()),
            basis_of(int(left.sum())),
            ratio * exp(-1.96 / max(early, 1) ** 0.5) if cut else None,
            ratio * exp(1.96 / max(early, 1) ** 0.5) if cut else None,
            f"log-likelihood {gain:.1f} above a constant hazard; taken above {_BETTER_PERIODS}",
        )
    )
    pooled = float(hazards.mean()) or _PRIOR_LEAVING
    factor = (1 - exp(-pooled * ratio)) / (1 - exp(-pooled))
    ended = [one for one, _ in found.randomized() if one.status == "discontinued"]
    reasons, reason_rows = shares(
        "drop_out.reasons",
        dict(Counter(one.end_reason for one in ended if one.end_reason).most_common())
        or {"WITHDRAWAL BY SUBJECT": 0},
    )
    visit, visit_rows, visit_probability = _termination(found, ended)
    document = {
        "monthly_probability": monthly,
        "periods": [{"until_day": cut + 1, "factor": round(min(factor, 100), 4)}] if cut else [],
        "reasons": reasons,
        "visit": visit,
        "visit_probability": visit_probability,
    }
    longest = int(days.max() // DAYS_PER_MONTH) + 1 if len(days) else 1
    month = np.minimum((days / DAYS_PER_MONTH).astype(int), longest - 1)
    expected = np.zeros(longest)
    for at in range(longest):
        start, end = at * DAYS_PER_MONTH, (at + 1) * DAYS_PER_MONTH
        spent = np.clip(days, start, end) - start
        extra = np.clip(np.minimum(days, cut), start, end) - start if cut else 0.0
        expected[at] = float((hazards[arm_of] * (spent + (ratio - 1) * extra)).sum()) / DAYS_PER_MONTH
    observed = np.bincount(month[left], minlength=longest)
    return document, [*rows, *reason_rows, *visit_rows], Leaving(tuple(by_arm), observed, expected)


def _times(
    found: Observed, arms: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """By randomized subject: days seen after randomization, whether it ended by leaving, and the index of the arm."""
    rows = [
        (
            (min(subject.ended_on or found.as_of, found.as_of) - on).days,
            subject.status == "discontinued",
            arms.index(subject.arm),
        )
        for subject, on in found.randomized()
        if subject.arm in arms
    ]
    return (
        np.array([max(row[0], 0) for row in rows], dtype=np.float64),
        np.array([row[1] for row in rows], dtype=bool),
        np.array([row[2] for row in rows], dtype=np.int64),
    )


def _period(
    days: NDArray[np.float64], left: NDArray[np.bool_], arm_of: NDArray[np.int64], arms: int
) -> tuple[int, float, float]:
    """Days to which the hazard is a multiple of the later one in all arms, that multiple, and the gain; 0 days where no cut is better."""
    events = np.array([left[arm_of == arm].sum() for arm in range(arms)], dtype=np.float64)
    best = (0, 1.0, 0.0)
    for cut in range(28, 366, 28):
        early = np.array([np.minimum(days[arm_of == arm], cut).sum() for arm in range(arms)])
        late = np.array([days[arm_of == arm].sum() for arm in range(arms)]) - early
        before = float((left & (days <= cut)).sum())
        if not 3 <= before <= events.sum() - 3:
            continue
        ratio = 1.0
        for _ in range(100):
            hazards = events / np.maximum(ratio * early + late, 1e-9)
            ratio = before / max(float(hazards @ early), 1e-9)
        gain = before * log(ratio) - float(
            (events * np.log(np.maximum(ratio * early + late, 1e-9) / np.maximum(early + late, 1e-9))).sum()
        )
        if gain > best[2]:
            best = (cut, ratio, gain)
    return best if best[2] > _BETTER_PERIODS else (0, 1.0, best[2])


def _termination(found: Observed, ended: list[SeenSubject]) -> tuple[str | None, list[Estimate], float]:
    """The optional visit at which most left, and how often whoever left came to it; None where none came to one."""
    optional = {visit.code for visit in found.protocol.visits if visit.optional}
    seen = Counter(code for one in ended for code in _last_optional(one, optional))
    if not seen:
        n = len(ended)
        return (
            None,
            [
                Estimate(
                    "drop_out.visit",
                    "none",
                    "",
                    n,
                    basis_of(n),
                    note="nobody who left came to an optional visit",
                )
            ],
            1.0,
        )
    visit, count = seen.most_common(1)[0]
    row = probability(
        "drop_out.visit_probability",
        count,
        len(ended),
        _PRIOR_TERMINATION,
        "per subject who left",
        f"visit {visit}",
    )
    return visit, [row], round(float(row.value), 6)


def _last_optional(one: SeenSubject, optional: set[str]) -> set[str]:
    attended: set[str] = {seen.code for seen in one.visits if _took_place(seen)} & optional
    return attended | ({one.end_visit} if one.end_visit in optional else set())


def _took_place(seen: SeenVisit) -> bool:
    return seen.on is not None

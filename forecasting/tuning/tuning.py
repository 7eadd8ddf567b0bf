"""The tuning: closed forms say where to look, a search on common random numbers what to choose from, OCBA-CO which is best, and fresh
replicates whether its risk is as small as is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from forecasting.tuning.candidates import Candidate, Setting, candidate_of
from forecasting.tuning.certificate import MOST, Certificate, certify, chance_of, replicates_for
from forecasting.tuning.choosing import Judge
from forecasting.tuning.close_rivals import settle
from forecasting.tuning.errors import BadTuning
from forecasting.tuning.evaluations import BATCH, CERTIFICATION, Evaluations, LimitReached
from forecasting.tuning.families import Family, family_of
from forecasting.tuning.grid import Grid
from forecasting.tuning.line_search import LineSearch
from forecasting.tuning.objective import Objective
from forecasting.tuning.refinement import refine
from forecasting.tuning.risk import Risk
from forecasting.tuning.screening import PILOTS, screening_of

INDIFFERENCE: Final = 0.001
"""A difference of the objective, as a share, that is none."""
_LIKELY: Final = 0.5
"""The chance of a certificate from which on it is tried."""
_AROUND: Final = 4
"""Levels below and above the choice that are looked at for the report."""
_FOR_CERTIFICATION: Final = 0.4
"""Of all replicates, so many at most are kept back for it and for the baseline."""


@dataclass(frozen=True)
class Asked:
    """What is asked for."""

    risk: Risk
    objective: Objective
    grid: Grid = field(default_factory=dict)
    by: tuple[str, ...] = ()
    baseline: Candidate | None = None
    indifference: float = INDIFFERENCE


@dataclass(frozen=True)
class Tuned:
    """What was found. `feasible` False: nothing that was tried meets the risk, and the choice is what comes nearest."""

    asked: Asked
    judge: Judge
    choice: Candidate
    certificate: Certificate
    feasible: bool
    why: str
    rivals: tuple[Candidate, ...]
    evaluated: tuple[Candidate, ...]
    failed: tuple[tuple[Candidate, Certificate], ...]
    mistake: float | None
    """The chance that another one of those evaluated is better by more than the indifference; None: none met the risk."""


def tune(evaluations: Evaluations, asked: Asked, stage: Callable[[str], None] = lambda _: None) -> Tuned:
    """Tune the thresholds. `stage` is told what is being done. Raises BadTuning for what contradicts itself or the study."""
    judge = Judge(evaluations, asked.risk, asked.objective)
    stage("closed forms")
    screening = screening_of(evaluations.trial)
    evaluations.used += PILOTS
    family = family_of(evaluations.trial, screening, asked.risk, asked.grid, asked.by)
    stage("search")
    keep_back = min(int(_FOR_CERTIFICATION * evaluations.limit), 2 * MOST)
    search = LineSearch(judge, screening, keep_back)
    at_hand: dict[str, tuple[Setting, ...]] = {}
    exhausted = False
    try:
        search.search(family)
        if asked.by:
            _refine(search, family, at_hand, stage)
    except LimitReached:
        exhausted = True
    if not search.seen:
        raise BadTuning(
            f"{evaluations.limit:,} replicates do not suffice for one candidate ({search.replicates:,}) and its certificate",
            field="--replicates-limit",
            fix="allow more",
        )
    stage("close rivals")
    pool = list(search.seen.values())
    standing = settle(judge, pool, asked.indifference, keep_back)
    stage("certification")
    chosen, certificate, failed = _certified(search, family, asked, at_hand)
    stage("what other risks cost")
    _look_around(search, family, chosen, asked.baseline is not None and certificate.replicates)
    if asked.baseline is not None:
        stage("baseline")
        _play_baseline(evaluations, asked.baseline, certificate.replicates)
    rivals = sorted(search.seen.values(), key=lambda one: (judge.value(one), one.key))
    rivals = [one for one in rivals if one != chosen and not judge.clearly_fails(one)]
    return Tuned(
        asked,
        judge,
        chosen,
        certificate,
        certificate.holds,
        _why(certificate, failed, exhausted, asked),
        tuple(rivals[:20]),
        tuple(search.seen.values()),
        tuple(failed),
        None if standing is None else standing.mistake,
    )


def _refine(
    search: LineSearch, family: Family, at_hand: dict[str, tuple[Setting, ...]], stage: Callable[[str], None]
) -> None:
    stage("each group")
    for line in family.lines:
        for candidate, settings in zip(line.candidates, line.settings, strict=True):
            at_hand.setdefault(candidate.key, settings)
    if search.best is not None:
        room = search.judge.evaluations.limit - search.keep_back - search.judge.evaluations.used
        refine(search, family.groups, at_hand[search.best.key], int(0.7 * room), at_hand)


def _certified(
    search: LineSearch,
    family: Family,
    asked: Asked,
    at_hand: dict[str, tuple[Setting, ...]],
) -> tuple[Candidate, Certificate, list[tuple[Candidate, Certificate]]]:
    """The first of the rivals, the best before the next, whose certificate holds; else the one with the lowest bound."""
    judge = search.judge
    failed: list[tuple[Candidate, Certificate]] = []
    rounds = 2 if asked.baseline is not None else 1
    while True:
        evaluations = judge.evaluations
        open_to = [one for one in search.seen.values() if one.key not in {gone.key for gone, _ in failed}]
        attempt = len(failed) + 1
        most = (evaluations.limit - evaluations.used) // rounds
        choice = _promising(judge, open_to, attempt, most)
        hopeless = choice is None
        if choice is None:
            if failed:
                break
            choice = judge.safest(list(search.seen.values()))
        if most < BATCH and failed:
            break
        certificate = certify(judge, choice, replicates_for(judge, choice, attempt, most), attempt)
        if certificate.holds:
            return choice, certificate, failed
        failed.append((choice, certificate))
        if hopeless:
            break
        _look_higher(search, family, choice, at_hand)
    choice, certificate = min(failed, key=lambda one: one[1].upper_bound)
    return choice, certificate, failed


def _promising(judge: Judge, candidates: list[Candidate], attempt: int, most: int) -> Candidate | None:
    """The best of those that will rather be certified than not; of none such, the most likely; None: no estimate is within the limit."""
    meet = [one for one in candidates if judge.meets(one)]
    chances = {
        one: chance_of(judge, one, attempt, replicates_for(judge, one, attempt, max(most, BATCH)))
        for one in meet
    }
    likely = [one for one in meet if chances[one] >= _LIKELY]
    return judge.best(likely) or max(meet, key=lambda one: (chances[one], one.key), default=None)


def _look_higher(
    search: LineSearch, family: Family, failed: Candidate, at_hand: dict[str, tuple[Setting, ...]]
) -> None:
    """Let the search see the next higher level of what has failed."""
    above: Candidate | None = None
    for line in family.lines:
        if failed in line.candidates[:-1]:
            above = line.candidates[line.candidates.index(failed) + 1]
    if above is None and failed.key in at_hand:
        raised = tuple(
            one
            if one.min_buffer is None or one.max_buffer is None
            else one._replace(min_buffer=one.min_buffer + 1, max_buffer=one.max_buffer + 1)
            for one in at_hand[failed.key]
        )
        above = candidate_of(search.judge.evaluations.trial, family.groups, raised)
        at_hand[above.key] = raised
    if above is None:
        return
    with search.as_far_as_it_goes(keep_back=0):
        search.evaluate(above)


def _look_around(search: LineSearch, family: Family, chosen: Candidate, keep_back: int) -> None:
    """Evaluate the levels around the choice (of the line that comes nearest to it), so that the report tells what less or more risk costs.

    Nothing is decided by them: the choice is made.
    """
    judge = search.judge
    met = [
        one for line in family.lines for one in line.candidates if one.key in search.seen and judge.meets(one)
    ]
    near = chosen if any(chosen in line.candidates for line in family.lines) else judge.best(met)
    with search.as_far_as_it_goes(keep_back):
        for line in family.lines:
            if near in line.candidates:
                place = line.candidates.index(near)
                for one in line.candidates[max(place - _AROUND, 0) : place + _AROUND + 1]:
                    search.evaluate(one)


def _play_baseline(evaluations: Evaluations, baseline: Candidate, count: int) -> None:
    """On the replicates of the certificate, as many as are left."""
    left = (evaluations.limit - evaluations.used) // BATCH * BATCH
    evaluations.evaluate([(baseline, min(count, left))], start=CERTIFICATION)


def _why(
    certificate: Certificate, failed: list[tuple[Candidate, Certificate]], exhausted: bool, asked: Asked
) -> str:
    limit = f"{asked.risk.measure} <= {asked.risk.at_most:g}"
    cut = " The search ended before its end, at the limit of replicates." if exhausted else ""
    if certificate.holds:
        before = f"; {len(failed)} cheaper had no certificate" if failed else ""
        return f"{limit} is certified{before}.{cut}"
    return (
        f"Nothing that was tried is certified to have {limit}: the choice is what comes nearest, with an upper bound of "
        f"{certificate.upper_bound:.3g}.{cut}"
    )

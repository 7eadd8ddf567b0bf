"""A subject's way through the trial: screening, randomization, visits with their doses, and how it ends."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from allocation.errors import TitrationRefused
from allocation.rules.dosing import DoseMove
from allocation.study.schedule import Visit
from allocation.study.subject_schedule import SubjectPath, dose_level_at, dose_level_before, visits_ahead
from allocation.study.supply import Site
from simulation.laws import day_in_window, days_from, pick, weekday_after, weekday_near
from simulation.population import person
from simulation.scenario import DAYS_PER_MONTH
from simulation.trial import CapReached, NoKit

if TYPE_CHECKING:
    from allocation.rules.visits import VisitWindow
    from simulation.twin import Twin


def subject_path(twin: Twin, site: Site, number: int, day: date, minute: int) -> Generator[Any, Any, None]:
    """Everything that happens to the `number`-th person of a site, who comes on `day`."""
    entity = f"{site.code}/{number}"
    yield twin.until(site, day, minute)
    try:
        subject_id = twin.trial.screen(site.code, person(twin, site, entity))
    except CapReached:
        twin.tally.refused_screenings += 1
        twin.tally.stopped_sites.add(site.code)
        return
    twin.tally.screened += 1
    screening = twin.scenario.screening
    duration = days_from(screening.duration_days, twin.streams.uniform(entity, "screening days"))
    longest = twin.protocol.screening.max_days_to_randomization
    decided = weekday_after(day + timedelta(days=duration if longest is None else min(duration, longest)))
    if longest is not None and (decided - day).days > longest:
        decided = weekday_near(decided, None, day + timedelta(days=longest))
    yield twin.until(site, decided, minute)
    if twin.streams.uniform(entity, "screen failure") < screening.failure_probability:
        twin.trial.eligibility(
            subject_id, pick(screening.failed_criteria, twin.streams.uniform(entity, "failed criterion"))
        )
        twin.tally.screen_failures += 1
        return
    twin.trial.eligibility(subject_id, None)
    try:
        arm = twin.trial.randomize(subject_id)
    except CapReached:
        twin.trial.eligibility(subject_id, pick(screening.failed_criteria, 0.0))
        return
    twin.tally.randomized += 1
    defined = twin.protocol.arm(arm)
    path = SubjectPath(
        subject_id,
        screened_on=day,
        randomized_on=decided,
        arm=arm,
        dose_level=None if defined is None else defined.start_dose_level,
        done={twin.protocol.screening.visit: day},
    )
    yield from _on_study(twin, site, entity, path)


def _on_study(twin: Twin, site: Site, entity: str, path: SubjectPath) -> Generator[Any, Any, None]:
    """The visits from randomization on, until the subject leaves or the last visit is over."""
    randomized_on = path.randomized_on or path.screened_on
    leaves_on = _drop_out_day(twin, entity, path.arm or "", randomized_on)
    supply_ends = randomized_on
    last_visit: Visit | None = None
    while ahead := visits_ahead(twin.protocol, path):
        visit, window = ahead[0]
        coming, reason = _visit_day(twin, entity, visit, window, path)
        coming = max(coming, twin.today(site))
        if leaves_on is not None and leaves_on < coming:
            yield twin.until(site, max(leaves_on, twin.today(site)))
            _leave(twin, site, entity, path, supply_ends)
            return
        yield twin.until(site, coming, _minute(twin, entity, visit))
        behaviour = twin.scenario.visits
        is_first = path.first_dose_on is None and visit.dispensing
        if (
            not is_first
            and twin.streams.uniform(entity, f"missed {visit.code}") < behaviour.missed_probability
        ):
            twin.trial.miss(path.subject_id, visit.code)
            twin.tally.missed_visits += 1
            path = replace(path, missed=path.missed | {visit.code})
            continue
        path = _attend(twin, entity, visit, path, coming, reason)
        if visit.dispensing and path.first_dose_on is not None:
            supply_ends = _supply_ends(twin, path, coming)
        last_visit = visit
    ended = twin.today(site)
    visit_code = last_visit.code if last_visit is not None else twin.protocol.screening.visit
    _bring_back(twin, entity, path)
    twin.trial.complete(path.subject_id, min(supply_ends, ended), visit_code)
    twin.tally.completed += 1


def _attend(twin: Twin, entity: str, visit: Visit, path: SubjectPath, day: date, reason: str) -> SubjectPath:
    """A visit that takes place, with its dispensing; without a kit at the site it is recorded and its dose is missed."""
    twin.tally.visits += 1
    done = {**path.done, visit.code: day}
    if not visit.dispensing:
        twin.trial.visit(path.subject_id, visit.code, reason)
        return replace(path, done=done)
    move = _dose_move(twin, entity, visit, path)
    try:
        twin.trial.dispense(path.subject_id, visit.code, move, reason)
    except NoKit:
        twin.trial.visit(path.subject_id, visit.code, reason or "no kit at the site")
        twin.tally.missed_dispensings += 1
        return replace(path, done=done)
    twin.tally.dispensings += 1
    before = dose_level_before(twin.protocol, path, visit.code)
    level, _ = dose_level_at(twin.protocol, path.arm or "", before, visit.code, move)
    return replace(
        path,
        done=done,
        dispensed=path.dispensed | {visit.code},
        dose_level=level,
        first_dose_on=path.first_dose_on or day,
    )


def _visit_day(
    twin: Twin, entity: str, visit: Visit, window: VisitWindow, path: SubjectPath
) -> tuple[date, str]:
    """The day on which the subject comes, and the reason given when it is after the window."""
    behaviour = twin.scenario.visits
    if window.opens == window.closes or visit.target_day == 1:
        return window.target, ""
    if (
        path.first_dose_on is not None
        and twin.streams.uniform(entity, f"late {visit.code}") < behaviour.late_probability
    ):
        days = days_from(behaviour.late_days, twin.streams.uniform(entity, f"late days {visit.code}"))
        late = window.closes + timedelta(days=days)
        return (weekday_after(late) if behaviour.weekdays_only else late), "subject could not come earlier"
    day = day_in_window(
        window.opens,
        window.target,
        window.closes,
        twin.streams.uniform(entity, f"day {visit.code}"),
        behaviour.day_law,
    )
    if not behaviour.weekdays_only:
        return day, ""
    day = weekday_near(day, window.opens, window.closes)
    return day, "" if window.opens <= day <= window.closes else "the window has no weekday"


def _minute(twin: Twin, entity: str, visit: Visit) -> int:
    """When in the site's working day (0 to 479 minutes after 09:00) the subject comes."""
    return int(480 * twin.streams.uniform(entity, f"minute {visit.code}"))


def _dose_move(twin: Twin, entity: str, visit: Visit, path: SubjectPath) -> DoseMove | None:
    """What the site asks for at a titration visit; None elsewhere. A move that the protocol forbids becomes maintain."""
    if not any(one.kind == "investigator" and visit.code in one.visits for one in twin.protocol.titration):
        return None
    level = dose_level_before(twin.protocol, path, visit.code)
    moves = next(
        (
            one
            for one in twin.scenario.titration
            if one.dose_level in (None, level) and one.arm in (None, path.arm)
        ),
        None,
    )
    if moves is None:
        return DoseMove.MAINTAIN
    shares = {"up": moves.up, "maintain": moves.maintain, "down": moves.down}
    move = DoseMove(pick(shares, twin.streams.uniform(entity, f"titration {visit.code}")))
    try:
        dose_level_at(twin.protocol, path.arm or "", level, visit.code, move)
    except TitrationRefused:
        return DoseMove.MAINTAIN
    return move


def _drop_out_day(twin: Twin, entity: str, arm: str, randomized_on: date) -> date | None:
    """The day on which the subject will leave, if that comes before the scenario's end; drawn month by month of its hazard."""
    drop_out = twin.scenario.drop_out
    monthly = drop_out.monthly_probability.get(arm, 0.0)
    u, survival = twin.streams.uniform(entity, "drop-out"), 1.0
    for day in range(2, twin.scenario.duration_days + 2):
        factor = next((period.factor for period in drop_out.periods if day <= period.until_day), 1.0)
        survival *= (1 - min(monthly * factor, 1.0)) ** (1 / DAYS_PER_MONTH)
        if 1 - survival >= u:
            return randomized_on + timedelta(days=day - 1)
    return None


def _leave(twin: Twin, site: Site, entity: str, path: SubjectPath, supply_ends: date) -> None:
    """The subject discontinues today, with or without the early termination visit."""
    drop_out = twin.scenario.drop_out
    today = twin.today(site)
    visit = drop_out.visit
    if visit is not None and twin.streams.uniform(entity, "termination visit") >= drop_out.visit_probability:
        visit = None
    if visit is not None:
        twin.trial.visit(path.subject_id, visit, "")
        twin.tally.visits += 1
        _bring_back(twin, entity, path)
    reason = pick(drop_out.reasons, twin.streams.uniform(entity, "drop-out reason"))
    last_dose = None if path.first_dose_on is None else min(supply_ends, today)
    twin.trial.discontinue(path.subject_id, reason, last_dose, visit)
    twin.tally.discontinued += 1


def _bring_back(twin: Twin, entity: str, path: SubjectPath) -> None:
    """Whoever comes to the last visit brings the kits back; whoever just stays away keeps them."""
    if path.first_dose_on is not None:
        most = twin.scenario.visits.most_doses_missed
        twin.trial.bring_back(path.subject_id, most * twin.streams.uniform(entity, "doses missed"))


def _supply_ends(twin: Twin, path: SubjectPath, day: date) -> date:
    """The last day for which the subject has medication: until the next planned visit's window closes."""
    ahead = visits_ahead(twin.protocol, path)
    return ahead[0][1].closes if ahead else day

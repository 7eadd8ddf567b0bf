"""Sites and the people who come to them: openings, arrivals, screening, randomization."""

from __future__ import annotations

from allocation.rules import demand
from allocation.rules.caps import cap_reached
from simulation.engines import events, outcomes, phases
from simulation.engines.calendar_days import first_day_reaching, screening_ends, weekday_after
from simulation.engines.compiled.allocation import allocate
from simulation.engines.compiled.arm_supply import count_forced, take_arm, turn_away
from simulation.engines.compiled.calendars import enter, take_all, without_lowest
from simulation.engines.compiled.cap_scopes import is_within
from simulation.engines.compiled.laws import days_by, happens
from simulation.engines.compiled.memory import CLOSED, DECISIONS, FULL, ON_STUDY, SUBJECTS
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.pointers import lowest
from simulation.engines.compiled.recording import record
from simulation.engines.compiled.replacing import place_is_refused
from simulation.engines.compiled.visits import schedule, subject_words
from simulation.engines.draws import (
    ARRIVAL,
    DROP_OUT,
    NEVER_OPENS,
    OPENING,
    RATE,
    RATE_DRAWS,
    SCREEN_FAILURE,
    SCREENING_DAYS,
    STRATUM,
    exponential_gap,
    gamma_attempt,
    place_in,
    uniform_at,
)
from simulation.engines.plan import NOT_LEAVING, SCOPE_STUDY


@hot
def open_site(at, ints, floats, words, site):
    """Draw when a site opens and how fast it recruits, and enter its first arrival."""
    opened = at.calendar_days
    if not happens(at.sites_never_opens, words[at.stream + NEVER_OPENS * at.site_count + site], 0):
        delay = days_by(
            at, ints, floats, at.sites_opening_law, words[at.stream + OPENING * at.site_count + site], 0
        )
        opened = max(ints[at.sites_planned_day + site] + delay, 0)
        if at.sites_weekdays:
            opened = weekday_after(opened, at.calendar_monday)
    open_on(at, ints, floats, words, site, min(opened, at.calendar_days))


@part
def open_on(at, ints, floats, words, site, opened):
    """Enter the opening of a site, from day 0 on, and its first arrival."""
    ints[at.opened + site] = opened
    ints[at.next_arrival + site] = at.calendar_days
    if opened == at.calendar_days:
        return
    stream = words[at.stream + RATE * at.site_count + site]
    floats[at.own_rate + site] = floats[at.sites_rate + site] * own_rate(at.sites_gamma_shape, stream)
    floats[at.operational + site] = 0.0
    ints[at.since + site] = opened
    if not at.sites_flat:
        row = at.sites_intensity + ints[at.sites_pattern + site] * (at.calendar_days + 1)
        floats[at.base + site] = floats[row + opened]
        floats[at.slope + site] = floats[at.sites_decay + opened]
    if at.resupply_seeds:
        # Entered for its opening too, so that it is seeded on that day.
        enter(words, at.site_calendar + opened * at.site_words, site)
    next_arrival(at, ints, floats, words, site)


@part
def tell_openings(at, ints, day):
    """Write down which sites open today."""
    for site in range(at.site_count):
        if ints[at.opened + site] == day:
            record(at, ints, day, phases.OPENINGS, events.OPENED, site, -1, -1, -1, 1)


@hot
def own_rate(shape, stream):
    """A site's rate by the mean: a gamma number of mean 1, or 1 without a shape."""
    if shape <= 0.0:
        return 1.0
    attempt = 0
    while True:
        first = attempt * RATE_DRAWS
        drawn = gamma_attempt(
            shape,
            uniform_at(stream, first),
            uniform_at(stream, first + 1),
            uniform_at(stream, first + 2),
            uniform_at(stream, first + 3),
        )
        if drawn >= 0.0:
            return drawn / shape
        attempt += 1


@part
def next_arrival(at, ints, floats, words, site):
    """Draw the next arrival at a site, and enter it if it comes before the end."""
    days = at.calendar_days
    ints[at.next_arrival + site] = days
    rate = floats[at.own_rate + site]
    if rate <= 0.0:
        return
    stream = words[at.stream + ARRIVAL * at.site_count + site]
    floats[at.operational + site] += exponential_gap(uniform_at(stream, ints[at.arrivals + site]))
    ints[at.arrivals + site] += 1
    since = ints[at.since + site]
    after = floats[at.operational + site] / rate
    if at.sites_flat:
        if after >= days - since:
            return
        day = since + int(after)
    else:
        row = at.sites_intensity + ints[at.sites_pattern + site] * (days + 1)
        level = floats[at.base + site] + after * floats[at.slope + site]
        day = first_day_reaching(floats, row, days, level)
    if at.sites_weekdays:
        day = weekday_after(day, at.calendar_monday)
    day = max(day, 0)
    if day < days:
        ints[at.next_arrival + site] = day
        enter(words, at.site_calendar + day * at.site_words, site)


@hot
def screenings(at, ints, floats, words, day):
    """Who comes today, by site; at a cap a site stops."""
    row = at.site_calendar + day * at.site_words
    for place in range(at.site_words):
        word = words[row + place]
        while word != 0:
            site = place * 64 + lowest(word)
            word = without_lowest(word)
            if at.resupply_seeds and ints[at.opened + site] == day:
                enter(words, at.changed, site)
            while ints[at.next_arrival + site] == day:
                if ints[at.level + CLOSED] == 1 or at_cap(at, ints, site, False, False):
                    break
                next_arrival(at, ints, floats, words, site)
                screen(at, ints, floats, words, day, site, -1)
        words[row + place] = 0
    if at.replacing_replaces:
        screen_replacements(at, ints, floats, words, day)


@part
def screen_replacements(at, ints, floats, words, day):
    """Who comes today in the place of somebody who left, in the order of those whom they replace."""
    row, row_words = at.replacing_calendar + day * at.subject_words, subject_words(at, ints)
    for place in range(at.listed, take_all(at, ints, words, row, row_words)):
        left = ints[place]
        ints[at.level + ON_STUDY] -= 1
        site = ints[at.subject_site + left]
        if not place_is_refused(at, ints, site, False):
            screen(at, ints, floats, words, day, site, left)


@hot
def applies(at, ints, cap, site):
    """Whether a cap is on the site, its country or the study."""
    return is_within(at, ints, site, ints[at.caps_scope + cap], ints[at.caps_place + cap])


@part
def at_cap(at, ints, site, of_randomization, refusing):
    """Whether a cap on the site is reached: any (nobody is screened then), or for a randomization those that refuse it."""
    reached = False
    for cap in range(at.caps_size):
        if of_randomization and ints[at.caps_on_randomized + cap] == 0:
            continue
        if refusing and ints[at.caps_refuses + cap] == 0:
            continue
        if applies(at, ints, cap, site) and cap_reached(ints[at.cap_counts + cap], ints[at.caps_limit + cap]):
            reached = True
            if ints[at.caps_scope + cap] == SCOPE_STUDY:
                ints[at.level + CLOSED] = 1
    return reached


@part
def count_for_caps(at, ints, site, randomized):
    """One subject more that counts toward the caps on the screened, or on the randomized; a study at a cap is closed."""
    for cap in range(at.caps_size):
        if (ints[at.caps_on_randomized + cap] == 1) == randomized and applies(at, ints, cap, site):
            ints[at.cap_counts + cap] += 1
            if ints[at.caps_scope + cap] == SCOPE_STUDY and cap_reached(
                ints[at.cap_counts + cap], ints[at.caps_limit + cap]
            ):
                ints[at.level + CLOSED] = 1


@part
def screen(at, ints, floats, words, day, site, replaces):
    """A subject is screened, and entered for the day on which its screening ends. `replaces`: whose place it takes, or -1."""
    subject = ints[at.level + SUBJECTS]
    if subject >= at.capacity:
        ints[at.level + FULL] = 1
        ints[at.level + CLOSED] = 1
        return
    number = ints[at.subjects_of + site]
    ints[at.level + SUBJECTS] += 1
    ints[at.level + ON_STUDY] += 1
    ints[at.subjects_of + site] += 1
    ints[at.subject_site + subject] = site
    ints[at.subject_number + subject] = number
    ints[at.subject_visit + subject] = 0
    ints[at.subject_day0 + subject] = 0
    ints[at.subject_state + subject] = demand.SCREENED
    ints[at.subject_skipped + subject] = 0
    if number == 0:
        ints[at.first_screened + site] = day
        if at.ordering_seeds_on_screening:
            enter(words, at.changed, site)
    ints[at.subject_next + subject] = ints[at.first_subject + site]
    ints[at.first_subject + site] = subject
    ints[at.tally + outcomes.SCREENED] += 1
    ints[at.subject_replaces + subject] = replaces
    if replaces < 0:
        count_for_caps(at, ints, site, False)
    if at.trace_room > 0:
        record(at, ints, day, phases.SCREENINGS, events.SCREENED, site, subject, -1, -1, 1)
    duration = days_by(
        at,
        ints,
        floats,
        at.subjects_screening_law,
        words[at.stream + SCREENING_DAYS * at.site_count + site],
        number,
    )
    ends = screening_ends(
        day, duration, at.subjects_longest_screening, at.sites_weekdays != 0, at.calendar_monday
    )
    if at.arm_supply_looked_at:
        last = ends + at.arm_supply_wait_days
        if at.subjects_longest_screening >= 0:
            last = min(last, day + at.subjects_longest_screening)
        ints[at.subject_last_try + subject] = last
    if ends < at.calendar_days:
        ints[at.level + DECISIONS] += 1
        enter(words, at.decision_calendar + ends * at.subject_words, subject)


@hot
def randomizations(at, ints, floats, words, day, root):
    """Whose screening ends today, by subject."""
    if ints[at.level + DECISIONS] == 0:
        return
    row, row_words = at.decision_calendar + day * at.subject_words, subject_words(at, ints)
    for place in range(at.listed, take_all(at, ints, words, row, row_words)):
        ints[at.level + DECISIONS] -= 1
        decide(at, ints, floats, words, day, ints[place], root)


@part
def decide(at, ints, floats, words, day, subject, root):
    """Screen failure, refusal at a cap, or randomization with the first visit on the same day."""
    site, number = ints[at.subject_site + subject], ints[at.subject_number + subject]
    known = subject < at.present_subjects
    eligible = known and ints[at.present_eligible + subject] == 1
    if not eligible and happens(
        at.subjects_failure, words[at.stream + SCREEN_FAILURE * at.site_count + site], number
    ):
        ints[at.tally + outcomes.SCREEN_FAILURES] += 1
        ints[at.subject_state + subject] = demand.SCREEN_FAILED
        ints[at.level + ON_STUDY] -= 1
        if at.trace_room > 0:
            record(at, ints, day, phases.RANDOMIZATIONS, events.SCREEN_FAILED, site, subject, -1, -1, 1)
        return
    replaces = ints[at.subject_replaces + subject]
    refused = place_is_refused(at, ints, site, True) if replaces >= 0 else at_cap(at, ints, site, True, True)
    if refused:
        ints[at.tally + outcomes.REFUSED_RANDOMIZATIONS] += 1
        ints[at.subject_state + subject] = demand.SCREEN_FAILED
        ints[at.level + ON_STUDY] -= 1
        if at.trace_room > 0:
            record(at, ints, day, phases.RANDOMIZATIONS, events.REFUSED, site, subject, -1, -1, 1)
        return
    stratum = ints[at.present_stratum + subject] if known else -1
    if at.subjects_stratum_count == 1:
        stratum = 0
    elif stratum < 0:
        u = uniform_at(words[at.stream + STRATUM * at.site_count + site], number)
        stratum = place_in(floats, at.subjects_strata, at.subjects_stratum_count, u)
    if replaces >= 0 and at.replacing_same_arm:
        arm = take_arm(at, ints, day, site, ints[at.subject_arm + replaces])
    else:
        arm = allocate(at, ints, floats, day, site, stratum, root)
    if arm < 0:
        turn_away(at, ints, words, day, subject, site)
        return
    ints[at.subject_arm + subject] = arm
    ints[at.subject_level + subject] = ints[at.doses_start + arm]
    ints[at.subject_titrated + subject] = 0
    ints[at.subject_state + subject] = demand.RANDOMIZED
    ints[at.subject_visit + subject] = 0
    ints[at.subject_day0 + subject] = day
    ints[at.active_subjects + site] += 1
    ints[at.tally + outcomes.RANDOMIZED] += 1
    ints[at.tally + outcomes.DAY_LAST_RANDOMIZED] = day
    if replaces < 0:
        count_for_caps(at, ints, site, True)
    else:
        ints[at.tally + outcomes.REPLACED] += 1
        if at.trace_room > 0:
            record(at, ints, day, phases.RANDOMIZATIONS, events.REPLACED, site, subject, -1, -1, replaces)
    if at.trace_room > 0:
        record(at, ints, day, phases.RANDOMIZATIONS, events.RANDOMIZED, site, subject, -1, -1, arm)
    if at.arm_supply_looked_at and ints[at.scheduled] != arm:
        count_forced(at, ints, day, subject, site)
    leaves = at.calendar_days
    law = ints[at.subjects_drop_out_law + arm]
    if law != NOT_LEAVING:
        leaves = day + days_by(
            at, ints, floats, law, words[at.stream + DROP_OUT * at.site_count + site], number
        )
    ints[at.subject_leaves + subject] = leaves
    schedule(at, ints, floats, words, day, subject, 0)

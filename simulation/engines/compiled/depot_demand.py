"""In the kernel: what sites ask of their depots, and depots of those that refill them (rules/depot_demand.py).

What is asked is kept by day ahead, `at.refills_horizon` days of it, the first for what is due now: two visits of one day are as good as
one, and what is due beyond the horizon is in no window.
"""

from __future__ import annotations

from allocation.rules.depot_demand import uncovered
from simulation.engines.compiled.buffers import band
from simulation.engines.compiled.ordering import (
    is_demand,
    is_paused,
    is_unseeded,
    lines_by_schedule,
    lines_on_level,
    site_inventory,
)
from simulation.engines.compiled.parts import part
from simulation.engines.compiled.pointers import fill, view


@part
def ask_for_sites(at, ints, day):
    """Fill `asked_by_sites` with what the open sites ask of their depots, each kit when it must leave."""
    horizon = at.refills_horizon
    fill(ints, at.asked_by_sites, at.asked_by_sites + at.depots * at.kits_size * horizon, 0)
    for site in range(at.site_count):
        if ints[at.opened + site] > day:
            continue
        place = (ints[at.resupply_period + day] * at.site_count + site) * at.kits_size
        unseeded = is_unseeded(at, ints, site)
        fill(ints, at.due_by_day, at.due_by_day + at.kits_size * horizon, 0)
        if not unseeded:
            project_by_day(at, ints, day, site)
        for kit_type in range(at.kits_size):
            if is_paused(at, ints, place + kit_type):
                continue
            inventory = 0
            least = ints[at.resupply_seed_quantity + place + kit_type]
            if not unseeded:
                inventory = site_inventory(at, ints, day, site, kit_type)
                least = least_of_site(at, ints, site, place + kit_type)
            asked = at.asked_by_sites + (ints[at.sites_depot + site] * at.kits_size + kit_type) * horizon
            due = at.due_by_day + kit_type * horizon
            ask(at, ints, due, inventory - least, ints[at.lanes_lead_days + site], asked)


@part
def least_of_site(at, ints, site, held):
    """The lower buffer of a kit type at a site; `held` is its place in a table by period, site and kit type."""
    least = ints[at.resupply_min_buffer + held]
    if at.bands_any:
        place = band(at, ints, site, held)
        if place >= 0:
            least = ints[at.bands_min_buffer + place]
    return least


@part
def ask(at, ints, due, spare, lead_days, asked):
    """Add to `asked` what the `spare` kits leave uncovered of what is `due`, so many days earlier (all three by day ahead)."""
    horizon = at.refills_horizon
    at_once = uncovered(view(ints, due, horizon), spare, view(ints, at.uncovered, horizon))
    ints[asked] += at_once
    for ahead in range(horizon):
        ints[asked + max(ahead - lead_days, 0)] += ints[at.uncovered + ahead]


@part
def project_by_day(at, ints, day, site):
    """Add the planned dispensings of the site's subjects who count to `due_by_day`, each on the day on which its window opens."""
    subject = ints[at.first_subject + site]
    while subject >= 0:
        if is_demand(at, ints, day, subject):
            add_subject(at, ints, day, subject)
        subject = ints[at.subject_next + subject]


@part
def add_subject(at, ints, day, subject):
    """Add the planned dispensings of one subject."""
    arm = ints[at.subject_arm + subject]
    lines = lines_on_level(at, arm, ints[at.subject_level + subject])
    for visit in range(ints[at.subject_visit + subject], at.visits_size):
        lines = lines_by_schedule(at, ints, arm, visit, lines)
        ahead = max(ints[at.subject_day0 + subject] + ints[at.visits_opens + visit] - day, 0)
        if ahead >= at.refills_horizon:
            continue
        for line in range(ints[lines + visit], ints[lines + visit + 1]):
            kit_type = ints[at.visits_line_kit_type + line]
            ints[at.due_by_day + kit_type * at.refills_horizon + ahead] += ints[
                at.visits_line_quantity + line
            ]

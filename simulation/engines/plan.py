"""The plan of a trial: a protocol and a scenario as numbers, which both engines play.

Names have become indexes in the order of the documents, dates whole days from day 0 (the scenario's first), laws cumulative tables, shares
cumulative arrays. `ordinal = first_ordinal + day` is the day as the rules take it (`date.toordinal()`). Lots are in the order of kit type,
expiry and code, so that walking through a kit type's lots is taking the earliest expiry first.
"""

from __future__ import annotations

from typing import NamedTuple

from simulation.engines.plan_allocation import Allocation, ArmSupply, Minimization, Replacing
from simulation.engines.plan_arrays import Floats, Ints, Words
from simulation.engines.plan_disruptions import Closings, Outages
from simulation.engines.plan_present import Present

SCOPE_STUDY = 0
SCOPE_COUNTRY = 1
SCOPE_SITE = 2
NOT_LEAVING = -1
STATUSES = PROPOSED, REQUESTED, CONFIRMED, IN_TRANSIT = 0, 1, 2, 3
"""How far an order on its way has come (rules/shipment_status.py)."""


class Calendar(NamedTuple):
    """The days of the trial: 0 to `days` - 1, in `weeks` weeks of which the last may be short; the weekday of day 0, 0 for Monday."""

    first_ordinal: int
    days: int
    weeks: int
    monday: int


class Laws(NamedTuple):
    """Laws of whole days: law i takes the values `first[i]`, `first[i]` + 1, ...; their probabilities are the steps from 0 to 1 of
    `cumulative[start[i] : start[i + 1]]`.
    """

    start: Ints
    first: Ints
    cumulative: Floats


class Sites(NamedTuple):
    """By site. `words` stand for their codes in the addresses of random numbers; `rate` is the mean number screened in a day.

    `opening_law` is an index of the laws, in days after `planned_day`. Where arrivals are not `flat`, row `pattern` of `intensity` has the
    sum of season, pauses, changes and decay (from day 0 on) over the days before each day; `decay` is what is left of a rate on each day.
    """

    words: Words
    country: Ints
    depot: Ints
    planned_day: Ints
    rate: Floats
    gamma_shape: float
    opening_law: int
    never_opens: float
    weekdays: bool
    flat: bool
    pattern: Ints
    intensity: Floats
    decay: Floats


class Subjects(NamedTuple):
    """What becomes of those screened. `ratio` is by arm of the event, `block_sizes` of its blocks or sequences, `strata` the cumulative
    shares of the strata that are drawn.

    `leaves_unserved`: the probability of leaving at each missed dispensing.

    `longest_screening` in days, -1: no limit. `drop_out_law` is by arm, of days from randomization; -1: nobody leaves so.
    """

    ratio: Ints
    block_sizes: Ints
    block_size_count: int
    strata: Floats
    stratum_count: int
    screening_law: int
    longest_screening: int
    failure: float
    per_visit_drop_out: float
    drop_out_law: Ints
    leaves_unserved: float


class Caps(NamedTuple):
    """By cap: whether it is on those randomized (else screened), SCOPE_..., which country or site, the limit, and whether those in
    screening are refused at it."""

    size: int
    on_randomized: Ints
    scope: Ints
    place: Ints
    limit: Ints
    refuses: Ints


class Visits(NamedTuple):
    """By visit from the first one after randomization: days from it to the target and the ends of the window, and the law of the day
    around the target.

    The kits of visit v in arm a on dose level d are the lines `line_start[i]` to `line_start[i + 1]` - 1 of `line_kit_type`,
    `line_quantity`, where i is (a x levels + d) x size + v. `needed_until`: days from randomization to the end of the next dispensing
    window, -1: none follows.
    """

    size: int
    target: Ints
    opens: Ints
    closes: Ints
    day_law: Ints
    missed: float
    late: float
    late_law: int
    weekdays: bool
    line_start: Ints
    line_kit_type: Ints
    line_quantity: Ints
    needed_until: Ints


def due_lines(visits: Visits, row: int, visit: int) -> slice:
    """The lines of a visit; `row` is that of an arm and a dose level (arm x levels + level)."""
    at = row * visits.size + visit
    return slice(int(visits.line_start[at]), int(visits.line_start[at + 1]))


class Doses(NamedTuple):
    """Dose levels in their order, by visit whether the site moves the dose and between which levels, and how often it asks for what.

    `scheduled[a, v]`: the level that the protocol itself moves arm a to by visit v (-1: none), where it `follows_schedule` at all;
    `forced_first`, by visit, is the move that is made the first time, or rules/dosing.py's NO_FORCED_STEP.
    `moves[a, d]` are the cumulative shares of up, maintain and down in arm a on level d; `start` is by arm.
    """

    levels: int
    start: Ints
    titrated: Ints
    lowest: Ints
    highest: Ints
    max_steps: Ints
    moves: Floats
    follows_schedule: bool
    scheduled: Ints
    forced_first: Ints


class Kits(NamedTuple):
    """By kit type: windows in days, cost of a kit, whether it must stay valid until the next dispensing, the size of its blocks in orders,
    whether its blinding group has several types; the lots of kit type k are `lot_start[k]` to `lot_start[k + 1]` - 1."""

    size: int
    dns_days: Ints
    dnc_days: Ints
    dnd_days: Ints
    cost: Floats
    stays_valid: Ints
    block_size: Ints
    several: Ints
    lot_start: Ints


class Lots(NamedTuple):
    """By lot, its expiry as an ordinal and as a day, and by country whether it is released there.

    And arrivals in order of their day: lot, depot, day (before 0: there at the start), kits.
    """

    size: int
    kit_type: Ints
    expiry_ordinal: Ints
    expiry_day: Ints
    countries: int
    released: Ints
    arrival_lot: Ints
    arrival_depot: Ints
    arrival_day: Ints
    arrival_kits: Ints


class Production(NamedTuple):
    """Lots whose arrival is drawn: `words` stand for their codes, `laws` are those of manufacture, labelling and release, three a lot.

    By arrival: which of these lots, its index among all lots, the depot, the day (it may be below 0) to which what is drawn is added, kits.
    """

    size: int
    words: Words
    laws: Ints
    arrivals: int
    made: Ints
    lot: Ints
    depot: Ints
    day: Ints
    kits: Ints


class Lanes(NamedTuple):
    """How shipments go to each site: days from dispatch to receipt, the law of the delay, customs, the cost and CO2 of a shipment.

    `dispatch_law` is of the days from order to dispatch; `weekdays`: nothing leaves or is received on a weekend.

    `longest_days`: the longest time that any shipment can take.
    """

    lead_days: Ints
    delay_law: Ints
    customs_hold: Floats
    customs_law: Ints
    cost: Floats
    co2_kg: Floats
    dispatch_law: int
    weekdays: bool
    lost: float
    damaged: float
    longest_days: int


class Excursions(NamedTuple):
    """Whether there are any, their probability in a shipment, their rate in a day at an open site, whether they concern a kit type, and
    the review: the law of its days, the most that it takes, and the probability that it releases."""

    on: bool
    in_transit: float
    per_day: float
    concerned: Ints
    review_law: int
    longest_review: int
    released: float


class Resupply(NamedTuple):
    """Parameters by period, site and kit type as rules/resupply.py takes them, and the protocol's ways of ordering.

    `period` and `run` are by day: which parameters hold, and whether a run is scheduled. `windows`: whether any demand window is above 0.
    `consolidation` is a choice of rules/order_assembly.py, `overdue_days` as in rules/demand.py.

    `initial` is what each site has from the beginning.
    """

    period: Ints
    run: Ints
    on_event: bool
    seeds: bool
    min_buffer: Ints
    max_buffer: Ints
    short_window: Ints
    long_window: Ints
    trigger: Ints
    long_window_from: Ints
    seed_quantity: Ints
    windows: bool
    consolidation: int
    single_type: bool
    single_kit: bool
    fair_share: bool
    overdue_days: int
    initial: Ints


class Bands(NamedTuple):
    """Buffers by active subjects, where there are `any`: the bands of place i of a table by period, site and kit type are `start[i]` to
    `start[i + 1]` - 1, each with the number of subjects from which on its buffers hold."""

    any: bool
    start: Ints
    from_subjects: Ints
    min_buffer: Ints
    max_buffer: Ints


class Refills(NamedTuple):
    """Depots that another depot refills: `order` of them are decided, those of `depots` in this order; `supplier` of each depot, -1: none.

    `places` tells the countries whose sites a depot supplies, by depot and country. Parameters are by period, depot and kit type, as those
    of sites. Lanes are by depot that is refilled, `words` stand for all depots in the addresses of random numbers. `horizon` is more than
    any number of days ahead that matters, `slots` more than the days that an order of a depot is on its way.
    """

    order: int
    depots: Ints
    supplier: Ints
    places: Ints
    words: Words
    paused: Ints
    group: Ints
    min_buffer: Ints
    max_buffer: Ints
    short_window: Ints
    long_window: Ints
    trigger: Ints
    long_window_from: Ints
    horizon: int
    lead_days: Ints
    delay_law: Ints
    customs_hold: Floats
    customs_law: Ints
    cost: Floats
    co2_kg: Floats
    slots: int


class Ordering(NamedTuple):
    """What holds orders back, who is seeded when, which orders count as coming, and which lots are taken; flags say whether
    there is anything to do.

    `picks`: an order's lots are chosen before any is taken; `withholds`: of a group that a shortage would expose nothing is.

    `group` is the blinding group by period, site and kit type as rules/order_assembly.py takes it; what is `paused` has one of its own, so
    that nothing raises it. `counts` tells of each status in STATUSES whether it counts. `dispensing` is by visit. `same_lot` is a choice of
    rules/pile_picking.py; `newest`: lots that would be past their do-not-ship date within the long window go last (`min_shipments`).
    """

    limits: bool
    min_shipment_kits: int
    days_between_orders: int
    pauses: bool
    paused: Ints
    group: Ints
    seeds_on_screening: bool
    approved: bool
    approval_law: int
    statuses: bool
    counts: Ints
    ignores_skipped: bool
    dispensing: Ints
    picks: bool
    withholds: bool
    same_lot: int
    newest: bool


class Costs(NamedTuple):
    """Costs in the study's currency that the protocol does not state."""

    storage_per_kit_day: float
    destruction_per_kit: float
    lost_subject: float


class TrialPlan(NamedTuple):
    """All of it. `subjects_expected` is a guess of how many are screened, by which the compiled engine sets out its memory first."""

    calendar: Calendar
    laws: Laws
    sites: Sites
    subjects: Subjects
    caps: Caps
    visits: Visits
    doses: Doses
    kits: Kits
    lots: Lots
    production: Production
    lanes: Lanes
    excursions: Excursions
    resupply: Resupply
    ordering: Ordering
    bands: Bands
    refills: Refills
    costs: Costs
    allocation: Allocation
    arm_supply: ArmSupply
    minimization: Minimization
    replacing: Replacing
    outages: Outages
    closings: Closings
    depots: int
    arms: int
    subjects_expected: int
    present: Present


class Names(NamedTuple):
    """What the indexes of a plan stand for: codes in the order of the indexes."""

    sites: tuple[str, ...]
    depots: tuple[str, ...]
    arms: tuple[str, ...]
    kit_types: tuple[str, ...]
    lots: tuple[str, ...]
    visits: tuple[str, ...]

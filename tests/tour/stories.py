"""The stories of docs/tour.md, each told with one study of studies/: what happens, and who it happened to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from allocation.errors import DomainRefusal
from tests.tour.stage import Stage

People = dict[str, list[str]]
"""What the subjects of a story are called there -> their numbers, in the order in which they came."""


def crossover(stage: Stage) -> People:
    """Eight people take both treatments, four at each site; for two of them the second period begins late."""
    stage.set_up()
    people = [stage.enrolled(site) for site in ("DE01", "DE02") for _ in range(4)]
    stage.move(days=28)
    for who in people:
        stage.visited(who, "V3")
    stage.move(days=14)
    for who in people[:6]:
        stage.dispensed(who, "V4")
    stage.move(days=5)
    for who in people[6:]:
        stage.dispensed(who, "V4")
    for group in (people[:6], people[6:]):
        stage.move(days=28 if group[0] == people[6] else 23)
        for who in group:
            stage.visited(who, "V5")
            stage.completed(who, last_dose_on=stage.today - timedelta(days=1))
    return {"everybody": people, "late": people[6:]}


def cohort_escalation(stage: Stage) -> People:
    """Two cohorts are filled one after the other, and the third is begun."""
    stage.set_up()
    people: People = {}
    for cohort, size in (("C1", 8), ("C2", 8), ("C3", 3)):
        people[cohort] = [stage.enrolled(("DE01", "DE02")[index % 2], cohort=cohort) for index in range(size)]
        stage.move(days=7)
        for who in people[cohort]:
            stage.visited(who, "V3")
    return people


def re_randomization(stage: Stage) -> People:
    """Twelve people; after eight weeks two of three have responded, and go on as the protocol says of their arm."""
    stage.set_up()
    people = []
    for _ in range(4):
        people += [stage.enrolled(site) for site in ("DE01", "DE02", "DE01")]
        stage.move(days=1)
    stage.move(days=24)
    for who in people:
        stage.dispensed(who, "V3")
    stage.move(days=28)
    responders = [who for index, who in enumerate(people) if index % 3]
    for who in people:
        event = "RESPOND" if who in responders else "ROLLOVER"
        stage.found(who, event)
        stage.randomized(who, event)
    stage.resupply()  # the rule now counts the next visits by the new arms
    for who in people:
        stage.dispensed(who, "V4")
    stage.move(days=28)
    for who in people:
        stage.dispensed(who, "V5")
    stage.move(days=28)
    for who in people:
        stage.visited(who, "V6")
        stage.completed(who, last_dose_on=stage.today - timedelta(days=1))
    return {"responders": responders, "others": [who for who in people if who not in responders]}


def ratio_change(stage: Stage) -> People:
    """Nine people under version 1; then the low dose is dropped, and nine more come while the first go on."""
    stage.set_up()
    first = [stage.enrolled(factors={"SEVERITY": "MODERATE"}) for _ in range(9)]
    stage.move(days=14)
    stage.amend("ratio-change-v2.yaml")
    second = [stage.enrolled(factors={"SEVERITY": "MODERATE"}) for _ in range(9)]
    stage.move(days=14)
    for who in first:
        stage.dispensed(who, "V3")
    return {"before": first, "after": second}


def forced_fr2(stage: Stage) -> People:
    """The depot has the kits of the high dose only; five people come; then the other kits come, and five more people."""
    stage.set_up(kit_types=("K20",))
    short = []
    for _ in range(5):
        who = stage.eligible()
        short.append(who)
        try:
            stage.randomized(who)
        except DomainRefusal:
            stage.move(days=1)  # nothing of any arm is left at the site: the next shipment comes tomorrow
            stage.randomized(who)
        stage.dispensed(who, "V2")
    stage.kits_come("K10", "KPBO")
    filled = []
    for _ in range(5):
        filled.append(stage.enrolled())
        stage.move(days=1)
    return {"short": short, "filled": filled}


STORIES: dict[str, tuple[str, Callable[[Stage], People]]] = {
    "crossover": ("crossover.yaml", crossover),
    "cohort-escalation": ("cohort-escalation.yaml", cohort_escalation),
    "re-randomization": ("re-randomization.yaml", re_randomization),
    "ratio-change": ("ratio-change.yaml", ratio_change),
    "forced-fr2": ("forced-fr2.yaml", forced_fr2),
}
"""Name of a story -> its study, and how it is played."""

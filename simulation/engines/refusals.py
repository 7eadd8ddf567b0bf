"""What a protocol asks for that the engines do not play: refused by name, never left out in silence."""

from __future__ import annotations

from collections.abc import Iterator

from allocation.rules.restricted.methods import METHODS
from allocation.study.protocol import Protocol
from simulation.engines.draws import VISITS_PER_SUBJECT
from simulation.engines.plan_of_visits import visits_of
from simulation.errors import NotSimulated


def refuse_what_engines_lack(protocol: Protocol) -> None:
    """Raise NotSimulated for the first part of the protocol that the engines do not play."""
    for field, used, fix in _lacking(protocol):
        if used:
            raise NotSimulated(f"{field} is not played by the simulator's engines", field=field, fix=fix)


def _lacking(protocol: Protocol) -> Iterator[tuple[str, bool, str]]:
    supply = protocol.supply
    event = protocol.randomization[0]
    yield "randomization", len(protocol.randomization) > 1, "simulate a protocol with one event"
    yield "randomization[0].method", event.method == "list", "name the method that the list was made by"
    yield "randomization[0].by_cohort", event.by_cohort or bool(protocol.cohorts), "leave cohorts out"
    yield (
        "randomization[0].block_assignment",
        event.block_assignment == "dynamic"
        and (event.forced != "none" or not (event.block_sizes or METHODS[event.method].sequence)),
        "use static, or a method of blocks or sequences that nobody is forced past",
    )
    yield (
        "caps",
        any(cap.scope not in ("study", "country", "site") for cap in protocol.caps),
        "keep caps on the study, its countries and sites",
    )
    yield (
        "dispensing",
        any(entry.bands or entry.dose is not None for entry in protocol.dispensing),
        "state kits and quantities without bands and calculated doses",
    )
    yield (
        "visits",
        any(
            visit.anchor in ("first_dose", "previous_visit") or visit.cohorts or visit.strata
            for visit in protocol.visits
        )
        or len(visits_of(protocol)) > VISITS_PER_SUBJECT,
        f"anchor visits at randomization, for every stratum, and at most {VISITS_PER_SUBJECT}",
    )
    yield "visits", not any(v.target_day == 1 for v in visits_of(protocol)[:1]), "begin with a visit on day 1"
    yield (
        "supply.eligible_subjects",
        supply.eligible_subjects != "randomized",
        "use randomized: the service projects nobody before randomization either",
    )
    yield (
        "visits",
        any(one.dispensing and one.anchor == "screening" and not one.optional for one in protocol.visits),
        "dispense from randomization on",
    )
    yield "dosing.same_lot", protocol.dosing.same_lot != "off", "set it to off"
    yield "dosing.partial", protocol.dosing.partial, "set it to false: what is short is then not handed out"
    yield "kit_types", any(one.reusable for one in protocol.kit_types), "leave reusable devices out"
    yield "supply.pools", any(pool.automatic for pool in supply.pools), "set automatic to false"
    yield "sites", any(site.supplied_by_site for site in protocol.sites), "supply sites from depots"

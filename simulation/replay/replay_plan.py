"""The whole plan of a replay, made before anything is written: a study that cannot be played is refused here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allocation.study.canonical import protocol_sha256
from allocation.study.protocol import Protocol
from simulation.replay.depot_stock import SitePlace
from simulation.replay.fitting import check_fit
from simulation.replay.preparation import first_day_of, preparation, site_places
from simulation.replay.recorded_allocation import rebuilt_list
from simulation.replay.recorded_facts import Visited
from simulation.replay.recorded_study import RecordedStudy
from simulation.replay.resupplying import resupply_runs
from simulation.replay.steps import Step, fingerprint, noon
from simulation.replay.subject_steps import subject_steps


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What is played. `begins_at` is UTC; orders, their shipments and the list's activation follow from answers of the service."""

    protocol: Protocol
    places: dict[str, SitePlace]
    begins_at: datetime
    preparation: tuple[Step, ...]
    runs: tuple[Step, ...]
    facts: tuple[Step, ...]
    fingerprint: str


def replay_plan(protocol: Protocol, study: RecordedStudy) -> ReplayPlan:
    """Plan the replay of a recorded study by a study file.

    Raises RecordedStudyError where the two do not fit, or a record has a value that the service cannot take.
    """
    check_fit(study, protocol)
    places = site_places(protocol, study)
    entries = rebuilt_list(study)
    first_day = first_day_of(protocol, study, places)
    prepared = preparation(protocol, study, places, entries, first_day)
    zones = {site: place.timezone for site, place in places.items()}
    facts = subject_steps(protocol, study.facts, entries, zones)
    dispensed = [fact.recorded_on for fact in study.facts if isinstance(fact, Visited) and fact.dispense]
    runs = resupply_runs(protocol, first_day, max(dispensed, default=first_day))
    return ReplayPlan(
        protocol,
        places,
        noon(first_day, "UTC"),
        tuple(prepared),
        tuple(runs),
        tuple(facts),
        fingerprint([*prepared, *runs, *facts], protocol_sha256(protocol)),
    )

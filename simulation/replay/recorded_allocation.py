"""What the service must hold before a recorded study can be played: the randomization list and enough kits at each site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from allocation.study.strata import NO_STRATUM
from simulation.replay.recorded_facts import Randomized, Visited
from simulation.replay.recorded_study import RecordedStudy


@dataclass(frozen=True, slots=True)
class AllocatedEntry:
    """One entry of the rebuilt list, as an uploaded list has it. `sequence` counts from 1 within the holder, a site."""

    subject: str
    holder: str
    stratum: str
    sequence: int
    randomization_number: str
    arm: str


def rebuilt_list(study: RecordedStudy) -> list[AllocatedEntry]:
    """The randomization list that yields the recorded arms: for each site, the arms in the order of its randomizations.

    A list held by site needs no other knowledge: the next unused entry of the site is the recorded arm, whatever happens at
    other sites. The study's real blocks cannot be recovered where dates were shifted by subject, so the list has none.
    Randomization numbers are the site and the sequence: nothing in them tells the arm.
    """
    taken: Counter[str] = Counter()
    entries: list[AllocatedEntry] = []
    for fact in study.facts:
        if isinstance(fact, Randomized):
            taken[fact.site] += 1
            sequence = taken[fact.site]
            entries.append(
                AllocatedEntry(
                    fact.subject,
                    fact.site,
                    NO_STRATUM,
                    sequence,
                    f"{fact.site}-{sequence:03d}",
                    fact.arm,
                )
            )
    return sorted(entries, key=lambda entry: (entry.holder, entry.sequence))


def kits_needed(
    study: RecordedStudy, kits_at: Callable[[str, str], Mapping[str, int]]
) -> dict[tuple[str, str], int]:
    """How many kits of each type each site hands out in all: {(site, kit type): kits}, sorted.

    Args:
        study: the recorded study.
        kits_at: for an arm and a visit number (exact decimal text), the kits that the protocol hands out: {kit type: kits}.
    """
    arm_of = {fact.subject: fact.arm for fact in study.facts if isinstance(fact, Randomized)}
    needed: Counter[tuple[str, str]] = Counter()
    for fact in study.facts:
        if isinstance(fact, Visited) and fact.dispense:
            for kit_type, quantity in kits_at(arm_of[fact.subject], fact.visit_number).items():
                needed[fact.site, kit_type] += quantity
    return dict(sorted(needed.items()))

"""The runs of entries that an event's list has, and the entries that a generator makes for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from allocation.commands.list_draws import CENTRAL
from allocation.commands.transaction import Transaction
from allocation.ledger.schema import site
from allocation.rules.blocks import STRATUM_CAPACITY, BlockDesign, StratumPlan, block_arms, check_numbers
from allocation.rules.blocks import VERSION as BLOCK_VERSION
from allocation.rules.list_generation import VERSION as DESIGN_VERSION
from allocation.rules.list_generation import ListDesign, stratum_arms
from allocation.rules.restricted.design import RestrictedDesign
from allocation.rules.restricted.methods import METHODS
from allocation.rules.seeded_stream import ScrambledNumbers
from allocation.study.allocation_scheme import Ratio, runs_of
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import RandomizationEvent

HOLDER_SEPARATOR = " @ "
"""Between stratum and holder where a rule wants one key for both."""


def list_key(holder: str, stratum: str) -> str:
    """One key for a run and its holder."""
    return f"{stratum}{HOLDER_SEPARATOR}{holder}" if holder else stratum


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run of entries that a list of the event has; holder and stratum are both empty in a central run of dynamic blocks."""

    holder: str
    stratum: str
    ratio: Ratio

    @property
    def key(self) -> str:
        """Stratum and holder in one."""
        return list_key(self.holder, self.stratum)


def holders_of(transaction: Transaction, protocol: Protocol, event: RandomizationEvent) -> list[str]:
    """Who holds runs of entries: the protocol's and the opened sites, the countries, the regions, or the study as a whole."""
    if event.block_assignment == "dynamic":
        return [CENTRAL]
    if event.held_by == "site":
        opened = transaction.connection.execute(
            select(site.c.site_id).where(site.c.study_id == transaction.study_id)
        ).scalars()
        return sorted({one.code for one in protocol.sites} | set(opened))
    if event.held_by == "country":
        return [country.code for country in protocol.countries]
    if event.held_by == "region":
        return sorted({country.region for country in protocol.countries if country.region is not None})
    return [""]


def planned_runs(protocol: Protocol, event: RandomizationEvent, holders: list[str]) -> list[PlannedRun]:
    """Every run of the event's list, holder by holder. Dynamic blocks are one central run, which any stratum is served from."""
    runs = runs_of(protocol, event)
    if event.block_assignment == "dynamic":
        return [PlannedRun(CENTRAL, CENTRAL, runs[0].ratio)]
    return [PlannedRun(holder, run.key, run.ratio) for holder in holders for run in runs]


def generator_version(event: RandomizationEvent) -> str | None:
    """The version of the generator of the event's lists; None where lists of that method cannot be generated."""
    if event.method == "permuted_block":
        return BLOCK_VERSION
    return DESIGN_VERSION if event.method in METHODS else None


def entries_for_run(
    event: RandomizationEvent, run: PlannedRun, length: int, seed: int
) -> list[tuple[int | None, str]]:
    """The (block, arm) of at least `length` entries of a run, from a seed: the one place that knows which rule makes a list.

    Raises InvalidParameter for a length, sizes or parameters that the rule refuses, or a method without a generator.
    """
    stratum = StratumPlan(run.key, length)
    if event.method == "permuted_block":
        return [*block_arms(BlockDesign(run.ratio, event.block_sizes, (stratum,)), stratum, seed)]
    shares = tuple(share for _, share in run.ratio)
    design = RestrictedDesign(event.method, shares, event.parameters)
    return stratum_arms(ListDesign(design, tuple(arm for arm, _ in run.ratio), (stratum,)), stratum, seed)


def list_entries(
    event: RandomizationEvent, runs: list[PlannedRun], length: int, seed: int, number_digits: int
) -> Iterator[list[Any]]:
    """A generated list as rows of holder, stratum, sequence, block, number and arm, each run at least `length` long.

    Numbers come from one permutation for the whole list, in which each run has its own stretch of places. Raises InvalidParameter.
    """
    check_numbers([StratumPlan(run.key, length) for run in runs], number_digits)
    low = 10 ** (number_digits - 1)
    numbers = ScrambledNumbers(low, 10 * low - 1, f"{generator_version(event)}/numbers", seed)
    for place, run in enumerate(runs):
        for sequence, (block, arm) in enumerate(entries_for_run(event, run, length, seed)):
            number = str(numbers.number(place * STRATUM_CAPACITY + sequence))
            yield [run.holder, run.stratum, sequence + 1, block, number, arm]

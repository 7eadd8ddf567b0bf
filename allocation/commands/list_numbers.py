"""Randomization numbers are unique in a study: which are in use, and generated entries whose numbers are new."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import select

from allocation.commands.list_runs import holders_of, list_entries, planned_runs
from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.schema import list_entry, subject_randomization
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import RandomizationEvent

FEWEST_DIGITS = 7
TRIES_OF_SEEDS = 20
"""How many seeds are drawn before randomization numbers get a digit more, so that they do not meet those of other lists."""

MOST_DIGITS = 12


def numbers_in_use(transaction: Transaction) -> dict[str, str]:
    """The numbers that the study has already, and where each is: in a list, or a subject's who was given it without one."""
    entries, given = list_entry.c, subject_randomization.c
    listed = select(entries.randomization_number, entries.list_id).where(
        entries.study_id == transaction.study_id
    )
    to_subjects = select(given.randomization_number).where(
        given.study_id == transaction.study_id, given.list_id.is_(None)
    )
    found = {number: f"list {list_id}" for number, list_id in transaction.connection.execute(listed)}
    return found | dict.fromkeys(transaction.connection.execute(to_subjects).scalars(), "a subject")


def new_entries(
    transaction: Transaction,
    protocol: Protocol,
    event: RandomizationEvent,
    length: int,
    given_seed: int | None,
    number_digits: int | None,
) -> tuple[int, int, list[list[Any]]]:
    """Seed, digits and rows of a generated list whose numbers are new in the study. Raises DomainRefusal where there is none."""
    runs = planned_runs(protocol, event, holders_of(transaction, protocol, event))
    shortest = number_digits or FEWEST_DIGITS
    longest = number_digits or MOST_DIGITS
    in_use = numbers_in_use(transaction)
    if given_seed is not None:
        entries = list(list_entries(event, runs, length, given_seed, shortest))
        met = sum(entry[4] in in_use for entry in entries)
        if met:
            raise DomainRefusal(
                f"that seed makes {met} randomization numbers that the study has already",
                code="numbers-in-use",
                field="seed",
                fix="leave the seed out, give another one, or ask for more number_digits",
            )
        return given_seed, shortest, entries
    for digits in range(shortest, longest + 1):
        for _ in range(TRIES_OF_SEEDS):
            seed = secrets.randbits(63)
            entries = []
            for entry in list_entries(event, runs, length, seed, digits):
                if entry[4] in in_use:  # to make the rest of a list that is not wanted is costly
                    break
                entries.append(entry)
            else:
                return seed, digits, entries
    raise DomainRefusal(
        "no seed makes randomization numbers that are new in the study",
        code="numbers-in-use",
        field="number_digits",
        fix="ask for more digits",
    )

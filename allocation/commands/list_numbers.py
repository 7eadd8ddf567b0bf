"""Randomization numbers are unique in a study: which are in use, and generated entries whose numbers are new."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
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

_CHUNK = 500
"""Numbers that one query asks for."""


def numbers_in_use(transaction: Transaction, numbers: Sequence[str]) -> dict[str, str]:
    """Which of the numbers the study has already, and where: a list, or a subject who was given it without one."""
    found: dict[str, str] = {}
    entries, given = list_entry.c, subject_randomization.c
    for start in range(0, len(numbers), _CHUNK):
        part = numbers[start : start + _CHUNK]
        listed = select(entries.randomization_number, entries.list_id).where(
            entries.study_id == transaction.study_id, entries.randomization_number.in_(part)
        )
        found |= {
            row.randomization_number: f"list {row.list_id}" for row in transaction.connection.execute(listed)
        }
        to_subjects = select(given.randomization_number).where(
            given.study_id == transaction.study_id,
            given.randomization_number.in_(part),
            given.list_id.is_(None),
        )
        found |= dict.fromkeys(transaction.connection.execute(to_subjects).scalars(), "a subject")
    return found


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
    for digits in range(shortest, longest + 1):
        for _ in range(TRIES_OF_SEEDS):
            seed = secrets.randbits(63) if given_seed is None else given_seed
            entries = list_entries(event, runs, length, seed, digits)
            in_use = numbers_in_use(transaction, [entry[4] for entry in entries])
            if not in_use:
                return seed, digits, entries
            if given_seed is not None:
                raise DomainRefusal(
                    f"that seed makes {len(in_use)} randomization numbers that the study has already",
                    code="numbers-in-use",
                    field="seed",
                    fix="leave the seed out, give another one, or ask for more number_digits",
                )
    raise DomainRefusal(
        "no seed makes randomization numbers that are new in the study",
        code="numbers-in-use",
        field="number_digits",
        fix="ask for more digits",
    )

"""Do kit numbers tell the kit type, and does picking follow kit numbers: tests of a list of kits that was loaded.

Numbers and pick sequences should be two scrambles that say nothing of the type (kit_numbers.py). A packager's list may not be that, so
it is tested against chance, with every arrangement of the types over the kits equally likely:

- runs: the number of stretches of one type in the order of the numbers; too few (numbered type by type) or too many (in turn).
  Mean and variance of Barton and David 1957 (Biometrika 44:168); the fewest runs possible also exactly, for short lists.
- rank: Kruskal and Wallis 1952, whether one type has the lower numbers.
- characters: Pearson's chi-square of each character position, of the length and of the text before the digits against the type;
  rare characters are pooled until five are expected everywhere (Cochran 1954).
- picks: in each queue (kits of one type that expire together, in the order in which they are taken) Spearman's rank correlation
  of number and pick sequence, joined by Stouffer's method; queues in perfect order also exactly, for short lists.

A chance below `FALSE_ALARM`, divided by the number of tests made, is a leak. Source of the aim: field notes resupply.md ("NEVER ascending
kit number") and records-and-blinding.md ("sequential kit numbers").
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from allocation.rules.chi_square import MOST_DEGREES, chi_square_chance

FALSE_ALARM: Final = 1e-5
"""How often a perfectly scrambled list may be called a leak."""

FEWEST_FOR_NORMAL: Final = 20
"""Kits from which the normal law is used for runs and correlations."""

FEWEST_EXPECTED: Final = 5

_PARTS: Final = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class ListedKit:
    """A kit of the list: its printed number, its type, its pick sequence, and the `queue` it is picked from (such as lot or expiry)."""

    number: str
    kit_type: str
    pick_sequence: int
    queue: str


@dataclass(frozen=True, slots=True)
class Leak:
    """What gives the type or the order away: the test, the chance of it in a scrambled list, and what was seen."""

    test: str
    chance: float
    seen: str


def numbers_that_tell_the_type(kits: Sequence[ListedKit]) -> tuple[Leak, ...]:
    """Return the tests by which the kit numbers tell the kit type, the least likely first. Names types: unblinded data."""
    tests: list[Leak] = []
    of_type = Counter(kit.kit_type for kit in kits)
    if len(of_type) < 2:
        return ()
    ordered = [kits[index] for index in _in_order([kit.number for kit in kits])]
    codes = sorted(of_type)
    types = np.array([codes.index(kit.kit_type) for kit in ordered], dtype=np.int64)
    counts = np.array([of_type[code] for code in codes], dtype=np.int64)
    tests += _runs(types, counts)
    tests += _ranks(types, counts, codes)
    for feature, values in _features([kit.number for kit in ordered]).items():
        tests += _feature(feature, values, types, codes)
    return _below(tests)


def picks_that_follow_numbers(kits: Sequence[ListedKit]) -> tuple[Leak, ...]:
    """Return the tests by which kits are picked in the order of their numbers (or against it); empty for none."""
    queues: dict[tuple[str, str], list[ListedKit]] = defaultdict(list)
    for kit in kits:
        queues[kit.kit_type, kit.queue].append(kit)
    total = 0.0
    used = in_order = 0
    log_exact = 0.0
    for queue in queues.values():
        if len(queue) < 2:
            continue
        numbers = _in_order([kit.number for kit in queue])
        picks = np.argsort(np.argsort([queue[index].pick_sequence for index in numbers]))
        size = len(queue)
        distance = float(np.sum((picks - np.arange(size)) ** 2))
        correlation = 1 - 6 * distance / (size * (size**2 - 1))
        total += correlation * math.sqrt(size - 1)
        used += 1
        if abs(correlation) == 1:
            in_order += 1
            log_exact += math.log(2) - math.lgamma(size + 1)
    tests: list[Leak] = []
    if used and sum(len(queue) for queue in queues.values()) >= FEWEST_FOR_NORMAL:
        score = total / math.sqrt(used)
        way = "up" if score > 0 else "down"
        seen = f"pick sequences go {way} with kit numbers in {used} picking queues (z = {score:.1f})"
        tests.append(Leak("correlation", math.erfc(abs(score) / math.sqrt(2)), seen))
    if used and in_order == used:
        seen = f"all {used} picking queues are in the exact order of their kit numbers"
        tests.append(Leak("exact order", min(math.exp(log_exact), 1.0), seen))
    return _below(tests)


def numbers_without_gaps(numbers: Sequence[str]) -> bool:
    """Whether all numbers are whole numbers that follow each other: a mistyped number is then another kit."""
    if len(numbers) < 2 or not all(number.isascii() and number.isdecimal() for number in numbers):
        return False
    values = {int(number) for number in numbers}
    return max(values) - min(values) == len(values) - 1


def _below(tests: Sequence[Leak]) -> tuple[Leak, ...]:
    level = FALSE_ALARM / max(len(tests), 1)
    return tuple(sorted((one for one in tests if one.chance < level), key=lambda one: one.chance))


def _in_order(numbers: Sequence[str]) -> list[int]:
    """The places of the numbers as people sort them: digits by their value, the text around them as text."""
    keys: Sequence[Any] = (
        [int(number) for number in numbers]
        if all(number.isascii() and number.isdecimal() for number in numbers)
        else [_parts(number) for number in numbers]
    )
    return sorted(range(len(numbers)), key=keys.__getitem__)


def _parts(number: str) -> tuple[tuple[int, int, str], ...]:
    return tuple(
        (0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part)
        for part in _PARTS.split(number)
        if part
    )


def _runs(types: np.ndarray, counts: np.ndarray) -> list[Leak]:
    size = len(types)
    runs = int(np.count_nonzero(types[1:] != types[:-1])) + 1
    seen = f"{runs} runs of one kit type in the order of the numbers"
    if runs == len(counts):
        log_chance = math.lgamma(len(counts) + 1) + sum(math.lgamma(int(count) + 1) for count in counts)
        return [Leak("runs", min(math.exp(log_chance - math.lgamma(size + 1)), 1.0), seen)]
    if size < FEWEST_FOR_NORMAL:
        return []
    squares, cubes = int(np.sum(counts**2)), int(np.sum(counts**3))
    mean = size + 1 - squares / size
    variance = (squares * (squares + size * (size + 1)) - 2 * size * cubes - size**3) / (size**2 * (size - 1))
    if variance <= 0:
        return []
    score = (runs - mean) / math.sqrt(variance)
    return [Leak("runs", math.erfc(abs(score) / math.sqrt(2)), f"{seen}, {mean:.0f} expected")]


def _ranks(types: np.ndarray, counts: np.ndarray, codes: Sequence[str]) -> list[Leak]:
    size = len(types)
    if counts.min() < FEWEST_EXPECTED or len(counts) - 1 > MOST_DEGREES:
        return []
    means = np.bincount(types, weights=np.arange(1, size + 1)) / counts
    statistic = 12 / (size * (size + 1)) * float(np.sum(counts * (means - (size + 1) / 2) ** 2))
    low, high = codes[int(np.argmin(means))], codes[int(np.argmax(means))]
    chance = max(1 - chi_square_chance(statistic, len(counts) - 1), 0.0)
    return [Leak("rank", chance, f"{low} has the low numbers, {high} the high ones")]


def _features(numbers: Sequence[str]) -> dict[str, list[str]]:
    """What can be read off a number, by name; what is alike for every number is left out."""
    shortest = min(len(number) for number in numbers)
    features = {"length": [str(len(number)) for number in numbers]}
    features["text before the digits"] = [re.split(r"[0-9]", number, maxsplit=1)[0] for number in numbers]
    for place in range(1, shortest + 1):
        features[f"character {place} from the end"] = [number[-place] for number in numbers]
    return {name: values for name, values in features.items() if len(set(values)) > 1}


def _feature(feature: str, values: Sequence[str], types: np.ndarray, codes: Sequence[str]) -> list[Leak]:
    """Pearson's test of one feature against the type, of the types and values that are frequent enough for it."""
    kept = np.flatnonzero(np.bincount(types, minlength=len(codes)) >= 2 * FEWEST_EXPECTED)
    mask = np.isin(types, kept)
    if len(kept) < 2:
        return []
    rows = np.searchsorted(kept, types[mask])
    shown = [value for value, keep in zip(values, mask, strict=True) if keep]
    share = np.bincount(rows).min() / len(rows)
    frequent = sorted(value for value, count in Counter(shown).items() if count * share >= FEWEST_EXPECTED)
    column_of = {value: index for index, value in enumerate(frequent)}
    columns = np.array([column_of.get(value, len(frequent)) for value in shown], dtype=np.int64)
    table = np.zeros((len(kept), len(frequent) + 1), dtype=np.int64)
    np.add.at(table, (rows, columns), 1)
    pooled = table[:, -1].sum() * share < FEWEST_EXPECTED
    if pooled:  # too few to be a value of their own
        table = table[:, :-1]
    table = table[:, table.sum(axis=0) > 0]
    degrees = (table.shape[0] - 1) * (table.shape[1] - 1)
    if not 1 <= degrees <= MOST_DEGREES:
        return []
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(np.sum((table - expected) ** 2 / expected))
    at = np.unravel_index(int(np.argmax((table - expected) / np.sqrt(expected))), table.shape)
    value = frequent[int(at[1])] if int(at[1]) < len(frequent) else "a rare one"
    seen = f"{feature}: {value!r} is most often {codes[int(kept[int(at[0])])]}"
    return [Leak(feature, max(1 - chi_square_chance(statistic, degrees), 0.0), seen)]

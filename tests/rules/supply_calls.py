"""Arguments for every compilable rule of supply, for test_compilable.py: stock, orders, demand, gates and runs."""

from __future__ import annotations

import numpy as np

FLAGS = np.array([True, True, False, True])
DAYS = np.array([40, 30, 20, 30], dtype=np.int64)
TURNS = np.array([1, 9, 2, 3], dtype=np.int64)
PILES = np.array([2, 1, 5, 3], dtype=np.int64)
LOTS = np.array([1, 2, 1, 1], dtype=np.int64)
WANTED = np.array([4, 3, 1], dtype=np.int64)
USABLE = np.array([3, 1], dtype=np.int64)

SUPPLY_CALLS: dict[str, list[tuple[object, ...]]] = {
    "keep_one_lot": [
        (
            quantity,
            3,
            LOTS,
            same_lot,
            np.array([2, 0, 3, 1], dtype=np.int64),
            np.array([1, 2, 2, 9], dtype=np.int64),
        )
        for quantity in (2, 3, 4)
        for same_lot in (1, 2)
    ],
    "due_in_window": [(offset, after, 14) for offset in (-1, 0, 1, 14, 15) for after in (0, 1)],
    "demand_in_window": [(DAYS, TURNS, 0, 30), (DAYS - 40, TURNS, 0, 14)],
    "resupply_quantity": [(1, 2, 5, 6, 1, 2, 0, 0), (3, 2, 5, 6, 1, 2, 1, 1), (9, 2, 5, 6, 1, 2, 0, 0)],
    "share_out": [
        (WANTED, np.array([0, 1, 0], dtype=np.int64), place, available, np.full(3, 7), np.full(3, 7))
        for available in (-1, 0, 1, 3, 5, 7, 8, 9)
        for place in (-1, 0)
    ],
    "shares_by_country": [
        (WANTED, np.array([0, 1, 0], dtype=np.int64), USABLE, available, *(np.full(3, 7) for _ in range(3)))
        for available in (0, 3, 9)
    ],
    "whole_blocks": [(kits, 5) for kits in (0, 1, 5, 6)],
    "needed_kits": [(triggered, 2, 5, way) for triggered in (True, False) for way in (0, 1)],
    "ordered_kits": [
        (
            needed,
            np.array([1, 1, 4]),
            np.array([0, 0, 2]),
            FLAGS[[0, 0, 2]],
            *protected,
            *(np.full(3, 7) for _ in range(2)),
        )
        for needed in (np.array([1, 0, 3]), np.array([2, 3, 0]))
        for protected in ((True, True), (False, True), (False, False))
    ],
    "limited_to_share": [(5, share) for share in (-1, 0, 4, 9)],
    "exposes_group": [
        (np.array([1, found, 3]), np.array([0, 0, 2]), True, group, *protected)
        for found in (0, 1)
        for group in (0, 2)
        for protected in ((True, True), (False, True), (True, False))
    ],
    "shipped_kits": [(3, exposed, withheld) for exposed in (True, False) for withheld in (True, False)],
    "is_urgent": [(1, 2), (2, 2)],
    "order_waits": [
        (kits, urgent, since, 5, 7) for kits in (4, 5) for urgent in (True, False) for since in (-1, 6, 7)
    ],
    "stock_use": [(released, 100, 10, day) for released in (True, False) for day in (89, 90, 99, 100)],
    "countable_on_hand": [(TURNS, DAYS, 5, 24), (TURNS, DAYS, 5, 25)],
    "kit_usability": [
        (True, True, True, 100, 10, day, until) for day in (80, 89, 90, 100) for until in (0, 99, 100)
    ],
    "_taken_before": [(0, 1, DAYS, TURNS, 0), (1, 3, DAYS, TURNS, 0), (2, 0, DAYS, TURNS, 25)],
    "usable_kits": [(FLAGS, TURNS, FLAGS, DAYS, 5, day, 0) for day in (20, 25, 40)],
    "pick_earliest": [
        (
            quantity,
            FLAGS,
            PILES,
            FLAGS,
            DAYS,
            TURNS,
            5,
            20,
            0,
            short,
            np.zeros(4, dtype=np.int64),
            np.zeros(4, dtype=np.int64),
        )
        for quantity in (0, 2, 9)
        for short in (0, 35)
    ],
    "pick_kits": [
        (
            *(quantity, FLAGS, PILES, FLAGS, DAYS, TURNS, LOTS, 5, 20, 0, 0, same_lot),
            *(np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64)),
        )
        for quantity in (0, 1, 2, 9)
        for same_lot in (0, 1, 2)
    ],
    "demand_code": [
        (state, hold, skipped, closes, 20, screened, True, limit)
        for state in range(5)
        for hold, skipped, screened in (
            (False, False, False),
            (True, False, True),
            (False, True, True),
            (False, False, True),
        )
        for closes, limit in ((0, 4), (15, 4), (16, 4), (15, -1))
    ],
    "visit_is_ahead": [
        (place, 3, done, missed) for place in (2, 3, 4) for done in (True, False) for missed in (True, False)
    ],
    "lot_is_usable": [
        (status, here, ship) for status in range(6) for here in (True, False) for ship in (True, False)
    ],
    "weekday_of": [(1,), (739_000,)],
    "is_run_day": [(day, np.arange(7) == 2) for day in range(1, 9)],
    "keeps_gate_closed": [
        (gate, there, chosen) for gate in range(3) for there in (True, False) for chosen in (True, False)
    ],
    "gate_is_closed": [(gate, there, FLAGS) for gate in range(3) for there in (FLAGS, ~FLAGS, FLAGS | True)],
}

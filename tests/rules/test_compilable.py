"""The marker of compilable rules: plain Python for the service, and the same answers compiled."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from allocation.rules import (
    banded_buffer,
    blocks,
    calculated_dose,
    caps,
    compilable,
    computed_buffer,
    demand,
    depot_demand,
    dose_kits,
    dosing,
    draws,
    expiry,
    fair_share,
    forced,
    imbalance,
    lot_status,
    minimization_chances,
    order_assembly,
    order_timing,
    pile_picking,
    replacement,
    resupply,
    run_out,
    run_schedule,
    supply_gates,
    visits,
)
from allocation.rules.restricted import (
    biased_coins,
    complete,
    fixed_totals,
    maximal_procedure,
    probabilities,
    urns,
)
from tests.rules.compiled_rules import check_compiled
from tests.rules.supply_calls import DAYS, FLAGS, SUPPLY_CALLS, TURNS

MODULES = (
    *(
        banded_buffer,
        blocks,
        calculated_dose,
        caps,
        computed_buffer,
        demand,
        depot_demand,
        dose_kits,
        dosing,
        draws,
        expiry,
        fair_share,
        forced,
        imbalance,
        lot_status,
        minimization_chances,
        order_assembly,
        order_timing,
        pile_picking,
        replacement,
        resupply,
        run_out,
        run_schedule,
        supply_gates,
        visits,
    ),
    *(biased_coins, complete, fixed_totals, maximal_procedure, probabilities, urns),
)
RULES = Path(compilable.__file__).parent

ROWS = np.array([[9, 10, 9], [9, 11, 9], [4, 5, 3]], dtype=np.int64)
WEIGHTS = np.array([2.0, 0.0, 1.5])
SCORES = np.array([6.0, 10.0, 5.0])
TIED = np.array([5.0, 10.0, 5.0])

LEAD = np.array([3, 1], dtype=np.int64)
TIE = np.array([2, 2], dtype=np.int64)
NOBODY = np.array([0, 0], dtype=np.int64)
EVEN = np.array([1, 1], dtype=np.int64)
THREE = np.array([4, 2, 1], dtype=np.int64)
SHARES = np.array([4, 3, 1], dtype=np.int64)
TABLE = maximal_procedure.chances_of_the_first(10, 3)

NEWCOMERS = (
    np.array([0, 0, 1], dtype=np.int64),
    np.array([0, 14, 1], dtype=np.int64),
    np.array([1, 2, 3], dtype=np.int64),
)
"""The arm, day and kits of each dispensing of a newcomer."""

CALLS: dict[str, list[tuple[object, ...]]] = {
    **SUPPLY_CALLS,
    "rounded_multiples": [(amount, 4, way) for amount in (3, 4, 5, 6, 7) for way in (0, 1, 2)],
    "least_kits": [(7, np.array([2, 3], dtype=np.int64))],
    "fewest_kits": [(30, np.array([10, 20], dtype=np.int64)), (7, np.array([2, 4], dtype=np.int64))],
    "cap_reached": [(3, 4), (4, 4)],
    "last_allowed_day": [(100, 10)],
    "allowed_on_day": [(89, 100, 10), (90, 100, 10)],
    "valid_through_day": [(100, 0), (100, 99), (100, 100)],
    "valid_until_day": [(100, 0, 0), (100, 120, 110), (100, 120, 0)],
    "band_index": [(np.array([0, 5, 9], dtype=np.int64), active) for active in (0, 4, 5, 8, 9, 99)],
    "newcomer_kits": [(arm, day, 14, *NEWCOMERS) for arm in (0, 1) for day in (1, 13, 14)],
    "most_of_a_newcomer": [(THREE,)],
    "newcomer_chances": [(window, np.array([0.6, 0.4]), *NEWCOMERS, np.ones(7)) for window in (0, 1, 14, 15)],
    "most_of_newcomers": [(0.92, np.array([0.6, 0.4])), (40.0, np.array([1.0]))],
    "compound_poisson_quantile": [
        (mean, np.array(chances), confidence, np.ones(500))
        for mean in (0.0, 0.92, 40.0)
        for chances in ([1.0], [0.6, 0.4], [0.1, 0.2, 0.0, 0.7])
        for confidence in (0.5, 0.97)
    ],
    "computed_buffers": [
        (0.1, 0.9, short, 42, np.array([0.6, 0.4]), *NEWCOMERS, np.ones(7), np.ones(400)) for short in (0, 14)
    ],
    "uncovered": [
        (np.array([1, 2, 3], dtype=np.int64), spare, np.zeros(3, dtype=np.int64)) for spare in (-1, 0, 2, 9)
    ],
    "run_out_offset": [
        (sai, DAYS - 25, TURNS, np.array([1.0, 0.5, 0.8, 1.0]), horizon)
        for sai in (0, 2, 9)
        for horizon in (3, 60)
    ],
    "arm_at": [(np.array([0.2, 0.3, 0.5]), uniform) for uniform in (0.0, 0.2, 0.99)],
    "row_imbalance": [(ROWS[0], SHARES, arm, measure) for arm in range(3) for measure in range(4)],
    "arm_scores": [(ROWS, WEIGHTS, SHARES, measure) for measure in range(4)],
    "tied": [(SCORES, 0, 2), (TIED, 0, 2)],
    "biased_coin_chances": [(SCORES, SHARES, 0.7), (TIED, SHARES, 0.7)],
    "rank_chances": [(SCORES, 0.5), (TIED, 0.5)],
    "next_chances": [
        (rows, WEIGHTS, SHARES, 0, by_rank, 0.7, simple)
        for rows in (ROWS, ROWS * 0)
        for by_rank in (True, False)
        for simple in (0, 9)
    ],
    "unit_in_turn": [(np.array([0, 0, 1]), arm, turn) for arm in (0, 1, 2) for turn in (0, 1, 5) if arm < 2],
    "fill_block": [
        (LEAD, 4, np.array([0, 0, 1, 3]), np.full(4, 9)),
        (EVEN, 2, np.array([0, 1]), np.full(4, 9)),
    ],
    "replacement_code": [
        (policy, left, already)
        for policy in (True, False)
        for left in (True, False)
        for already in (True, False)
    ],
    "forced_arms": [
        (mode, np.array([0.2, 0.3, 0.0, 0.5]), uniform, there, False, np.ones(4), np.full(4, 7.0))
        for mode in range(5)
        for uniform in (0.1, 0.6)
        for there in (FLAGS, ~FLAGS, FLAGS & False)
    ],
    "forced_indexes": [
        (mode, skipped, suppliable, False)
        for mode in range(5)
        for skipped in (FLAGS, ~FLAGS)
        for suppliable in (FLAGS, ~FLAGS)
    ],
    "offset_of_study_day": [(1,), (-1,)],
    "study_day_of_offset": [(0,), (-1,)],
    "planned_day": [(100, day, previous) for day in (-1, 1, 8) for previous in (True, False)],
    "visit_window": [(100, 3, 4)],
    "projected_day": [(100, 3)],
    "classify_day": [(9, 10, 12), (12, 10, 12), (13, 10, 12)],
    "is_overdue_day": [(9, 10, False, False), (10, 10, False, False), (9, 10, True, False)],
    "dispensing_row": [
        (FLAGS, np.array([0, 1, -1, -1]), np.array([-1, 0, -1, 1]), holds, arm, level)
        for holds in (FLAGS, ~FLAGS)
        for arm in (0, 1, 2)
        for level in (-1, 0, 1)
    ],
    "forced_step": [(True, 1), (False, 1)],
    "titration_step": [
        (1, 1, 0, 2, 1, dosing.NO_FORCED_STEP),
        (1, 2, 0, 2, 1, dosing.NO_FORCED_STEP),
        (1, 0, 0, 2, 1, 1),
    ],
    "total": [(THREE,)],
    "two_arms": [(0.3,)],
    "by_ratio": [(SHARES,)],
    "what_is_left": [(THREE, SHARES, 8), (THREE, SHARES, 16)],
    "share_left": [(1, 2, 3, 8), (0, 1, 1, 1)],
    "arm_of_block": [(THREE, SHARES, 16, u) for u in (0.0, 0.3, 0.6, 0.999999)],
    "size_index": [(np.array([0.25, 0.75]), 1, uniform, 3) for uniform in (0.25, 0.6, 0.99)],
    "truncated_binomial": [(LEAD, 6), (LEAD[::-1].copy(), 6), (TIE, 6)],
    "efron": [(LEAD, 0.7), (TIE, 0.7), (LEAD[::-1].copy(), 0.7)],
    "big_stick": [(LEAD, 2), (LEAD, 3), (LEAD[::-1].copy(), 2)],
    "imbalance_tolerance": [(LEAD, 0.7, 2), (LEAD, 0.7, 3), (TIE, 0.7, 3)],
    "adjustable": [(LEAD, 2.0), (LEAD[::-1].copy(), 1.5), (TIE, 2.0)],
    "generalized": [(LEAD, 2.0), (NOBODY, 2.0)],
    "wei": [(LEAD, 1.0, 3.0), (NOBODY, 0.0, 1.0), (THREE, 0.0, 1.0)],
    "block_urn": [(LEAD, EVEN, 2), (THREE, SHARES, 2)],
    "ehrenfest": [(LEAD, 4), (LEAD, 2)],
    "mass_weighted": [(LEAD, EVEN, 2.0), (THREE, SHARES, 1.5)],
    "maximal": [(LEAD, 3, TABLE), (NOBODY, 3, TABLE)],
    "next_probabilities": [
        (method, LEAD, EVEN, np.array([0.7, 3.0] if method in (4, 6) else [3.0, 3.0]), 10, TABLE)
        for method in range(14)
    ],
}
"""Arguments for every compilable rule; a rule without an entry fails the test below."""


def rules() -> dict[str, object]:
    return {
        function.__name__: function
        for function in compilable.marked_functions()
        if function.__module__.startswith("allocation.rules.")
    }


def test_a_marked_rule_stays_a_plain_function_for_the_service() -> None:
    for function in rules().values():
        assert inspect.isfunction(function)


def test_every_marked_rule_has_arguments_to_be_compared_with() -> None:
    assert {module.__name__ for module in MODULES} == {function.__module__ for function in rules().values()}
    assert set(CALLS) == set(rules())


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_marked_rule_keeps_to_the_compilable_subset(name) -> None:
    """No text, exceptions, comprehensions, keyword arguments or objects; other calls only to marked rules and builtins."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(rules()[name])))  # type: ignore[arg-type]
    body = tree.body[0].body[1:] if ast.get_docstring(tree.body[0]) else tree.body[0].body  # type: ignore[attr-defined,arg-type]
    allowed = {
        *rules(),
        "max",
        "min",
        "abs",
        "len",
        "range",
        "bool",
        "int",
        "float",
        "np.empty",
        "np.zeros",
        "np.sqrt",
        "np.exp",
    }
    for node in (inner for statement in body for inner in ast.walk(statement)):
        assert not isinstance(
            node, (ast.Raise, ast.Try, ast.With, ast.JoinedStr, ast.Dict, ast.Set, ast.ListComp, ast.Lambda)
        ), ast.dump(node)
        if isinstance(node, ast.Constant):
            assert isinstance(node.value, (int, bool, float)), node.value
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) in allowed, ast.unparse(node.func)
            assert all(keyword.arg == "dtype" for keyword in node.keywords)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_compiled_rule_answers_as_the_plain_one(name) -> None:
    rule = rules()[name]
    for arguments in CALLS[name]:
        check_compiled(rule, arguments)


def test_a_command_of_the_service_does_not_wait_for_numba() -> None:
    root = str(RULES.parent.parent)
    program = f"import sys; sys.path.insert(0, {root!r}); import allocation.commands.dispensing; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_rules_import_nothing_but_numpy_errors_and_the_standard_library() -> None:
    allowed = {"numpy", "allocation", *sys.stdlib_module_names}
    for source in sorted(RULES.rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in allowed, f"{source.name} imports {name}"
                if name.startswith("allocation"):
                    assert name == "allocation.errors" or name.startswith("allocation.rules"), (
                        f"{source.name}: {name}"
                    )
                importlib.import_module(name)

"""The marker of compilable rules: plain Python for the service, and the same answers compiled."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import numpy as np
import pytest

from allocation.rules import (
    calculated_dose,
    caps,
    compilable,
    dose_kits,
    dosing,
    expiry,
    picking,
    randomization,
    resupply,
    visits,
)

MODULES = (calculated_dose, caps, dose_kits, dosing, expiry, picking, randomization, resupply, visits)
RULES = Path(compilable.__file__).parent

FLAGS = np.array([True, True, False, True])
DAYS = np.array([40, 30, 20, 30], dtype=np.int64)
TURNS = np.array([1, 9, 2, 3], dtype=np.int64)

CALLS: dict[str, list[tuple[object, ...]]] = {
    "rounded_multiples": [(amount, 4, way) for amount in (3, 4, 5, 6, 7) for way in (0, 1, 2)],
    "least_kits": [(7, np.array([2, 3], dtype=np.int64))],
    "fewest_kits": [(30, np.array([10, 20], dtype=np.int64)), (7, np.array([2, 4], dtype=np.int64))],
    "pick_kits_of_one_lot": [
        (quantity, np.array([2, 0, 1, 3], dtype=np.int64), np.array([1, 2, 1, 1], dtype=np.int64))
        for quantity in (1, 2, 3, 4)
    ],
    "cap_reached": [(3, 4), (4, 4)],
    "last_allowed_day": [(100, 10)],
    "allowed_on_day": [(89, 100, 10), (90, 100, 10)],
    "valid_through_day": [(100, 0), (100, 99), (100, 100)],
    "valid_until_day": [(100, 0, 0), (100, 120, 110), (100, 120, 0)],
    "demand_in_window": [(DAYS, TURNS, 0, 30), (DAYS - 40, TURNS, 0, 14)],
    "resupply_quantity": [(1, 2, 5, 6, 1, 2, 0, 0), (3, 2, 5, 6, 1, 2, 1, 1), (9, 2, 5, 6, 1, 2, 0, 0)],
    "countable_on_hand": [(FLAGS, DAYS, 5, 24), (FLAGS, DAYS, 5, 25)],
    "kit_usability": [
        (True, True, True, 100, 10, day, until) for day in (80, 89, 90, 100) for until in (0, 99, 100)
    ],
    "_taken_before": [(0, 1, DAYS, TURNS, 0), (1, 3, DAYS, TURNS, 0), (2, 0, DAYS, TURNS, 25)],
    "pick_kits": [
        (2, FLAGS, FLAGS, FLAGS, DAYS, TURNS, 5, 20, 0, 0),
        (9, FLAGS, FLAGS, FLAGS, DAYS, TURNS, 5, 20, 0, 35),
        (0, FLAGS, FLAGS, FLAGS, DAYS, TURNS, 5, 20, 0, 0),
    ],
    "first_unused": [(FLAGS, 0), (FLAGS, 3)],
    "offset_of_study_day": [(1,), (-1,)],
    "study_day_of_offset": [(0,), (-1,)],
    "visit_window": [(100, 3, 4)],
    "projected_day": [(100, 3)],
    "classify_day": [(9, 10, 12), (12, 10, 12), (13, 10, 12)],
    "is_overdue_day": [(9, 10, False, False), (10, 10, False, False), (9, 10, True, False)],
    "titration_step": [
        (1, 1, 0, 2, 1, dosing.NO_FORCED_STEP),
        (1, 2, 0, 2, 1, dosing.NO_FORCED_STEP),
        (1, 0, 0, 2, 1, 1),
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
    allowed = {*rules(), "max", "min", "abs", "len", "range", "bool", "int", "np.empty"}
    for node in (inner for statement in body for inner in ast.walk(statement)):
        assert not isinstance(
            node, (ast.Raise, ast.Try, ast.With, ast.JoinedStr, ast.Dict, ast.Set, ast.ListComp, ast.Lambda)
        ), ast.dump(node)
        if isinstance(node, ast.Constant):
            assert isinstance(node.value, (int, bool)), node.value
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) in allowed, ast.unparse(node.func)
            assert all(keyword.arg == "dtype" for keyword in node.keywords)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_compiled_rule_answers_as_the_plain_one(name) -> None:
    compilable.register_rules()
    rule = rules()[name]
    for arguments in CALLS[name]:
        names = ", ".join(f"a{index}" for index in range(len(arguments)))
        scope = {"rule": rule}
        exec(f"def call({names}):\n    return rule({names})", scope)  # noqa: S102
        compiled = numba.njit(scope["call"])
        np.testing.assert_array_equal(compiled(*arguments), rule(*arguments))


def test_a_command_of_the_service_does_not_wait_for_numba() -> None:
    root = str(RULES.parent.parent)
    program = f"import sys; sys.path.insert(0, {root!r}); import allocation.commands.dispensing; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_rules_import_nothing_but_numpy_errors_and_the_standard_library() -> None:
    allowed = {"numpy", "allocation", *sys.stdlib_module_names}
    for source in sorted(RULES.glob("*.py")):
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

"""Whatever is done in whatever order, kits are conserved, no list entry is used twice, and every decision can be derived again.

`RTSM_EXAMPLES` sets how many trials are tried (CI: the same few each time).
"""

import os
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.commands.any_order_machine import AnyOrder

DECISIONS = {"randomize", "dispense", "order_shipment"}
"""What every run must have met, and derived again, at least once; whether kits expire is left to chance."""

KIT_ACTS = frozenset({"quarantine_kits", "release_kits", "report_kits_lost", "recall_lot"})
"""Acts on kits where they are, of which the longer run must have met some; tests/commands/test_kit_acts.py shows each."""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the vault, for the addresses of those who are sent parcels."""
    monkeypatch.setenv("RTSM_VAULT_KEY", Fernet.generate_key().decode())


def try_many(
    fresh_url: Callable[[], str], examples: int, steps: int, met: frozenset[str] = frozenset()
) -> None:
    """Run the machine on new databases, and show what was met."""
    derived, answered, refused = Counter[str](), Counter[str](), Counter[str]()
    machine = type(
        "AnyOrderHere",
        (AnyOrder,),
        {
            "fresh_url": staticmethod(fresh_url),
            "derived": derived,
            "answered": answered,
            "refused": refused,
        },
    )
    given = os.environ.get("RTSM_EXAMPLES")
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(given) if given else examples,
            stateful_step_count=steps,
            derandomize=given is None,
            database=None,
            deadline=None,
            # The steps of a failure are printed as they were. Shortening them takes minutes: add Phase.shrink to do so by hand.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"derived {derived}\nanswered {answered}\nrefused {refused}")
    assert derived.keys() >= DECISIONS
    assert not met or answered.keys() & met
    assert refused


@pytest.mark.slow
def test_any_order_of_acts_leaves_a_true_trial(tmp_path: Path) -> None:
    number = count()
    try_many(lambda: f"sqlite:///{tmp_path / f'trial-{next(number)}.db'}", examples=4, steps=30, met=KIT_ACTS)


@pytest.mark.slow
@pytest.mark.postgres
def test_any_order_of_acts_leaves_a_true_trial_on_postgresql(fresh_postgres_url: Callable[[], str]) -> None:
    try_many(fresh_postgres_url, examples=2, steps=12)

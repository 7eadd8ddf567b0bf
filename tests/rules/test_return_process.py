"""The table of the steps of a return: every gate that a study needs comes before the kits move, and by somebody else."""

from datetime import date
from itertools import product

import pytest

from allocation.errors import DomainRefusal
from allocation.rules.kit_status import Act, rows_of
from allocation.rules.return_process import (
    OPEN,
    STEPS,
    ReturnedKit,
    ReturnPolicy,
    ReturnState,
    ReturnStep,
    check_direct_destruction,
    check_four_eyes,
    check_step,
    reuse_obstacle,
    roles_of_step,
    state_after,
)

POLICIES = [ReturnPolicy(*flags) for flags in product((True, False), repeat=4)]


def paths(policy: ReturnPolicy) -> set[tuple[ReturnStep, ...]]:
    """Every order of different steps that the rule allows from the declaration on."""
    found: set[tuple[ReturnStep, ...]] = set()
    todo = [((ReturnStep.DECLARE,), ReturnState.DECLARED)]
    while todo:
        path, state = todo.pop()
        found.add(path)
        for step in set(ReturnStep) - set(path):
            try:
                row = check_step("R1", state, step, policy)
            except DomainRefusal:
                continue
            left = 0 if step in (ReturnStep.DESTROY, ReturnStep.REUSE) else 1
            todo.append(((*path, step), state_after(row, left)))
    return found


@pytest.mark.parametrize("policy", POLICIES)
def test_no_order_of_steps_skips_a_gate_that_the_study_needs(policy: ReturnPolicy) -> None:
    gates = [
        step
        for step, needed in (
            (ReturnStep.RECONCILE, policy.reconciliation),
            (ReturnStep.APPROVE, policy.approval),
        )
        if needed
    ]
    found = paths(policy)
    for path in found:
        for step in (ReturnStep.SHIP, ReturnStep.DESTROY):
            if step in path:
                before = path[: path.index(step)]
                assert [gate for gate in before if gate in gates] == gates, path
        assert ReturnStep.REUSE not in path or (policy.reuse and ReturnStep.RECEIVE in path)
        if ReturnStep.DESTROY in path and not policy.destruction_at_site:
            assert ReturnStep.RECEIVE in path[: path.index(ReturnStep.DESTROY)]
    assert any(path[-2:] == (ReturnStep.RECEIVE, ReturnStep.DESTROY) for path in found)


def test_every_state_is_reached_and_only_the_ended_ones_lead_nowhere() -> None:
    assert {row.to_state for row in STEPS} | {ReturnState.CLOSED} == set(ReturnState)
    assert {row.from_state for row in STEPS} - {None} == set(OPEN)
    assert {row.step for row in STEPS} == set(ReturnStep)


def test_a_refusal_names_the_gate_that_comes_first() -> None:
    for state, policy, fix in (
        (ReturnState.DECLARED, ReturnPolicy(), "a monitor reconciles it first"),
        (ReturnState.DECLARED, ReturnPolicy(reconciliation=False), "a project manager approves it first"),
        (ReturnState.RECONCILED, ReturnPolicy(), "a project manager approves it first"),
    ):
        with pytest.raises(DomainRefusal) as caught:
            check_step("R1", state, ReturnStep.SHIP, policy)
        assert (caught.value.code, caught.value.fix) == ("return-gate", fix)


def test_approval_reuse_and_destruction_are_signed_by_those_who_may_do_them_to_kits() -> None:
    signed = {row.step for row in STEPS if row.by.signature is not None}
    assert signed == {ReturnStep.APPROVE, ReturnStep.REUSE, ReturnStep.DESTROY}
    assert roles_of_step(ReturnStep.APPROVE) == {"project_manager"}
    assert roles_of_step(ReturnStep.RECONCILE) == {"monitor"}
    for step, act in (
        (ReturnStep.REUSE, Act.REUSE),
        (ReturnStep.DESTROY, Act.DESTROY),
        (ReturnStep.SHIP, Act.SHIP_RETURN),
        (ReturnStep.RECEIVE, Act.RECEIVE_RETURN),
        (ReturnStep.DECLARE, Act.RETURN_UNUSED),
        (ReturnStep.WITHDRAW, Act.TAKE_BACK),
    ):
        of_kits = frozenset().union(*(row.by.roles for row in rows_of(act)))
        assert roles_of_step(step) <= of_kits, step


def test_nobody_passes_a_gate_for_the_own_work() -> None:
    done = {ReturnStep.DECLARE: "anna", ReturnStep.RECONCILE: "mo"}
    for step, actor in (
        (ReturnStep.RECONCILE, "anna"),
        (ReturnStep.APPROVE, "anna"),
        (ReturnStep.APPROVE, "mo"),
    ):
        with pytest.raises(DomainRefusal) as caught:
            check_four_eyes(step, actor, done)
        assert caught.value.code == "own-return"
    check_four_eyes(ReturnStep.APPROVE, "pia", done)
    check_four_eyes(ReturnStep.SHIP, "anna", done)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_site_destroys_without_a_return_only_where_no_gate_would_be_skipped(policy: ReturnPolicy) -> None:
    if policy.destruction_at_site and not (policy.reconciliation or policy.approval):
        check_direct_destruction(policy)
        return
    with pytest.raises(DomainRefusal):
        check_direct_destruction(policy)


TODAY = date(2026, 3, 2)
GOOD = ReturnedKit("1", "returned_unused", False, "good", TODAY, False)


@pytest.mark.parametrize(
    ("kit", "words"),
    [
        (GOOD, None),
        (ReturnedKit("1", "returned", True, "good", TODAY, False), "a subject had it"),
        (ReturnedKit("1", "returned_unused", False, "damaged", TODAY, False), "good order"),
        (ReturnedKit("1", "returned", False, "good", TODAY, False), "good order"),
        (ReturnedKit("1", "returned_unused", False, None, TODAY, False), "good order"),
        (ReturnedKit("1", "returned_unused", False, "good", date(2026, 3, 1), False), "expiry"),
        (ReturnedKit("1", "returned_unused", False, "good", TODAY, True), "recalled"),
    ],
)
def test_only_a_kit_that_never_left_the_sites_control_is_used_again(
    kit: ReturnedKit, words: str | None
) -> None:
    found = reuse_obstacle(kit, TODAY)
    assert found is None if words is None else words in (found or "")

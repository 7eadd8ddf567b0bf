"""Who may break a code: an emergency never waits for the investigator, and nobody approves a request of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import DomainRefusal
from allocation.rules.code_break import (
    APPROVERS,
    BREAKERS,
    CodeBreakKind,
    CodeBreakPolicy,
    RequestState,
    breaking_role,
    check_approved,
    check_breakable,
    check_decision,
    check_request,
)

POLICIES = st.builds(
    CodeBreakPolicy,
    st.frozensets(st.sampled_from(sorted(BREAKERS))),
    st.sampled_from([None, *sorted(APPROVERS)]),
)
STATES = st.sampled_from([None, *RequestState])
APPROVED_BY_MANAGER = CodeBreakPolicy(frozenset({"investigator"}), "project_manager")


@given(POLICIES, STATES)
def test_no_policy_and_no_request_stops_the_investigator_in_an_emergency(
    policy: CodeBreakPolicy, state: RequestState | None
) -> None:
    assert breaking_role(policy, CodeBreakKind.EMERGENCY, frozenset({"investigator"})) == "investigator"
    check_approved(policy, CodeBreakKind.EMERGENCY, state)


@given(POLICIES, STATES)
def test_a_planned_break_under_approval_is_made_on_an_approved_request_alone(
    policy: CodeBreakPolicy, state: RequestState | None
) -> None:
    if policy.approval_by is None or state == RequestState.APPROVED:
        check_approved(policy, CodeBreakKind.PLANNED, state)
        return
    with pytest.raises(DomainRefusal) as caught:
        check_approved(policy, CodeBreakKind.PLANNED, state)
    waits = state == RequestState.REQUESTED
    assert caught.value.code == ("approval-awaited" if waits else "approval-missing")


@given(
    POLICIES,
    st.frozensets(st.sampled_from(sorted(APPROVERS | BREAKERS))),
    st.sampled_from(["ann", "bob"]),
    st.sampled_from(list(RequestState)),
)
def test_who_decides_is_another_person_in_the_role_that_the_protocol_names(
    policy: CodeBreakPolicy, held: frozenset[str], person: str, state: RequestState
) -> None:
    right = state == RequestState.REQUESTED and person != "ann" and policy.approval_by in held
    asked = {"asked_by": "ann", "decided_by": person, "state": state}
    if right:
        assert check_decision(policy, held, **asked) == policy.approval_by
        return
    with pytest.raises(DomainRefusal) as caught:
        check_decision(policy, held, **asked)
    assert caught.value.code in ("already-decided", "four-eyes", "not-the-approver")


def test_a_medical_monitor_breaks_at_once_where_nobody_approves_and_in_emergencies_where_named() -> None:
    monitor = frozenset({"medical_monitor"})
    direct = CodeBreakPolicy(frozenset({"investigator"}), None)
    assert breaking_role(direct, CodeBreakKind.EMERGENCY, monitor) == "medical_monitor"
    with pytest.raises(DomainRefusal) as caught:
        breaking_role(APPROVED_BY_MANAGER, CodeBreakKind.EMERGENCY, monitor)
    assert caught.value.code == "emergency-not-yours"
    named = CodeBreakPolicy(frozenset({"investigator", "medical_monitor"}), "project_manager")
    assert breaking_role(named, CodeBreakKind.EMERGENCY, monitor) == "medical_monitor"


@pytest.mark.parametrize(
    ("policy", "state", "code"),
    [
        (CodeBreakPolicy(frozenset(), None), None, "approval-not-needed"),
        (APPROVED_BY_MANAGER, RequestState.REQUESTED, "already-requested"),
        (APPROVED_BY_MANAGER, RequestState.APPROVED, "already-requested"),
    ],
)
def test_a_request_that_nobody_decides_on_or_that_stands_is_refused(policy, state, code) -> None:
    with pytest.raises(DomainRefusal) as caught:
        check_request(policy, state)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("open_label", "randomized", "code"), [(True, True, "not-blinded"), (False, False, "not-randomized")]
)
def test_where_there_is_no_code_nothing_is_broken(open_label: bool, randomized: bool, code: str) -> None:
    with pytest.raises(DomainRefusal) as caught:
        check_breakable("S1", open_label=open_label, randomized=randomized)
    assert (caught.value.code, bool(caught.value.fix)) == (code, True)

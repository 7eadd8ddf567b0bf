"""The EDC's gate: open only when everything has been said, and its answer names exactly what has not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import DomainRefusal
from allocation.rules.edc_gate import NeededForm, judge_edc

STATES = st.sampled_from(["open", "complete", "validated"])
RANK = {"open": 0, "complete": 1, "validated": 2}


def test_nothing_asked_leaves_the_gate_open():
    decision = judge_edc({}, [], {})
    assert decision.is_open
    decision.require_open("S1")


def test_each_thing_that_is_missing_is_named_once_and_in_order():
    decision = judge_edc(
        {"IN01": [True], "IN02": [], "EX01": [False], "EX02": [True, False]},
        [
            NeededForm("DM", "validated", ("validated",)),
            NeededForm("IE", "validated", ()),
            NeededForm("VS", "complete", ("open", "validated")),
            NeededForm("LB", "validated", ("complete",)),
        ],
        {"SEX": "F", "AGE": None},
    )
    assert decision.missing == (
        "criterion EX01 is not met",
        "criterion EX02 is not met",
        "criterion IN02 is not answered",
        "form IE is not there",
        "form VS is not complete",
        "form LB is not validated",
        "factor AGE is not known",
    )
    with pytest.raises(DomainRefusal) as refused:
        decision.require_open("S1")
    assert refused.value.code == "edc-not-ready"
    assert all(text in refused.value.message for text in decision.missing)


def test_a_form_that_must_be_complete_may_be_validated_and_one_that_must_be_validated_not_only_complete():
    assert judge_edc({}, [NeededForm("F", "complete", ("validated",))], {}).is_open
    assert not judge_edc({}, [NeededForm("F", "validated", ("complete",))], {}).is_open


@given(
    st.dictionaries(st.text("AB1", min_size=1, max_size=3), st.lists(st.booleans(), max_size=3), max_size=4),
    st.lists(st.tuples(st.sampled_from(["complete", "validated"]), st.lists(STATES, max_size=3)), max_size=4),
    st.dictionaries(st.text("XY", min_size=1, max_size=2), st.none() | st.just("L"), max_size=3),
)
def test_the_gate_is_open_exactly_when_every_answer_is_yes_every_form_done_and_every_level_known(
    criteria, forms, factors
):
    needed = [NeededForm(str(index), state, tuple(states)) for index, (state, states) in enumerate(forms)]
    decision = judge_edc(criteria, needed, factors)
    criteria_good = all(said and all(said) for said in criteria.values())
    forms_good = all(states and all(RANK[one] >= RANK[state] for one in states) for state, states in forms)
    assert decision.is_open == (criteria_good and forms_good and None not in factors.values())
    wrong = sum(not (said and all(said)) for said in criteria.values())
    wrong += sum(not (states and all(RANK[one] >= RANK[state] for one in states)) for state, states in forms)
    wrong += sum(level is None for level in factors.values())
    assert len(decision.missing) == wrong

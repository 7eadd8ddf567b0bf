"""A label agrees with the records in all that it says; what it does not say is not asked."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.rules.scanned_kits import KitLabel, LabelElement, label_contradictions

ON_RECORD = KitLabel("483920", "09501101530003", date(2028, 6, 30), "L2601")
OTHER = {"gtin": "09501101530010", "expiry": date(2028, 7, 1), "lot": "L2602"}


@given(silent=st.sets(st.sampled_from(sorted(OTHER))))
def test_a_label_that_says_less_contradicts_nothing(silent: set[str]) -> None:
    assert label_contradictions(replace(ON_RECORD, **dict.fromkeys(silent)), ON_RECORD) == ()


@given(wrong=st.sets(st.sampled_from(sorted(OTHER))))
def test_each_element_that_differs_is_named_and_no_other(wrong: set[str]) -> None:
    label = replace(ON_RECORD, **{name: OTHER[name] for name in wrong})
    assert {one.value for one in label_contradictions(label, ON_RECORD)} == wrong


@pytest.mark.parametrize("element", list(LabelElement))
def test_what_the_records_do_not_know_is_contradicted_by_a_label_that_says_it(element: LabelElement) -> None:
    assert label_contradictions(ON_RECORD, replace(ON_RECORD, **{element.value: None})) == (element,)

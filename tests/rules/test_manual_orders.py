"""Orders by hand: the same quantity of every kit type that looks alike, and the protections of every order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import DomainRefusal, RuleError
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.manual_orders import plan_indent
from allocation.rules.orders import KitTypeSupply, OrderPolicy

WINDOWS = ExpiryWindows(30, 20, 15)
POLICY = OrderPolicy()


def supplies(blocks: dict[str, int], alone: int = 1) -> dict[str, KitTypeSupply]:
    """Kit types of one look, with these block sizes, and one of another look."""
    found = {code: KitTypeSupply(code, "BOTTLE", WINDOWS, block) for code, block in blocks.items()}
    return {**found, "PEN": KitTypeSupply("PEN", "PENS", WINDOWS, alone)}


LONG = dict.fromkeys(("A", "B", "C", "PEN"), 28)


@given(asked=st.integers(1, 60), blocks=st.tuples(*[st.integers(1, 6)] * 3))
def test_a_group_is_ordered_in_equal_whole_blocks_and_no_less_than_asked(asked, blocks):
    known = supplies(dict(zip("ABC", blocks, strict=True)))
    plan = plan_indent({"BOTTLE": asked}, {}, LONG, known, POLICY)
    quantities = {line.kit_type: line.ordered for line in plan.lines}
    assert set(quantities) == set("ABC")
    assert len(set(quantities.values())) == 1
    for code, block in zip("ABC", blocks, strict=True):
        assert quantities[code] % block == 0
        assert quantities[code] >= asked
    assert plan.ordered == sum(quantities.values())


def test_by_kit_type_a_single_type_of_a_look_is_not_shipped_alone():
    plan = plan_indent({}, {"B": 4}, LONG, supplies({"A": 1, "B": 1}), POLICY)
    assert {line.kit_type: line.ordered for line in plan.lines} == {"A": 1, "B": 4}
    alone = plan_indent({}, {"PEN": 1}, LONG, supplies({"A": 1}, alone=3), POLICY)
    assert [(line.kit_type, line.ordered) for line in alone.lines] == [("PEN", 3)]


def test_an_unknown_look_is_refused_in_words_that_name_no_type():
    with pytest.raises(DomainRefusal, match="look like 'VIAL'") as refused:
        plan_indent({"VIAL": 1}, {}, LONG, supplies({"A": 1}), POLICY)
    assert refused.value.field == "groups"


@pytest.mark.parametrize(("by_group", "by_type"), [({}, {"X": 1}), ({"BOTTLE": 0}, {}), ({}, {"A": -1})])
def test_what_a_rule_is_never_given_is_an_error(by_group, by_type):
    with pytest.raises(RuleError):
        plan_indent(by_group, by_type, LONG, supplies({"A": 1}), POLICY)

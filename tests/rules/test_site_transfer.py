"""What a transfer between sites asks for: alike for all types of a group, and never so little that it shows an arm."""

import pytest

from allocation.errors import DomainRefusal
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.orders import KitTypeSupply, OrderPolicy, Raised
from allocation.rules.site_transfer import plan_transfer

TYPES = {
    code: KitTypeSupply(code, group, ExpiryWindows(0, 0, 0))
    for code, group in (("A", "CAPS"), ("B", "CAPS"), ("VIAL", "VIALS"))
}


def lines(by_group: dict[str, int], by_type: dict[str, int]) -> dict[str, int]:
    return {one.kit_type: one.ordered for one in plan_transfer(by_group, by_type, TYPES, OrderPolicy())}


def test_a_group_is_moved_with_the_same_quantity_of_each_of_its_types() -> None:
    assert lines({"CAPS": 3}, {}) == {"A": 3, "B": 3}
    assert lines({"VIALS": 1}, {}) == {"VIAL": 1}, "a group of one type has nothing to hide"


def test_a_type_by_itself_is_joined_by_one_that_looks_like_it() -> None:
    planned = plan_transfer({}, {"A": 1}, TYPES, OrderPolicy())
    assert {one.kit_type: one.ordered for one in planned} == {"A": 1, "B": 1}
    assert planned[1].raised == (Raised.SINGLE_TYPE,)
    open_label = OrderPolicy(single_kit_protection=False, single_type_protection=False)
    assert [one.kit_type for one in plan_transfer({}, {"A": 1}, TYPES, open_label)] == ["A"]


@pytest.mark.parametrize(
    ("by_group", "by_type", "code"),
    [({"NONE": 1}, {}, "unknown-group"), ({}, {"NONE": 1}, "unknown-kit-type"), ({}, {}, "nothing-asked")],
)
def test_what_the_study_does_not_have_is_refused(
    by_group: dict[str, int], by_type: dict[str, int], code: str
) -> None:
    with pytest.raises(DomainRefusal) as caught:
        lines(by_group, by_type)
    assert caught.value.code == code

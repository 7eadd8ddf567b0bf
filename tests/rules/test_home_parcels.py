"""What may go into a parcel to a patient, and where undelivered kits go."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import DomainRefusal
from allocation.rules.home_parcels import ParcelKit, check_parcel, undelivered_to

DAY = date(2026, 3, 2)
days = st.integers(-30, 30)


@given(days, st.lists(days, max_size=4))
def test_a_parcel_leaves_before_it_comes_and_comes_while_all_its_kits_may_be_given(
    way: int, lasting: list[int]
) -> None:
    kits = [ParcelKit(f"K{at}", DAY + timedelta(days=left)) for at, left in enumerate(lasting)]
    arrives = DAY + timedelta(days=way)
    if way >= 0 and all(left >= way for left in lasting):
        check_parcel(kits, DAY, arrives)
        return
    with pytest.raises(DomainRefusal) as refusal:
        check_parcel(kits, DAY, arrives)
    assert refusal.value.field == "expected_on"
    late = [one.kit_number for one in kits if one.last_dispense_date < arrives]
    assert way < 0 or all(number in refusal.value.message for number in late)


@pytest.mark.parametrize("at_site", ["stock", "quarantine"])
def test_what_left_the_site_never_goes_back_to_stock_unseen(at_site: str) -> None:
    assert undelivered_to(in_parcel=True, lost=False, at_site=at_site) == "quarantine"
    assert undelivered_to(in_parcel=False, lost=False, at_site=at_site) == at_site
    assert undelivered_to(in_parcel=True, lost=True, at_site=at_site) == "lost"

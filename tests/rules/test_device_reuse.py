"""When a device that came back may be used again."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import DomainRefusal
from allocation.rules.device_reuse import ACT_OF, InspectedDevice, check_fit, check_inspectable
from allocation.rules.kit_authority import DEVICE_INSPECTED, SITE_ROLES
from allocation.rules.kit_status import KitStatus, Place, rows_of

TODAY = date(2026, 3, 2)
GOOD = InspectedDevice(
    kit_number="4711",
    reusable=True,
    uses_ended=1,
    max_uses=3,
    return_id=None,
    inspected=False,
    units=Decimal(1),
    units_back=Decimal("1.0"),
    last_dispense_date=TODAY,
    lot_status="restricted",
)


def test_a_whole_device_within_its_uses_and_on_its_last_day_is_used_again() -> None:
    check_inspectable(GOOD)
    check_fit(GOOD, TODAY)
    check_fit(replace(GOOD, uses_ended=99, max_uses=None, lot_status="released"), TODAY)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"reusable": False}, "kit-not-reusable"),
        ({"return_id": "S01-R001"}, "kit-in-return"),
        ({"units_back": None}, "kit-not-counted"),
        ({"inspected": True}, "device-inspected"),
    ],
)
def test_what_is_no_returned_device_is_not_inspected(change: dict[str, Any], code: str) -> None:
    with pytest.raises(DomainRefusal) as caught:
        check_inspectable(replace(GOOD, **change))
    assert (caught.value.code, caught.value.field) == (code, "kit_number")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"units_back": Decimal("0.5")}, "kit-not-reusable"),
        ({"uses_ended": 2}, "device-used-up"),
        ({"max_uses": 1, "uses_ended": 0}, "device-used-up"),
        ({"last_dispense_date": TODAY - timedelta(days=1)}, "kit-expired"),
        ({"lot_status": "pending"}, "lot-not-released"),
        ({"lot_status": "quarantined"}, "lot-not-released"),
        ({"lot_status": "recalled"}, "kit-recalled"),
        ({"lot_status": "rejected"}, "kit-rejected"),
    ],
)
def test_what_is_not_whole_or_not_usable_is_not_fit(change: dict[str, Any], code: str) -> None:
    with pytest.raises(DomainRefusal) as caught:
        check_fit(replace(GOOD, **change), TODAY)
    assert caught.value.code == code


@given(st.integers(1, 30))
def test_a_device_is_used_exactly_as_often_as_the_protocol_lets_it_be(most: int) -> None:
    uses = 1
    while True:
        try:
            check_fit(replace(GOOD, uses_ended=uses - 1, max_uses=most), TODAY)
        except DomainRefusal:
            break
        uses += 1
    assert uses == most


def test_an_inspection_is_of_what_is_returned_at_a_site_and_signed_there_with_a_reason() -> None:
    rows = rows_of(*ACT_OF.values())
    assert {(row.from_status, row.from_place, row.to_place) for row in rows} == {
        (KitStatus.RETURNED, Place.SITE, Place.SITE)
    }
    assert {(row.by.roles, row.by.reason, row.by.signature) for row in rows} == {
        (SITE_ROLES, True, DEVICE_INSPECTED)
    }

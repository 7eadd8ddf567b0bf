"""Deliveries: each kit of a shipment gets one end, or is awaited; nothing leaves quarantine on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import DomainRefusal
from allocation.rules.receipts import dispositions_by_scan, judge_delivery

WORDS = st.sampled_from(("available", "damaged", "quarantined", "lost", "not_arrived"))


@given(
    coming=st.sets(st.sampled_from("abcd")),
    held=st.sets(st.sampled_from("xy")),
    found=st.dictionaries(st.sampled_from("abcdxyz"), WORDS),
)
def test_every_kit_is_accounted_for_once_or_the_delivery_is_refused(coming, held, found) -> None:
    inside = coming | held
    wrong = bool(set(found) - inside)
    freed = any(found.get(one) == "available" for one in held)
    nothing = bool(inside) and all(found.get(one) == "not_arrived" for one in inside)
    if wrong or freed or nothing:
        with pytest.raises(DomainRefusal) as refused:
            judge_delivery(coming, held, found, "S1")
        expected = "kit-not-in-shipment" if wrong else "kit-quarantined" if freed else "nothing-arrived"
        assert refused.value.code == expected
        return
    delivery = judge_delivery(coming, held, found, "S1")
    ends = dict(delivery.kits)
    assert sorted([*ends, *delivery.awaited]) == sorted(inside)
    assert len(ends) == len(delivery.kits)
    for number, end in ends.items():
        assert end == found.get(number, "quarantined" if number in held else "available")
    assert delivery.complete == ("not_arrived" not in found.values())


@given(
    inside=st.sets(st.sampled_from("abcd")),
    scanned=st.sets(st.sampled_from("abcdyz")),
    named=st.dictionaries(st.sampled_from("abcd"), st.just("damaged")),
)
def test_by_scan_a_kit_is_usable_only_when_it_was_scanned(inside, scanned, named) -> None:
    found, strange = dispositions_by_scan(inside, scanned, named)
    assert set(strange) == scanned - inside
    for number in inside:
        unnamed = "available" if number in scanned else "not_arrived"
        assert found.get(number, "available") == named.get(number, unnamed)


def test_what_was_scanned_is_not_missing() -> None:
    for word in ("lost", "not_arrived"):
        with pytest.raises(DomainRefusal, match="were scanned"):
            dispositions_by_scan({"a", "b"}, {"a"}, {"a": word})

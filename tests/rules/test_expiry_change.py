"""A change of a lot's expiry: which date binds which kit, and what happens to kits that had expired."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import DomainRefusal
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.expiry_change import (
    OUT_OF_REACH,
    Effect,
    KitDates,
    LotExpiry,
    check_new_label,
    effect_of_change,
    kit_dates,
)
from allocation.rules.kit_status import KitStatus, Place

WINDOWS = ExpiryWindows(dns_days=10, dnc_days=8, dnd_days=5)
OLD, NEW = date(2026, 7, 12), date(2027, 7, 12)
TODAY = date(2026, 8, 1)
days = st.dates(date(2025, 1, 1), date(2030, 1, 1))


def test_the_published_dates_follow_the_new_expiry() -> None:
    dates = kit_dates(LotExpiry(NEW), "DEU", None, WINDOWS)
    assert dates == KitDates(NEW, date(2027, 7, 1), date(2027, 7, 3), date(2027, 7, 6))


def test_a_country_has_its_own_date_until_the_lot_is_changed_everywhere() -> None:
    lot = LotExpiry(OLD).changed(NEW, ("DEU",))
    assert (lot.for_use_in("DEU"), lot.for_use_in("FRA")) == (NEW, OLD)
    assert lot.for_use_in(None) == NEW  # the depot may still ship it to Germany
    assert lot.changed(OLD, ()) == LotExpiry(OLD)
    assert lot.changed(OLD, ("DEU",)) == LotExpiry(OLD)


@given(own=days, country=days, printed=days)
def test_no_kit_lasts_longer_than_its_label_nor_than_its_lot_there(
    own: date, country: date, printed: date
) -> None:
    lot = LotExpiry(own, {"DEU": country})
    for place, approved in (("DEU", country), ("FRA", own), (None, max(own, country))):
        dates = kit_dates(lot, place, printed, WINDOWS)
        assert dates.expiry == min(approved, printed)
        assert dates.last_ship <= dates.last_count <= dates.last_dispense < dates.expiry
        assert kit_dates(lot, place, None, WINDOWS).expiry == approved


@given(new=days, status=st.sampled_from(KitStatus), place=st.sampled_from(Place), dispensed=st.booleans())
def test_what_a_subject_had_keeps_its_dates_and_what_had_expired_never_becomes_stock_at_once(
    new: date, status: KitStatus, place: Place, dispensed: bool
) -> None:
    before, after = (kit_dates(LotExpiry(day), "DEU", None, WINDOWS) for day in (OLD, new))
    effect = effect_of_change(status, place, dispensed, before, after, TODAY)
    if place in OUT_OF_REACH or dispensed:
        assert effect == Effect.NONE
    elif status == KitStatus.EXPIRED and new > TODAY:
        assert effect == Effect.TAKEN_UP
    else:
        assert effect == (Effect.NONE if new == OLD else Effect.DATED)


def test_a_kit_is_not_taken_up_on_the_expiry_date_itself() -> None:
    before = kit_dates(LotExpiry(OLD), "DEU", None, WINDOWS)
    for new, effect in ((TODAY, Effect.DATED), (TODAY + timedelta(days=1), Effect.TAKEN_UP)):
        after = kit_dates(LotExpiry(new), "DEU", None, WINDOWS)
        assert effect_of_change(KitStatus.EXPIRED, Place.SITE, False, before, after, TODAY) == effect


def test_a_label_may_not_say_more_than_the_lot_has_in_that_country() -> None:
    lot = LotExpiry(OLD, {"DEU": NEW})
    check_new_label(NEW, lot, "DEU")
    check_new_label(NEW, lot, None)
    with pytest.raises(DomainRefusal, match="2026-07-12") as caught:
        check_new_label(NEW, lot, "FRA")
    assert caught.value.code == "label-beyond-expiry"

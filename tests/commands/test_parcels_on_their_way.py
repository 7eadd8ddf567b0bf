"""Parcels to homes while they are under way: told by mail, counted as in flight, too warm, lost; and the kits that replace theirs."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from allocation.commands.excursions import RecordExcursionRequest, record_excursion
from allocation.commands.inventory import inventory_by_look
from allocation.commands.kit_replacement import ReplaceKitRequest, replace_kit
from allocation.commands.notify_check import check_study
from allocation.errors import NotFound
from allocation.rules.home_parcels import parcels_written_off
from allocation.views.blinded.home_parcels import list_home_parcels
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.dosing_trial import (
    BECAUSE,
    assert_sound,
    dispensing,
    document,
    give,
    kit_states,
    refused,
    set_up,
)
from tests.commands.test_home_parcels import HOME, SENT_HOME, confirm, keep_address, person, send
from tests.notify.people import give_addresses, mail, told

REPLACED = {**SENT_HOME, "replacement": True}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the vault, in the environment."""
    monkeypatch.setenv("RTSM_VAULT_KEY", Fernet.generate_key().decode())


def under_way(desk: Desk, quantity: int = 2, days_before: int = 0) -> tuple[str, list[str]]:
    """A subject, and the kits in its parcel, which was sent so many days after they were assigned."""
    set_up(desk, document(REPLACED, dispensing=dispensing(quantity)))
    who = desk.randomized()
    numbers = give(desk, who, "V2")["kit_numbers"]
    desk.move(days=days_before)
    keep_address(desk, who)
    send(desk, who, carrier="Swift", tracking_number="SC-1", expected_on=desk.now.date() + timedelta(days=1))
    return who, numbers


def replace(desk: Desk, who: str, number: str, found: Any = "lost") -> str:
    request = ReplaceKitRequest(subject_id=who, kit_number=number, found=found)
    new: str = replace_kit(desk.service, BECAUSE, STUDY, request)["kit_number"]
    return new


def parcels(desk: Desk) -> list[tuple[str, str]]:
    found = list_home_parcels(desk.database, ACT.actor, STUDY).parcels
    return sorted((one.parcel_id, one.status) for one in found)


def test_a_kit_lost_in_the_post_is_replaced_by_one_that_is_sent_in_a_parcel_of_its_own(
    empty_desk: Desk,
) -> None:
    desk = empty_desk
    who, (first, second) = under_way(desk)
    new = replace(desk, who, first)
    assert kit_states(desk, first, new)[0][:2] == ("lost", "lost")
    assert kit_states(desk, new) == [("assigned", "site", "S01", who, None)]
    assert parcels(desk) == [(f"{who}-P1", "sent")], "its other kit is still on its way"
    assert send(desk, who)["kits"] == [new]
    other = replace(desk, who, second)
    assert parcels(desk) == [(f"{who}-P1", "ended"), (f"{who}-P2", "sent")], "nothing is to come from it"
    with refused(desk, "kit-left-out"):
        confirm(desk, who, [new])
    assert send(desk, who)["kits"] == [other]
    today = desk.now.date()
    confirm(desk, who, [new, other])
    assert kit_states(desk, new, other) == [("dispensed", "subject", who, who, today)] * 2
    assert {status for _, status in parcels(desk)} == {"ended"}
    assert_sound(desk)


def test_a_kit_damaged_on_its_way_is_set_aside_and_its_replacement_waits_to_be_sent(
    sqlite_desk: Desk,
) -> None:
    desk = sqlite_desk
    who, (only,) = under_way(desk, 1)
    new = replace(desk, who, only, "damaged")
    assert kit_states(desk, only)[0][:3] == ("quarantined", "site", "S01")
    assert parcels(desk) == [(f"{who}-P1", "ended")]
    confirm(desk, who, [], {new: False})
    assert kit_states(desk, new) == [("site_available", "site", "S01", None, None)], "it had not left"
    assert_sound(desk)


def test_a_kit_that_gets_lost_after_delivery_is_replaced_at_the_site_and_its_parcel_stays_ended(
    sqlite_desk: Desk,
) -> None:
    desk = sqlite_desk
    who, numbers = under_way(desk)
    confirm(desk, who, numbers)
    new = replace(desk, who, numbers[0])
    assert kit_states(desk, numbers[0])[0][:2] == ("lost", "lost")
    assert kit_states(desk, new) == [("dispensed", "subject", who, who, desk.now.date())]
    assert parcels(desk) == [(f"{who}-P1", "ended")]
    with refused(desk, "nothing-to-send"):
        send(desk, who)
    assert_sound(desk)


@given(
    st.dictionaries(st.sampled_from(["P1", "P2", "P3"]), st.sets(st.sampled_from("abcdef"), min_size=1)),
    st.sets(st.sampled_from("abcdef")),
)
def test_a_parcel_is_written_off_just_when_none_of_its_kits_is_to_come(
    found: dict[str, set[str]], assigned: set[str]
) -> None:
    ended = parcels_written_off(found, assigned)
    assert all(
        (parcel in ended) == all(kit not in assigned for kit in kits) for parcel, kits in found.items()
    )


def test_its_site_is_told_when_a_parcel_leaves_is_late_and_has_come_and_no_mail_names_an_address(
    empty_desk: Desk,
) -> None:
    desk = give_addresses(empty_desk)
    who, numbers = under_way(desk)
    assert set(told(desk, "parcel_sent")) == {"coordinator", "investigator", "pharmacist", "open.pharmacist"}
    check_study(desk.service, ACT.actor, STUDY)
    assert mail(desk, "parcel_late") == []
    desk.move(days=3)
    for _ in range(2):
        check_study(desk.service, ACT.actor, STUDY)
    late = told(desk, "parcel_late")
    assert set(late) == {"coordinator", "investigator", "pharmacist", "open.pharmacist", "monitor"}
    assert len(mail(desk, "parcel_late")) == len(late), "told once"
    confirm(desk, who, [numbers[0]], {numbers[1]: True})
    assert set(told(desk, "parcel_ended")) == set(late)
    ended = mail(desk, "parcel_ended")[0]
    assert f"{who}-P1" in ended.subject
    assert "delivered:" in ended.body.replace("not delivered:", "")
    for row in mail(desk):
        text = row.subject + row.body
        assert not any(part in text for part in (HOME.recipient, *HOME.lines, HOME.city))
        assert row.variant == "blinded" or "parcel" not in row.event
        assert "parcel" not in row.event or "ZZ" not in text


def test_the_inventory_shows_a_parcel_in_flight_to_those_who_may_list_parcels_and_no_subject(
    sqlite_desk: Desk,
) -> None:
    desk = sqlite_desk
    who, numbers = under_way(desk, days_before=1)
    before = desk.now - timedelta(days=1)
    desk.move(days=3)

    def shown(name: str, at: datetime | None = None) -> list[tuple[Any, ...]]:
        text = None if at is None else at.isoformat()
        found = inventory_by_look(desk.service, person(name), STUDY, text).shipments
        return [
            (one.shipment_id, one.from_place, one.to_place, one.kits, one.late)
            for one in found
            if one.to_kind == "subject"
        ]

    expected = [(f"{who}-P1", "S01", "", 2, True)]
    assert shown("coordinator") == expected == shown("monitor")
    assert shown("sponsor") == shown("other.site") == shown("supply") == []
    sent_day = desk.now
    confirm(desk, who, numbers)
    assert shown("coordinator") == []
    desk.move(days=2)
    assert shown("coordinator", sent_day - timedelta(days=1)) == expected
    assert shown("coordinator", before) == []


def warm(desk: Desk, parcel_id: str, hours: int = 4) -> dict[str, Any]:
    request = RecordExcursionRequest.model_validate(
        {
            "parcel_id": parcel_id,
            "reported": {
                "began_at": desk.now - timedelta(hours=hours),
                "ended_at": desk.now,
                "lowest_celsius": 5,
                "highest_celsius": 31,
            },
        }
    )
    answer: dict[str, Any] = record_excursion(desk.service, BECAUSE, STUDY, request)
    return answer


def test_a_parcel_that_got_warm_holds_its_own_kits_alone_and_they_are_not_handed_over(
    empty_desk: Desk,
) -> None:
    desk = empty_desk
    who, numbers = under_way(desk)
    desk.move(days=1)
    answer = warm(desk, f"{who}-P1")
    assert sorted(answer["quarantined"]) == sorted(numbers)
    assert answer["exposed"] == 2
    assert {one[0] for one in kit_states(desk, *numbers)} == {"quarantined"}
    with refused(desk, "not-found", "handed_out"):
        confirm(desk, who, numbers)
    confirm(desk, who, [])
    assert parcels(desk) == [(f"{who}-P1", "ended")]
    assert_sound(desk)


def test_what_was_delivered_warm_is_named_as_with_the_subject_and_an_unknown_parcel_is_refused(
    sqlite_desk: Desk,
) -> None:
    desk = sqlite_desk
    who, numbers = under_way(desk)
    desk.move(days=1)
    confirm(desk, who, numbers)
    answer = warm(desk, f"{who}-P1")
    assert (answer["quarantined"], sorted(answer["with_subjects"])) == ([], sorted(numbers))
    before = desk.state()
    with pytest.raises(NotFound) as caught:
        warm(desk, "S01-9999-P1")
    assert caught.value.field == "parcel_id"
    assert desk.state() == before

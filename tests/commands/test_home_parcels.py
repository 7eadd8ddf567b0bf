"""Direct to patient: assigned kits are sent home, and what became of them is confirmed; where to stays in the vault."""

from datetime import date, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet

from allocation.access.actors import Actor
from allocation.commands.confirming import ConfirmDispensingRequest, confirm_dispensing
from allocation.commands.home_parcels import SendHomeRequest, send_home
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.vault import (
    AddressOfSubject,
    PatientAddress,
    SetAddressRequest,
    forget_patient_address,
    set_patient_address,
)
from allocation.errors import NotPermitted
from allocation.views.blinded.home_parcels import list_home_parcels
from tests.api.trial import PEOPLE, STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.dosing_trial import (
    BECAUSE,
    Lot,
    assert_sound,
    dispensing,
    document,
    give,
    kit_states,
    refused,
    set_up,
)

HOME = PatientAddress(
    recipient="Zsuzsanna Quxley", lines=("17 Vexilla Mews",), city="Thornaby-Zed", country="GBR"
)
SENT_HOME = {"confirmation": True, "home_delivery": True, "not_dispensed_to": "stock"}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the vault, in the environment."""
    monkeypatch.setenv("RTSM_VAULT_KEY", Fernet.generate_key().decode())


def person(name: str) -> Actor:
    return Actor(name, name, PEOPLE[name])


def keep_address(desk: Desk, who: str) -> None:
    request = SetAddressRequest(subject_id=who, address=HOME)
    set_patient_address(desk.service, ACT, STUDY, request)


def send(desk: Desk, who: str, act: Act = ACT, **more: Any) -> Any:
    request = SendHomeRequest.model_validate({"subject_id": who, **more})
    return send_home(desk.service, act, STUDY, request)


def confirm(desk: Desk, who: str, handed: list[str], others: dict[str, bool] | None = None) -> Any:
    """`others`: a kit that the subject did not get -> whether it is lost."""
    missed = [{"kit_number": one, "reason": "no", "lost": lost} for one, lost in (others or {}).items()]
    request = {"subject_id": who, "handed_out": handed, "not_dispensed": missed}
    asked = ConfirmDispensingRequest.model_validate(request)
    return confirm_dispensing(desk.service, ACT, STUDY, asked)


def test_kits_are_sent_home_stay_assigned_and_are_dispensed_when_the_subject_has_them(
    empty_desk: Desk,
) -> None:
    desk = set_up(empty_desk, document(SENT_HOME, dispensing=dispensing(3)))
    who = desk.randomized()
    with refused(desk, "nothing-to-send"):
        send(desk, who)
    first, second, third = give(desk, who, "V2")["kit_numbers"]
    with refused(desk, "no-address"):
        send(desk, who)
    keep_address(desk, who)
    act = Act(person("pharmacist"), "p1")
    answer = send(desk, who, act, carrier="Swift", tracking_number="SC-1")
    assert send(desk, who, act, carrier="Swift", tracking_number="SC-1") == answer
    assert (answer["parcel_id"], answer["kits"]) == (f"{who}-P1", [first, second, third])
    assert kit_states(desk, first, second, third) == [("assigned", "site", "S01", who, None)] * 3
    with refused(desk, "nothing-to-send"):
        send(desk, who)
    seen = list_home_parcels(desk.database, person("coordinator"), STUDY).parcels
    assert [(one.status, one.kits, one.tracking_number) for one in seen] == [
        ("sent", (first, second, third), "SC-1")
    ]
    assert list_home_parcels(desk.database, person("other.site"), STUDY).parcels == ()
    with pytest.raises(NotPermitted):
        list_home_parcels(desk.database, person("sponsor"), STUDY)
    desk.move(days=2)
    today = desk.now.date()
    confirm(desk, who, [first], {second: False, third: True})
    assert kit_states(desk, first, second, third) == [
        ("dispensed", "subject", who, who, today),
        (
            "quarantined",
            "site",
            "S01",
            None,
            None,
        ),  # back from its way, whatever the protocol says of the shelf
        ("lost", "lost", "", None, None),
    ]
    (parcel,) = list_home_parcels(desk.database, person("coordinator"), STUDY).parcels
    assert (parcel.status, parcel.ended_on) == ("ended", today)
    assert_sound(desk)


def test_only_what_was_sent_is_lost_on_its_way(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, document(SENT_HOME))
    who = desk.randomized()
    (number,) = give(desk, who, "V2")["kit_numbers"]
    with refused(desk, "kit-not-sent", "not_dispensed"):
        confirm(desk, who, [], {number: True})
    assert confirm(desk, who, [], {number: False})["confirmation"] == "not_dispensed"
    assert kit_states(desk, number) == [("site_available", "site", "S01", None, None)]


def test_a_run_orders_the_same_whether_kits_are_on_their_way_or_on_the_shelf(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, document(SENT_HOME, dispensing=dispensing(2)))
    who = desk.randomized()
    give(desk, who, "V2")
    keep_address(desk, who)
    run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    send(desk, who)
    assert run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"] == []
    assert_sound(desk)


def test_a_kit_that_is_quarantined_on_its_way_is_not_confirmed_as_dispensed(empty_desk: Desk) -> None:
    desk = set_up(empty_desk, document(SENT_HOME))
    who = desk.randomized()
    (number,) = give(desk, who, "V2")["kit_numbers"]
    keep_address(desk, who)
    send(desk, who)
    quarantine_kits(desk.service, BECAUSE, STUDY, KitScopeRequest(kit_numbers=(number,)))
    with refused(desk, "not-found", "handed_out"):
        confirm(desk, who, [number])
    confirm(desk, who, [])
    assert list_home_parcels(desk.database, ACT.actor, STUDY).parcels[0].status == "ended"
    assert_sound(desk)


def test_nothing_is_sent_past_its_last_day_or_confirmed_after_it(empty_desk: Desk) -> None:
    lots = (Lot("ZZKITA", 2, date(2026, 3, 20)), Lot("ZZKITB", 2, date(2026, 3, 20)))
    lots = (*lots, Lot("ZZKITC", 2, date(2026, 3, 20)))
    data = document(SENT_HOME)
    for kit_type in data["kit_types"]:
        kit_type["expiry"] = {"dns_days": 0, "dnc_days": 0, "dnd_days": 0}
    data["dosing"]["valid_until_next_visit"] = False
    desk = set_up(empty_desk, data, lots)
    who = desk.randomized()
    (number,) = give(desk, who, "V2")["kit_numbers"]
    keep_address(desk, who)
    last = date(2026, 3, 19)
    with refused(desk, "kit-past-last-dispense-date", "expected_on"):
        send(desk, who, expected_on=last + timedelta(days=1))
    with refused(desk, "dates-contradict", "expected_on"):
        send(desk, who, expected_on=desk.now.date() - timedelta(days=1))
    send(desk, who, expected_on=last)
    desk.move(days=(last - desk.now.date()).days + 1)
    with refused(desk, "kit-past-last-dispense-date", "handed_out"):
        confirm(desk, who, [number])
    confirm(desk, who, [], {number: False})
    assert_sound(desk)


def test_a_study_that_does_not_send_home_refuses_and_an_address_can_go_while_a_parcel_is_under_way(
    empty_desk: Desk,
) -> None:
    desk = set_up(empty_desk, document({"confirmation": True}))
    who = desk.randomized()
    give(desk, who, "V2")
    keep_address(desk, who)
    with refused(desk, "no-home-delivery"):
        send(desk, who)
    forget_patient_address(desk.service, BECAUSE, STUDY, AddressOfSubject(subject_id=who))
    assert_sound(desk)


@pytest.mark.parametrize("field", ["carrier", "tracking_number"])
def test_no_address_fits_where_the_ledger_keeps_the_carrier(field: str) -> None:
    for text in ("17 Vexilla Mews, Thornaby", "a" * 41, "Mews\n17"):
        with pytest.raises(ValueError, match=field):
            SendHomeRequest.model_validate({"subject_id": "S01-0001", field: text})

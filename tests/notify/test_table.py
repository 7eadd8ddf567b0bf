"""The table of notifications: who may be told what, and what a blinded mail has no place for."""

from dataclasses import fields

import pytest

from allocation.access.permissions import BLINDED_ROLES, COMMAND_PERMISSIONS, PERMISSIONS, UNBLINDED_ROLES
from allocation.notify.blinded import BlindedNotice
from allocation.notify.events import EVENTS, UNBLINDED, Event

by_code = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.code)


def test_codes_are_unique_and_commands_are_known() -> None:
    assert len({event.code for event in EVENTS}) == len(EVENTS)
    assert {command for event in EVENTS for command in event.commands} <= set(COMMAND_PERMISSIONS)


@by_code
def test_every_role_of_a_row_may_read_one_variant_by_the_permission_table(event: Event) -> None:
    for role in event.roles:
        variant = event.variant_for(role)
        assert variant is not None, role
        assert role in PERMISSIONS[UNBLINDED if variant == "unblinded" else event.permission]


@by_code
def test_no_blinded_role_is_told_in_unblinded_words(event: Event) -> None:
    assert "unblinded" not in {event.variant_for(role) for role in BLINDED_ROLES}


@by_code
def test_a_row_with_a_command_has_builders_for_every_variant_that_its_roles_are_told(event: Event) -> None:
    if event.commands:
        assert event.blinded is not None
        assert event.unblinded is not None or not any(
            event.variant_for(role) == "unblinded" for role in UNBLINDED_ROLES
        )


def test_a_blinded_notice_has_no_field_for_what_unblinds() -> None:
    names = {field.name for field in fields(BlindedNotice)}
    assert not names & {
        "arm",
        "kit_type",
        "strength",
        "lot",
        "lot_id",
        "dose",
        "dose_level",
        "contents",
        "reason",
    }

"""Pauses of automatic orders: what each holds for, and which of several is told."""

from datetime import UTC, datetime

import pytest

from allocation.rules.resupply_pause import Pause, why_paused

SINCE = datetime(2026, 3, 5, 9, tzinfo=UTC)


def pause(site: str | None, kit_type: str | None) -> Pause:
    return Pause(site, kit_type, "anna", f"of {site} and {kit_type}", SINCE)


@pytest.mark.parametrize(
    ("site", "kit_type", "holds"),
    [
        (None, None, True),
        ("S1", None, True),
        ("S2", None, False),
        (None, "K1", True),
        (None, "K2", False),
        ("S1", "K1", True),
        ("S1", "K2", False),
        ("S2", "K1", False),
    ],
)
def test_a_pause_holds_for_what_it_names_and_for_all_of_what_it_does_not(
    site: str | None, kit_type: str | None, holds: bool
) -> None:
    assert (why_paused("S1", "K1", None, [pause(site, kit_type)]) is not None) == holds


def test_the_widest_pause_by_hand_is_told_and_the_protocols_only_without_one() -> None:
    both, of_type = pause("S1", "K1"), pause(None, "K1")
    assert (
        why_paused("S1", "K1", "country DEU", [both, of_type])
        == "paused by anna since 2026-03-05 because of None and K1"
    )
    assert (
        why_paused("S1", "K1", "country DEU", [pause("S2", None)]) == "paused by the protocol (country DEU)"
    )
    assert why_paused("S1", "K1", None, []) is None

"""What an amendment of randomization needs before the next subject: nothing, a list, or the activation of a method."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from allocation.study.amendment_of_randomization import effects_on_randomization, list_events_by_country
from allocation.study.protocol import Protocol
from tests.api.trial import protocol

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def other_ratio(document: dict[str, Any]) -> None:
    document["arms"][0]["ratio"] = 2


def other_blocks(document: dict[str, Any]) -> None:
    document["randomization"][0] |= {"method": "permuted_block", "block_sizes": [9]}


def other_holder(document: dict[str, Any]) -> None:
    document["randomization"][0]["held_by"] = "site"


def one_more_level(document: dict[str, Any]) -> None:
    document["stratification"][0]["levels"].append({"code": "NEW", "label": "New"})


def live(document: dict[str, Any]) -> None:
    document["randomization"][0] |= {"method": "complete", "drawn": "at_randomization"}


def version(change: Callable[[dict[str, Any]], None] | None = None) -> Protocol:
    document = protocol(1 if change is None else 2)
    if change is not None:
        change(document)
    return Protocol.model_validate(document)


@pytest.mark.parametrize(
    ("change", "needs", "by_country"),
    [
        (other_ratio, "list", False),
        (other_holder, "list", False),
        (live, "activation", False),
        (other_blocks, "list_for_new_blocks", True),
    ],
)
def test_what_a_changed_event_needs_and_whether_countries_may_differ_in_it(
    change: Callable[[dict[str, Any]], None], needs: str, by_country: bool
) -> None:
    (effect,) = effects_on_randomization(version(), version(change))
    assert (effect.change, effect.needs) == ("changed", needs)
    refused = list_events_by_country(version(), version(change), {"DEU": NOW, "FRA": NOW + timedelta(days=1)})
    assert refused == (() if by_country else ("RAND",))
    assert list_events_by_country(version(), version(change), {"DEU": NOW, "FRA": NOW}) == ()


def test_one_more_level_leaves_the_list_to_the_strata_that_it_fits() -> None:
    (effect,) = effects_on_randomization(version(), version(one_more_level))
    assert (effect.differs, effect.needs) == (("ratio",), "list_for_changed_strata")

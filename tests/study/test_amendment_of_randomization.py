"""What an amendment of randomization needs before it is in force: nothing, a list, or the activation of a method."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from allocation.study.amendment_of_randomization import effects_on_randomization
from allocation.study.list_basis import events_needing_lists
from allocation.study.protocol import Protocol
from tests.api.trial import protocol


def other_ratio(document: dict[str, Any]) -> None:
    document["arms"][0]["ratio"] = 2


def other_method(document: dict[str, Any]) -> None:
    blocks(document, [9])


def blocks(document: dict[str, Any], sizes: list[int]) -> None:
    document["randomization"][0] |= {"method": "permuted_block", "block_sizes": sizes}


def other_holder(document: dict[str, Any]) -> None:
    document["randomization"][0]["held_by"] = "site"


def one_more_level(document: dict[str, Any]) -> None:
    document["stratification"][0]["levels"].append({"code": "NEW", "label": "New"})


def live(document: dict[str, Any], method: str = "complete", drawn: str = "at_randomization") -> None:
    document["randomization"][0] |= {"method": method, "drawn": drawn}


def version(change: Callable[[dict[str, Any]], None] | None = None) -> Protocol:
    document = protocol(1 if change is None else 2)
    if change is not None:
        change(document)
    return Protocol.model_validate(document)


@pytest.mark.parametrize(
    ("change", "needs"),
    [(other_ratio, "list"), (other_holder, "list"), (live, "activation"), (other_method, "list")],
)
def test_what_a_changed_event_needs(change: Callable[[dict[str, Any]], None], needs: str) -> None:
    (effect,) = effects_on_randomization(version(), version(change))
    assert (effect.change, effect.needs) == ("changed", needs)


@pytest.mark.parametrize(
    ("was", "now", "needs"),
    [
        ([3], [3, 6], "list_for_new_blocks"),
        ([3, 6], [3, 6, 9], "list_for_new_blocks"),
        ([3, 6], [6], "list"),
        ([3], [6], "list"),
    ],
)
def test_a_list_goes_on_while_the_sizes_of_its_blocks_are_allowed(
    was: list[int], now: list[int], needs: str
) -> None:
    old, new = (version(partial(blocks, sizes=sizes)) for sizes in (was, now))
    (effect,) = effects_on_randomization(old, new)
    assert (effect.differs, effect.needs) == (("block_sizes",), needs)
    assert events_needing_lists(old, new) == ([] if needs == "list_for_new_blocks" else ["RAND"])


def test_an_event_that_drew_at_randomization_needs_a_list_and_another_live_method_nothing() -> None:
    listed = version(partial(live, drawn="from_list"))
    (effect,) = effects_on_randomization(version(live), listed)
    assert (effect.differs, effect.needs) == (("drawn",), "list")
    assert events_needing_lists(version(live), listed) == ["RAND"]
    (effect,) = effects_on_randomization(version(live), version(partial(live, method="wei_urn")))
    assert (effect.needs, effect.balance_begins_anew) == ("nothing", True)


def test_one_more_level_leaves_the_list_to_the_strata_that_it_fits() -> None:
    (effect,) = effects_on_randomization(version(), version(one_more_level))
    assert (effect.differs, effect.needs) == (("ratio",), "list_for_changed_strata")


def test_an_event_that_a_version_adds_needs_a_list_of_its_own() -> None:
    def one_more_event(document: dict[str, Any]) -> None:
        later = {"code": "AGAIN", "visit": "V3", "method": "list", "admission": {"after": "RAND"}}
        document["randomization"].append(later)

    (effect,) = effects_on_randomization(version(), version(one_more_event))
    assert (effect.event, effect.change, effect.needs) == ("AGAIN", "added", "list")
    assert events_needing_lists(version(), version(one_more_event)) == ["AGAIN"]

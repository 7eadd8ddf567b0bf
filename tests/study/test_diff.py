"""Two versions of a protocol are compared by the names of things, not by their place in a list."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.study.diff import Change, diff_protocols
from allocation.study.protocol import Protocol
from tests.study.small_protocol import REMOVE, SMALL, with_changes


def changes(new: dict[str, Any]) -> list[Change]:
    return diff_protocols(Protocol.model_validate(SMALL), Protocol.model_validate(with_changes(new)))


def test_a_protocol_does_not_differ_from_itself() -> None:
    assert changes({}) == []


def test_a_changed_value_is_named_by_the_code_of_what_holds_it() -> None:
    (change,) = changes({"visits[2].window_before": 5})
    assert change == Change("visits[V3].window_before", "changed", 3, 5)
    assert str(change) == "~ visits[V3].window_before: 3 -> 5"


def test_an_insertion_at_the_front_is_one_addition_and_no_other_change() -> None:
    data = with_changes({})
    data["sites"].insert(0, {"code": "G0", "name": "Bonn", "country": "DEU"})
    (change,) = diff_protocols(Protocol.model_validate(SMALL), Protocol.model_validate(data))
    assert (change.path, change.kind, change.new["name"]) == ("sites[G0]", "added", "Bonn")
    assert str(change).startswith("+ sites[G0]: {code: G0, name: Bonn, country: DEU")


def test_a_removal_is_named() -> None:
    (change,) = changes({"sites[1]": REMOVE})
    assert (change.path, change.kind, change.new) == ("sites[U1]", "removed", None)
    assert str(change).startswith("- sites[U1]: ")


def test_another_order_is_told_since_the_first_match_wins() -> None:
    data = with_changes({})
    data["dispensing"] = [data["dispensing"][2], data["dispensing"][0], data["dispensing"][1]]
    (change,) = diff_protocols(Protocol.model_validate(SMALL), Protocol.model_validate(data))
    assert (change.path, change.kind) == ("dispensing", "reordered")
    assert change.new == ["V2+V3 P", "V2+V3 A LOW", "V3 A HIGH"]


def test_things_without_a_code_are_named_by_what_they_are_about() -> None:
    found = changes(
        {
            "lanes[0].lead_time_days": 4,
            "caps[0].limit": 20,
            "cells[1].branch": "Randomized",
            "supply.parameters[2].parameters.min_buffer": 1,
            "dispensing[0].kits[0].quantity": 2,
            "exposure.regimens[1].dose": 40,
        }
    )
    assert [change.path for change in found] == [
        "caps[screening country DEU].limit",
        "cells[A TRT].branch",
        "dispensing[V2+V3 A LOW].kits[K1].quantity",
        "exposure.regimens[A HIGH].dose",
        "lanes[D1 DEU].lead_time_days",
        "supply.parameters[profile BIG K1].parameters.min_buffer",
    ]


def test_a_list_of_plain_values_changes_as_a_whole() -> None:
    (change,) = changes({"randomization[0].block_sizes": [6]})
    assert (change.path, change.old, change.new) == ("randomization[R].block_sizes", [3, 6], [6])
    assert str(change) == "~ randomization[R].block_sizes: [3, 6] -> [6]"


@settings(deadline=None)
@given(st.permutations(SMALL["sites"]), st.integers(0, 60))
def test_whatever_the_order_a_change_is_found_under_its_name(sites: list[dict[str, Any]], after: int) -> None:
    data = with_changes({"visits[2].window_after": after, "sites": sites})
    found = {
        change.path: change
        for change in diff_protocols(Protocol.model_validate(SMALL), Protocol.model_validate(data))
    }
    assert ("visits[V3].window_after" in found) == (after != 3)
    assert ("sites" in found) == (sites != SMALL["sites"])
    assert len(found) == (after != 3) + (sites != SMALL["sites"])

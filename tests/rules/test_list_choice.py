"""Which list in use a randomization draws from, by the version in force: exact before fitting, never one that is for a later version."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.rules.list_choice import (
    ListInUse,
    VersionInForce,
    choose_list,
    fits_run,
    lists_retired_by,
    same_basis,
)

BASIS: dict[str, Any] = {
    "held_by": "stratum",
    "block_assignment": "static",
    "method": "permuted_block",
    "parameters": {},
    "block_sizes": [2, 4],
    "runs": {"SEX=F": [["A", 1], ["B", 1]], "SEX=M": [["A", 1], ["B", 1]]},
}
OTHER_RATIO = {"runs": {"SEX=F": [["A", 2], ["B", 1]], "SEX=M": [["A", 1], ["B", 1]]}}


def basis(**changes: Any) -> dict[str, Any]:
    return {**BASIS, **changes}


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        (OTHER_RATIO, False),
        ({"runs": {"SEX=F": [["A", 1], ["B", 1]], "SEX=X": [["A", 1]]}}, True),
        ({"runs": {"SEX=F": [["A", 1]]}}, False),
        ({"held_by": "site"}, False),
        ({"block_assignment": "dynamic"}, False),
        ({"block_sizes": [2, 4, 6]}, True),
        ({"block_sizes": []}, True),
        ({"block_sizes": [4]}, False),
        ({"block_sizes": [6]}, False),
        ({"method": "big_stick", "parameters": {"b": 3}}, False),
        ({"method": "list"}, True),
    ],
)
def test_a_run_goes_on_when_nothing_that_its_entries_were_made_by_has_changed(
    changes: dict[str, Any], fits: bool
) -> None:
    assert fits_run(BASIS, basis(**changes), "SEX=F") is fits


def test_a_list_made_without_stated_sizes_does_not_fit_where_sizes_are_stated() -> None:
    assert not fits_run(basis(block_sizes=[]), BASIS, "SEX=F")


def test_a_list_stored_before_sizes_and_method_were_kept_is_judged_by_what_it_has() -> None:
    kept = {name: BASIS[name] for name in ("held_by", "block_assignment", "runs")}
    assert same_basis(kept, BASIS)
    assert fits_run(kept, BASIS, "SEX=F")
    assert not fits_run(kept, basis(**OTHER_RATIO), "SEX=F")
    assert choose_list([ListInUse("OLD", 0, kept)], VersionInForce(1, BASIS), "SEX=F") == "OLD"


def test_blocks_of_a_central_run_serve_any_stratum_of_their_ratio() -> None:
    central = basis(block_assignment="dynamic")
    added = {**central, "runs": {**central["runs"], "SEX=X": [["A", 1], ["B", 1]]}}
    assert fits_run(central, added, "SEX=X")
    assert not fits_run(central, {**added, **OTHER_RATIO}, "SEX=F")


def test_the_list_made_for_what_the_version_says_goes_before_one_that_only_fits() -> None:
    wider = basis(block_sizes=[2, 4, 6])
    lists = [ListInUse("Z", 1, BASIS), ListInUse("A", 2, wider)]
    assert choose_list(lists, VersionInForce(2, wider), "SEX=F") == "A"
    assert choose_list(lists, VersionInForce(1, BASIS), "SEX=F") == "Z"
    assert choose_list(lists, VersionInForce(3, basis(block_sizes=[])), "SEX=F") == "A"


def test_a_list_for_a_later_version_waits_unless_the_present_one_says_just_the_same() -> None:
    later = ListInUse("L2", 2, basis(**OTHER_RATIO))
    assert choose_list([later], VersionInForce(1, BASIS), "SEX=M") is None
    assert choose_list([later], VersionInForce(2, later.basis), "SEX=M") == "L2"
    same = ListInUse("L2", 2, BASIS)
    assert choose_list([same], VersionInForce(1, BASIS), "SEX=M") == "L2"


VERSIONS = st.lists(
    st.sampled_from(
        [
            basis(),
            basis(**OTHER_RATIO),
            basis(block_sizes=[2, 4, 6]),
            basis(held_by="site"),
            basis(runs={"SEX=F": [["A", 1], ["B", 1]]}),
        ]
    ),
    min_size=1,
    max_size=5,
)


@given(VERSIONS, st.data())
def test_an_activation_takes_no_list_from_a_version_that_draws_from_it_but_for_the_new_one(
    bases: list[dict[str, Any]], data: st.DataObject
) -> None:
    versions = [VersionInForce(number, one) for number, one in enumerate(bases, start=1)]
    active: list[ListInUse] = []
    for step in range(data.draw(st.integers(1, 5))):
        made_for = data.draw(st.sampled_from(versions))
        since = min(one.version for one in versions if one.basis == made_for.basis)
        new = ListInUse(f"L{step}", since, made_for.basis)
        retired = lists_retired_by(new, active, versions)
        after = [*(one for one in active if one.list_id not in retired), new]
        for version in versions:
            for run in version.basis["runs"]:
                was, now = choose_list(active, version, run), choose_list(after, version, run)
                assert now in (was, new.list_id)
                assert (now == new.list_id) or not same_basis(new.basis, version.basis)
        assert len({repr(one.basis) for one in after}) == len(after)
        active = after

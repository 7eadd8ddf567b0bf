"""Drawing from a list: the first unused entry, no skipping, and a refusal when none is left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import ListExhausted, RuleError
from allocation.rules.blocks import BlockDesign, ListEntry, StratumPlan, generate_list
from allocation.rules.randomization import EXHAUSTED, first_unused, next_list_entry

ENTRIES = generate_list(BlockDesign((("A", 2), ("P", 1)), (3,), (StratumPlan("M", 12),)), 4)


def test_the_first_unused_entry_is_drawn_with_its_facts() -> None:
    used = [True, True, False, True, False, *[False] * 7]
    decision = next_list_entry("MRL-1", "M", ENTRIES, used)
    entry = ENTRIES[2]
    assert (decision.index, decision.sequence, decision.number, decision.arm, decision.block) == (
        2,
        entry.sequence,
        entry.number,
        entry.arm,
        entry.block,
    )
    assert (decision.method, decision.rule_version, decision.list_id, decision.holder) == (
        "list",
        "list-next-unused/1",
        "MRL-1",
        "M",
    )


def test_drawing_until_the_end_uses_each_entry_once_in_sequence_and_then_refuses() -> None:
    used = [False] * len(ENTRIES)
    drawn = []
    for _ in ENTRIES:
        decision = next_list_entry("MRL-1", "M", ENTRIES, used)
        used[decision.index] = True
        drawn.append(decision.sequence)
    assert drawn == list(range(1, len(ENTRIES) + 1))
    with pytest.raises(ListExhausted) as refused:
        next_list_entry("MRL-1", "M", ENTRIES, used)
    assert refused.value.code == "list-exhausted"
    assert refused.value.field == "stratum"


def test_an_empty_run_is_exhausted() -> None:
    with pytest.raises(ListExhausted):
        next_list_entry("MRL-1", "SITE-9", [], [])


def test_entries_out_of_sequence_are_refused_rather_than_drawn() -> None:
    with pytest.raises(RuleError) as refused:
        next_list_entry("MRL-1", "M", [ENTRIES[1], ENTRIES[0]], [False, False])
    assert refused.value.field == "entries"


def test_flags_that_do_not_fit_the_entries_are_refused() -> None:
    with pytest.raises(RuleError):
        next_list_entry("MRL-1", "M", ENTRIES, [False])


def test_a_site_may_hold_runs_of_several_strata() -> None:
    entries = [ListEntry("1", "M", 7, None, "A"), ListEntry("2", "F", 3, None, "P")]
    assert next_list_entry("MRL-1", "SITE-1", entries, [True, False]).stratum == "F"


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 40))
def test_no_unused_entry_is_skipped_from_the_start_on(used, start) -> None:
    found = first_unused(np.array(used, dtype=np.bool_), start)
    if found == EXHAUSTED:
        assert all(used[start:])
    else:
        assert found >= start
        assert not used[found]
        assert all(used[start:found])

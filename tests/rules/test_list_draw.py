"""Drawing from a list without forcing: the first unused entry, no skipping, and a refusal when none is left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import ListExhausted, RuleError
from allocation.rules.blocks import BlockDesign, ListEntry, StratumPlan, generate_list
from allocation.rules.forced import (
    EXHAUSTED,
    NONE,
    ForcedEntry,
    ForcedMode,
    UnusedEntry,
    forced_indexes,
    forced_list_entry,
)

ENTRIES = generate_list(BlockDesign((("A", 2), ("P", 1)), (3,), (StratumPlan("M", 12),)), 4)


def drawn_from(entries: Sequence[ListEntry], used: Sequence[bool], holder: str = "M") -> ForcedEntry:
    unused = [UnusedEntry(entry) for entry, taken in zip(entries, used, strict=True) if not taken]
    return forced_list_entry(ForcedMode.NONE, holder, unused, {"A": False, "P": False})


def test_the_first_unused_entry_is_drawn_with_its_facts_whatever_the_supply() -> None:
    used = [True, True, False, True, False, *[False] * 7]
    decision = drawn_from(ENTRIES, used)
    assert decision.assigned == decision.scheduled == ENTRIES[2]
    assert (decision.forced, decision.newly_skipped) == (False, ())
    assert (decision.mode, decision.rule_version) == (ForcedMode.NONE, "forced/1")


def test_drawing_until_the_end_uses_each_entry_once_in_sequence_and_then_refuses() -> None:
    used = [False] * len(ENTRIES)
    drawn = []
    for _ in ENTRIES:
        decision = drawn_from(ENTRIES, used)
        used[ENTRIES.index(decision.assigned)] = True
        drawn.append(decision.assigned.sequence)
    assert drawn == list(range(1, len(ENTRIES) + 1))
    with pytest.raises(ListExhausted) as refused:
        drawn_from(ENTRIES, used)
    assert refused.value.code == "list-exhausted"
    assert refused.value.field == "stratum"


def test_an_empty_run_is_exhausted() -> None:
    with pytest.raises(ListExhausted):
        drawn_from([], [], "SITE-9")


def test_entries_out_of_sequence_are_refused_rather_than_drawn() -> None:
    with pytest.raises(RuleError) as refused:
        drawn_from([ENTRIES[1], ENTRIES[0]], [False, False])
    assert refused.value.field == "unused"


def test_a_site_may_hold_runs_of_several_strata() -> None:
    entries = [ListEntry("1", "M", 7, None, "A"), ListEntry("2", "F", 3, None, "P")]
    assert drawn_from(entries, [True, False], "SITE-1").assigned.stratum == "F"


@given(st.lists(st.booleans(), max_size=40), st.booleans())
def test_no_entry_in_turn_is_skipped(skipped: list[bool], all_suppliable: bool) -> None:
    passed_over = np.array(skipped, dtype=np.bool_)
    scheduled, assigned = forced_indexes(NONE, passed_over, ~passed_over, all_suppliable)
    assert scheduled == assigned
    if assigned == EXHAUSTED:
        assert all(skipped)
    else:
        assert not skipped[assigned]
        assert all(skipped[:assigned])

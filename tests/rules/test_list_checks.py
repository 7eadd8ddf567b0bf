"""Checks of an uploaded list: each error is found, on its line, and a sound list passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import RuleError
from allocation.rules.blocks import BlockDesign, StratumPlan, generate_list
from allocation.rules.list_checks import WHOLE_FILE, ListRow, check_list, whole_number

RATIO = {"A": 2, "P": 1}
RUNS = {"M": RATIO, "F": RATIO}
DESIGN = BlockDesign(tuple(RATIO.items()), (3, 6), (StratumPlan("M", 9), StratumPlan("F", 9)))


def sound(seed: int = 1) -> list[ListRow]:
    return [
        ListRow(line, entry.number, entry.stratum, entry.sequence, entry.block, entry.arm)
        for line, entry in enumerate(generate_list(DESIGN, seed), start=2)
    ]


def found(rows: list[ListRow], **options: bool) -> list[tuple[int, str]]:
    return [(error.line, error.code) for error in check_list(rows, RUNS, **options)]


@given(st.integers(0, 2**32))
def test_every_generated_list_passes_and_comes_back_as_it_was(seed) -> None:
    rows = sound(seed)
    assert found(rows) == []
    assert tuple(row.entry() for row in rows) == generate_list(DESIGN, seed)


def test_an_empty_list_is_an_error_of_the_file() -> None:
    assert found([]) == [(WHOLE_FILE, "empty-list")]


def test_a_number_given_twice_is_named_on_its_second_line() -> None:
    rows = sound()
    rows[5] = replace(rows[5], number=rows[0].number)
    assert found(rows) == [(rows[5].line, "duplicate-number")]
    assert "line 2" in check_list(rows, RUNS)[0].message


def test_an_empty_number_is_an_error() -> None:
    rows = sound()
    rows[1] = replace(rows[1], number=" ")
    assert found(rows) == [(rows[1].line, "missing-number")]


@pytest.mark.parametrize(
    ("sequences", "codes"),
    [
        ((1, 2, 4), [(4, "sequence-gap")]),
        ((2, 3, 4), [(2, "sequence-gap")]),
        ((1, 2, 2), [(4, "duplicate-sequence")]),
        ((1, 3, 2), [(3, "sequence-gap"), (4, "sequence-out-of-order")]),
    ],
)
def test_the_sequence_of_a_stratum_runs_without_gap_repeat_or_swap(sequences, codes) -> None:
    rows = [
        ListRow(line, str(line), "M", sequence, None, "A") for line, sequence in enumerate(sequences, start=2)
    ]
    assert [(e.line, e.code) for e in check_list(rows, {"M": RATIO})] == codes


def test_an_unknown_arm_or_stratum_is_an_error_of_its_line() -> None:
    rows = sound()
    rows[0] = replace(rows[0], arm="B")
    assert found(rows) == [(2, "unknown-arm")]
    rows = [*sound(), ListRow(99, "77", "X", 1, None, "A")]
    assert found(rows) == [(99, "unknown-stratum")]


def test_a_stratum_of_the_protocol_without_rows_is_an_error_of_the_file() -> None:
    rows = [row for row in sound() if row.stratum == "M"]
    assert found(rows) == [(WHOLE_FILE, "stratum-without-rows")]


def test_one_swapped_arm_is_found_in_its_block() -> None:
    rows = sound()
    index = next(i for i, row in enumerate(rows) if row.arm == "A")
    rows[index] = replace(rows[index], arm="P")
    last_of_block = max(
        r.line for r in rows if (r.stratum, r.block) == (rows[index].stratum, rows[index].block)
    )
    assert found(rows) == [(last_of_block, "block-off-ratio")]


def test_a_last_block_cut_short_passes_only_when_allowed() -> None:
    rows = sound()
    assert found(rows[:-1]) == [(rows[-2].line, "block-off-ratio")]
    assert found(rows[:-1], allow_truncated_last_block=True) == []


def test_a_block_of_a_size_that_the_protocol_does_not_allow_is_an_error_of_its_last_line() -> None:
    arms = ["A", "A", "P", "A", "P", "A", "A", "A", "P"]
    rows = [
        ListRow(line, str(line), "M", line, 1 if line <= 3 else 2, arm)
        for line, arm in enumerate(arms, start=1)
    ]

    def errors(rows: list[ListRow], *sizes: int, cut: bool = False) -> list[tuple[int, str]]:
        found = check_list(rows, {"M": RATIO}, block_sizes=sizes, allow_truncated_last_block=cut)
        return [(error.line, error.code) for error in found]

    assert errors(rows) == errors(rows, 3, 6) == []
    assert errors(rows, 3) == [(9, "block-size")]
    assert errors(rows, 6, 9) == [(3, "block-size")]
    # The last block may be cut short of a larger one, never of a smaller.
    assert errors(rows[:8], 3, 6, cut=True) == []
    assert errors(rows[:8], 3, cut=True) == [(8, "block-size")]


def test_a_block_cut_short_in_the_middle_never_passes() -> None:
    rows = [
        ListRow(line, str(line), "M", line, block, arm)
        for line, (block, arm) in enumerate([(1, "A"), (1, "P"), (2, "A"), (2, "A"), (2, "P")], start=1)
    ]
    errors = check_list(rows, {"M": RATIO}, allow_truncated_last_block=True)
    assert [(error.line, error.code) for error in errors] == [(2, "block-off-ratio")]


def test_too_many_of_an_arm_in_a_truncated_block_is_still_an_error() -> None:
    rows = [ListRow(line, str(line), "M", line, 1, "P") for line in (1, 2)]
    errors = check_list(rows, {"M": RATIO}, allow_truncated_last_block=True)
    assert [error.code for error in errors] == ["block-off-ratio"]


def test_a_block_that_comes_back_or_is_left_out_is_an_error() -> None:
    arms = ["A", "A", "P"] * 3
    blocks = [1, 1, 1, 2, 2, 2, 1, 1, 1]
    rows = [
        ListRow(line, str(line), "M", line, block, arm)
        for line, (block, arm) in enumerate(zip(blocks, arms, strict=True), start=1)
    ]
    assert [(e.line, e.code) for e in check_list(rows, {"M": RATIO})] == [(7, "block-not-together")]
    rows = sound()
    rows[0] = replace(rows[0], block=None)
    assert (2, "missing-block") in found(rows)


def test_a_simple_list_without_blocks_is_not_measured_by_the_ratio() -> None:
    rows = [ListRow(line, str(line), "M", line, None, "A") for line in range(1, 8)]
    assert check_list(rows, {"M": RATIO}) == ()


def test_errors_come_in_the_order_of_the_lines() -> None:
    rows = sound()
    rows[9] = replace(rows[9], arm="B")
    rows[3] = replace(rows[3], number=rows[0].number)
    lines = [line for line, _ in found(rows)]
    assert lines == sorted(lines)
    assert len(lines) == 2


def test_each_run_is_measured_by_its_own_ratio() -> None:
    rows = [
        *(ListRow(line, str(line), "ONE", line, 1, arm) for line, arm in enumerate("AP", start=1)),
        *(ListRow(line, str(line), "TWO", line - 2, 1, arm) for line, arm in enumerate("BBP", start=3)),
    ]
    runs = {"ONE": {"A": 1, "P": 1}, "TWO": {"B": 2, "P": 1}}
    assert check_list(rows, runs) == ()
    swapped = {"ONE": runs["TWO"], "TWO": runs["ONE"]}
    codes = [(error.line, error.code) for error in check_list(rows, swapped)]
    assert codes == [(1, "unknown-arm"), (3, "unknown-arm"), (4, "unknown-arm")]


def test_a_central_run_needs_a_block_on_every_row() -> None:
    rows = [ListRow(line, str(line), "", line, None, "A") for line in (1, 2)]
    assert check_list(rows, {"": {"A": 1}}) == ()
    errors = check_list(rows, {"": {"A": 1}}, blocks_required=True)
    assert [(error.line, error.code) for error in errors] == [(1, "missing-block"), (2, "missing-block")]


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "0", "1e3", "²", "٣", "99999999999", "2147483648"])
def test_what_is_no_whole_number_is_named_on_its_line_alone(text) -> None:
    assert whole_number(text) == text
    rows = [ListRow(line, str(line), "M", line, 1, arm) for line, arm in enumerate("AAPAAP", start=1)]
    bad_sequence = [*rows[:2], replace(rows[2], sequence=text), *rows[3:]]
    assert [(e.line, e.code) for e in check_list(bad_sequence, {"M": RATIO})] == [(3, "malformed-sequence")]
    bad_block = [*rows[:2], replace(rows[2], block=text), *rows[3:]]
    assert [(e.line, e.code) for e in check_list(bad_block, {"M": RATIO})] == [(3, "malformed-block")]
    with pytest.raises(RuleError, match="line 3"):
        bad_sequence[2].entry()


def test_zeros_before_a_whole_number_do_not_matter() -> None:
    assert (whole_number("007"), whole_number("2147483647")) == (7, 2147483647)


@pytest.mark.parametrize("number", ["=A1", "1.05E+05", "-4", "+4", "@x", "ä1", "1" * 41, "1\n2"])
def test_what_a_spreadsheet_made_of_a_number_is_refused(number) -> None:
    rows = sound()
    rows[2] = replace(rows[2], number=number)
    assert found(rows) == [(rows[2].line, "malformed-number")]

"""Randomization lists: drafts, hashes, numbers that are unique in the study and tell nothing, runs with ratios of their own."""

import itertools
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from allocation.commands.list_runs import PlannedRun, list_entries
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    GenerateListRequest,
    UploadListRequest,
    activate_list,
    activation_content,
    generate_randomization_list,
    upload_list,
)
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.errors import DomainRefusal, FileRefused, ListExhausted
from allocation.ledger.reader import iter_sealed
from allocation.ledger.schema import list_block, list_entry, randomization_list
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.rules.blocks import BlockDesign, StratumPlan, generate_list
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import RandomizationEvent
from tests.api.trial import ARMS, AS_IS, STUDY, protocol
from tests.api.trial import randomization_list as entries_of
from tests.commands.desk import ACT, Desk


def with_event(**changes: Any) -> Protocol:
    document = protocol()
    document["randomization"][0] |= {"method": "permuted_block", "block_sizes": [3, 6], **changes}
    for country, region in zip(document["countries"], ("NORTH", "SOUTH"), strict=True):
        country["region"] = region
    document["cohorts"] = changes.pop("cohorts", [])
    document["randomization"][0].pop("cohorts", None)
    return Protocol.model_validate(document)


def upload(desk: Desk, **changes: Any) -> dict[str, Any]:
    return upload_list(desk.service, ACT, STUDY, UploadListRequest(**(entries_of(AS_IS) | changes)))


def generate(desk: Desk, list_id: str = "GEN", **more: Any) -> dict[str, Any]:
    request = GenerateListRequest(list_id=list_id, event="RAND", **{"entries_per_stratum": 6, **more})
    return generate_randomization_list(desk.service, ACT, STUDY, request)


def activate(desk: Desk, answer: dict[str, Any]) -> None:
    act = desk.signed(ACTIVATION, activation_content(answer["list_id"], answer["sha256"]))
    activate_list(desk.service, act, STUDY, ActivateListRequest(list_id=answer["list_id"]))


def stored(desk: Desk) -> list[Any]:
    with desk.database.read() as connection:
        return list(
            connection.execute(select(list_entry).order_by(list_entry.c.list_id, list_entry.c.sequence))
        )


def broken() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = entries_of(AS_IS)["entries"]
    entries[0] |= {"arm": "NONE"}
    entries[1] |= {"sequence": "two"}
    entries[4] |= {"randomization_number": entries[2]["randomization_number"], "holder": "X"}
    return entries


def test_every_fault_of_a_list_comes_in_one_answer_by_line(empty_desk: Desk) -> None:
    empty_desk.load()
    before = empty_desk.state()
    unreadable = [{"line": 9, "column": "arm", "message": "is a date"}]
    with pytest.raises(FileRefused) as caught:
        upload(empty_desk, entries=broken(), unreadable=unreadable)
    lines = [text.split(":")[0] for text in caught.value.problems]
    assert {"line 2", "line 3", "line 6", "line 9"} <= set(lines)
    assert sum(line == "line 9" for line in lines) == 1
    assert empty_desk.state() == before


def test_a_draft_keeps_its_faults_is_never_activated_and_gives_way_to_the_corrected_list(
    empty_desk: Desk,
) -> None:
    desk = empty_desk
    desk.load()
    draft = upload(desk, entries=broken(), keep_draft=True, file_sha256="a" * 64)
    assert (draft["state"], draft["file_sha256"]) == ("draft", "a" * 64)
    assert draft["faults"] > 2
    assert stored(desk) == []
    with pytest.raises(DomainRefusal) as caught:
        activate(desk, draft)
    assert caught.value.code == "list-state"
    answer = upload(desk)
    assert (answer["state"], answer["faults"]) == ("validated", 0)
    assert answer["sha256"] != draft["sha256"]
    activate(desk, answer)
    with pytest.raises(DomainRefusal) as caught:
        upload(desk, keep_draft=True)
    assert caught.value.code == "list-exists"
    assert verify_ledger(desk.database, STUDY).intact


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("arm = 'ZZARMB'", "never edited"),
        ("randomization_number = '1'", "never edited"),
        ("sequence = 99", "never edited"),
        ("subject_id = 'S01-0002'", "used once"),
        ("subject_id = NULL", "used once"),
    ],
)
def test_the_database_refuses_to_edit_an_entry_or_to_use_it_twice(desk: Desk, change: str, said: str) -> None:
    desk.randomized()
    with pytest.raises(DBAPIError, match=said), desk.database.write() as connection:
        connection.execute(text(f"UPDATE list_entry SET {change} WHERE subject_id IS NOT NULL"))  # noqa: S608


def test_numbers_of_another_list_are_refused_with_their_lines(empty_desk: Desk) -> None:
    empty_desk.load()
    first = upload(empty_desk)
    other: list[dict[str, Any]] = entries_of(AS_IS)["entries"]
    for index, entry in enumerate(other):
        if index != 3:
            entry["randomization_number"] = f"N{index}"
    before = empty_desk.state()
    with pytest.raises(FileRefused) as caught:
        upload(empty_desk, list_id="SECOND", entries=other)
    assert [one.split(":")[0] for one in caught.value.problems] == ["line 5"]
    assert first["list_id"] in caught.value.problems[0]
    assert empty_desk.state() == before


def test_a_given_seed_that_makes_numbers_in_use_is_refused_and_a_drawn_one_is_drawn_again(
    empty_desk: Desk,
) -> None:
    empty_desk.load(with_event())
    generate(empty_desk, seed=7)
    with pytest.raises(DomainRefusal) as caught:
        generate(empty_desk, "AGAIN", seed=7)
    assert caught.value.code == "numbers-in-use"
    assert generate(empty_desk, "LONGER", seed=7, number_digits=9)["state"] == "validated"
    # Lists so long that two of them nearly always meet in seven digits.
    generate(empty_desk, "LONG", entries_per_stratum=3000)
    assert generate(empty_desk, "LONG2", entries_per_stratum=3000)["state"] == "validated"
    numbers = [row.randomization_number for row in stored(empty_desk)]
    assert len(set(numbers)) == len(numbers)


def test_a_list_with_one_ratio_is_the_list_that_the_rule_makes_byte_for_byte() -> None:
    event = RandomizationEvent(code="RAND", visit="V2", block_sizes=(3, 6))
    ratio = (("A", 2), ("P", 1))
    runs = [PlannedRun(holder, stratum, ratio) for holder in ("DEU", "FRA") for stratum in ("M", "F")]
    design = BlockDesign(ratio, (3, 6), tuple(StratumPlan(run.key, 20) for run in runs))
    made = [tuple(row[2:]) for row in list_entries(event, runs, 20, 99, 7)]
    assert made == [(one.sequence, one.block, one.number, one.arm) for one in generate_list(design, 99)]


def test_a_number_tells_nothing_of_arm_stratum_order_or_block() -> None:
    """Permutation test: the numbers' ranks are no nearer to any property than under 400 shuffles (two-sided, 0.2 %)."""
    event = RandomizationEvent(code="RAND", visit="V2", block_sizes=(4,))
    runs = [PlannedRun("", stratum, (("A", 1), ("B", 1))) for stratum in ("M", "F")]
    rows = list(list_entries(event, runs, 500, 12345, 7))
    ranks = np.argsort(np.argsort([int(row[4]) for row in rows])).astype(float)
    draws = np.random.default_rng(1)
    shuffled = np.array([draws.permutation(ranks) for _ in range(400)])
    for values in (
        [row[5] == "A" for row in rows],
        [row[1] == "M" for row in rows],
        [row[2] for row in rows],
        [row[3] for row in rows],
    ):
        centred = np.asarray(values, dtype=float) - np.mean(values)
        assert abs(ranks @ centred) < np.max(np.abs(shuffled @ centred))


def test_each_cohort_gets_its_own_ratio_and_a_wrong_one_is_refused(empty_desk: Desk) -> None:
    cohorts = [
        {"code": "LOW", "name": "Low", "arms": [ARMS[0], ARMS[2]]},
        {"code": "HIGH", "name": "High", "arms": list(ARMS[1:])},
    ]
    desk = empty_desk.set_up_without_list(with_event(block_sizes=[2, 4], cohorts=cohorts))
    activate(desk, generate(desk))
    arms = {
        row.stratum.split("|")[0]: {one.arm for one in stored(desk) if one.stratum == row.stratum}
        for row in stored(desk)
    }
    assert arms == {"COHORT=LOW": {ARMS[0], ARMS[2]}, "COHORT=HIGH": {ARMS[1], ARMS[2]}}
    given = {desk.arm(desk.randomized(cohort="LOW")) for _ in range(2)}
    assert given <= {ARMS[0], ARMS[2]}
    swapped = [
        {
            "line": line,
            "stratum": row.stratum.replace("LOW", "X").replace("HIGH", "LOW").replace("X", "HIGH"),
            "sequence": row.sequence,
            "block": row.block,
            "randomization_number": f"S{line}",
            "arm": row.arm,
        }
        for line, row in enumerate(stored(desk), start=2)
    ]
    with pytest.raises(FileRefused, match="unknown arm"):
        upload(desk, list_id="SWAP", entries=swapped)


def test_blocks_held_by_a_region_serve_its_sites_and_no_other(empty_desk: Desk) -> None:
    desk = empty_desk.set_up_without_list(with_event(held_by="region"))
    activate(desk, generate(desk))
    assert {row.holder for row in stored(desk)} == {"NORTH", "SOUTH"}
    desk.randomized("S01")
    desk.randomized("S02")
    used = [row for row in stored(desk) if row.subject_id]
    assert {(row.subject_id, row.holder, row.sequence) for row in used} == {
        ("S01-0001", "NORTH", 1),
        ("S02-0001", "SOUTH", 1),
    }


def test_dynamic_blocks_are_one_central_run_that_is_handed_out_block_by_block(empty_desk: Desk) -> None:
    desk = empty_desk.set_up_without_list(
        with_event(held_by="site", block_assignment="dynamic", block_sizes=[3])
    )
    activate(desk, generate(desk, entries_per_stratum=9))
    assert {(row.holder, row.stratum) for row in stored(desk)} == {("", "")}
    assert len(stored(desk)) == 9
    for _ in range(4):
        desk.randomized("S01")
    desk.randomized("S01", factors={"SEVERITY": "SEVERE"})
    with desk.database.read() as connection:
        blocks = connection.execute(select(list_block).order_by(list_block.c.block)).all()
    assert [(row.block, row.holder, row.stratum) for row in blocks] == [
        (1, "S01", "SEVERITY=MILD"),
        (2, "S01", "SEVERITY=MILD"),
        (3, "S01", "SEVERITY=SEVERE"),
    ]
    who = desk.eligible("S02")
    with pytest.raises(ListExhausted):
        randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who))
    assert verify_ledger(desk.database, STUDY).intact


def test_an_uploaded_list_of_dynamic_blocks_names_every_block_and_no_stratum(empty_desk: Desk) -> None:
    empty_desk.load(with_event(block_assignment="dynamic", block_sizes=[3]))
    rows = [
        {"line": line, "sequence": line - 1, "block": block, "randomization_number": f"C{line}", "arm": arm}
        for line, (block, arm) in enumerate(itertools.product((1, 2), ARMS), start=2)
    ]
    assert upload(empty_desk, list_id="OK", entries=rows)["entries"] == 6
    named = [{**row, "randomization_number": f"D{row['line']}", "stratum": "SEVERITY=MILD"} for row in rows]
    with pytest.raises(FileRefused, match="unknown stratum"):
        upload(empty_desk, list_id="NO", entries=named)
    blockless = [{**row, "randomization_number": f"E{row['line']}", "block": None} for row in rows]
    with pytest.raises(FileRefused, match="this row has none"):
        upload(empty_desk, list_id="NO", entries=blockless)


def test_seed_generator_and_both_hashes_stand_in_the_ledger(empty_desk: Desk) -> None:
    desk = empty_desk
    desk.load(with_event())
    generate(desk, seed=5)
    seal_pending(desk.database)
    entry = next(one for one in iter_sealed(desk.database, STUDY) if one.command == "generate_list")
    kept = {name: entry.after[name] for name in ("seed", "number_digits", "generator_version")}
    assert kept == {"seed": 5, "number_digits": 7, "generator_version": "permuted-block/1"}
    with desk.database.read() as connection:
        row = connection.execute(select(randomization_list)).one()
    assert row.sha256 == entry.after["sha256"]
    event = with_event().randomization[0]
    runs = [PlannedRun("", f"SEVERITY={one}", tuple((arm, 1) for arm in ARMS)) for one in ("MILD", "SEVERE")]
    assert list(list_entries(event, runs, 6, 5, 7)) == entry.after["entries"]

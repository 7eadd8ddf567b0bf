"""Dynamic blocks: one central run of blocks, each handed to the stratum and holder that needs one, and to no other ever."""

from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import select

from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    GenerateListRequest,
    activate_list,
    activation_content,
    generate_randomization_list,
)
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.screening import EligibilityRequest, ScreenRequest, record_eligibility, screen
from allocation.errors import ListExhausted
from allocation.ledger.schema import list_block, list_entry
from allocation.ledger.verify import verify_ledger
from tests.api.trial import ARMS, KIT_TYPE_OF_ARM, STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk, desk_at
from tests.commands.live_trial import explained, running, with_events

BLOCK = len(ARMS)
HOLDERS = {"stratum": ("", ""), "site": ("S01", "S02"), "country": ("DEU", "FRA"), "region": ("EAST", "WEST")}
"""Who holds a run at either site of the trial."""


def dynamic(**more: Any) -> dict[str, Any]:
    return {
        "code": "RAND",
        "visit": "V2",
        "method": "permuted_block",
        "block_sizes": [BLOCK],
        "block_assignment": "dynamic",
        "factors": ["SEVERITY"],
        **more,
    }


def trial(desk: Desk, blocks: int = 20, **more: Any) -> Desk:
    """The trial with a central run of so many blocks, no caps, and a region for each country."""
    document = with_events(dynamic(**more), caps=[])
    for country, region in zip(document["countries"], HOLDERS["region"], strict=True):
        country["region"] = region
    running(desk, document)
    request = GenerateListRequest(list_id="MRL", event="RAND", entries_per_stratum=blocks * BLOCK, seed=7)
    made = generate_randomization_list(desk.service, ACT, STUDY, request)
    act = desk.signed(ACTIVATION, activation_content("MRL", made["sha256"]))
    activate_list(desk.service, act, STUDY, ActivateListRequest(list_id="MRL"))
    return desk


def eligible(desk: Desk, site_id: str, severity: str) -> str:
    request = ScreenRequest(site_id=site_id, sex="F", age=40, factors={"SEVERITY": severity})
    who: str = screen(desk.service, ACT, STUDY, request)["subject_id"]
    record_eligibility(desk.service, ACT, STUDY, EligibilityRequest(subject_id=who, eligible=True))
    return who


def randomized(desk: Desk, site_id: str = "S01", severity: str = "MILD") -> str:
    who = eligible(desk, site_id, severity)
    randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who))
    return who


def handed_out(desk: Desk) -> dict[int, tuple[str, str]]:
    with desk.database.read() as connection:
        rows = connection.execute(select(list_block).order_by(list_block.c.block)).all()
    return {row.block: (row.holder, row.stratum) for row in rows}


def sound(desk: Desk, people: list[str]) -> None:
    """Every entry used lies in a block of the subject's run, is used once, and derives to the same again."""
    of_block = handed_out(desk)
    with desk.database.read() as connection:
        rows = connection.execute(select(list_entry)).all()
    block_of = {row.subject_id: row.block for row in rows if row.subject_id is not None}
    assert set(block_of) == set(people)
    assert sum(row.subject_id is not None for row in rows) == len(people)
    for who in people:
        (found,) = explained(desk, who)
        assert found.derives_to_the_same
        assert of_block[block_of[who]] == tuple(found.record["run"])
    assert verify_ledger(desk.database, STUDY).difference is None
    assert Derivation(desk.database, STUDY).run()["randomize"] == len(people)


@pytest.mark.parametrize("held_by", HOLDERS)
def test_a_block_goes_where_one_is_needed_and_the_next_free_one_to_the_next(
    sqlite_desk: Desk, held_by: str
) -> None:
    desk = trial(sqlite_desk, held_by=held_by)
    turns = [("S01", "MILD"), ("S02", "MILD"), ("S01", "SEVERE"), ("S01", "MILD"), ("S02", "SEVERE")] * 3
    people = [randomized(desk, *turn) for turn in turns]
    runs = []
    holders = dict(zip(("S01", "S02"), HOLDERS[held_by], strict=True))
    filled: dict[tuple[str, str], int] = {}
    for site_id, severity in turns:
        run = (holders[site_id], f"SEVERITY={severity}")
        if filled.get(run, 0) % BLOCK == 0:
            runs.append(run)
        filled[run] = filled.get(run, 0) + 1
    assert handed_out(desk) == dict(enumerate(runs, start=1))
    sound(desk, people)


def test_each_run_is_balanced_after_every_block_of_it(empty_desk: Desk) -> None:
    desk = trial(empty_desk, held_by="site")
    people = {site: [randomized(desk, site) for _ in range(2 * BLOCK)] for site in ("S01", "S02")}
    for group in people.values():
        arms = [explained(desk, who)[0].arm for who in group]
        assert sorted(arms[:BLOCK]) == sorted(arms[BLOCK:]) == list(ARMS)
    sound(desk, [who for group in people.values() for who in group])


def test_without_a_free_block_only_runs_that_have_entries_left_go_on(sqlite_desk: Desk) -> None:
    desk = trial(sqlite_desk, blocks=2)
    people = [randomized(desk), randomized(desk, severity="SEVERE")]
    people += [randomized(desk) for _ in range(2)]
    who = eligible(desk, "S01", "MILD")
    before = desk.state()
    with pytest.raises(ListExhausted):
        randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who))
    assert desk.state() == before
    people.append(randomized(desk, severity="SEVERE"))
    sound(desk, people)


@pytest.mark.parametrize("mode", ["FR1", "FR2"])
def test_a_forced_run_is_handed_a_block_when_its_own_holds_nothing_that_the_site_has(
    sqlite_desk: Desk, mode: str
) -> None:
    desk = trial(sqlite_desk, forced=mode)
    desk.stock([KIT_TYPE_OF_ARM[ARMS[1]]], 60)
    people = [randomized(desk) for _ in range(3)]
    assert {explained(desk, who)[0].arm for who in people} == {ARMS[1]}
    assert list(handed_out(desk)) == [1, 2, 3]
    desk.stock([KIT_TYPE_OF_ARM[arm] for arm in ARMS if arm != ARMS[1]], 60)
    people += [randomized(desk) for _ in range(4)]
    # Back-filling finds the entries that were passed over in blocks 1 to 3; without it they are lost.
    assert (len(handed_out(desk)) == 3) == (mode == "FR2")
    sound(desk, people)


def test_desks_at_once_never_share_a_block_between_runs_nor_an_entry(database_url: str) -> None:
    with desk_at(database_url) as desk:
        trial(desk, held_by="site")
        people = [
            eligible(desk, site, level) for site in ("S01", "S02") for level in ("MILD", "SEVERE", "MILD")
        ]
        barrier = Barrier(len(people))
        failed: list[BaseException] = []

        def act(who: str) -> None:
            barrier.wait()
            try:
                randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who))
            except Exception as error:  # noqa: BLE001  a thread's failure is told to the test
                failed.append(error)

        threads = [Thread(target=act, args=(who,)) for who in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert len(handed_out(desk)) == 4
        sound(desk, people)

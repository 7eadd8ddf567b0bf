"""What the command is compared with in benchmarks/dispensing.py does the same work, and a dispensing sends no more than it must."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Table, select, text

from allocation.commands.dispensing import DispenseRequest
from allocation.commands.service import Act
from allocation.ledger.reader import sealed_entries, subject_arm
from allocation.ledger.schema import kit, ledger_entry, subject, subject_visit
from allocation.ledger.sealing import seal_pending
from allocation.study.protocol import Protocol
from benchmarks.clients import Client, Work, desk_of
from benchmarks.recording import NotAsRecorded, Script, record
from benchmarks.rounds import NotAccounted, account
from benchmarks.trial import Dispensing
from tests.api.trial import STUDY, protocol
from tests.commands.desk import Desk, desk_at

READS_AND_WRITES = ["SELECT", "SELECT", "SELECT", "INSERT", "INSERT", "UPDATE", "UPDATE"]
"""Subject and site under lock, visits, stock; entry, visit, kits, subject."""


@pytest.fixture
def stocked(database_url: str) -> Iterator[Desk]:
    """A desk with eight kits of each type at each site, where V2 hands out one kit and V3 three."""
    document = protocol()
    at_both = document["dispensing"]
    document["dispensing"] = [
        {**row, "visits": [visit], "kits": [{**row["kits"][0], "quantity": quantity}]}
        for row in at_both
        for visit, quantity in (("V2", 1), ("V3", 3))
    ]
    document["supply"]["parameters"][0]["parameters"]["seed_quantity"] = 8
    with desk_at(database_url) as desk:
        yield desk.set_up(document=Protocol.model_validate(document))


def two_of_one_arm(desk: Desk) -> tuple[str, str]:
    """Two subjects of one arm; three arms have two of one among four subjects."""
    first: dict[str, str] = {}
    for _ in range(4):
        subject_id = desk.randomized()
        arm = subject_arm(desk.database, STUDY, subject_id)
        if arm in first:
            return first[arm], subject_id
        first[arm] = subject_id
    raise AssertionError("four subjects of three arms, and no two of one arm")


def ahead(desk: Desk, subject_id: str, visit_code: str) -> Dispensing:
    arm = subject_arm(desk.database, STUDY, subject_id)
    request = DispenseRequest(subject_id=subject_id, visit_code=visit_code)
    return Dispensing(subject_id, "S01", arm, request, desk.now)


def recorded(desk: Desk, one: Dispensing) -> Script:
    key = f"{one.subject_id}-{one.request.visit_code}"
    return record(desk.service, STUDY, Act(desk_of(one, STUDY), idempotency_key=key), one)


def peer(desk: Desk, url: str, todo: list[Dispensing], scripts: dict[tuple[str, str], Script]) -> None:
    """Do these dispensings by the bare peer."""
    name = f"peer-{todo[0].request.visit_code}"  # of its idempotency keys
    with closing(Client(Work(url, STUDY, name, {"bare": tuple(todo)}, scripts, warm_up=0))) as client:
        assert client.run("bare", 60).done == len(todo)


def rows(desk: Desk, table: Table, subject_id: str, *but: str) -> list[dict[str, Any]]:
    """The subject's rows without the columns that differ between two subjects."""
    with desk.database.read() as connection:
        found = connection.execute(select(table).where(table.c.subject_id == subject_id)).mappings()
        return [{name: value for name, value in row.items() if name not in but} for row in found]


def verbs(script: Script) -> list[str]:
    """The statements' first words, without the sealing that SQLite does in the same transaction."""
    own = [one.text for one in script.statements if "ledger_seal" not in one.text and "BEGIN" not in one.text]
    return [statement.split()[0] for statement in own]


def test_a_dispensing_sends_seven_statements_however_many_kits_it_hands_out(stocked: Desk) -> None:
    first, second = two_of_one_arm(stocked)
    recorded(stocked, ahead(stocked, first, "V2"))  # the first one of a service reads the protocol too
    one_kit = recorded(stocked, ahead(stocked, second, "V2"))
    stocked.move(days=14)
    three_kits = recorded(stocked, ahead(stocked, second, "V3"))
    assert (one_kit.kits, three_kits.kits) == (1, 3)
    assert verbs(one_kit) == verbs(three_kits) == READS_AND_WRITES


def test_the_peer_leaves_what_the_command_leaves(stocked: Desk, database_url: str) -> None:
    first, second = two_of_one_arm(stocked)
    scripts = {}
    for visit, days in (("V2", 14), ("V3", 0)):
        one, other = ahead(stocked, first, visit), ahead(stocked, second, visit)
        scripts[one.shape] = recorded(stocked, one)
        peer(stocked, database_url, [other], scripts)
        stocked.move(days=days)
    ours, theirs = (
        sorted(rows(stocked, subject_visit, who, "subject_id"), key=repr) for who in (first, second)
    )
    assert len(ours) == 3
    assert ours == theirs
    but = ("subject_id", "place", "kit_number", "pick_sequence")
    assert len(rows(stocked, kit, first)) == 4
    ours, theirs = (sorted(rows(stocked, kit, who, *but), key=repr) for who in (first, second))
    assert ours == theirs
    before = ("subject_id", "screened_on", "randomization_number")
    assert rows(stocked, subject, first, *before) == rows(stocked, subject, second, *before)
    commands = sorted(row["command"] for row in rows(stocked, ledger_entry, second))
    assert commands == ["dispense", "dispense", "randomize", "record_eligibility", "screen"]
    account(database_url)


def test_what_the_peer_appends_is_sealed_like_any_entry(stocked: Desk, database_url: str) -> None:
    first, second = two_of_one_arm(stocked)
    one = ahead(stocked, first, "V2")
    peer(stocked, database_url, [ahead(stocked, second, "V2")], {one.shape: recorded(stocked, one)})
    seal_pending(stocked.database)
    with stocked.database.read() as connection:
        written = connection.execute(select(ledger_entry.c.entry_id)).scalars().all()
    assert len(sealed_entries(stocked.database, STUDY)) == len(written)


def test_a_peer_whose_subject_is_not_on_treatment_is_not_counted(stocked: Desk, database_url: str) -> None:
    first, _ = two_of_one_arm(stocked)
    one = ahead(stocked, first, "V2")
    script = recorded(stocked, one)
    stranger = Dispensing(stocked.screened(), "S01", one.arm, one.request, one.moment)
    with pytest.raises(NotAsRecorded):
        peer(stocked, database_url, [stranger], {one.shape: script})


def test_a_round_with_a_kit_that_nobody_handed_out_is_not_accepted(stocked: Desk, database_url: str) -> None:
    first, _ = two_of_one_arm(stocked)
    recorded(stocked, ahead(stocked, first, "V2"))
    account(database_url)
    with stocked.database.write() as connection:
        connection.execute(
            text(
                "UPDATE kit SET status = 'dispensed', place_kind = 'subject', subject_id = :who, place = :who "
                "WHERE kit_number = (SELECT min(kit_number) FROM kit WHERE status = 'site_available')"
            ),
            {"who": first},
        )
    with pytest.raises(NotAccounted):
        account(database_url)

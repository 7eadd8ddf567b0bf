"""Pooled kits change their study in one transaction: conserved, verified and derived in both ledgers, or nothing moves."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.cli import app
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.pooling import TakeFromPoolRequest, take_from_pool
from allocation.commands.service import Act, Service
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.studies import LoadStudyVersionRequest, load_study_version
from allocation.errors import DomainRefusal, IdempotencyConflict, NotFound, NotPermitted, RTSMError
from allocation.ledger.export import export_ledger
from allocation.ledger.kit_follower import kits_as_of
from allocation.ledger.offline_verifier import verify
from allocation.ledger.schema import kit, ledger_entry, lot
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from allocation.views.blinded.kit_history import kit_history
from allocation.views.blinded.site_accountability import site_log
from pipelines.events.reading import read_events
from tests.api.trial import SITES, STUDY, protocol
from tests.commands.derivation import Derivation
from tests.commands.desk import Desk, desk_at

OTHER, THIRD = "TRIAL-2", "TRIAL-3"
WHY = "our next delivery comes too late"
LOOKS = [f"ZZKIT{letter}" for letter in "ABC"]


def in_pool(study_id: str = STUDY, keep: int = 0, prefix: str = "ZZKIT", **study: Any) -> Protocol:
    """The small trial with both pools; in another study its kit types have other names, and are the same items."""
    document = protocol()
    document["study"] |= {"id": study_id, **study}
    document = _renamed(document, prefix)
    items = [{"kit_type": f"{prefix}{letter}", "item": f"ITEM{letter}", "keep": keep} for letter in "ABC"]
    document["supply"]["pools"] = [
        {"code": "DEPOTS", "level": "depot", "items": items[:2]},
        {"code": "SITES", "level": "site", "items": items},
    ]
    return Protocol.model_validate(document)


def _renamed(part: Any, prefix: str) -> Any:
    if isinstance(part, dict):
        return {name: _renamed(value, prefix) for name, value in part.items()}
    if isinstance(part, list):
        return [_renamed(value, prefix) for value in part]
    return part.replace("ZZKIT", prefix) if isinstance(part, str) else deepcopy(part)


def with_taker(desk: Desk, document: Protocol | None = None, **kinds: Any) -> Desk:
    """A stocked lender, and another study with the same depot and sites and no kits."""
    desk.set_up(document=in_pool(**kinds), kit_count=60)
    add_study(desk, document or in_pool(OTHER, prefix="OTHER"))
    return desk


def add_study(desk: Desk, document: Protocol) -> None:
    act = Act(SYSTEM_ACTOR)
    load_study_version(desk.service, act, LoadStudyVersionRequest(protocol=document))
    for site_id in SITES:
        open_site(desk.service, act, document.study.id, OpenSiteRequest(site_id=site_id))


def take(
    desk: Desk, study_id: str = OTHER, actor: Actor = SYSTEM_ACTOR, key: str | None = None, **asked: Any
) -> dict[str, Any]:
    reason = asked.pop("reason", WHY)
    if "site_id" not in asked:
        asked = {"depot_id": "D1", **asked}
    level = "SITES" if "site_id" in asked else "DEPOTS"
    given = {"pool": level, "from_study": STUDY, "kit_types": {"OTHERA": 3}, **asked}
    return take_from_pool(
        desk.service, Act(actor, key, reason), study_id, TakeFromPoolRequest.model_validate(given)
    )


def stock(desk: Desk, study_id: str) -> dict[str, Any]:
    with desk.database.read() as connection:
        return {
            row.kit_number: row for row in connection.execute(select(kit).where(kit.c.study_id == study_id))
        }


def check_both(desk: Desk, folder: Path) -> None:
    """Both ledgers are intact, for us and for an inspector, tell where each kit is, and give the decisions again."""
    seal_pending(desk.database)
    for study_id in (STUDY, OTHER):
        assert verify_ledger(desk.database, study_id).intact
        export_ledger(desk.database, study_id, folder / f"{study_id}.jsonl")
        with (folder / f"{study_id}.jsonl").open(encoding="utf-8") as lines:
            verify(lines)
        held = stock(desk, study_id)
        followed = kits_as_of(desk.database, study_id)
        assert {n: (one.status, one.place) for n, one in followed.items()} == {
            n: (row.status, row.place) for n, row in held.items()
        }
        last = {}
        for row in read_events(desk.database, study_id)["kit_movements"].iter_rows(named=True):
            last[row["kit_number"]] = (row["to_status"], row["to_place"])
        assert last == {n: (row.status, row.place or None) for n, row in held.items()}
    assert Derivation(desk.database, STUDY).run()["lend_kits"] >= 1


def test_kits_at_a_depot_leave_one_study_and_come_into_the_other(empty_desk: Desk, tmp_path: Path) -> None:
    desk = with_taker(empty_desk)
    before = stock(desk, STUDY)
    answer = take(desk, kit_types={"OTHERA": 3, "OTHERB": 2})
    assert answer["kits"] == 5
    lent = {n: row for n, row in stock(desk, STUDY).items() if row.status == "transferred"}
    taken = stock(desk, OTHER)
    assert set(lent) == set(taken)
    assert {(row.place_kind, row.place) for row in lent.values()} == {("other_study", OTHER)}
    assert {(row.status, row.place_kind, row.place) for row in taken.values()} == {
        ("depot_available", "depot", "D1")
    }
    assert Counter(row.kit_type for row in taken.values()) == {"OTHERA": 3, "OTHERB": 2}
    for number, row in taken.items():
        was = before[number]
        assert row.kit_type.replace("OTHER", "ZZKIT") == was.kit_type
        assert (row.lot_id, row.expiry_date, row.last_ship_date) == (
            was.lot_id,
            was.expiry_date,
            was.last_ship_date,
        )
    at_depot = [r for r in before.values() if r.status == "depot_available" and r.kit_type == "ZZKITA"]
    first = sorted(at_depot, key=lambda r: (r.expiry_date, r.pick_sequence))[:3]
    assert {r.kit_number for r in first} == {n for n, r in taken.items() if r.kit_type == "OTHERA"}
    with desk.database.read() as connection:
        lots = connection.execute(select(lot).where(lot.c.study_id == OTHER)).all()
    assert {(row.lot_id, row.status, row.blinded_lot) for row in lots} == {
        ("ZZLOT1", "released", "B2026"),
        ("ZZLOT2", "released", "B2026"),
    }
    check_both(desk, tmp_path)


def test_what_comes_to_a_site_is_made_up_so_that_no_single_type_shows(
    empty_desk: Desk, tmp_path: Path
) -> None:
    desk = with_taker(empty_desk)
    had = {n for n, row in stock(desk, STUDY).items() if row.place == "S01"}
    answer = take(desk, site_id="S01", kit_types={"OTHERA": 1})
    taken = stock(desk, OTHER)
    assert answer["kits"] == len(taken) > 1
    assert len({row.kit_type for row in taken.values()}) > 1
    assert set(taken) <= had
    assert {(row.status, row.place_kind, row.place) for row in taken.values()} == {
        ("site_available", "site", "S01")
    }
    logged = {one.kit_number: one for one in site_log(desk.database, SYSTEM_ACTOR, OTHER, "S01").kits}
    assert set(logged) == set(taken)
    assert {(one.received_on, one.shipment_id) for one in logged.values()} == {(desk.now.date(), "")}
    gone = {one.kit_number: one.status for one in site_log(desk.database, SYSTEM_ACTOR, STUDY, "S01").kits}
    assert {n for n, status in gone.items() if status == "transferred"} == set(taken)
    check_both(desk, tmp_path)


def test_a_retry_gives_the_first_answer_and_another_request_under_its_key_is_refused(desk_pair: Desk) -> None:
    first = take(desk_pair, key="k1")
    before = desk_pair.state()
    assert take(desk_pair, key="k1") == first
    with pytest.raises(IdempotencyConflict):
        take(desk_pair, key="k1", kit_types={"OTHERA": 2})
    assert desk_pair.state() == before


def test_a_lender_takes_kits_back_only_if_it_did_not_have_them(desk_pair: Desk) -> None:
    take(desk_pair, kit_types={"OTHERA": 2})
    with pytest.raises(DomainRefusal, match="can lend 0 of 1") as caught:
        take(desk_pair, STUDY, from_study=OTHER, kit_types={"ZZKITA": 1})
    assert caught.value.code == "pool-short"


def test_two_studies_that_take_at_once_never_get_the_same_kit(empty_desk: Desk) -> None:
    desk = with_taker(empty_desk)
    add_study(desk, in_pool(THIRD, prefix="OTHER"))
    had = [r for r in stock(desk, STUDY).values() if (r.status, r.kit_type) == ("depot_available", "ZZKITA")]

    def ask(number: int) -> str:
        service = Service(desk.database, lambda: desk.now)
        study_id = (OTHER, THIRD)[number % 2]
        request = TakeFromPoolRequest(pool="DEPOTS", from_study=STUDY, depot_id="D1", kit_types={"OTHERA": 3})
        try:
            take_from_pool(service, Act(SYSTEM_ACTOR, f"n{number}", WHY), study_id, request)
        except RTSMError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(4) as threads:
        answers = Counter(threads.map(ask, range(8)))
    assert answers == {"done": min(8, len(had) // 3), "pool-short": 8 - min(8, len(had) // 3)}
    second, third = stock(desk, OTHER), stock(desk, THIRD)
    assert not set(second) & set(third)
    lent = {n: row.place for n, row in stock(desk, STUDY).items() if row.status == "transferred"}
    assert lent == {**dict.fromkeys(second, OTHER), **dict.fromkeys(third, THIRD)}
    seal_pending(desk.database)
    assert all(verify_ledger(desk.database, one).intact for one in (STUDY, OTHER, THIRD))


def manager(*studies: str, role: str = "supply_manager_unblinded") -> Actor:
    return Actor("max", "Max", tuple(Grant(role, one) for one in studies))


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"reason": " "}, "reason-missing"),
        ({"from_study": OTHER}, "same-study"),
        ({"from_study": "NOBODY"}, "not-found"),
        ({"pool": "NONE"}, "not-pooled"),
        ({"pool": "SITES"}, "not-pooled"),
        ({"kit_types": {"OTHERC": 1}}, "not-pooled"),
        ({"kit_types": {"NONE": 1}}, "unknown-kit-type"),
        ({"kit_types": {"OTHERA": 99}}, "pool-short"),
        ({"depot_id": "D9"}, "not-found"),
        ({"depot_id": None, "site_id": "S09"}, "not-found"),
        ({"actor": manager(STUDY, OTHER, role="supply_manager_blinded")}, "not-permitted"),
        ({"actor": manager(OTHER)}, "not-permitted"),
        ({"actor": manager(STUDY)}, "not-permitted"),
    ],
)
def test_what_cannot_be_taken_is_refused_and_moves_nothing_in_either_study(
    refusing_pair: Desk, asked: dict[str, Any], code: str
) -> None:
    before = refusing_pair.state()
    with pytest.raises((DomainRefusal, NotFound, NotPermitted)) as caught:
        take(refusing_pair, **asked)
    assert caught.value.code == code
    assert refusing_pair.state() == before


def test_whoever_holds_the_role_in_both_studies_takes_and_both_ledgers_say_who(desk_pair: Desk) -> None:
    take(desk_pair, actor=manager(STUDY, OTHER))
    entries = ledger_entry.c
    with desk_pair.database.read() as connection:
        rows = connection.execute(
            select(entries.study_id, entries.command, entries.actor, entries.role, entries.reason).where(
                entries.command.in_(("lend_kits", "take_from_pool"))
            )
        ).all()
    assert {tuple(row) for row in rows} == {
        (STUDY, "lend_kits", "max", "supply_manager_unblinded", WHY),
        (OTHER, "take_from_pool", "max", "supply_manager_unblinded", WHY),
    }


def test_a_blinded_reader_of_a_kit_is_not_told_when_it_changed_its_study(desk_pair: Desk) -> None:
    """Kits of one type change their study together: who saw which, and when, would learn which are alike."""
    blinded, whole = manager(STUDY, OTHER, role="supply_manager_blinded"), manager(STUDY, OTHER)
    take(desk_pair, kit_types={"OTHERA": 1})
    (taken,) = stock(desk_pair, OTHER)
    for study_id, act in ((STUDY, "lend_kits"), (OTHER, "take_from_pool")):
        (told,) = [
            one for one in kit_history(desk_pair.database, blinded, study_id, taken).steps if one.act == act
        ]
        assert (told.entry, told.recorded_at, told.actor, told.reason) == (None, None, None, "")
        history = kit_history(desk_pair.database, whole, study_id, taken)
        assert [one.reason for one in history.steps if one.act == act] == [WHY]


def test_kits_are_taken_on_the_command_line(
    sqlite_desk: Desk, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, act = with_taker(sqlite_desk), Act(SYSTEM_ACTOR)
    lasting = {
        "lot_id": "ZZLOT9",
        "kit_type": "ZZKITA",
        "expiry_date": "2190-01-01",
    }  # the command line has the clock of today
    load_lots(desk.service, act, STUDY, LoadLotsRequest.model_validate({"lots": [lasting]}))
    rows = [{"kit_number": f"900{n}", "kit_type": "ZZKITA", "lot_id": "ZZLOT9"} for n in range(3)]
    load_kits(desk.service, act, STUDY, LoadKitsRequest.model_validate({"depot_id": "D1", "kits": rows}))
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)
    asked = ["kit", "pool", "take", "DEPOTS", STUDY, "--depot", "D1", "--study", OTHER]
    told = CliRunner().invoke(app, [*asked, "--kit-type", "OTHERA=2", "--reason", WHY])
    assert told.exit_code == 0, told.output
    assert f"2 kits at D1 came from study {STUDY}" in told.output
    assert set(stock(desk, OTHER)) < {row["kit_number"] for row in rows}
    bad = CliRunner().invoke(app, [*asked, "--kit-type", "OTHERA"])
    assert bad.exit_code == 2
    assert "NAME=N" in bad.output


def test_the_lender_keeps_what_its_pool_says(sqlite_desk: Desk) -> None:
    desk = with_taker(sqlite_desk, keep=5)
    usable = [
        r for r in stock(desk, STUDY).values() if (r.status, r.kit_type) == ("depot_available", "ZZKITA")
    ]
    with pytest.raises(DomainRefusal, match="keeps 5"):
        take(desk, kit_types={"OTHERA": len(usable) - 4})
    assert take(desk, kit_types={"OTHERA": len(usable) - 5})["kits"] == len(usable) - 5


def test_items_and_places_that_only_share_a_name_and_studies_of_another_mode_are_refused(
    sqlite_desk: Desk,
) -> None:
    desk = with_taker(sqlite_desk)
    stronger = in_pool(THIRD, prefix="OTHER").model_dump(mode="json")
    stronger["kit_types"][0]["strength"] = "ZZ other strength"
    elsewhere = in_pool("TRIAL-4", prefix="OTHER").model_dump(mode="json")
    elsewhere["depots"][0]["country"] = "FRA"
    training = in_pool("TRIAL-5", prefix="OTHER", mode="training").model_dump(mode="json")
    for document, code in (
        (stronger, "pool-item-differs"),
        (elsewhere, "pool-place"),
        (training, "pool-mode"),
    ):
        add_study(desk, Protocol.model_validate(document))
        before = desk.state()
        with pytest.raises(DomainRefusal) as caught:
            take(desk, document["study"]["id"])
        assert caught.value.code == code
        assert desk.state() == before


def test_a_lot_that_is_of_another_kit_type_in_the_taking_study_is_refused(sqlite_desk: Desk) -> None:
    desk = with_taker(sqlite_desk)
    same = {"lot_id": "ZZLOT1", "kit_type": "OTHERB", "expiry_date": "2026-10-15"}
    load_lots(desk.service, Act(SYSTEM_ACTOR), OTHER, LoadLotsRequest.model_validate({"lots": [same]}))
    with pytest.raises(DomainRefusal) as caught:
        take(desk)
    assert caught.value.code == "pool-lot-differs"
    assert stock(desk, OTHER) == {}


def test_a_lot_that_the_taking_study_holds_back_is_not_lent_to_it(sqlite_desk: Desk) -> None:
    desk = with_taker(sqlite_desk)
    act = Act(SYSTEM_ACTOR)
    held = {"lot_id": "ZZLOT1", "kit_type": "OTHERA", "expiry_date": "2026-10-15", "status": "quarantined"}
    load_lots(desk.service, act, OTHER, LoadLotsRequest.model_validate({"lots": [held]}))
    own = {"kit_number": "9999", "kit_type": "OTHERA", "lot_id": "ZZLOT1", "pick_sequence": 7}
    request = {"depot_id": "D1", "kits": [own]}
    load_kits(desk.service, act, OTHER, LoadKitsRequest.model_validate(request))
    with pytest.raises(DomainRefusal, match="can lend 0 of 3"):
        take(desk)
    assert set(stock(desk, OTHER)) == {"9999"}


@pytest.fixture
def desk_pair(empty_desk: Desk) -> Desk:
    """A lender with stock and another study without."""
    return with_taker(empty_desk)


@pytest.fixture(scope="module")
def refusing_pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One pair for the refusals, which leave it as it is (what is refused does not depend on the database)."""
    with desk_at(f"sqlite:///{tmp_path_factory.mktemp('pools') / 'rtsm.db'}") as desk:
        yield with_taker(desk)

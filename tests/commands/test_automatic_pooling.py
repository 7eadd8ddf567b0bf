"""A resupply run takes from pools what the own depot lacks: whole in both ledgers, derived, explained, and unseen by the blinded."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from allocation.access.actors import SYSTEM_ACTOR
from allocation.cli import app
from allocation.commands import automatic_pooling
from allocation.commands.depot_explanation import explain_depot
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.resupply_explanation import explain_resupply
from allocation.commands.scheduled_resupply import run_due_in
from allocation.commands.service import Act, Service
from allocation.ledger.schema import ledger_entry
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk
from tests.commands.test_depot_to_depot import chain, with_stock
from tests.commands.test_pooling import OTHER, THIRD, WHY, add_study, check_both, in_pool, manager, stock


def by_itself(study_id: str = STUDY, prefix: str = "ZZKIT", keep: int = 0, **supply: Any) -> Protocol:
    """The trial with both pools, from which runs take by themselves."""
    document = in_pool(study_id, keep, prefix).model_dump(mode="json")
    for pool in document["supply"]["pools"]:
        pool["automatic"] = True
    document["supply"] |= supply
    return Protocol.model_validate(document)


def lent_to(desk: Desk, document: Protocol | None = None, lender: Protocol | None = None) -> Desk:
    """A stocked lender, and another study with the same places, no kits, and sites that wait for their first shipment."""
    desk.set_up(document=lender or by_itself(), kit_count=60)
    add_study(desk, document or by_itself(OTHER, "OTHER"))
    return desk


def run(desk: Desk, study_id: str = OTHER, act: Act = ACT, **asked: Any) -> dict[str, Any]:
    return run_resupply(desk.service, act, study_id, RunResupplyRequest(**asked))


def commands(desk: Desk, *names: str) -> Counter[tuple[str, str]]:
    entries = ledger_entry.c
    with desk.database.read() as connection:
        query = select(entries.study_id, entries.command).where(entries.command.in_(names))
        return Counter((row.study_id, row.command) for row in connection.execute(query))


def test_what_the_depot_lacks_comes_from_its_pool_and_what_the_order_still_lacks_from_that_of_the_site(
    empty_desk: Desk, tmp_path: Path
) -> None:
    """Both sites are to be seeded with 2 of each of three types; two of the types are pooled at depots, all three at sites."""
    desk = lent_to(empty_desk)
    answer = run(desk)
    assert [one["kits"] for one in answer["orders"]] == [4, 4]
    ordered = {n: row for n, row in stock(desk, OTHER).items() if row.status == "requested"}
    assert Counter(row.kit_type for row in ordered.values()) == {"OTHERA": 4, "OTHERB": 4}
    for site_id in ("S01", "S02"):
        here = [row for row in stock(desk, OTHER).values() if row.place == site_id]
        counts = Counter(row.kit_type for row in here if row.status == "site_available")
        assert counts["OTHERC"] == 2
        assert len(counts) > 1, "a single kit type would show at the site"
    made = commands(desk, "lend_kits", "take_from_pool")
    assert made == {(STUDY, "lend_kits"): 3, (OTHER, "take_from_pool"): 3}
    check_both(desk, tmp_path)
    derived = Derivation(desk.database, OTHER).run()
    assert (derived["take_from_pool"], derived["order_shipment"]) == (3, 2)
    assert run(desk)["orders"] == []
    assert commands(desk, "take_from_pool") == {(OTHER, "take_from_pool"): 3}, "nothing is short any more"


def test_explain_says_how_many_were_own_how_many_from_which_pool_and_why_not(sqlite_desk: Desk) -> None:
    desk = lent_to(sqlite_desk)
    run(desk)
    seal_pending(desk.database)
    found = explain_resupply(desk.database, ACT.actor, OTHER, "S01")
    assert found.derives_to_the_same
    assert [(one.kit_type, one.kits, one.pool, one.from_study) for one in found.kits_by_origin] == [
        ("OTHERA", 2, "DEPOTS", STUDY),
        ("OTHERB", 2, "DEPOTS", STUDY),
    ]
    told = [(one.pool, one.place, one.kit_type, one.short, one.taken, one.why) for one in found.pools]
    assert told[:2] == [
        ("DEPOTS", "D1", "OTHERA", 4, 4, "taken"),
        ("DEPOTS", "D1", "OTHERB", 4, 4, "taken"),
    ]
    assert ("SITES", "S01", "OTHERC", 2, 2, "taken") in told
    with_lender = explain_resupply(desk.database, ACT.actor, STUDY, "S01")
    assert (with_lender.pools, with_lender.kits_by_origin) == ((), ())


def test_a_lender_that_keeps_its_kits_is_named_with_the_reason_and_the_run_goes_on(sqlite_desk: Desk) -> None:
    desk = lent_to(sqlite_desk, lender=by_itself(keep=50))
    answer = run(desk)
    assert answer["orders"] == []
    assert stock(desk, OTHER) == {}
    found = explain_resupply(desk.database, ACT.actor, OTHER, "S01")
    assert {(one.pool, one.taken, one.why) for one in found.pools} == {
        ("DEPOTS", 0, automatic_pooling.NOTHING_TO_SPARE),
        ("SITES", 0, automatic_pooling.NOTHING_TO_SPARE),
    }
    assert str(50) not in str(found.pools), "what another study has and keeps is not told"


def test_only_pools_that_both_protocols_call_automatic_are_taken_from(sqlite_desk: Desk) -> None:
    desk = lent_to(sqlite_desk, lender=in_pool())
    add_study(desk, in_pool(THIRD, prefix="THIRD"))
    assert run(desk)["orders"] == [] == run(desk, THIRD)["orders"]
    assert not commands(desk, "take_from_pool", "lend_kits")


def test_a_pool_whose_item_differs_takes_nothing_and_says_so(sqlite_desk: Desk) -> None:
    other = by_itself(OTHER, "OTHER").model_dump(mode="json")
    other["kit_types"][0]["strength"] = "ZZ other strength"
    desk = lent_to(sqlite_desk, Protocol.model_validate(other))
    assert run(desk)["orders"] == []
    found = explain_resupply(desk.database, ACT.actor, OTHER, "S01")
    assert {one.taken for one in found.pools} == {0}
    assert "another strength" in found.pools[0].why


def test_two_studies_that_run_at_once_never_get_the_same_kit(empty_desk: Desk) -> None:
    desk = lent_to(empty_desk)
    add_study(desk, by_itself(THIRD, "THIRD"))

    def ask(number: int) -> int:
        study_id = (OTHER, THIRD)[number % 2]
        service = Service(desk.database, lambda: desk.now)
        return len(run_resupply(service, Act(SYSTEM_ACTOR), study_id, RunResupplyRequest())["orders"])

    with ThreadPoolExecutor(4) as threads:
        orders = list(threads.map(ask, range(4)))
    second, third = stock(desk, OTHER), stock(desk, THIRD)
    came = {n for n, row in second.items() if row.status != "transferred"} | {
        n for n, row in third.items() if row.status != "transferred"
    }
    gone = {n for n, row in stock(desk, STUDY).items() if row.status == "transferred"}
    assert came == gone
    held = [n for books in (second, third) for n, row in books.items() if row.status != "transferred"]
    assert len(held) == len(set(held))
    assert sum(orders) >= 4, "each site of each study"
    at_sites = Counter(
        (row.kit_type, row.shipment_id.split("-")[0] if row.status == "requested" else row.place)
        for books in (second, third)
        for row in books.values()
        if row.status in ("requested", "site_available")
    )
    assert max(at_sites.values()) <= 4, (
        "no site was supplied twice over its upper level, but for what protects the arm"
    )
    seal_pending(desk.database)
    assert all(verify_ledger(desk.database, one).intact for one in (STUDY, OTHER, THIRD))


def test_a_run_that_is_cut_off_after_a_taking_goes_on_by_its_key_and_takes_nothing_twice(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = lent_to(sqlite_desk)
    act = Act(SYSTEM_ACTOR, "k1")

    def cut_off(self: Any, site_id: str, lacking: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(automatic_pooling.PoolsOfRun, "at_site", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(desk, act=act)
    assert len(stock(desk, OTHER)) == 8
    answer = run(desk, act=act)
    assert [one["kits"] for one in answer["orders"]] == [4, 4]
    assert run(desk, act=act) == answer
    assert commands(desk, "take_from_pool") == {(OTHER, "take_from_pool"): 3}


def test_a_run_by_event_takes_from_the_pool_and_a_run_of_a_blinded_manager_needs_no_role_there(
    sqlite_desk: Desk,
) -> None:
    desk = lent_to(sqlite_desk, by_itself(OTHER, "OTHER", on_event=True, seeding="none"))
    supply = manager(OTHER, role="supply_manager_blinded")
    first = run(desk, act=Act(supply))
    assert all(set(one) == {"site_id", "shipment_id", "kits"} for one in first["orders"])
    entries = ledger_entry.c
    with desk.database.read() as connection:
        query = select(entries.study_id, entries.actor, entries.reason).where(
            entries.command.in_(("lend_kits", "take_from_pool"))
        )
        rows = {tuple(row) for row in connection.execute(query)}
    reason = f"resupply run {first['run_id']} of study {OTHER}, asked for by max"
    assert rows == {(one, SYSTEM_ACTOR.username, reason) for one in (STUDY, OTHER)}
    before = commands(desk, "take_from_pool")[OTHER, "take_from_pool"]
    here = [
        n for n, row in stock(desk, OTHER).items() if (row.place, row.status) == ("S01", "site_available")
    ]
    coming = [n for n, row in stock(desk, OTHER).items() if row.status == "requested"]
    request = KitScopeRequest(kit_numbers=tuple(here + coming))
    quarantine_kits(desk.service, Act(SYSTEM_ACTOR, None, WHY), OTHER, request)
    assert len(run_due_in(desk.service, OTHER)) >= 1
    assert commands(desk, "take_from_pool")[OTHER, "take_from_pool"] > before


def test_a_depot_that_refills_another_takes_what_it_lacks_for_that_order(sqlite_desk: Desk) -> None:
    def pooled(study_id: str) -> Protocol:
        document = chain().model_dump(mode="json")
        document["study"]["id"] = study_id
        code = document["kit_types"][0]["code"]
        items = [{"kit_type": code, "item": "ITEM"}]
        document["supply"]["pools"] = [
            {"code": "DEPOTS", "level": "depot", "automatic": True, "items": items}
        ]
        return Protocol.model_validate(document)

    desk = sqlite_desk
    code = with_stock(desk, pooled(STUDY), central=30, local=0)
    add_study(desk, pooled(OTHER))
    answer = run(desk)
    assert answer["depot_orders"] == [{"depot_id": "D1", "shipment_id": "D1-D001", "kits": 10}]
    seal_pending(desk.database)
    found = explain_depot(desk.database, ACT.actor, OTHER, "D1")
    assert found.derives_to_the_same
    assert [(one.kit_type, one.kits, one.from_study) for one in found.kits_by_origin] == [(code, 10, STUDY)]
    assert [(one.place, one.refills, one.short, one.taken) for one in found.pools] == [
        ("CENTRAL", "D1", 10, 10)
    ]
    assert Derivation(desk.database, OTHER).run()["take_from_pool"] == 1
    assert Derivation(desk.database, STUDY).run()["lend_kits"] == 1


def test_explain_prints_where_the_kits_came_from(
    sqlite_desk: Desk, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = lent_to(sqlite_desk)
    run(desk)
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)
    told = CliRunner().invoke(app, ["resupply", "explain", "S01", "--study", OTHER])
    assert told.exit_code == 0, told.output
    assert f"kits of OTHERA: 2 from study {STUDY} (pool DEPOTS)" in told.output
    assert f"pool DEPOTS, study {STUDY}, at D1: 4 of 4 OTHERA that were short; taken" in told.output

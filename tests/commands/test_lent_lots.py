"""What is decided about a lot reaches the studies that have kits of it from this one: whole, in both ledgers, seen by rights."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.access.grants import grant_role
from allocation.cli import app
from allocation.commands.expiry_change import ChangeLotExpiryRequest, change_lot_expiry
from allocation.commands.kit_acts import quarantine_kits, release_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.lot_release import (
    ChangeLotReleaseRequest,
    JudgeLotRequest,
    change_lot_release,
    judge_lot,
)
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.screening import ScreenRequest, screen
from allocation.commands.service import Act, Service
from allocation.commands.signed_requests import asked_content
from allocation.errors import DomainRefusal, NotPermitted, RTSMError
from allocation.ledger.schema import kit, ledger_entry, lot
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.notify.schema import notice
from allocation.rules.kit_authority import EXPIRY_CHANGED
from allocation.rules.lot_status import LOT_REJECTED, RELEASE_CHANGED
from tests.api.trial import PASSWORD, STUDY
from tests.commands.desk import ACT, Desk
from tests.commands.test_pooling import (
    OTHER,
    THIRD,
    add_study,
    check_both,
    in_pool,
    manager,
    stock,
    take,
    with_taker,
)

WHY = "a deviation at the manufacturer"


def lent(desk: Desk) -> Desk:
    """Study OTHER has 3 kits of ZZLOT1 at its depot and some at site S01, and lent THIRD one of those at the depot."""
    with_taker(desk)
    add_study(desk, in_pool(THIRD, prefix="THIRD"))
    take(desk, kit_types={"OTHERA": 3, "OTHERB": 1})
    take(desk, site_id="S01", kit_types={"OTHERA": 1})
    take(desk, THIRD, from_study=OTHER, kit_types={"THIRDA": 1})
    return desk


def recall(desk: Desk, actor: Actor = SYSTEM_ACTOR, study_id: str = STUDY) -> dict[str, Any]:
    return recall_lot(desk.service, Act(actor, reason=WHY), study_id, RecallLotRequest(lot_id="ZZLOT1"))


def signed(desk: Desk, command: Callable[..., dict[str, Any]], request: Any, meaning: str) -> dict[str, Any]:
    signature = desk.signed(meaning, asked_content(STUDY, command.__name__, request, WHY)).signature
    return command(desk.service, Act(SYSTEM_ACTOR, reason=WHY, signature=signature), STUDY, request)


def of_lot(desk: Desk, study_id: str, lot_id: str = "ZZLOT1") -> list[Any]:
    held = stock(desk, study_id).values()
    return [row for row in held if row.lot_id == lot_id and row.status != "transferred"]


def lot_in(desk: Desk, study_id: str, lot_id: str = "ZZLOT1") -> Any:
    with desk.database.read() as connection:
        return connection.execute(select(lot).where(lot.c.study_id == study_id, lot.c.lot_id == lot_id)).one()


def entries(desk: Desk, command: str) -> dict[str, Any]:
    with desk.database.read() as connection:
        rows = connection.execute(select(ledger_entry).where(ledger_entry.c.command == command)).all()
    assert len({row.study_id for row in rows}) == len(rows)
    return {row.study_id: row for row in rows}


def test_a_recall_takes_lent_kits_in_every_study_that_has_some_and_no_others(
    empty_desk: Desk, tmp_path: Path
) -> None:
    desk = lent(empty_desk)
    untouched = of_lot(desk, OTHER, "ZZLOT2")
    answer = recall(desk)
    assert [one["study_id"] for one in answer["other_studies"]] == [OTHER, THIRD]
    for study_id in (STUDY, OTHER, THIRD):
        assert {row.status for row in of_lot(desk, study_id)} == {"quarantined"}
        assert lot_in(desk, study_id).status == "recalled"
    there = answer["other_studies"][0]
    assert there["quarantined"] == len(of_lot(desk, OTHER))
    assert {(one["place_kind"], one["place"]) for one in there["kits"] if one["status"] == "quarantined"} == {
        ("depot", "D1"),
        ("site", "S01"),
    }
    assert of_lot(desk, OTHER, "ZZLOT2") == untouched
    found = entries(desk, "recall_lot")
    assert set(found) == {STUDY, OTHER, THIRD}
    assert (found[OTHER].actor, found[OTHER].role) == ("system", "system")
    assert found[OTHER].reason == f"{WHY} (decided in study {STUDY} by system, system)"
    check_both(desk, tmp_path)
    again = recall(desk)
    assert [one["quarantined"] for one in again["other_studies"]] == [0, 0]
    assert set(entries(desk, "recall_lot")) == {STUDY, OTHER, THIRD}


def test_a_recall_goes_on_to_whoever_took_and_never_back_to_whoever_lent(sqlite_desk: Desk) -> None:
    desk = lent(sqlite_desk)
    before = stock(desk, STUDY)
    assert [one["study_id"] for one in recall(desk, study_id=OTHER)["other_studies"]] == [THIRD]
    assert stock(desk, STUDY) == before


def test_subjects_of_another_study_are_named_by_the_rights_in_that_study_alone(sqlite_desk: Desk) -> None:
    desk = lent(sqlite_desk)
    (number, *_) = (row.kit_number for row in of_lot(desk, OTHER) if row.place == "S01")
    ours, both = manager(STUDY), manager(STUDY, OTHER)
    request = ScreenRequest(site_id="S01", sex="F", age=40, factors={"SEVERITY": "MILD"})
    who = screen(desk.service, ACT, OTHER, request)["subject_id"]
    given = {"status": "dispensed", "place_kind": "subject", "place": who, "subject_id": who}
    with desk.database.write() as connection:  # how it got the kit is of no concern here
        connection.execute(
            update(kit)
            .where(kit.c.study_id == OTHER, kit.c.kit_number == number)
            .values(**given, dispensed_on=date(2026, 3, 3), visit_number="2")
        )
    hidden = recall(desk, ours)["other_studies"][0]
    assert (hidden["subjects_shown"], hidden["subjects"]) == (False, [])
    assert who not in str(hidden)
    assert number in {one["kit_number"] for one in hidden["kits"]}
    shown = recall(desk, both)["other_studies"][0]
    assert (shown["subjects_shown"], [one["subject_id"] for one in shown["subjects"]]) == (True, [who])


def test_whoever_may_not_recall_here_reaches_no_other_study(sqlite_desk: Desk) -> None:
    desk = lent(sqlite_desk)
    before = desk.state()
    for actor in (manager(OTHER), manager(STUDY, OTHER, role="supply_manager_blinded")):
        with pytest.raises(NotPermitted):
            recall(desk, actor)
    assert desk.state() == before


def test_a_recall_that_fails_in_one_study_is_done_in_none(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = lent(sqlite_desk)
    before = desk.state()

    def refuse(*_: Any) -> Any:
        raise DomainRefusal("no", code="no", field="no", fix="no")

    monkeypatch.setattr("allocation.commands.recalls._recalled_there", refuse)
    with pytest.raises(DomainRefusal):
        recall(desk)
    assert desk.state() == before


def test_recalls_takings_and_recalls_in_the_other_study_at_once_leave_no_kit_of_the_lot_in_use(
    empty_desk: Desk,
) -> None:
    desk = lent(empty_desk)

    def act(number: int) -> str:
        service = Service(desk.database, lambda: desk.now)
        here = Desk(desk.database, desk.now)
        here.service = service
        try:
            if number % 3 == 2:
                take(here, kit_types={"OTHERA": 1})
            else:
                recall(here, study_id=(STUDY, OTHER)[number % 3])
        except RTSMError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(6) as threads:
        told = Counter(threads.map(act, range(6)))
    assert set(told) <= {"done", "pool-short", "state-changed"}
    recall(desk)
    for study_id in (STUDY, OTHER, THIRD):
        assert {row.status for row in of_lot(desk, study_id)} == {"quarantined"}
    seal_pending(desk.database)
    assert all(verify_ledger(desk.database, one).intact for one in (STUDY, OTHER, THIRD))


def test_a_quarantined_lot_is_quarantined_in_all_and_each_study_releases_its_own(sqlite_desk: Desk) -> None:
    desk = lent(sqlite_desk)
    act = Act(SYSTEM_ACTOR, reason=WHY)
    answer = quarantine_kits(desk.service, act, STUDY, KitScopeRequest(lot_id="ZZLOT1"))
    assert [one["study_id"] for one in answer["other_studies"]] == [OTHER, THIRD]
    assert {row.status for row in of_lot(desk, OTHER)} == {"quarantined"}
    assert lot_in(desk, OTHER).status == "quarantined"
    with pytest.raises(DomainRefusal):
        release_kits(desk.service, act, STUDY, KitScopeRequest(lot_id="ZZLOT1"))
    assert {row.status for row in of_lot(desk, OTHER)} == {"quarantined"}


def test_a_rejected_lot_is_rejected_and_a_withdrawn_one_withdrawn_in_all(sqlite_desk: Desk) -> None:
    desk = lent(sqlite_desk)
    request = ChangeLotReleaseRequest(lot_id="ZZLOT1", withdraw=("FRA",))
    answer = signed(desk, change_lot_release, request, RELEASE_CHANGED)
    assert [(one["study_id"], one["released_for"]) for one in answer["other_studies"]] == [
        (OTHER, ["DEU"]),
        (THIRD, ["DEU"]),
    ]
    assert lot_in(desk, OTHER).released_for == '["DEU"]'
    back = signed(
        desk, change_lot_release, ChangeLotReleaseRequest(lot_id="ZZLOT1", release=("FRA",)), RELEASE_CHANGED
    )
    assert (back["released_for"], back["other_studies"]) == (["DEU", "FRA"], [])
    assert lot_in(desk, OTHER).released_for == '["DEU"]', "whether it uses it again, it decides itself"
    rejected = signed(desk, judge_lot, JudgeLotRequest(lot_id="ZZLOT1", decision="reject"), LOT_REJECTED)
    assert [len(one["kits"]) for one in rejected["other_studies"]] == [
        len(of_lot(desk, OTHER)),
        len(of_lot(desk, THIRD)),
    ]
    assert {row.status for row in of_lot(desk, THIRD)} == {"quarantined"}


def test_a_changed_expiry_changes_the_dates_of_lent_kits(empty_desk: Desk, tmp_path: Path) -> None:
    desk = lent(empty_desk)
    for until in (date(2026, 8, 1), date(2027, 10, 15)):
        request = ChangeLotExpiryRequest(lot_id="ZZLOT1", expiry_date=until)
        answer = signed(desk, change_lot_expiry, request, EXPIRY_CHANGED)
        assert [(one["study_id"], one["dated"]) for one in answer["other_studies"]] == [
            (OTHER, len(of_lot(desk, OTHER))),
            (THIRD, len(of_lot(desk, THIRD))),
        ]
        for study_id in (OTHER, THIRD):
            assert {row.expiry_date for row in of_lot(desk, study_id)} == {until}
            assert lot_in(desk, study_id).expiry_date == until
    check_both(desk, tmp_path)


def test_places_of_both_studies_are_told_by_mail(sqlite_desk: Desk) -> None:
    desk = lent(sqlite_desk)
    clock = desk.service.clock
    for name, study_id in (("anna", STUDY), ("otto", OTHER)):
        create_account(desk.database, SYSTEM_ACTOR, name, name, PASSWORD, clock, email=f"{name}@example.org")
        grant_role(desk.database, SYSTEM_ACTOR, name, Grant("depot_operator", study_id, "depot", "D1"), clock)
    answer = recall(desk)
    told = {(one["place_kind"], one["place"]): one["people"] for one in answer["other_studies"][0]["told"]}
    assert told["depot", "D1"] == 1
    with desk.database.read() as connection:
        rows = connection.execute(select(notice.c.study_id, notice.c.username)).all()
    assert {tuple(row) for row in rows} >= {(STUDY, "anna"), (OTHER, "otto")}


def test_the_command_line_lists_the_kits_of_all_studies(
    sqlite_desk: Desk, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent(sqlite_desk)
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)
    told = CliRunner().invoke(app, ["recall", "ZZLOT1", "--study", STUDY, "--reason", WHY])
    assert told.exit_code == 0, told.output
    assert f"study {OTHER}, which has kits of it from here" in told.output
    assert "D1 (TRIAL-2)" in told.output

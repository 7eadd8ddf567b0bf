"""A tune's report is filed through the service's API, in this process or at an address, under the account of whoever tuned."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR
from allocation.access.grants import grant_role
from allocation.access.schema import api_token
from allocation.api.app import create_app
from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.reader import iter_sealed
from allocation.ledger.sealing import seal_pending
from allocation.study.canonical import protocol_sha256
from forecasting.proposal.errors import ProposalRefused, ServiceSilent
from forecasting.proposal.filing import Filed, file_proposal, scenario_document
from simulation.scenario import load_scenario
from tests.api.running_app import served
from tests.api.trial import PASSWORD, PEOPLE, STUDY
from tests.commands.desk import Desk, desk_at
from tests.commands.proposal_people import SCENARIO, report_on


@contextmanager
def loaded(url: str) -> Iterator[Desk]:
    """A loaded study with two accounts."""
    with desk_at(url) as desk:
        desk.load()
        for name in ("statistician", "supply"):
            create_account(desk.database, SYSTEM_ACTOR, name, name, PASSWORD, lambda: desk.now)
            grant_role(desk.database, SYSTEM_ACTOR, name, PEOPLE[name][0], lambda: desk.now)
        yield desk


@pytest.fixture
def desk(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The study in the database that the environment names."""
    monkeypatch.setenv("RTSM_DATABASE_URL", database_url)
    with loaded(database_url) as desk:
        yield desk


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, str]]:
    """The study in a running service, and its address."""
    url = f"sqlite:///{tmp_path_factory.mktemp('service') / 'rtsm.db'}"
    with loaded(url) as desk, served(create_app(desk.database)) as address:
        yield desk, address


def file(report: dict[str, Any], username: str = "statistician", **more: Any) -> Filed:
    asked = {"username": username, "password": PASSWORD, "scenario": SCENARIO, **more}
    return file_proposal(report, **asked)


def refused(report: dict[str, Any], **more: Any) -> ProposalRefused:
    with pytest.raises(ProposalRefused) as caught:
        file(report, **more)
    return caught.value


def test_a_report_is_filed_in_this_process_under_the_account_which_is_logged_out_again(desk: Desk) -> None:
    report = report_on(desk)
    filed = file(report, reason="census of June")
    assert filed == Filed(STUDY, "P1", sha256_hex(canonical_json(report)), 1, "filed", None)
    seal_pending(desk.database)
    (entry,) = [one for one in iter_sealed(desk.database, STUDY) if one.command == "file_supply_proposal"]
    assert (entry.actor, entry.role, entry.reason) == (
        "statistician",
        "unblinded_statistician",
        "census of June",
    )
    assert entry.after["report"] == report
    with desk.database.read() as connection:
        left = connection.execute(select(api_token).where(api_token.c.revoked_at.is_(None))).all()
    assert left == []


def test_at_an_address_a_retry_gives_the_first_answer_and_another_report_may_supersede_it(
    service: tuple[Desk, str],
) -> None:
    desk, url = service
    report = report_on(desk)
    filed = file(report, reason="census of June", url=url)
    assert file(report, reason="census of June", url=url) == filed
    again = refused(report, url=url)
    assert (again.code, again.field) == ("already-filed", "report")
    other = file(report_on(desk, [{"max_buffer": 8}]), url=url, supersedes=filed.proposal_id)
    assert other.superseded == filed.proposal_id


def test_what_the_service_refuses_comes_with_its_field_and_nothing_is_filed(
    service: tuple[Desk, str],
) -> None:
    desk, url = service
    report = report_on(desk, [{"max_buffer": 12}])
    before = desk.state()["supply_proposal"]
    told = refused({**report, "protocol_hash": "0" * 64}, url=url)
    assert (told.code, told.field) == ("proposal-outdated", "report.protocol_hash")
    assert told.fix
    assert refused({**report, "risk": {}}, url=url).field == "report.risk.measure"
    assert refused({**report, "study": "OTHER"}, url=url).code == "not-permitted"
    assert refused(report, username="supply", url=url).code == "not-permitted"
    assert refused(report, password="wrong", url=url).code == "login-refused"
    not_json = refused(report, scenario={"seed": float("nan")}, url=url)
    assert (not_json.field, "at seed, nan is not a number" in not_json.message) == ("scenario", True)
    with pytest.raises(ServiceSilent, match="ConnectError"):
        file(report, url="http://127.0.0.1:9")
    with served(FastAPI()) as other, pytest.raises(ServiceSilent, match="without the service's words"):
        file(report, url=other)
    assert desk.state()["supply_proposal"] == before


def test_the_hash_of_a_scenario_is_that_of_its_document() -> None:
    scenario = load_scenario("studies/rtsm-bench-100-scenario.yaml")
    assert sha256_hex(canonical_json(scenario_document(scenario))) == protocol_sha256(scenario)

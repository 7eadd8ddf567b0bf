"""The pages on a real database: who gets in, what each role is offered, and that the numbers are the ledger's."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select
from streamlit.testing.v1 import AppTest

from allocation.access.accounts import MAX_FAILED_ATTEMPTS
from allocation.access.actors import SYSTEM_ACTOR, Grant
from allocation.access.grants import grant_role, revoke_grant
from allocation.access.permissions import PERMISSIONS, ROLES
from allocation.commands.service import Act, Service
from allocation.commands.studies import LoadStudyVersionRequest, load_study_version
from allocation.ledger.schema import kit
from allocation.study.protocol import Protocol
from dashboards.page_table import PAGES, pages_for
from dashboards.session import utc_now
from tests.api.conftest import Trial
from tests.api.trial import PASSWORD, PEOPLE, STUDY, protocol
from tests.dashboards.trial_under_way import counted, figures, logged_in, shown_text

Visit = Callable[[], AppTest]


def test_nobody_sees_anything_before_the_login(visit: Visit) -> None:
    page = visit()
    assert not page.exception
    assert not page.metric
    assert [field.label for field in page.text_input] == ["Username", "Password"]
    assert STUDY not in shown_text(page)


@pytest.mark.parametrize(
    ("username", "password"), [("sponsor", "wrong password"), ("nobody", PASSWORD), ("", "")]
)
def test_a_wrong_login_is_refused_with_one_message_for_every_cause(
    visit: Visit, username: str, password: str
) -> None:
    page = logged_in(visit(), username, password)
    assert not page.metric
    (message,) = page.error
    assert message.value.startswith("The username or the password is wrong, or the account is locked")


def test_repeated_failures_lock_the_account_and_the_page_says_for_how_long(visit: Visit) -> None:
    page = visit()
    for _ in range(MAX_FAILED_ATTEMPTS):
        page = logged_in(page, "medical.monitor", "a wrong password")
    page = logged_in(page, "medical.monitor", PASSWORD)
    assert not page.metric
    assert "lock an account for 15 minutes" in page.error[0].value


def test_the_key_figures_are_the_ledgers(visit: Visit, trial: Trial) -> None:
    page = logged_in(visit(), "sponsor")
    assert not page.exception
    ledger, shown = counted(trial), figures(page)
    assert shown["Screened"][0] == str(ledger["screen"])
    assert shown["Randomized of 40"][0] == str(ledger["randomize"])
    assert shown["Sites open of 2"][0] == str(ledger["open_site"])
    assert shown["Shipments under way"] == ("1", "1 late")
    assert shown["On study"] == ("3", "1 completed, 1 left")
    with trial.database.read() as connection:
        ready = connection.execute(
            select(func.count()).select_from(kit).where(kit.c.status == "site_available")
        ).scalar_one()
    assert shown["Kits ready at sites"][0] == str(ready)


def test_the_page_says_how_far_the_ledger_and_the_datasets_reach(visit: Visit, trial: Trial) -> None:
    text = shown_text(logged_in(visit(), "sponsor"))
    position = sum(counted(trial).values())
    assert f"As of ledger position <b>{position}</b>" in text
    assert trial.clock.now.strftime("%Y-%m-%d %H:%M UTC") in text
    assert "datasets not built yet" in text


def test_a_late_shipment_is_marked_and_what_people_typed_is_escaped(visit: Visit) -> None:
    text = shown_text(logged_in(visit(), "supply"))
    assert '<span class="rtsm-alert">Late by' in text
    assert "Carrier &amp; &lt;sons&gt;" in text
    assert "<sons>" not in text


def test_a_reader_of_one_site_sees_that_site_alone_and_no_plan_of_the_study(
    visit: Visit, trial: Trial
) -> None:
    page = logged_in(visit(), "other.site")
    shown = figures(page)
    assert shown["Randomized"] == ("0", "of 20 planned here")
    assert shown["Sites open of 1"][0] == "1"
    assert "S01" not in shown_text(page)


def test_a_depots_reader_sees_stock_and_shipments_and_no_empty_enrolment(visit: Visit) -> None:
    page = logged_in(visit(), "depot")
    assert not page.exception
    assert list(figures(page)) == ["Kits ready at depots", "Shipments under way", "Expiring in 90 days"]
    assert "Enrolment" not in [heading.value for heading in page.subheader]


@pytest.mark.parametrize("name", PEOPLE)
def test_the_pages_offered_are_those_of_the_permission_table(name: str, trial: Trial) -> None:
    from allocation.access.grants import actor_named

    actor = actor_named(trial.database, name)
    offered = {page.path for page in pages_for(actor, STUDY)}
    roles = {grant.role for grant in PEOPLE[name] if grant.study_id in (STUDY, "*")}
    assert offered == {page.path for page in PAGES if roles & PERMISSIONS[page.permission]}


def test_every_page_needs_a_permission_that_some_role_has_and_the_overview_is_for_all() -> None:
    assert {page.permission for page in PAGES} <= set(PERMISSIONS)
    assert PERMISSIONS[PAGES[0].permission] >= ROLES


def test_someone_without_a_role_in_any_loaded_study_is_told_so(visit: Visit) -> None:
    page = logged_in(visit(), "stranger")
    assert not page.metric
    assert "No study is loaded in which you hold a role" in page.info[0].value
    assert STUDY not in shown_text(page)


def test_a_role_that_is_taken_back_ends_the_view_at_the_next_refresh(visit: Visit, trial: Trial) -> None:
    page = logged_in(visit(), "monitor")
    assert page.metric
    grant = Grant("monitor", STUDY, "country", "DEU")
    revoke_grant(trial.database, SYSTEM_ACTOR, "monitor", grant, utc_now, reason="left the study")
    page.run()
    assert not page.metric
    grant_role(trial.database, SYSTEM_ACTOR, "monitor", grant, utc_now, reason="came back")
    page.run()
    assert page.metric


def test_logging_out_ends_the_token_and_leads_to_the_login_page(visit: Visit, trial: Trial) -> None:
    from allocation.access.tokens import actor_for_token
    from allocation.errors import LoginRefused

    page = logged_in(visit(), "sponsor")
    token = page.session_state["token"]
    assert actor_for_token(trial.database, token, utc_now).username == "sponsor"
    next(button for button in page.button if button.label == "Log out").click()
    page.run()
    assert [field.label for field in page.text_input] == ["Username", "Password"]
    with pytest.raises(LoginRefused):
        actor_for_token(trial.database, token, utc_now)


def test_without_a_database_the_page_says_what_to_do(home: Path) -> None:
    from tests.dashboards.conftest import APP

    page = AppTest.from_file(str(APP), default_timeout=60).run()
    assert not page.exception
    assert "run `rtsm demo`" in page.error[0].value


def test_who_has_several_studies_chooses_and_the_address_keeps_the_choice(visit: Visit, trial: Trial) -> None:
    document = protocol()
    document["study"] |= {"id": "TRIAL-2", "title": "Another trial"}
    request = LoadStudyVersionRequest(protocol=Protocol.model_validate(document))
    load_study_version(Service(trial.database, trial.clock), Act(SYSTEM_ACTOR), request)
    page = logged_in(visit(), "administrator")
    assert STUDY in shown_text(page)
    (choice,) = page.radio
    assert choice.options == [STUDY, "TRIAL-2"]
    page = choice.set_value("TRIAL-2").run()
    assert not page.exception
    assert "Another trial" in shown_text(page)
    assert figures(page)["Screened"] == ("0", "none decided yet")
    assert page.query_params["study"] == "TRIAL-2"
    assert not logged_in(visit(), "sponsor").radio

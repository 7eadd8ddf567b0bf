"""The run-out alarm of a site: dates by kit type for unblinded readers, one date and no kit type for blinded ones."""

from datetime import timedelta

import pytest
from typer.testing import CliRunner

from allocation.access.actors import Actor, Grant
from allocation.commands.run_out import run_out_by_site, run_out_by_type
from allocation.errors import NotPermitted
from allocation.resupply_cli import app
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk, desk_at
from tests.commands.test_resupply_golden import STARTED, rule_c_protocol, site_with_three_subjects

BLINDED = Actor("b", "B", (Grant("supply_manager_blinded", STUDY),))
LIMITS = {"run_out_alarm_days": 9, "screen_failure_rate": "0.4"}


def test_a_site_is_projected_with_its_subjects_and_those_in_screening(empty_desk: Desk) -> None:
    """Two kits, subjects due in 4, 9 and 25 days: it lasts until day 25. Two more in screening need 1.2 kits at once."""
    document = rule_c_protocol(14, 42, "today", len(STARTED) + 2, **LIMITS)
    desk = site_with_three_subjects(empty_desk, document)
    (found,) = run_out_by_type(desk.service, ACT.actor, STUDY).kit_types
    assert (found.sai, found.run_out_on, found.alarm) == (2, desk.now.date() + timedelta(days=25), False)
    desk.screened()
    desk.screened()
    (found,) = run_out_by_type(desk.service, ACT.actor, STUDY).kit_types
    assert found.alarm
    assert found.run_out_on is not None
    assert found.run_out_on <= desk.now.date() + timedelta(days=9)


def test_a_blinded_reader_learns_the_day_of_the_site_and_no_kit_type(empty_desk: Desk) -> None:
    document = rule_c_protocol(14, 42, "today", len(STARTED) + 1, **LIMITS)
    desk = site_with_three_subjects(empty_desk, document)
    found = run_out_by_site(desk.service, BLINDED, STUDY)
    (site,) = found.sites
    assert (site.run_out_on, site.alarm) == (desk.now.date() + timedelta(days=9), True)
    told = found.model_dump_json()
    assert not any(kit_type.code in told or kit_type.name in told for kit_type in document.kit_types)
    with pytest.raises(NotPermitted):
        run_out_by_type(desk.service, BLINDED, STUDY)
    elsewhere = Actor("c", "C", (Grant("site_coordinator", STUDY, "site", "S02"),))
    assert run_out_by_site(desk.service, elsewhere, STUDY).sites == ()


def test_the_command_line_shows_either(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = rule_c_protocol(14, 42, "today", len(STARTED) + 1, **LIMITS)
    with desk_at(sqlite_url) as desk:
        site_with_three_subjects(desk, document)
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)
    code = document.kit_types[0].code
    by_type, by_site = (CliRunner().invoke(app, ["run-out", *more]) for more in ([], ["--blinded"]))
    assert "ALARM S01 runs out" in by_type.output
    assert code in by_type.output
    assert "ALARM S01 runs out" in by_site.output
    assert code not in by_site.output

"""`rtsm resupply lint` of files and of loaded studies: exit codes, JSON, table, and who may ask."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.access.grants import grant_role
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.service import utc_now
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.errors import NotFound, NotPermitted
from allocation.resupply_cli import app
from allocation.rules.kit_numbers import number_kits
from allocation.views.unblinded.loaded_stock import loaded_stock
from tests.api.trial import KIT_TYPE_OF_ARM, SITES, STUDY
from tests.commands.desk import ACT, Desk, desk_at
from tests.study.small_protocol import with_changes, yaml_text

PASSWORD = "a long enough passphrase"
TYPES = tuple(KIT_TYPE_OF_ARM.values())
SEEDED = {"supply.parameters[0].parameters.seed_quantity": 3}


def run(*arguments: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["lint", *(str(argument) for argument in arguments)], input=typed)


def load(desk: Desk, expiries: tuple[str, ...], number: Callable[[int], tuple[str, int]]) -> None:
    """A loaded study with open sites, a lot a kit type, and 60 kits whose number and pick sequence `number` gives."""
    desk.load()
    for site_id in SITES:
        open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id=site_id))
    lots = [
        {"lot_id": f"L{i}", "kit_type": kind, "expiry_date": expiry}
        for i, (kind, expiry) in enumerate(zip(TYPES, expiries, strict=True))
    ]
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": lots}))
    rows = [
        {
            "kit_number": number(i)[0],
            "pick_sequence": number(i)[1],
            "kit_type": TYPES[i // 20],
            "lot_id": f"L{i // 20}",
        }
        for i in range(60)
    ]
    load_kits(desk.service, ACT, STUDY, LoadKitsRequest.model_validate({"depot_id": "D1", "kits": rows}))


def test_a_loaded_study_with_kits_numbered_by_type_fails_on_both_databases(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTSM_DATABASE_URL", database_url)
    with desk_at(database_url) as desk:
        load(desk, ("2026-10-15", "2026-11-15", "2026-12-15"), lambda i: (str(1000 + i), i + 1))
    result = run(STUDY, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    errors = {one["code"] for one in answer["findings"] if one["severity"] == "error"}
    assert errors == {"numbers-tell-type", "picks-by-number", "lot-maps-to-arm"}
    assert answer["errors"] == sum(one["severity"] == "error" for one in answer["findings"])


def test_scrambled_kits_in_blinded_lots_pass_on_both_databases(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTSM_DATABASE_URL", database_url)
    identities = number_kits(3, 60)
    with desk_at(database_url) as desk:
        load(desk, ("2026-12-15",) * 3, lambda i: (identities[i].number, identities[i].pick_sequence))
        opened, stock = loaded_stock(desk.database, SYSTEM_ACTOR, STUDY)
        assert [(one.code, one.country, one.depot) for one in opened] == [
            ("S01", "DEU", "D1"),
            ("S02", "FRA", "D1"),
        ]
        assert {kit.number for kit in stock.kits} == {one.number for one in identities}
        assert stock.at_depots == {"D1": dict.fromkeys(TYPES, 20)}
        assert [(lot.kits, lot.released_for) for lot in stock.lots] == [(20, ("*",))] * 3
    result = run(STUDY)
    assert result.exit_code == 0, result.stdout
    assert "lots-map-to-types" in result.stdout
    assert result.stdout.endswith(f"{STUDY}: 1 note\n")


def test_a_file_is_told_with_lines_and_its_exit_code_is_that_of_its_errors(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml_text(with_changes(SEEDED)), encoding="utf-8")
    assert run(file).stdout == f"{file}: nothing found\n"
    file.write_text(yaml_text(with_changes({**SEEDED, "supply.consolidation": "triggered_types_only"})))
    warned = run(file, "--json")
    assert (warned.exit_code, json.loads(warned.stdout)["warnings"]) == (0, 1)
    text = yaml_text(with_changes({**SEEDED, "supply.parameters[0].parameters.max_buffer": 2}))
    file.write_text(text, encoding="utf-8")
    failed = run(file, "--json")
    assert failed.exit_code == 1
    finding = json.loads(failed.stdout)["findings"][0]
    assert finding["path"] == "supply.parameters[0].parameters.max_buffer"
    assert '"max_buffer": 2' in text.splitlines()[finding["line"] - 1]
    shown = run(file)
    assert shown.exit_code == 1
    assert "buffer-gap" in shown.stdout
    assert "set by study" in shown.stdout


def test_only_who_may_see_unblinded_stock_of_the_whole_study_may_ask(sqlite_url: str) -> None:
    with desk_at(sqlite_url) as desk:
        desk.load()
        for role in ("supply_manager_blinded", "sponsor_blinded", "project_manager"):
            with pytest.raises(NotPermitted):
                loaded_stock(desk.database, Actor(role, role, (Grant(role, STUDY),)), STUDY)
        at_a_site = Actor("p", "P", (Grant("site_pharmacist_unblinded", STUDY, "site", "S01"),))
        with pytest.raises(NotPermitted):
            loaded_stock(desk.database, at_a_site, STUDY)


def test_an_account_asks_by_its_password(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)
    with desk_at(sqlite_url) as desk:
        desk.load()
        for name, role in (("open.supply", "supply_manager_unblinded"), ("supply", "supply_manager_blinded")):
            create_account(desk.database, SYSTEM_ACTOR, name, name, PASSWORD, utc_now)
            grant_role(desk.database, SYSTEM_ACTOR, name, Grant(role, STUDY), utc_now)
    assert run(STUDY, "--as", "open.supply", typed=f"{PASSWORD}\n").exit_code == 0
    assert isinstance(run(STUDY, "--as", "supply", typed=f"{PASSWORD}\n").exception, NotPermitted)
    assert isinstance(run("NOPE").exception, NotFound)
    assert run(f"{STUDY}@x").exit_code == 2

"""`rtsm vault` on a database, as people type it."""

import json
from datetime import date

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from allocation.cli import app
from tests.api.trial import KIT_TYPE_OF_ARM, PASSWORD, make_people
from tests.commands.desk import desk_at
from tests.commands.dosing_trial import Lot, document, give, set_up

HOME = {"recipient": "Zsuzsanna Quxley", "lines": ["17 Vexilla Mews"], "city": "Thornaby", "country": "GBR"}


def test_an_address_is_kept_shown_to_its_site_and_forgotten(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk_at(sqlite_url) as desk:
        desk.set_up_without_list()
        who = desk.screened()
        make_people(desk.database, lambda: desk.now)
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("RTSM_VAULT_KEY", Fernet.generate_key().decode())

    def run(*words: str, typed: str = "") -> tuple[int, str]:
        result = CliRunner().invoke(app, ["vault", *words], input=typed)
        return result.exit_code, result.output + str(result.exception or "")

    wrong = run("set", who, "-", typed=json.dumps({**HOME, "country": "Quxland"}))
    assert (wrong[0], "country" in wrong[1], "Quxland" in wrong[1]) == (1, True, False)
    kept = run("set", who, "-", typed=json.dumps(HOME))
    assert (kept[0], "address kept" in kept[1], "Vexilla" in kept[1]) == (0, True, False)
    nobody = run("show", who)
    assert (nobody[0], "--as" in nobody[1], "Vexilla" in nobody[1]) == (1, True, False)
    shown = run("show", who, "--as", "coordinator", typed=f"{PASSWORD}\n")
    assert (shown[0], "17 Vexilla Mews" in shown[1]) == (0, True)
    other = run("show", who, "--as", "other.site", typed=f"{PASSWORD}\n")
    assert (other[0], "Vexilla" in other[1]) == (1, False)
    assert run("rotate") == (0, "1 addresses have the newest key\n")
    assert run("forget", who)[0] == 1
    assert run("forget", who, "--reason", "asked for")[0] == 0
    listed = run("accesses", who)[1].splitlines()
    assert [line.split()[2] for line in listed] == ["forget", "rotate", "read", "write"]


def test_assigned_kits_are_sent_home_and_listed(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSM_VAULT_KEY", Fernet.generate_key().decode())
    lasting = tuple(Lot(kit_type, 4, date(2150, 6, 30)) for kit_type in KIT_TYPE_OF_ARM.values())
    with desk_at(sqlite_url) as desk:
        set_up(desk, document({"confirmation": True, "home_delivery": True}), lasting)
        who = desk.randomized()
        (number,) = give(desk, who, "V2")["kit_numbers"]
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)

    def run(*words: str, typed: str = "") -> tuple[int, str]:
        result = CliRunner().invoke(app, [*words], input=typed)
        return result.exit_code, result.output + str(result.exception or "")

    unknown = run("shipment", "send-home", who)
    assert (unknown[0], "rtsm vault set" in unknown[1]) == (1, True)
    assert run("vault", "set", who, "-", typed=json.dumps(HOME))[0] == 0
    wrong = run("shipment", "send-home", who, "--carrier", "17 Vexilla Mews, Thornaby")
    assert (wrong[0], "carrier" in wrong[1], "Vexilla" in wrong[1]) == (1, True, False)
    assert run("shipment", "send-home", who, "--carrier", "Swift") == (
        0,
        f"{who}-P1: kits {number} on their way\n",
    )
    code, listed = run("shipment", "home-list", "--json")
    (parcel,) = json.loads(listed)["parcels"]
    assert (code, parcel["status"], parcel["carrier"], parcel["kits"]) == (0, "sent", "Swift", [number])

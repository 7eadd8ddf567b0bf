"""`rtsm kit` and `rtsm recall` on a database, as people type them."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import rtsm
from allocation.commands.service import utc_now
from tests.api.trial import PASSWORD, make_people
from tests.commands.desk import desk_at


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A stocked trial with everybody's account, for all tests here."""
    address = f"sqlite:///{tmp_path_factory.mktemp('kits') / 'rtsm.db'}"
    with desk_at(address) as desk:
        desk.set_up()
        make_people(desk.database, utc_now)
    return address


def run(url: str, *arguments: str, said: str = "") -> Result:
    return CliRunner().invoke(rtsm.app, [*arguments, "--db", url], input=said)


def answer(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout[result.stdout.index("{") :])
    return found


def test_kits_are_quarantined_released_and_recalled_on_the_command_line(url: str) -> None:
    held = answer(run(url, "kit", "quarantine", "--site", "S01", "--reason", "alarm", "--json"))
    assert held["kits"]
    asked = ("kit", "release", *held["kits"][:2], "--reason", "log reviewed")
    nobody = run(url, *asked)
    assert (nobody.exit_code, "signed by a person" in nobody.output) == (1, True)
    done = run(url, *asked, "--as", "supply", "--json", said=f"{PASSWORD}\n{PASSWORD}\n")
    assert answer(done)["kits"] == held["kits"][:2]
    first = run(url, "recall", "ZZLOT1")
    assert (first.exit_code, "nobody: call" in first.output) == (0, True), first.output
    again = answer(run(url, "recall", "ZZLOT1", "--json"))
    assert (again["recalled_before"], again["quarantined"], again["told"]) == (True, 0, [])
    assert "recalled before" in run(url, "recall", "ZZLOT1").output
    verified = run(url, "ledger", "verify")
    assert verified.exit_code == 0, verified.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("kit", "quarantine", "--reason", "x"), 1, "kit_numbers, lot_id, shipment_id and site_id"),
        (("kit", "quarantine", "NOKIT", "--reason", "x"), 1, "NOKIT"),
        (("kit", "quarantine", "--site", "S01"), 2, "--reason"),
        (("kit", "quarantine", "--site", "S01", "--reason", " "), 1, "reason"),
        (("recall", "NOLOT"), 1, "NOLOT"),
        (("kit", "number", "ZZLOT1=x", "--out", "list.csv"), 1, "count"),
        (("kit", "number", "ZZLOT1=5", "--out", "list.doc"), 1, ".xlsx"),
    ],
)
def test_what_is_typed_wrongly_gets_one_line_that_names_it(
    url: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = run(url, *arguments)
    assert (result.exit_code, said in result.output) == (code, True), result.output


def test_a_packagers_list_is_written_and_loaded_again(url: str, tmp_path: Path) -> None:
    out = tmp_path / "list.xlsx"
    made = answer(run(url, "kit", "number", "ZZLOT3=20", "ZZLOT2=10", "--out", str(out), "--json"))
    assert made["kits"] == 30
    again = run(url, "kit", "number", "ZZLOT3=20", "--out", str(out))
    assert (again.exit_code, "exists" in again.output) == (1, True)
    assert answer(run(url, "load", "kits", str(out), "--depot", "D1", "--json"))["kits"] == 30


def test_labels_are_printed_and_a_scan_names_its_kit(url: str, tmp_path: Path) -> None:
    out = tmp_path / "labels.svg"
    done = answer(run(url, "kit", "barcode", "0100", "0359", "--lot", "--out", str(out), "--json"))
    assert done == {"labels": 2, "file": str(out)}
    drawn = out.read_text()
    assert ("Kit 0100   lot ZZLOT1" in drawn, "ZZKIT" in drawn) == (True, False)
    again = run(url, "kit", "barcode", "0100", "--out", str(out))
    assert (again.exit_code, "exists" in again.output) == (1, True)
    blinded = ("kit", "barcode", "0100", "--lot", "--out", str(tmp_path / "two.pdf"), "--as", "supply")
    refused = run(url, *blinded, said=f"{PASSWORD}\n")
    assert (refused.exit_code, (tmp_path / "two.pdf").exists()) == (1, False)
    found = answer(run(url, "kit", "scan", "(21)0100", "--json"))
    assert found["kit_number"] == "0100"
    wrong = run(url, "kit", "scan", "(10)ZZLOT2(21)0100")
    assert (wrong.exit_code, "lot ZZLOT2, on record ZZLOT1" in wrong.output) == (1, True)
    wrong = run(url, "kit", "scan", "(10)ZZLOT2(21)0100", "--as", "supply", said=f"{PASSWORD}\n")
    assert (wrong.exit_code, "contradicts" in wrong.output, "ZZLOT1" in wrong.output) == (1, True, False)


def test_the_inventory_of_now_and_of_a_past_position_is_shown_by_type_or_in_blinded_words(url: str) -> None:
    now = answer(run(url, "inventory", "--json"))
    assert {line["place_kind"] for line in now["stock"]} >= {"depot", "site"}
    then = answer(run(url, "inventory", "--as-of", "8", "--blinded", "--json"))
    assert {line["place_kind"] for line in then["stock"]} == {"depot"}
    assert sum(line["kits"] for line in then["stock"]) == 60
    assert "ZZ" not in json.dumps(then)
    shown = run(url, "inventory", "--as-of", "8")
    assert (shown.exit_code, "position 8" in shown.output) == (0, True), shown.output
    refused = run(url, "inventory", "--as-of", "tomorrow")
    assert (refused.exit_code, "as_of" in refused.output) == (1, True)

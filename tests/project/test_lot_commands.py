"""`rtsm lot` on a database, as people type it: everything is signed, and what is typed wrongly gets one line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import rtsm
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.service import utc_now
from tests.api.trial import PASSWORD, STUDY, make_people
from tests.commands.bulk_trial import with_syringes
from tests.commands.desk import ACT, desk_at
from tests.project.test_kit_commands import answer

SAID = f"{PASSWORD}\n{PASSWORD}\n"
WHY = ("--reason", "stability data", "--as", "open.supply", "--json")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A stocked trial with everybody's account, for all tests here."""
    address = f"sqlite:///{tmp_path_factory.mktemp('lots') / 'rtsm.db'}"
    with desk_at(address) as desk:
        desk.set_up()
        make_people(desk.database, utc_now)
    return address


def run(url: str, *arguments: str, said: str = "") -> Result:
    return CliRunner().invoke(rtsm.app, ["lot", *arguments, "--db", url], input=said)


def test_a_lot_is_extended_withdrawn_and_decided_on_from_the_command_line(url: str) -> None:
    done = answer(run(url, "expiry", "ZZLOT1", "2028-10-15", "--country", "DEU", *WHY, said=SAID))
    assert done["by_country"] == {"DEU": "2028-10-15"}
    assert answer(run(url, "withdraw-from", "ZZLOT2", "FRA", *WHY, said=SAID))["released_for"] == ["DEU"]
    assert answer(run(url, "release-for", "ZZLOT2", "*", *WHY, said=SAID))["released_for"] == ["*"]
    assert answer(run(url, "restrict", "ZZLOT3", *WHY, said=SAID))["status"] == "restricted"
    assert answer(run(url, "release", "ZZLOT3", *WHY, said=SAID))["status"] == "released"
    shown = answer(run(url, "list", "--json"))["lots"]
    assert [one["expiry_by_country"] for one in shown] == [{"DEU": "2028-10-15"}, {}, {}]
    table = run(url, "list")
    assert (table.exit_code, "ZZLOT1" in table.output) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("expiry", "ZZLOT1", "soon", *WHY), 1, "2026-03-31"),
        (("expiry", "ZZLOT1", "2029-01-01"), 2, "--reason"),
        (("expiry", "ZZLOT1", "2029-01-01", "--reason", "x"), 1, "signed by a person"),
        (("relabel", "ZZLOT1", "2029-01-01", *WHY), 1, "site_id and depot_id"),
        (("relabel", "ZZLOT1", "2029-01-01", "--site", "S01", *WHY), 1, "expiry date"),
        (("release-for", "ZZLOT1", "MARS", *WHY), 1, "MARS"),
        (("release", "ZZLOT1", *WHY), 1, "does not allow"),
        (("reject", "NOLOT", *WHY), 1, "NOLOT"),
    ],
)
def test_what_is_typed_wrongly_gets_one_line_that_names_it(
    url: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = run(url, *arguments, said=SAID)
    assert (result.exit_code, said in result.output) == (code, True), result.output


def test_lots_with_printed_dates_and_blinded_numbers_are_loaded_from_a_file(url: str, tmp_path: Path) -> None:
    file = tmp_path / "lots.csv"
    file.write_text(
        "lot_id,kit_type,expiry_date,released_for,status,expiry_printed,blinded_lot\n"
        "N1,ZZKITA,2028-01-31,DEU,pending,yes,B28\nN2,ZZKITB,2028-01-31,*,,no,B28\n"
    )
    loaded = CliRunner().invoke(rtsm.app, ["load", "lots", str(file), "--db", url])
    assert loaded.exit_code == 0, loaded.output
    shown = {one["lot_id"]: one for one in answer(run(url, "list", "--json"))["lots"]}
    assert (shown["N1"]["printed_expiry"], shown["N1"]["status"]) == ("2028-01-31", "pending")
    assert (shown["N2"]["printed_expiry"], shown["N2"]["blinded_lot"]) == (None, "B28")
    file.write_text("lot_id,kit_type,expiry_date,expiry_printed\nN3,ZZKITA,2028-01-31,perhaps\n")
    refused = CliRunner().invoke(rtsm.app, ["load", "lots", str(file), "--db", url])
    assert (refused.exit_code, "line 2: expiry_printed" in refused.output) == (1, True), refused.output


def test_bulk_supply_has_a_history_by_lot_and_its_count_is_corrected_on_the_command_line(
    tmp_path: Path,
) -> None:
    address = f"sqlite:///{tmp_path / 'bulk.db'}"
    with desk_at(address) as desk:
        with_syringes(desk)
        who = desk.randomized()
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))

    def returns(*arguments: str) -> Result:
        return CliRunner().invoke(rtsm.app, ["returns", *arguments, "--db", address])

    assert returns("count", who, "--units", "SY-B=3:1").exit_code == 0
    right = ("--reason", "counted again", "--json")
    done = answer(returns("correct", who, "--units", "SY-B=3:2/1", *right))
    assert sum(one["quantity"] for one in done["bulk"]["kits"]) == 3
    assert returns("correct", who, *right).exit_code == 1
    history = answer(run(address, "history", "SY-B", "--json"))
    assert [(one["act"], one["quantity"], one["to_place"]) for one in history["moves"]][-2:] == [
        ("return_from_subject", 3, "site S01"),
        ("correct_kit_count", 3, "site S01"),
    ]
    table = run(address, "history", "SYR-1")
    assert (table.exit_code, "lot SYR-1: " in table.output, "~" in table.output) == (0, True, False)
    assert run(address, "history", "ZZLOT1").exit_code == 1

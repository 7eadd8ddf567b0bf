"""`rtsm returns` and `rtsm kit history` on a database, as the people of a return type them."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner, Result

import rtsm
from allocation.commands.service import utc_now
from tests.api.trial import PASSWORD, make_people
from tests.commands.desk import desk_at
from tests.commands.return_people import given, policy
from tests.commands.test_kit_acts import at_site


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str, str]:
    """A stocked trial with everybody's account: its address, a subject, the subject's kit, and a kit in stock."""
    address = f"sqlite:///{tmp_path_factory.mktemp('returns') / 'rtsm.db'}"
    with desk_at(address) as desk:
        desk.set_up(document=policy())
        make_people(desk.database, utc_now)
        who, number = given(desk)
        return address, who, number, at_site(desk)[0]


def run(url: str, *arguments: str, who: str | None = None, signs: bool = False) -> Result:
    named = [] if who is None else ["--as", who]
    said = "" if who is None else f"{PASSWORD}\n" * (2 if signs else 1)
    return CliRunner().invoke(rtsm.app, [*arguments, *named, "--db", url], input=said)


def answer(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout[result.stdout.index("{") :])
    return found


def test_a_return_is_typed_from_the_count_to_the_certificate(
    trial: tuple[str, str, str, str], tmp_path: Path
) -> None:
    url, who, number, unused = trial
    counted = answer(run(url, "returns", "count", who, f"{number}=20/1", "--json", who="coordinator"))
    assert counted["kits"][0]["used_units"] == "14"
    corrected = run(
        url, "returns", "correct", who, f"{number}=21", "--reason", "counted again", who="coordinator"
    )
    assert corrected.exit_code == 0, corrected.output
    shown = run(url, "returns", "subject", who)
    assert (shown.exit_code, number in shown.output) == (0, True)
    declare = ("returns", "declare", "S01", number, unused, "--unused-as", "excess", "--json")
    name = answer(run(url, *declare, who="coordinator"))["return_id"]
    early = run(url, "returns", "ship", name, "--carrier", "C", "--tracking", "T", who="coordinator")
    assert (early.exit_code, "a monitor reconciles it first" in early.output) == (1, True)
    differs = ("--differs", f"{number}=20", "--note", "one less")
    assert (
        answer(run(url, "returns", "reconcile", name, *differs, "--json", who="monitor"))["differences"] == 1
    )
    unsigned = run(url, "returns", "approve", name)
    assert (unsigned.exit_code, "signed by a person" in unsigned.output) == (1, True)
    approved = run(url, "returns", "approve", name, "--json", who="project.manager", signs=True)
    assert answer(approved)["state"] == "approved"
    sent = run(url, "returns", "ship", name, "--carrier", "C", "--tracking", "T", who="coordinator")
    assert sent.exit_code == 0, sent.output
    assert answer(run(url, "returns", "receive", name, "--json", who="depot"))["kits"]["good"] == 2
    paper = tmp_path / "certificate.pdf"
    paper.write_bytes(b"%PDF certificate")
    today = utc_now().astimezone(ZoneInfo("Europe/Berlin"))  # the depot's and the site's date
    told = ("--certificate", str(paper), "--number", "C7", "--place", "Nord", "--on", f"{today:%Y-%m-%d}")
    done = run(url, "returns", "destroy", name, "--reason", "end", *told, "--json", who="depot", signs=True)
    assert answer(done)["state"] == "closed"
    detail = answer(run(url, "returns", "show", name, "--json"))
    assert {one["certificate"] for one in detail["kits"]} == {"C7"}
    assert (
        answer(run(url, "returns", "list", "--state", "closed", "--json"))["returns"][0]["return_id"] == name
    )
    steps = answer(run(url, "kit", "history", number, "--json"))["steps"]
    assert steps[-1]["act"] == "destroy_returned_kits"
    rows = list(csv.DictReader(io.StringIO(run(url, "returns", "reconciliation", "--csv").stdout)))
    assert [(row["kind"], row["kit_number"], row["said"]) for row in rows] == [
        ("count_differs", number, "one less")
    ]
    log = list(csv.DictReader(io.StringIO(run(url, "returns", "log", "S01", "--csv").stdout)))
    assert {row["certificate"] for row in log if row["kit_number"] in (number, unused)} == {"C7"}
    verified = run(url, "ledger", "verify")
    assert verified.exit_code == 0, verified.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("returns", "count", "S01-0001"), 1, "kits"),
        (("returns", "count", "S01-0001", "123"), 1, "KIT=RETURNED"),
        (("returns", "count", "S01-0001", "123=x"), 1, "returned_units"),
        (("returns", "declare", "NOSITE"), 1, "NOSITE"),
        (("returns", "declare", "S01", "NOKIT"), 1, "NOKIT"),
        (("returns", "show", "S01-R099"), 1, "S01-R099"),
        (("returns", "reconcile", "S01-R099"), 1, "S01-R099"),
        (("returns", "reconciliation", "--depot", "D9"), 1, "D9"),
        (("returns", "log", "NOSITE"), 1, "NOSITE"),
        (("kit", "history", "NOKIT"), 1, "NOKIT"),
        (("returns", "withdraw", "S01-R001"), 2, "--reason"),
    ],
)
def test_what_is_typed_wrongly_gets_one_line_that_names_it(
    trial: tuple[str, str, str, str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = run(trial[0], *arguments)
    assert (result.exit_code, said in result.output) == (code, True), result.output

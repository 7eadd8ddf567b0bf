"""`rtsm resupply proposal` on a database, as people type it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR
from allocation.access.grants import grant_role
from allocation.cli import app
from tests.api.trial import PASSWORD, PEOPLE
from tests.commands.desk import desk_at
from tests.commands.proposal_people import SCENARIO, report_on


def test_a_report_is_filed_compared_and_signed_and_bad_files_are_refused(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with desk_at(sqlite_url) as desk:
        desk.set_up(stocked=False, kit_count=3)
        report = report_on(desk)
        other = report_on(desk, [{"country": "FRA", "max_buffer": 9}])
        for name in ("statistician", "open.supply", "supply"):
            create_account(desk.database, SYSTEM_ACTOR, name, name, PASSWORD, lambda: desk.now)
            grant_role(desk.database, SYSTEM_ACTOR, name, PEOPLE[name][0], lambda: desk.now)
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)
    files = {"report": report, "other": other, "scenario": SCENARIO, "list": []}
    for name, document in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document, indent=1))
    (tmp_path / "broken.json").write_text('{"kind":\n oops}')

    def run(*words: str, typed: str = "") -> tuple[int, str]:
        result = CliRunner().invoke(app, ["resupply", *words], input=typed)
        return result.exit_code, result.output + str(result.exception or "")

    def file(name: str, *more: str, typed: str = "") -> tuple[int, str]:
        scenario = ("--scenario", str(tmp_path / "scenario.json"))
        return run("proposal", "file", str(tmp_path / f"{name}.json"), *scenario, *more, typed=typed)

    assert run("proposal", "list")[1].strip() == "nothing was proposed"
    for name, says in (
        ("broken", "line 2: is not JSON"),
        ("list", "is not a JSON object"),
        ("absent", "cannot be read"),
        ("scenario", "report.kind: is missing"),
    ):
        code, output = file(name)
        assert (code, says in output) == (1, True), output
    code, output = file("report", "--as", "supply", typed=f"{PASSWORD}\n")
    assert (code, "may not do proposal.file" in output) == (1, True)
    code, output = file("report", "--reason", "census of June", "--as", "statistician", typed=f"{PASSWORD}\n")
    assert (code, "proposal P1 filed" in output) == (0, True), output
    file("other", "--supersedes", "P1")
    assert json.loads(run("proposal", "list", "--json")[1])["proposals"][1]["state"] == "superseded"
    shown = run("proposal", "show", "P1")[1]
    assert "  kit_type ZZKITA, max_buffer 6" in shown
    assert json.loads(run("proposal", "show", "P1", "--json")[1])["report"] == report
    code, output = run("proposal", "compare", "P2")
    assert code == 0
    for words in (
        "It can be signed.",
        "3 at 1 (study)",
        "1 of 1",
        "certified on 1000 fresh replicates with 2 events: at most 0.0063 with 95% confidence",
        "+ supply.parameters[country FRA]: {level: country, key: FRA, parameters: {max_buffer: 9}}",
        "Tuned for cost from documents alone, seed 7, 5000 replicates",
    ):
        assert words in output, output
    compared = json.loads(run("proposal", "compare", "P2", "--json")[1])
    assert compared["outcomes"][0]["difference"]["mean"] == -3000.0
    nobody = run("proposal", "sign", "P2")
    assert (nobody[0], "--as" in nobody[1]) == (1, True)
    person = ("--as", "open.supply")
    code, output = run("proposal", "sign", "P2", *person, typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert (code, "proposal P2 is signed" in output, "protocol version 2" in output) == (0, True, True)
    assert (
        run("proposal", "reject", "P1", "--reason", "no", *person, typed=f"{PASSWORD}\n{PASSWORD}\n")[0] == 1
    )
    assert run("proposal", "withdraw", "P1", "--reason", "no")[0] == 1
    blinded = run("proposal", "list", "--blinded")[1]
    assert ("P2" in blinded, "sha256" in blinded) == (True, False)

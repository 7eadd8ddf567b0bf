"""Wrong arguments of `rtsm`: one line that names the argument and the fix, exit code 1 or 2, and nothing is left half done."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import rtsm
from tests.api.trial import STUDY
from tests.commands.desk import desk_at
from tests.study.small_protocol import with_changes, yaml_text

Run = Callable[..., Result]


@pytest.fixture
def run(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `rtsm` on a database with a loaded study whose sites are open."""
    with desk_at(sqlite_url) as desk:
        desk.set_up(stocked=False)
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)
    return lambda *arguments: CliRunner().invoke(rtsm.app, [str(one) for one in arguments])


def one_line(result: Result, *told: str, code: int = 1) -> None:
    assert result.exit_code == code, result.output
    if code == 1:
        assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for text in told:
        assert text in result.stderr


def test_codes_and_numbers_that_are_none_are_refused_by_their_name(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "kits.csv"
    file.write_text("kit_number,kit_type,lot_id\n77,ZZKITA,ZZLOT1\n", encoding="utf-8")
    rows = tmp_path / "list.csv"
    rows.write_text(
        "stratum,sequence,randomization_number,arm\nSEVERITY=MILD,1,X1,ZZARMA\n", encoding="utf-8"
    )
    one_line(run("load", "list", "bad id", "--event", "RAND", "--generate", 6), "list_id", "is not a code")
    one_line(run("load", "list", "L", "--event", "bad event", "--generate", 6), "event", "is not a code")
    one_line(run("load", "list", "L", "--event", "bad event", "--file", rows), "event", "is not a code")
    one_line(run("load", "kits", file, "--depot", ""), "depot_id", "is not a code")
    one_line(run("resupply", "run", "--site", "bad site"), "sites[0]", "is not a code")
    generate = ("load", "list", "L", "--event", "RAND", "--generate")
    one_line(run(*generate, 6, "--seed", "99999999999999999999"), "--seed", code=2)
    one_line(run(*generate, 10**30), "--generate", code=2)
    one_line(run("study", "show", f"{STUDY}@99999999999999999999"), "write the version", code=2)
    one_line(run("serve", "--port", 999_999), "--port", code=2)


def test_a_site_that_is_not_open_is_no_empty_run(run: Run) -> None:
    one_line(run("resupply", "run", "--site", "NOPE"), "sites", "NOPE")


def test_every_row_at_fault_in_a_file_of_sites_is_named_and_none_is_opened(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "sites.csv"
    header = "site_id,country,depot_id\n"
    file.write_text(f"{header}S01,,\nS07,DEU,\nS07,DEU,\nS08,XXX,\nS09,DEU,D9\n", encoding="utf-8")
    result = run("load", "sites", file)
    one_line(
        result,
        "nothing of sites was loaded",
        "line 2: site_id",
        "line 4:",
        "line 5: country",
        "line 6: depot_id",
    )
    assert "line 3" not in result.stderr
    file.write_text(f"{header}S07,DEU,\n", encoding="utf-8")
    assert run("load", "sites", file).exit_code == 0, "none of them was opened by the file before"


def test_a_port_that_is_taken_is_named_with_the_way_out(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        one_line(run("serve", "--port", taken.getsockname()[1]), "--port", "cannot listen", "name another")
    one_line(run("serve", "--host", "no.such.host.invalid"), "--port", "cannot listen")


def test_an_export_that_cannot_be_written_leaves_nothing_that_unblinds(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    one_line(run("ledger", "export", "--out", folder), "--out", "is a folder")
    one_line(run("ledger", "export", "--out", tmp_path / ("x" * 250)), "--out", "cannot write")
    assert {one.name for one in tmp_path.iterdir()} <= {"folder", "rtsm.db", "rtsm.db-wal", "rtsm.db-shm"}


def test_an_export_is_verified_as_text_or_json_and_an_unreadable_one_is_exit_code_1(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.jsonl"
    assert run("ledger", "export", "--out", file).exit_code == 0
    intact = run("ledger", "verify", "--file", file, "--json")
    assert intact.exit_code == 0
    found = json.loads(intact.stdout)
    assert (found["intact"], found["file"]) == (True, str(file))
    assert found["entries"] > 5
    assert "intact" in run("ledger", "verify", "--file", file).stdout
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text(
        "".join([*lines[:3], lines[3].replace('"system"', '"sistem"'), *lines[4:]]), encoding="utf-8"
    )
    broken = run("ledger", "verify", "--file", file, "--json")
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["intact"] is False
    assert "line 4" in json.loads(broken.stdout)["message"]
    for content in ("[]\n", "7\n", '{"format": "openrtsm-ledger/1"}\n', "{", ""):
        file.write_text(content, encoding="utf-8")
        assert run("ledger", "verify", "--file", file).exit_code == 1, content
    file.write_bytes(b"\xff\xfe\x00")
    one_line(run("ledger", "verify", "--file", file), "--file", "not UTF-8")
    one_line(run("ledger", "verify", "--file", tmp_path / "none"), "--file", "No such file")


@pytest.mark.parametrize("command", ["verify", "rebuild"])
def test_a_database_out_of_reach_is_one_line(run: Run, tmp_path: Path, command: str) -> None:
    file = tmp_path / "some.csv"
    file.write_text("a,b\n" * 500, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for url in (f"postgresql://nobody:s3cret@127.0.0.1:{port}/x", f"sqlite:///{file}"):
        result = run("ledger", command, "--db", url)
        one_line(result, "--db", "does not answer")
        assert "s3cret" not in result.output


@pytest.mark.parametrize(
    "field",
    [
        "visits[3].target_day",
        "visits[3].window_before",
        "visits[3].window_after",
        "exposure.periods[0].offset_days",
    ],
)
def test_a_day_beyond_the_calendar_is_a_problem_of_the_file(tmp_path: Path, field: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml_text(with_changes({field: 999_999_999_999})), encoding="utf-8")
    result = CliRunner().invoke(rtsm.app, ["study", "validate", str(file)])
    assert result.exit_code == 1
    assert f"{field}: 999999999999 is above 36500; use 36500 or less" in result.output

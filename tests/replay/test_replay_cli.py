"""`rtsm replay sdtm`: the whole way from a folder of datasets to the comparison, and one clear line for what cannot be played."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner, Result

import rtsm
from allocation.ledger.database import open_database
from allocation.ledger.verify import Verification, verify_ledger
from tests.replay.recorded_sample import WRITERS, sample, write_sample

TINY_STUDY = Path(__file__).parent / "tiny_study.yaml"


def replay(folder: Path, url: str, *options: str, study: Path = TINY_STUDY) -> Result:
    return CliRunner().invoke(
        rtsm.app, ["replay", "sdtm", str(folder), "--study", str(study), "--db", url, *options]
    )


def verified(url: str) -> Verification:
    database = open_database(url, create=False)
    try:
        return verify_ledger(database, "TINY01")
    finally:
        database.dispose()


def file_of(url: str) -> Path:
    return Path(make_url(url).database or "")


def with_ascii_terms(folder: Path, kind: str = "csv") -> Path:
    """The sample without its accented letter, which has no place in an exported file."""
    frames = sample()
    frames["DS"] = frames["DS"].with_columns(pl.col("DSTERM").str.replace("É", "E"))
    return write_sample(folder, kind, frames)


@pytest.fixture(scope="module")
def played_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that the sample, in plain letters, was played into: to be copied."""
    folder = tmp_path_factory.mktemp("played")
    done = replay(with_ascii_terms(folder / "sdtm"), f"sqlite:///{folder / 'rtsm.db'}", "--no-rehearsal")
    assert done.exit_code == 0, done.output
    return folder / "rtsm.db"


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_is_played_and_comes_back(kind: str, tmp_path: Path, sqlite_url: str) -> None:
    # What a rehearsal finds has tests of its own below.
    result = replay(write_sample(tmp_path / "sdtm", kind), sqlite_url, "--compare", "--no-rehearsal")
    assert result.exit_code == 0, result.output
    assert "2 randomized to their recorded arm" in result.stdout
    assert "every fact compared came back" in result.stdout
    assert verified(sqlite_url).intact


@pytest.mark.slow
def test_json_has_the_acts_the_decisions_and_the_comparison(tmp_path: Path, database_url: str) -> None:
    folder = write_sample(tmp_path / "sdtm")
    first = json.loads(replay(folder, database_url, "--compare", "--json").stdout)
    assert first["complete_before"] is False
    assert first["acts"]["randomize"] == 2
    assert first["decisions"]["dispensing withheld: no dose was taken after the visit"] == 1
    assert first["comparison"]["ok"] is True
    datasets = {one["dataset"]: one["rows"]["matched"] for one in first["comparison"]["datasets"]}
    assert datasets == {"DM": 3, "DS": 3, "SV": 11, "EX": 3, "SE": 6, "TA": 6, "TV": 5}
    head = verified(database_url).chain_head
    again = json.loads(replay(folder, database_url, "--compare", "--json").stdout)
    assert (again["complete_before"], again["acts"], again["acts_before"]) == (True, {}, first["acts"])
    assert again["comparison"] == first["comparison"]
    assert verified(database_url).chain_head == head


EXPORTED = ["xpt", "dataset-json", "csv"]


@pytest.fixture(scope="module")
def exported_folder(played_file: Path) -> Path:
    """The folder of what the service exports of the played sample, in each format."""
    folder = played_file.parent / "out"
    out = ["--out", str(folder), "--format", ",".join(EXPORTED), "--unblinded"]
    result = CliRunner().invoke(rtsm.app, ["export", *out, "--db", f"sqlite:///{played_file}"])
    assert result.exit_code == 0, result.output
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", EXPORTED)
def test_what_the_service_exports_can_be_played_again(
    kind: str, exported_folder: Path, sqlite_url: str
) -> None:
    result = replay(exported_folder / kind, sqlite_url, "--compare", "--no-rehearsal")
    assert result.exit_code == 0, result.output
    assert "every fact compared came back" in result.stdout


def test_a_complete_replay_is_said_to_be_one(tmp_path: Path, sqlite_url: str) -> None:
    folder = write_sample(tmp_path / "sdtm")
    assert "acts played in" in replay(folder, sqlite_url, "--no-rehearsal").stdout
    assert "was played completely before" in replay(folder, sqlite_url).stdout


def test_a_fact_that_came_back_otherwise_is_named_and_the_exit_code_is_1(
    tmp_path: Path, sqlite_url: str
) -> None:
    """The original says that participation ended a day later than its own disposition and visits do."""
    frames = sample()
    frames["DM"] = frames["DM"].with_columns(pl.col("RFENDTC").replace("2024-03-01", "2024-03-02"))
    result = replay(write_sample(tmp_path / "sdtm", frames=frames), sqlite_url, "--compare", "--no-rehearsal")
    assert result.exit_code == 1
    assert "DM USUBJID=T-10-1 RFENDTC '2024-03-02' came back as '2024-03-01'" in result.stdout
    assert replay(tmp_path / "sdtm", sqlite_url).exit_code == 0, "only --compare judges"


def changed(name: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Path], None]:
    """Write the dataset again, changed."""
    return lambda folder: WRITERS["csv"](folder, name, change(sample()[name])) and None


def cut(folder: Path) -> None:
    """Cut the file off in the middle of its last line."""
    path = folder / "SV.csv"
    path.write_bytes(path.read_bytes()[:-20])


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a missing dataset": (lambda folder: (folder / "EX.csv").unlink(), "the dataset EX (Exposure) is missing"),
    "a truncated file": (cut, "SV.csv: line 12"),
    "another study": (
        changed("DM", lambda dm: dm.with_columns(pl.lit("OTHER").alias("STUDYID"))),
        "STUDYID: is of study TINY01, DM of OTHER",
    ),
    "a wrong type": (
        changed("DM", lambda dm: dm.with_columns(pl.lit("old").alias("AGE"))), "'old' is not a number"
    ),
    "a row twice": (changed("EX", lambda ex: pl.concat([ex, ex.head(1)])), "EXSEQ: the key"),
    "no screening visit": (
        changed("SV", lambda sv: sv.filter(pl.col("VISITNUM") > 1)), "no screening visit (VISITNUM 1)"
    ),
    "a record that the service refuses": (
        changed("DM", lambda dm: dm.with_columns(pl.lit(17).alias("AGE"))),
        "T-10-1 screen: age 17 is outside the protocol's limits; nothing was written (18 to 130 years)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_exit_code_1_and_nothing_is_recorded(
    case: str, tmp_path: Path, sqlite_url: str
) -> None:
    folder = write_sample(tmp_path / "sdtm")
    damage, said = BAD[case]
    damage(folder)
    result = replay(folder, sqlite_url, "--compare")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
    assert result.stderr.startswith("rtsm: ")
    if file_of(sqlite_url).exists():
        with sqlite3.connect(file_of(sqlite_url)) as connection:
            assert connection.execute("SELECT count(*) FROM ledger_entry").fetchone() == (0,)


@pytest.mark.parametrize(
    "case", ["a missing dataset", "a truncated file", "a record that the service refuses"]
)
def test_bad_input_leaves_a_ledger_that_is_there_as_it_was(
    case: str, tmp_path: Path, sqlite_url: str, played_file: Path
) -> None:
    folder = with_ascii_terms(tmp_path / "sdtm")
    shutil.copyfile(played_file, file_of(sqlite_url))
    before = verified(sqlite_url)
    BAD[case][0](folder)
    result = replay(folder, sqlite_url, "--compare")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert verified(sqlite_url) == before
    assert before.intact


def test_a_study_file_of_another_study_is_one_line(tmp_path: Path, sqlite_url: str) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(TINY_STUDY.read_text().replace("id: TINY01", "id: TINY02"))
    result = replay(write_sample(tmp_path / "sdtm"), sqlite_url, study=other)
    assert result.exit_code == 1
    assert "study.id: the datasets are of study TINY01, not of TINY02" in result.stderr
    assert not file_of(sqlite_url).exists()


def test_wrong_usage_is_exit_code_2(tmp_path: Path) -> None:
    assert CliRunner().invoke(rtsm.app, ["replay", "sdtm", str(tmp_path)]).exit_code == 2
    assert CliRunner().invoke(rtsm.app, ["replay", "odm", str(tmp_path)]).exit_code == 2


def entries(path: Path) -> int:
    """The entries of the study's ledger so far, looked at from another process."""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            query = "SELECT count(*) FROM ledger_entry WHERE study_id = 'TINY01'"
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:  # not there yet
        return 0


@pytest.mark.slow
def test_a_replay_that_was_killed_is_finished_by_the_same_command(tmp_path: Path, sqlite_url: str) -> None:
    folder = write_sample(tmp_path / "sdtm")
    command = [sys.executable, "-c", "import rtsm; rtsm.main()", "replay", "sdtm", str(folder)]
    command += ["--study", str(TINY_STUDY), "--no-rehearsal"]
    environment = {**os.environ, "RTSM_DATABASE_URL": sqlite_url}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        while entries(file_of(sqlite_url)) < 15 and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was over before it could be killed"
    cut_at = entries(file_of(sqlite_url))
    result = replay(folder, sqlite_url, "--compare")
    assert result.exit_code == 0, result.output
    assert "of an earlier run" in result.stdout
    assert verified(sqlite_url).intact
    assert verified(sqlite_url).entries > cut_at

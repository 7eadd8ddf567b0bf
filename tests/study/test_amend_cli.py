"""`rtsm study amend` and `put-into-effect`: preview as tables and JSON, signed by country, wrong usage, on the demo and its amendment."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR, Grant
from allocation.access.grants import grant_role
from allocation.commands.service import utc_now
from allocation.errors import DomainRefusal, NotFound, SignatureRefused
from allocation.ledger.database import open_database
from allocation.ledger.reader import sealed_entries
from allocation.study.diff import diff_protocols
from allocation.study.yaml_files import load_protocol
from allocation.study_cli import app

STUDIES = Path(__file__).resolve().parents[2] / "studies"
DEMO, AMENDMENT = STUDIES / "demo.yaml", STUDIES / "demo-amendment.yaml"
PASSWORD = "a long enough passphrase"


def run(*arguments: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)


@pytest.fixture(scope="module")
def loaded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the demo protocol and a statistician; nobody is on study."""
    file = tmp_path_factory.mktemp("loaded") / "rtsm.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RTSM_DATABASE_URL", f"sqlite:///{file}")
        assert run("load", DEMO).exit_code == 0
    database = open_database(f"sqlite:///{file}")
    create_account(database, SYSTEM_ACTOR, "ann", "Ann Statistician", PASSWORD, utc_now)
    grant_role(database, SYSTEM_ACTOR, "ann", Grant("unblinded_statistician", "ORT-301"), utc_now)
    database.dispose()
    return file


@pytest.fixture
def loaded(loaded_file: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of its own, as that file is."""
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)
    shutil.copyfile(loaded_file, sqlite_url.removeprefix("sqlite:///"))
    return sqlite_url


def test_the_amendment_differs_from_the_demo_by_what_it_says_and_no_more() -> None:
    paths = [change.path for change in diff_protocols(load_protocol(DEMO), load_protocol(AMENDMENT))]
    assert [path for path in paths if not path.startswith("dispensing[")] == [
        "study.version",
        "study.amendment",
        "visits[V8].window_before",
        "visits[V8].window_after",
        "visits[V7A]",
    ]


def test_a_preview_shows_the_change_and_writes_nothing(loaded: str) -> None:
    shown = run("amend", AMENDMENT, "--preview", "--country", "FRA=2027-05-01T00:00Z")
    assert shown.exit_code == 0, shown.output
    assert "ORT-301: version 1 -> 2" in shown.output
    assert "from 2027-05-01 00:00 UTC in FRA; waits in DEU, ESP" in shown.output.replace("\n", " ")
    assert "~ visits[V8].window_after: 5 -> 10" in shown.output
    told = json.loads(run("amend", AMENDMENT, "--preview", "--json").output)
    assert (told["obstacles"], told["subjects"], told["randomization"]) == ([], [], [])
    blinded = run("amend", AMENDMENT, "--preview", "--blinded")
    assert blinded.exit_code == 0
    assert not [word for word in ("K10", "K20", "K40", "KPB", "ORTTITR") if word in blinded.output]
    database = open_database(loaded)
    assert [one.command for one in sealed_entries(database, "ORT-301")] == [
        "load_study_version",
        "grant_role",
    ]
    database.dispose()


def test_an_amendment_is_signed_for_one_country_and_put_into_effect_in_another(loaded: str) -> None:
    unsigned = run("amend", AMENDMENT)
    assert isinstance(unsigned.exception, SignatureRefused)
    twice = f"{PASSWORD}\n{PASSWORD}\n"
    signed = run(
        "amend", AMENDMENT, "--as", "ann", "--country", "DEU=2099-05-01T00:00+02:00", "--json", typed=twice
    )
    assert signed.exit_code == 0, signed.output
    answer = json.loads(signed.output[signed.output.index("{") :])
    assert answer["countries"] == {"DEU": "2099-04-30T22:00:00.000000Z"}
    assert isinstance(run("put-into-effect", "FRA").exception, SignatureRefused)
    approved = run("put-into-effect", "FRA", "--as", "ann", "--reason", "approved by ANSM", typed=twice)
    assert approved.exit_code == 0, approved.output
    assert "ORT-301 version 2 counts in FRA from " in approved.output
    again = run("put-into-effect", "FRA", "--as", "ann", typed=twice)
    assert isinstance(again.exception, DomainRefusal)
    assert again.exception.code == "version-in-effect"
    assert isinstance(run("put-into-effect", "FRA", "--version", "7").exception, NotFound)
    database = open_database(loaded)
    last = sealed_entries(database, "ORT-301")[-1]
    assert (last.command, last.reason, last.after["country"]) == (
        "put_version_into_effect",
        "approved by ANSM",
        "FRA",
    )
    database.dispose()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--country", "FRA"),
        ("--country", "FRA=soon"),
        ("--country", "FRA=2027-05-01T00:00"),
        ("--blinded",),
        ("--as-of", "2027-05-01T00:00Z"),
    ],
)
def test_wrong_usage_exits_2(loaded: str, arguments: tuple[str, ...]) -> None:
    assert run("amend", AMENDMENT, *arguments).exit_code == 2

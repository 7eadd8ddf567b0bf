"""The command `rtsm`: quick to list, one line for a refusal, and the database from one place."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from types import ModuleType
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

import rtsm
from allocation.errors import DomainRefusal

HEAVY = (
    "sqlalchemy",
    "numpy",
    "polars",
    "pandas",
    "dagster",
    "streamlit",
    "great_expectations",
    "allocation",
    "simulation",
)


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str | None]]:
    """Mounts a small app as `rtsm trial ...`; gives the list of database URLs that its command saw."""
    seen: list[str | None] = []
    module = ModuleType("a_package_cli")
    app = typer.Typer()
    group = typer.Typer()
    app.add_typer(group, name="trial")

    @group.command()
    def show() -> None:
        seen.append(os.environ.get("RTSM_DATABASE_URL"))

    @group.command()
    def refuse() -> None:
        raise DomainRefusal("the list has no entry left", field="stratum", fix="upload a longer list")

    @group.command()
    def fail() -> None:
        raise ZeroDivisionError

    @group.command()
    def own(db: Annotated[str, typer.Option()] = "mine") -> None:
        typer.echo(f"own {db}")

    module.__dict__["app"] = app
    monkeypatch.setitem(sys.modules, "a_package_cli", module)
    monkeypatch.setitem(rtsm.COMMANDS, "trial", rtsm.Mounted("a_package_cli", "A trial."))
    monkeypatch.delenv("RTSM_DATABASE_URL", raising=False)
    rtsm.registered.cache_clear()  # it may hold the small app of the test before
    yield seen
    rtsm.registered.cache_clear()


def test_help_lists_every_command_and_imports_no_package() -> None:
    code = (
        "import sys, rtsm\n"
        "try: rtsm.app(['--help'])\n"
        "except SystemExit as end: code = end.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("HEAVY [] 0\n")
    for name in rtsm.COMMANDS:
        assert f" {name} " in shown


def test_a_refusal_is_one_clear_line_on_stderr_and_exit_code_1(mounted: list[str | None]) -> None:
    result = CliRunner().invoke(rtsm.app, ["trial", "refuse"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "rtsm: stratum: the list has no entry left (upload a longer list)\n"


def test_wrong_usage_is_exit_code_2(mounted: list[str | None]) -> None:
    assert CliRunner().invoke(rtsm.app, ["trial", "show", "--nonsense"]).exit_code == 2
    unknown = CliRunner().invoke(rtsm.app, ["trail"])
    assert unknown.exit_code == 2
    assert "trial" in unknown.stderr


def test_a_defect_is_not_dressed_up_as_a_refusal(mounted: list[str | None]) -> None:
    result = CliRunner().invoke(rtsm.app, ["trial", "fail"])
    assert isinstance(result.exception, ZeroDivisionError)
    assert not rtsm.is_domain_error(ZeroDivisionError())


def test_db_stands_for_the_environment_variable_while_the_command_runs(mounted: list[str | None]) -> None:
    result = CliRunner().invoke(rtsm.app, ["trial", "show", "--db", "sqlite:///x.db"])
    assert result.exit_code == 0, result.output
    assert mounted == ["sqlite:///x.db"]
    assert "RTSM_DATABASE_URL" not in os.environ


def test_without_db_the_environment_variable_is_left_as_it_is(
    mounted: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTSM_DATABASE_URL", "sqlite:///env.db")
    CliRunner().invoke(rtsm.app, ["trial", "show"])
    CliRunner().invoke(rtsm.app, ["trial", "show", "--db", "sqlite:///x.db"])
    assert mounted == ["sqlite:///env.db", "sqlite:///x.db"]
    assert os.environ["RTSM_DATABASE_URL"] == "sqlite:///env.db"


def test_a_command_that_declares_its_own_db_keeps_it(mounted: list[str | None]) -> None:
    assert CliRunner().invoke(rtsm.app, ["trial", "own", "--db", "given"]).stdout == "own given\n"


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert CliRunner().invoke(rtsm.app, ["--version"]).stdout.strip() == version("openrtsm")

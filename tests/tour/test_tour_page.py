"""docs/tour.md can be pasted as it stands: each line of its blocks works, and shows what the page tells the reader to look at.

The lines are run in this process, since starting Python twenty times takes longer than the stories do.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rtsm
from tests.tour.__main__ import main
from tests.tour.stories import STORIES

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "tour.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_plays_every_story_and_every_study_of_it_is_there() -> None:
    played = re.findall(r"^python -m tests\.tour (\S+)$", PAGE, re.MULTILINE)
    assert played == list(STORIES)
    named = re.findall(r"studies/\S+\.yaml", PAGE)
    assert named
    assert all((REPOSITORY / name).is_file() for name in named)


def _rtsm(arguments: list[str]) -> str:
    result = CliRunner().invoke(rtsm.app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def _story(arguments: list[str]) -> str:
    assert main(arguments) == 0
    return ""


COMMANDS: dict[str, Callable[[list[str]], str]] = {"rtsm ": _rtsm, "python -m tests.tour ": _story}


@pytest.mark.slow
def test_every_line_of_the_page_works_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.delenv("RTSM_DATABASE_URL", raising=False)
    shown = []
    for line in "".join(BLOCKS[1:-1]).splitlines():
        if home := re.fullmatch(r'export RTSM_HOME="\$TOUR/(\w+)"', line):
            monkeypatch.setenv("RTSM_HOME", str(tmp_path / home[1]))
        elif line:
            command = next(one for one in COMMANDS if line.startswith(one))
            shown.append(COMMANDS[command](shlex.split(line.removeprefix(command))))
    told = "\n".join(shown)
    for words in (
        "│ keep",
        "HIGH (forced; LOW was scheduled)",
        "protocol version 2",
        "HIGH 0, PBO 0",
        "the same",
        "intact",
    ):
        assert words in told, words
    assert "OTHERWISE" not in told


def test_a_story_that_is_none_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crossovers"]) == 2
    assert "crossover, cohort-escalation" in capsys.readouterr().err

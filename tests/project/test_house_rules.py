"""`make lint` has rules of its own: these show that each one catches what it is for."""

import subprocess
from pathlib import Path

import pytest

from tools.house_rules import (
    LONGEST_FILE,
    breaches,
    breaches_of_module,
    breaches_of_packages,
    breaches_of_text,
    repository_files,
)


@pytest.mark.parametrize(
    "line",
    [
        "index = 'https://py" + "pi.org/simple'",
        "https://files.python" + "hosted.org/packages/x.whl",
        "https://mirror.example/api/sim" + "ple/ ",
        "open('/" + "tmp/list.csv')",
        "cd /" + "home/ann/openrtsm",
        "sqlite:////" + "work/rtsm.db",
    ],
)
def test_a_registry_host_or_a_machine_path_is_found_with_its_line(line: str) -> None:
    found = list(breaches_of_text("docs/x.md", f"fine\n{line}\n"))
    assert len(found) == 1
    assert found[0].startswith("docs/x.md:2: ")


@pytest.mark.parametrize(
    "line",
    [
        "GET /api/studies/DEMO/sites",
        "../shared/data",
        "$HOME/" + "work/study",
        "~/" + "tmp/x",
        "sqlite:///rtsm.db",
        "and/or work/life",
    ],
)
def test_relative_paths_and_routes_are_no_breach(line: str) -> None:
    assert list(breaches_of_text("x.md", line)) == []


def test_a_file_may_have_400_lines_and_not_one_more() -> None:
    assert list(breaches_of_module("allocation/x.py", "\n" * LONGEST_FILE)) == []
    assert len(list(breaches_of_module("allocation/x.py", "\n" * (LONGEST_FILE + 1)))) == 1


def test_a_module_named_utils_is_a_breach() -> None:
    assert len(list(breaches_of_module("allocation/utils.py", ""))) == 1


def test_new_files_are_checked_before_they_are_committed_and_ignored_ones_never(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("made/\n")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "x.txt").write_text("/" + "tmp/x")
    (tmp_path / "new.txt").write_text("/" + "tmp/x")
    files = repository_files(tmp_path)
    assert files == [".gitignore", "new.txt"]
    assert [line.split(":")[0] for line in breaches(tmp_path, files)] == ["new.txt"]


def test_a_binary_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "x.xpt").write_bytes(b"\0/" + b"tmp/x")
    assert list(breaches(tmp_path, ["x.xpt"])) == []


def test_a_package_folder_that_the_import_contracts_cannot_see_is_a_breach() -> None:
    seen = [
        "allocation/__init__.py",
        "allocation/rules/__init__.py",
        "allocation/rules/expiry.py",
        "tests/x.py",
    ]
    assert list(breaches_of_packages(seen)) == []
    unseen = [*seen, "allocation/study/model.py", "docs/picture.py"]
    assert [line.split(":")[0] for line in breaches_of_packages(unseen)] == ["allocation/study"]

"""What the code imports is declared in pyproject.toml, and what is declared is locked with hashes and without hosts."""

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("rtsm.py", "allocation", "simulation", "forecasting", "pipelines", "data_contracts", "dashboards")
WORKSHOP = ("tests", "tools", "benchmarks")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# pydantic's error types are in a distribution of its own that pydantic pins exactly.
PARTS = {"pydantic-core": "pydantic"}


def normalized(requirement: str) -> str:
    """The distribution's name in a requirement, as indexes compare names (PEP 503)."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def declared(*, with_dev: bool) -> set[str]:
    project = PROJECT["project"]
    requirements = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    if with_dev:
        requirements += PROJECT["dependency-groups"]["dev"]
    return {normalized(requirement) for requirement in requirements}


@cache
def owners_of_modules() -> Mapping[str, list[str]]:
    """Top-level module -> the distributions that bring it; to ask takes a third of a second."""
    return packages_distributions()


def imported_distributions(folder: str) -> dict[str, str]:
    """Distribution -> one file that imports it, for all Python files below a folder (or one file)."""
    start = ROOT / folder
    first_party = {Path(name).stem for name in (*PRODUCT, *WORKSHOP)}
    owners = owners_of_modules()
    found: dict[str, str] = {}
    for path in [start] if start.is_file() else sorted(start.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules = [node.module]
            else:
                continue
            for top in {module.split(".")[0] for module in modules} - first_party - sys.stdlib_module_names:
                for distribution in owners.get(top, [top]):
                    name = normalized(distribution)
                    found.setdefault(PARTS.get(name, name), str(path.relative_to(ROOT)))
    return found


@pytest.mark.parametrize("folder", [*PRODUCT, *WORKSHOP])
def test_every_imported_library_is_declared(folder: str) -> None:
    allowed = declared(with_dev=folder in WORKSHOP)
    undeclared = {name: path for name, path in imported_distributions(folder).items() if name not in allowed}
    assert undeclared == {}


def test_every_declared_library_is_locked_with_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {normalized(name) for name in re.findall(r"^([a-zA-Z0-9._-]+)==", lock, flags=re.MULTILINE)}
    assert declared(with_dev=True) - pinned == set()
    blocks = re.findall(r"^[a-zA-Z0-9._-]+==.*\n(    --hash=sha256:[0-9a-f]{64})", lock, flags=re.MULTILINE)
    assert len(blocks) == len(pinned)


def test_the_lock_names_no_host() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text()

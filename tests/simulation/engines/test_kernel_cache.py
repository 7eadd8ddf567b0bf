"""The kernel's cache: an edited rule is seen by the next process, and what is not edited is not compiled again."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

from allocation import rules
from simulation.engines.compiled.cache import sources_hash
from tests.conftest import REPOSITORY

KERNEL = """
from allocation.rules.expiry import last_allowed_day


def last_days(day, days):
    return last_allowed_day(day, days)
"""

PROGRAM = """
import toy_kernel
from allocation import rules
from simulation.engines.compiled.cache import kernel
compiled = kernel(toy_kernel.last_days)
print(compiled(100, 30), sum(compiled.stats.cache_hits.values()))
"""


def _started(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM]
    environment = {"RTSM_HOME": str(folder / "home"), "PATH": "", "PYTHONPATH": f"{folder}:{REPOSITORY}"}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def _run(folder: Path) -> str:
    process = _started(folder)
    said = process.communicate()[0].strip()
    assert process.returncode == 0
    return said


def test_an_edited_rule_is_seen_by_a_kernel_that_was_in_the_cache(tmp_path) -> None:
    for package in ("allocation", "simulation"):
        shutil.copytree(
            REPOSITORY / package,
            tmp_path / package,
            ignore=shutil.ignore_patterns("__pycache__", "migrations"),
        )
    (tmp_path / "toy_kernel.py").write_text(KERNEL, encoding="utf-8")
    assert _run(tmp_path) == "69 0"
    rule = tmp_path / "allocation" / "rules" / "expiry.py"
    text = rule.read_text(encoding="utf-8")
    assert "return expiry_day - days_before_expiry - 1" in text
    rule.write_text(
        text.replace(
            "return expiry_day - days_before_expiry - 1", "return expiry_day - days_before_expiry - 2"
        ),
        encoding="utf-8",
    )
    assert _run(tmp_path) == "68 0"


def test_of_processes_that_need_a_kernel_at_once_one_compiles_and_all_others_read(tmp_path) -> None:
    (tmp_path / "toy_kernel.py").write_text(KERNEL, encoding="utf-8")
    at_once = [_started(tmp_path) for _ in range(2)]
    assert sorted(one.communicate()[0].strip() for one in at_once) == ["69 0", "69 1"]


def test_a_process_that_has_imported_little_means_the_same_rules() -> None:
    """A cluster's worker does not import the service: by a hash of what is imported it would refuse every batch."""
    program = "from simulation.engines.compiled.cache import sources_hash; print(sources_hash())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for rule in pkgutil.walk_packages(rules.__path__, "allocation.rules."):
        importlib.import_module(rule.name)
    assert done.stdout.strip() == sources_hash()

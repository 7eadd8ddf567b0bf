"""`rtsm whatif`: tables, JSON, Parquet, charts, going on, and wrong usage."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import rtsm
from allocation.study.yaml_files import dump_document
from simulation.engines.outcomes import OUTCOMES
from tests.forecasting.what_if.small_trial import small_trial

CHANGES = """\
schema_version: 1
changes:
  - name: Nothing
  - name: Recruitment halved
    description: Half as many come.
    recruitment: [{factor: 0.5}]
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scenario, its protocol and a file of changes."""
    folder, trial = tmp_path_factory.mktemp("what-if"), small_trial()
    (folder / "small.yaml").write_text(dump_document(trial.protocol), encoding="utf-8")
    scenario = trial.scenario.model_copy(update={"protocol": "small.yaml"})
    (folder / "scenario.yaml").write_text(dump_document(scenario), encoding="utf-8")
    (folder / "changes.yaml").write_text(CHANGES, encoding="utf-8")
    return folder


def run(files: Path, *more: object) -> Result:
    fixed = [files / "scenario.yaml", "--change", files / "changes.yaml", "--engine", "simpy", "--workers", 1]
    return CliRunner().invoke(rtsm.app, ["whatif", *(str(one) for one in (*fixed, *more))])


def test_json_parquet_and_charts_tell_the_same_and_the_next_command_plays_only_the_rest(files: Path) -> None:
    out = files / "out"
    result = run(files, "--replicates", 4, "--out", out, "--json", "--plots")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["played"] == 12
    nothing, halved = told["changes"]
    assert nothing["same_plan"]
    assert nothing["differences"]["randomized"]["difference"] == 0
    assert halved["change"] == {"recruitment": [{"factor": 0.5}]}
    gap = halved["differences"]["randomized"]
    assert gap["low"] < gap["difference"] < gap["high"] < 0
    assert gap["share_worse"] == gap["share_lower"] == 1
    assert "paired t" in told["interval"]
    assert json.loads((out / "comparison.json").read_text(encoding="utf-8"))["changes"] == told["changes"]
    row = pl.read_parquet(out / "comparison.parquet").row(
        by_predicate=(pl.col("change") == "Recruitment halved") & (pl.col("measure") == "randomized"),
        named=True,
    )
    assert row["difference"] == gap["difference"]
    pairs = pl.read_parquet(out / "differences.parquet")
    assert pairs.height == 8
    assert {column.name for column in OUTCOMES} < set(pairs.columns)
    assert pairs.filter(change="Recruitment halved")["randomized"].mean() == gap["difference"]
    for name in ("differences", "fans"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "Recruitment halved" in (out / f"{name}.html").read_text(encoding="utf-8")
    more = run(files, "--replicates", 5, "--out", out)
    assert "3 trials played" in more.stdout
    for text in ("5 pairs of trials", "Recruitment halved", "95 % interval", "worse in", "base"):
        assert text in more.stdout


def test_wrong_usage_ends_with_2_and_a_bad_file_with_1(files: Path) -> None:
    assert run(files, "--at", "2025-02-01").exit_code == 2
    assert run(files, "--replicates", 1).exit_code == 2
    bad = files / "bad.yaml"
    bad.write_text("schema_version: 1\nchanges: [{name: It, drop_arm: {arm: Z}}]\n", encoding="utf-8")
    result = run(files, "--change", bad, "--out", files / "none")
    assert result.exit_code == 1
    assert f"{bad}:2:" in result.stderr
    assert "Z is not an arm" in result.stderr
    assert not (files / "none").exists()

"""`rtsm simulate`: table, JSON, Parquet, charts, trace, going on, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import rtsm
from simulation.replicates.table import figure, percent
from tests.conftest import REPOSITORY


def run(*arguments: object) -> Result:
    return CliRunner().invoke(rtsm.app, ["simulate", *map(str, arguments)])


def test_both_engines_give_the_same_summary_by_any_workers(small_file: Path, tmp_path: Path) -> None:
    told = {}
    for engine, more in (("simpy", ["--workers", 1]), ("compiled", ["--workers", 2, "--batch", 3])):
        result = run(
            small_file, "--replicates", 20, "--engine", engine, "--out", tmp_path / engine, "--json", *more
        )
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        told[engine] = json.loads(result.stdout)
    assert told["simpy"]["played"] == 20
    assert told["simpy"]["outcomes"] == told["compiled"]["outcomes"]
    assert told["simpy"]["risks"] == told["compiled"]["risks"]
    assert told["compiled"]["seed"] == 1  # the scenario's
    assert told["compiled"]["outcomes"]["randomized"]["unit"] == "subjects"
    assert told["compiled"]["costs"]["cost_total"]["unit"] == "EUR"
    assert (
        0 < told["compiled"]["risks"]["any_missed"]["low"] < told["compiled"]["risks"]["any_missed"]["high"]
    )
    kept = json.loads((tmp_path / "compiled" / "summary.json").read_text(encoding="utf-8"))
    assert kept["outcomes"] == told["compiled"]["outcomes"]
    assert len(list((tmp_path / "compiled" / "outcomes").iterdir())) == 7


def test_the_table_has_units_and_the_second_command_plays_only_the_rest(
    small_file: Path, tmp_path: Path
) -> None:
    first = run(small_file, "--replicates", 10, "--engine", "simpy", "--workers", 1, "--out", tmp_path)
    assert first.exit_code == 0, first.output
    for text in (
        "10 simulated trials of RTSM-BENCH-100",
        "median",
        "kits",
        "EUR",
        "interval",
        "Overage, shipped",
    ):
        assert text in first.stdout
    assert "10 replicates played" in first.stdout
    more = run(small_file, "--replicates", 15, "--engine", "simpy", "--workers", 1, "--out", tmp_path)
    assert "5 replicates played" in more.stdout
    assert "10 were there before" in more.stdout


@pytest.mark.slow
def test_plots_are_written_as_html_without_links_and_as_png(small_file: Path, tmp_path: Path) -> None:
    result = run(
        small_file, "--replicates", 10, "--engine", "simpy", "--workers", 1, "--out", tmp_path, "--plots"
    )
    assert result.exit_code == 0, result.output
    html = (tmp_path / "trial.html").read_text(encoding="utf-8")
    assert "Missed dispensings" in html
    assert 'src="http' not in html
    png = (tmp_path / "trial.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20]) > 2000
    assert f"{tmp_path / 'trial.png'}" in result.stdout


def test_a_trace_has_names_in_place_of_numbers_and_agrees_with_the_outcomes(
    small_file: Path, tmp_path: Path
) -> None:
    result = run(
        small_file, "--replicates", 5, "--engine", "simpy", "--workers", 1, "--out", tmp_path, "--trace", 4
    )
    assert result.exit_code == 0, result.output
    trace = pl.read_parquet(tmp_path / "trace-00000004.parquet")
    text = (tmp_path / "trace-00000004.csv").read_text(encoding="utf-8")
    assert text.startswith("day,date,phase,event,site,depot,subject,kit_type,lot,visit,arm,quantity\n")
    assert len(text.splitlines()) == trace.height + 1
    outcomes = pl.read_parquet(tmp_path / "outcomes").row(4, named=True)
    events = dict(trace.group_by("event").len().iter_rows())
    assert events["randomized"] == outcomes["randomized"]
    assert events["visited"] == outcomes["visits"]
    assert trace.filter(event="dispensed")["quantity"].sum() == outcomes["kits_dispensed"]
    assert set(trace.filter(event="randomized")["arm"]) <= {"A", "B"}
    assert set(trace.filter(event="lot_arrived")["depot"]) == {"DEP"}
    assert trace.filter(event="lot_arrived")["site"].null_count() == 2
    assert set(trace["site"].drop_nulls()) <= {"S001", "S002", "S003"}
    assert set(trace["visit"].drop_nulls()) == {"V1", "V2", "V3"}
    assert trace["subject"].drop_nulls().min() == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--replicates", "0"], "--replicates"),
        (["--replicates", "-5"], "--replicates"),
        (["--engine", "magic"], "--engine"),
        (["--workers", "0"], "--workers"),
        (["--seed", "-1"], "--seed"),
        (["--cluster", "example"], "tcp://HOST:8786"),
        (["--cluster", "tcp://127.0.0.1:9", "--workers", "2"], "--workers"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_made(
    arguments: list[str], told: str, small_file: Path, tmp_path: Path
) -> None:
    result = run(small_file, "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2, result.output
    assert told in result.stderr
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_played_is_one_line_and_leaves_nothing(
    small_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulation.replicates.cluster.REACH_SECONDS", 0.3)
    text = small_file.read_text(encoding="utf-8")
    negative = small_file.with_name("negative.yaml")
    negative.write_text(text.replace("screened_per_site_month: 3.0", "screened_per_site_month: -3.0"))
    out = tmp_path / "out"
    for arguments, told in (
        ([negative, "--out", out], "recruitment.screened_per_site_month"),
        ([tmp_path / "none.yaml", "--out", out], "none.yaml"),
        ([REPOSITORY / "studies" / "rtsm-bench-100.yaml", "--out", out], "is no scenario"),
        ([small_file, "--out", small_file / "below"], "--out"),
        (
            [small_file, "--out", tmp_path / "cluster", "--cluster", "tcp://127.0.0.1:9"],
            "no Dask scheduler answers",
        ),
        ([small_file, "--out", tmp_path / "cluster", "--cluster", small_file], "no file of a Dask scheduler"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1, result.output
        assert "rtsm: " in result.stderr
        assert told in result.stderr
    assert not out.exists()
    assert not any((tmp_path / "cluster" / "outcomes").iterdir())


def test_numbers_are_written_as_people_read_them() -> None:
    assert [figure(one) for one in (0, 0.00021, 0.0371, 2.85, 450.0, 1234.56, 1991204.0, -3.0)] == [
        "0",
        "0.0002",
        "0.0371",
        "2.85",
        "450",
        "1,235",
        "1,991,204",
        "-3",
    ]
    assert [percent(one) for one in (0, 0.0004, 0.00003, 0.363, 1)] == [
        "0.00 %",
        "0.04 %",
        "0.003 %",
        "36.3 %",
        "100.0 %",
    ]

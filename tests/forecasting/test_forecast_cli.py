"""`rtsm forecast recruitment`: a file or a study in; a table, JSON and a plot out; bad input refused by field."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import rtsm
from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.errors import FileRefused, NotFound, NotPermitted
from allocation.ledger.sealing import seal_pending
from forecasting.errors import ForecastError
from forecasting.recruitment.from_study import observed_record, study_record
from forecasting.recruitment.record import read_record
from simulation.fitting.observed import Observed, SeenSite, SeenSubject
from tests.api.trial import STUDY
from tests.commands.desk import desk_at


def asked(*words: object) -> Any:
    return CliRunner().invoke(rtsm.app, ["forecast", "recruitment", *map(str, words)])


@pytest.fixture
def record(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    rows = random.poisson(1.0, (10, 5))
    file = tmp_path / "accrual.csv"
    lines = ["period,A,B,C,D,E", *(f"{at},{','.join(map(str, row))}" for at, row in enumerate(rows, 1))]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_a_file_gives_a_table_json_and_a_plot(record: Path, tmp_path: Path) -> None:
    plot = tmp_path / "fan.svg"
    words = (record, "--census", 8, "--target", 80, "--new-sites", "2:1:4", "--plot", plot)
    result = asked(*words, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert (answer["census_period"], answer["centres"], answer["periods"]) == (8, 5, 2)
    assert len(answer["came"]) == 2
    assert answer["fan"][-1]["q05"] <= answer["count"]["mean"] <= answer["fan"][-1]["q95"]
    times = answer["completion_periods"]
    assert 0 < times["q05"] < times["q50"] < times["q95"]
    assert "target 80" in plot.read_text(encoding="utf-8")
    shown = asked(*words)
    assert shown.exit_code == 0, shown.output
    assert "Time to 80 subjects" in shown.stdout
    assert "came" in shown.stdout


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ((), "FILE"),
        (("--study", "S1"), "FILE"),
        (("--census", 11), "--census"),
        (("--census", 0), "--census"),
        (("--periods", 0), "--periods"),
        (("--target", 0), "--target"),
        (("--period-days", 0), "--period-days"),
        (("--expected-per-month", -1), "--expected-per-month"),
        (("--new-sites", "3"), "--new-sites"),
        (("--plot", "fan.pdf"), "--plot"),
    ],
)
def test_bad_words_are_refused_by_field(record: Path, words: tuple[object, ...], field: str) -> None:
    result = asked(*([record] if words else []), *words)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"rtsm: {field}: ")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A,B\n1,x\n-1,2\n", ("line 2: B: 'x'", "line 3: A: '-1'")),
        ("A,B\n1,2\n3\n", ("line 3: has fewer than 2 columns",)),
        ("A,B\n1.5,2\n", ("line 2: A: '1.5'",)),
        ("", ("line 1",)),
        ("A,B\n", ("line 2: there is no row",)),
        ("A,A\n1,2\n", ("line 1",)),
        ("A,B\n1,2\nNA,NA\n", ("line 3: no centre is open",)),
    ],
)
def test_a_bad_file_is_refused_with_every_fault_by_its_place(
    tmp_path: Path, text: str, told: tuple[str, ...]
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FileRefused) as refused:
        read_record(file, 7.0)
    for part in told:
        assert part in str(refused.value)
    with pytest.raises(ForecastError, match="cannot be read"):
        read_record(tmp_path / "nothing.csv", 7.0)


def test_a_census_knows_no_centre_that_had_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "late.csv"
    file.write_text("A,B,C\n1,NA,NA\n2,0,\n3,1,4\n", encoding="utf-8")
    whole = read_record(file, 7.0)
    known = whole.at_census(2)
    assert known.centres == ("A", "B")
    assert known.ages.tolist() == [2, 1]
    assert whole.later(2).tolist() == [4]


def subject(code: str, site: str, on: date) -> SeenSubject:
    return SeenSubject(code, site, "DEU", on, None, None, None, None, {}, randomized_on=on)


def test_a_studys_record_ends_on_its_last_day_and_loses_nobody() -> None:
    protocol: Any = None
    begin = date(2026, 1, 5)
    found = Observed("S1", protocol, begin, begin + timedelta(days=30))
    found.sites = {
        code: SeenSite(code, "DEU", "", begin + timedelta(days=day)) for code, day in (("A", 0), ("B", 14))
    }
    days = (("A", 0), ("A", 9), ("A", 30), ("B", 15), ("B", 24))
    found.subjects = {
        f"{at}": subject(f"{at}", site, begin + timedelta(days=day)) for at, (site, day) in enumerate(days)
    }
    record = observed_record(found, 7)
    # 31 days are five periods, the first of which begins four days before the first opening.
    assert record.counts.tolist() == [[1, 0], [1, 0], [0, 1], [0, 0], [1, 1]]
    assert record.is_open.sum(axis=0).tolist() == [5, 3]
    assert record.ends_on == found.as_of
    found.sites = {}
    with pytest.raises(ForecastError, match="no site"):
        observed_record(found, 7)


def test_a_running_study_is_forecast_by_whom_it_concerns(database_url: str) -> None:
    with desk_at(database_url) as desk:
        desk.set_up()
        desk.randomized()
        desk.randomized()
        seal_pending(desk.database)
        with pytest.raises(NotFound):
            study_record(desk.database, SYSTEM_ACTOR, "NONE", 7)
        with pytest.raises(NotPermitted):
            study_record(desk.database, Actor("edc", "An EDC", (Grant("edc"),)), STUDY, 7)
        planner = Actor("planner", "A planner", (Grant("supply_manager_blinded"),))
        assert study_record(desk.database, planner, STUDY, 7).subjects == 2
        result = asked("--study", STUDY, "--target", 10, "--json", "--db", database_url)
        assert result.exit_code == 0, result.output
        answer = json.loads(result.stdout)
        assert (answer["subjects"], answer["basis"]) == (2, "few data")
        assert answer["completion_periods"]["q50"] > 0

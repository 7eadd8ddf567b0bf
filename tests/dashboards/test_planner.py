"""The planner's page: which parts a role gets, that no kit type reaches a blinded one, and that the numbers are those of what was kept."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from allocation.access.grants import actor_named
from allocation.ledger.reader import protocol_at
from allocation.study.canonical import protocol_sha256
from allocation.study.tuning_report import TuningReport
from allocation.views.unblinded.proposal_models import Proposal
from dashboards.planner.outlook import keep_outlook, read_outlook
from dashboards.planner.tune_reports import TuneReport
from forecasting.calibration.kept import store_of
from forecasting.census import census_at
from forecasting.demand.kept_tables import keep_table, kept_tables
from forecasting.demand.study_demand import StudyDemand
from forecasting.errors import ForecastError
from forecasting.what_if.paired import Difference, difference, risk_difference
from tests.api.conftest import Trial
from tests.api.trial import KIT_TYPE_OF_ARM, STUDY
from tests.commands.proposal_people import SCENARIO, tune_report
from tests.dashboards.planner_pages import planner_as, shown
from tests.dashboards.test_blinded_pages import content_of
from tests.dashboards.trial_under_way import shown_text

PARTS = ["Recruitment", "Demand", "Thresholds", "What if", "Calibration"]
KIT_TYPES = tuple(KIT_TYPE_OF_ARM.values())
WEEKS, REPLICATES = 2, 100


def demand_of(trial: Trial, at: date | None = None) -> StudyDemand:
    """A forecast whose draws are stated here: in each replicate its number modulo 5 kits a week of each type at S01, and one lacking."""
    census = census_at(trial.database, STUDY, at)
    start = SimpleNamespace(
        census=census,
        basis="Assumptions of a test.",
        weak=(),
        scenario_hash="0" * 64,
        protocol=protocol_at(trial.database, STUDY),
        live=SimpleNamespace(
            names=SimpleNamespace(kit_types=KIT_TYPES, depots=("D1",), sites=("S01", "S02")),
            plan=SimpleNamespace(sites=SimpleNamespace(depot=[0, 0])),
        ),
    )
    rows = [
        (week, replicate, 0, kit_type, kit_type % 3, 1, replicate % 5)
        for week in range(WEEKS)
        for replicate in range(REPLICATES)
        for kit_type in range(len(KIT_TYPES))
    ]
    columns = np.array(rows, dtype=np.int64).T
    names = ("week", "replicate", "site", "kit_type", "part", "met", "kits")
    return StudyDemand(
        cast(Any, start),
        WEEKS,
        REPLICATES,
        1,
        **dict(zip(names, columns, strict=True)),
        unserved=np.array([[0, 7, 0]], dtype=np.int64),
        newcomers=np.full(REPLICATES, 9),
    )


def comparison(study: str) -> dict[str, Any]:
    """What `rtsm whatif` writes, as far as the page reads it: shipments fall by two in every pair, costs do not differ."""
    base = np.arange(10.0)
    gaps = [
        difference("shipments", "shipments", "sent", "higher", base + 5, base + 3),
        difference("cost_total", "EUR", "all", "higher", base, base),
        difference("randomized", "subjects", "randomized", "lower", base, base),
    ]
    from forecasting.what_if.charts import _PANELS

    gaps += [
        difference(name, "", "", None, base, base)
        for name in _PANELS
        if name not in {one.name for one in gaps}
    ]
    risk = risk_difference("any_missed", "any", base, base + 1)
    change = {
        "name": "Fewer <runs>",
        "differences": {one.name: one.as_json() for one in gaps},
        "risks": {"any_missed": risk.as_json()},
        "ratios": {},
    }
    return {"study": study, "scenario": "A test", "replicates": 10, "seed": 1, "changes": [change]}


@pytest.mark.parametrize("reader", ["project.manager", "sponsor"])
def test_a_blinded_reader_gets_recruitment_alone_whatever_part_is_asked_for(
    trial: Trial, home: Path, reader: str
) -> None:
    page = shown(trial, reader, "Demand")
    assert not page.exception
    assert [one.value for one in page.subheader] == ["Recruitment, and what is to come", "Track record"]
    assert not page.get("button_group")
    assert not [kind for kind, content in content_of(page) if b"ZZ" in content]
    figures = {one.label: one.value for one in page.metric}
    assert figures["Randomized of 40"] == "5"


def test_the_parts_by_kit_type_are_for_the_roles_that_may_learn_them_and_say_how_they_are_made(
    trial: Trial, home: Path
) -> None:
    (choice,) = shown(trial, "open.supply").get("button_group")
    assert choice.options == PARTS
    said = {part: shown_text(shown(trial, "statistician", part)) for part in PARTS[1:]}
    assert f"rtsm forecast demand --study {STUDY}" in said["Demand"]
    assert f"rtsm tune --study {STUDY}" in said["Thresholds"]
    assert f"--from-study {STUDY}" in said["What if"]
    assert f"rtsm forecast demand --study {STUDY} --at" in said["Calibration"]


def test_a_reader_of_one_country_is_told_that_the_forecast_is_of_the_whole_study(
    trial: Trial, home: Path
) -> None:
    page = shown(trial, "monitor")
    assert not page.exception
    assert "your role here reaches a part of it" in page.info[0].value
    assert not page.metric


def test_the_outlook_is_the_ledgers_and_a_kept_one_is_in_the_track_record(trial: Trial, home: Path) -> None:
    supply = actor_named(trial.database, "supply")
    now = read_outlook(trial.database, supply, STUDY, None, 40, None)
    assert now.forecast.record.subjects == 5
    reached = now.reached()
    assert reached is not None
    assert now.census.at < cast(date, reached[0]) <= cast(date, reached[1])
    assert read_outlook(trial.database, supply, STUDY, None, 5, 13).reached() is None
    assert (now.past, now.scored) == ((), None)
    first = read_outlook(trial.database, supply, STUDY, date(2026, 3, 3), 40, 1)
    assert first.forecast.came == (5, 0)
    keep_outlook(first)
    (past,) = read_outlook(trial.database, supply, STUDY, None, 40, 13).past
    assert (past.census, past.until, past.came) == (date(2026, 3, 3), date(2026, 3, 10), 5)
    assert past.held == (past.low <= 5 <= past.high)
    table = shown_text(shown(trial, "supply"))
    assert '<td class="">2026-03-03</td><td class="">2026-03-10</td>' in table


def test_a_kept_demand_is_shown_with_the_numbers_of_its_draws(trial: Trial, home: Path) -> None:
    found = demand_of(trial)
    keep_table(found, store_of(STUDY) / "demand-test.parquet")
    (table,) = kept_tables(STUDY)
    assert table.risks == (("S01", 0.01, 0.01),)
    assert table.new_subjects == (9, 9, 9)
    page = shown(trial, "open.supply", "Demand")
    assert not page.exception
    text = shown_text(page)
    # In two weeks 0, 2, 4, 6 or 8 kits of a type, equally often: the first type is all of the first part.
    assert (
        'ZZKITA</td><td class="number">4</td><td class="number">0 to 8</td><td class="number">4.0</td>'
        in text
    )
    assert 'all kits</td><td class="number">12</td><td class="number">0 to 24</td>' in text
    assert 'S01</td><td class="number">1.0%</td>' in text
    table.file.with_suffix(".json").write_text("{}")
    with pytest.raises(ForecastError, match="no kept table of a demand"):
        kept_tables(STUDY)


def test_what_is_forecast_now_is_what_is_shown_and_stays_so(
    trial: Trial, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_table(demand_of(trial), store_of(STUDY) / "demand-later.parquet")
    asked: list[tuple[Any, ...]] = []

    def fake(_database: Any, _actor: Any, *words: Any) -> StudyDemand:
        asked.append(words)
        found = demand_of(trial, date(2026, 3, 3))
        keep_table(found, store_of(STUDY) / "demand-earlier.parquet")
        return found

    monkeypatch.setattr("dashboards.planner.page.forecast_now", fake)
    with planner_as(trial, "open.supply", "Demand") as page:
        assert page.selectbox(key="demand_table").value == "demand-later"
        page.button(key="forecast_now").click().run()
        assert asked == [(STUDY, None, 26, 200)]
        assert "Forecast on <b>2026-03-03</b>" in shown_text(page)
        page.run()
        assert page.selectbox(key="demand_table").value == "demand-earlier"


def test_a_tune_report_is_shown_with_its_certified_bound_and_what_became_of_it(
    trial: Trial, home: Path
) -> None:
    protocol = protocol_at(trial.database, STUDY)
    report = tune_report(protocol.study.version, protocol_sha256(protocol))
    folder = home / "tunings" / "one"
    folder.mkdir(parents=True)
    (folder / "tune-1.json").write_text(json.dumps(report))
    (folder / "tune-2.json").write_text(json.dumps({**report, "study": "ANOTHER"}))
    (folder / "tune-3.json").write_text(json.dumps({**report, "choice": {}}))
    page = shown(trial, "statistician", "Thresholds")
    assert not page.exception
    figures = {one.label: (one.value, one.delta) for one in page.metric}
    assert figures["State"] == ("Not filed", "a file of this installation")
    assert figures["Risk, certified with 95%"] == ("≤ 0.63 %", "within 1 %, 1,000 trials")
    assert figures["Against the baseline"] == ("-25.0%", "baseline 12,000")
    (warning,) = page.warning
    assert "tune-3.json is no tune report" in warning.value
    assert len(page.selectbox(key="tune_report").options) == 1
    text = shown_text(page)
    assert "min 2, max 5; ZZKITA: max 6" in text
    assert '<td class="">max buffer</td>' in text
    body = {"report": report, "scenario": SCENARIO}
    trial.clients["statistician"].done(f"/studies/{STUDY}/supply-proposals", body)
    page = shown(trial, "open.supply", "Thresholds")
    assert not page.exception
    assert {one.label: one.delta for one in page.metric}["State"] == "filed, waits for a signature"
    assert len(page.selectbox(key="tune_report").options) == 1


@pytest.mark.parametrize(
    ("state", "version", "in_force", "said"),
    [
        ("signed", 2, 2, "in effect since protocol version 2"),
        ("signed", 2, 1, "not in effect yet"),
        ("signed", 2, 3, "version 3 is in force"),
        ("stale", 2, 2, "stale: protocol version 2 was loaded"),
        ("rejected", None, 1, "rejected by somebody"),
    ],
)
def test_the_state_of_a_proposal_in_words(state: str, version: int | None, in_force: int, said: str) -> None:
    fields = dict.fromkeys(Proposal.model_fields, None) | {
        "state": state,
        "ended_by_version": version,
        "ended_by": "somebody",
    }
    document = tune_report(1, "0" * 64)
    one = TuneReport(
        document,
        TuningReport.model_validate(document),
        Proposal.model_construct(**fields),
        datetime(2026, 3, 2, tzinfo=UTC),
        None,
    )
    assert said in one.state(in_force)[0]


def test_a_comparison_is_shown_beside_its_base_and_names_are_escaped(trial: Trial, home: Path) -> None:
    for name, study in (("mine", STUDY), ("theirs", "ANOTHER")):
        folder = home / "what-if" / name
        folder.mkdir(parents=True)
        (folder / "comparison.json").write_text(json.dumps(comparison(study)))
    page = shown(trial, "open.supply", "What if")
    assert not page.exception
    text = shown_text(page)
    assert "Fewer &lt;runs&gt;" in text
    fewer = "\N{MINUS SIGN}2.00 ± 0.00"
    assert (
        f'Shipments</td><td class="number">9.5</td><td class="number"><span class="rtsm-good">{fewer}' in text
    )
    assert len(page.multiselect(key="what_if_comparisons").options) == 1


def test_a_difference_is_the_same_after_its_json() -> None:
    found = difference("shipments", "shipments", "sent", "higher", np.arange(9.0), np.arange(9.0) ** 2)
    assert Difference.of_json("shipments", json.loads(json.dumps(found.as_json()))) == found

"""The monitor of a running randomization: measures that can be checked by hand, and a study on both databases."""

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rtsm
from allocation.access.actors import SYSTEM_ACTOR
from allocation.views.unblinded.allocations import Allocation, AllocationHistory, allocation_history
from simulation.randomization.monitor import quality_of
from tests.api.trial import STUDY
from tests.commands.desk import desk_at
from tests.commands.live_trial import live, running, with_events


def history(arms: str, **more: object) -> AllocationHistory:
    allocations = tuple(
        Allocation(
            subject_id=f"S{index}",
            version=1,
            site_id="S01",
            country="DEU",
            randomized_on=date(2026, 3, 2),
            stratum="SEX=F",
            levels={"SEX": "F"},
            run="SEX=F",
            ratio={"A": 1, "B": 1},
            arm=arm,
            scheduled_arm=arm,
            forced=False,
            probabilities={"A": 0.5, "B": 0.5},
        ).model_copy(update=more)
        for index, arm in enumerate(arms)
    )
    return AllocationHistory(study_id="T", event="RAND", method="complete", allocations=allocations)


def test_two_arms_are_measured_as_by_hand() -> None:
    report = quality_of(history("AABBA"))
    # Guesses: tie 1/2, then B (wrong), B (right), B (right), tie 1/2.
    assert report.in_run.right == pytest.approx(0.5 + 0 + 1 + 1 + 0.5)
    assert report.in_run.by_chance == pytest.approx(2.5)
    assert report.path == (1, 2, 1, 0, 1)
    assert report.loss == pytest.approx(1 / 5)
    assert report.groups[0].counts == {"A": 3, "B": 2}
    assert (report.certain, report.forced, report.known) == (0, 0, 5)


def test_certain_and_forced_allocations_are_counted() -> None:
    report = quality_of(history("AB", probabilities={"A": 1.0, "B": 0.0}, forced=True))
    assert (report.certain, report.forced) == (2, 2)
    unknown = quality_of(history("AB", probabilities=None))
    assert (unknown.certain, unknown.known) == (0, 0)


def test_after_a_change_of_ratio_balance_is_measured_anew() -> None:
    before, after = history("AAAA").allocations, history("AB", ratio={"A": 2, "B": 1}).allocations
    report = quality_of(
        AllocationHistory(study_id="T", event="RAND", method="complete", allocations=before + after)
    )
    assert (report.allocated, report.since) == (6, 5)
    assert report.groups[0].counts == {"A": 1, "B": 1}


def test_an_event_without_allocations_has_an_empty_report() -> None:
    report = quality_of(history(""))
    assert (report.allocated, report.loss, report.in_study.share, report.path) == (0, 0, 0, ())


def test_what_a_block_has_left_makes_its_last_allocation_certain(database_url: str) -> None:
    with desk_at(database_url) as desk:
        desk.set_up(stocked=False)
        for _ in range(3):
            desk.randomized()
        found = allocation_history(desk.database, SYSTEM_ACTOR, STUDY)
    assert [max((one.probabilities or {}).values()) for one in found.allocations] == [1 / 3, 1 / 2, 1]


def test_the_command_shows_and_draws_the_quality_of_a_running_study(sqlite_url: str, tmp_path: Path) -> None:
    with desk_at(sqlite_url) as desk:
        desk.set_up(stocked=False)
        for _ in range(3):
            desk.randomized()
    plot = tmp_path / "monitor.svg"
    shown = CliRunner().invoke(
        rtsm.app, ["randomization", "monitor", "--json", "--plot", str(plot), "--db", sqlite_url]
    )
    assert shown.exit_code == 0, shown.output
    report = json.loads(shown.stdout)
    assert (report["allocated"], report["certain"]) == (3, 1)
    assert plot.read_text().startswith("<svg")
    table = CliRunner().invoke(rtsm.app, ["randomization", "monitor", "--db", sqlite_url])
    assert "1 of 3 allocations could be foretold" in table.stdout


def test_the_monitor_reads_the_probabilities_of_live_draws(sqlite_url: str) -> None:
    with desk_at(sqlite_url) as desk:
        running(desk, with_events(live("complete")))
        desk.randomized()
        (found,) = allocation_history(desk.database, SYSTEM_ACTOR, STUDY).allocations
    assert found.probabilities == pytest.approx(dict.fromkeys(found.ratio, 1 / 3))


def test_a_ratio_is_updated_from_results_and_from_what_was_allocated(sqlite_url: str) -> None:
    with desk_at(sqlite_url) as desk:
        desk.set_up(stocked=False)
        for _ in range(3):
            desk.randomized()
    results = [
        f"--result={arm}={successes}/1" for arm, successes in (("ZZARMA", 1), ("ZZARMB", 0), ("ZZARMC", 0))
    ]
    asked = ["randomization", "update-ratio", *results, "--total", "6", "--json", "--db", sqlite_url]
    shown = CliRunner().invoke(rtsm.app, asked)
    assert shown.exit_code == 0, shown.output
    update = json.loads(shown.stdout)
    assert sum(update["ratio"]) == 6
    assert update["ratio"][0] == max(update["ratio"])
    assert update["shares"][0] > update["shares"][1] == update["shares"][2]
    assert [one["allocated"] for one in update["results"]] == [1, 1, 1]
    refused = CliRunner().invoke(rtsm.app, [*asked, "--result=ZZARMA=x"])
    assert refused.exit_code == 2
    unknown = [one.replace("=1/1", "=9/9") for one in asked]
    assert CliRunner().invoke(rtsm.app, unknown).exit_code == 1, "more results than subjects"

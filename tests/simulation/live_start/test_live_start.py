"""A simulation begins with what the ledger of a running study has, place by place, and goes on from there by both engines alike."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import rtsm
from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.inventory import inventory_by_type
from allocation.commands.service import Service
from allocation.errors import NotPermitted
from allocation.ledger.database import Database
from allocation.ledger.reader import sealed_entries
from allocation.study.inconsistency import Findings
from allocation.study.protocol import Protocol
from forecasting.what_if.applying import Changed, changed_trial
from forecasting.what_if.change_file import Change
from forecasting.what_if.runs import Base, run_of
from simulation.engines import compiled, simpy_twin
from simulation.engines import outcomes as out
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_present import NOT_OPEN
from simulation.live_start.errors import LiveStartError
from simulation.live_start.history import history_of
from simulation.live_start.live_plan import LiveStart, live_start
from simulation.replicates.live_run import read_live_run
from simulation.replicates.run import Engine, Run
from simulation.scenario import Scenario, load_scenario_and_protocol
from tests.simulation.engines.test_trace_equality import check_conserved, check_equal
from tests.simulation.test_twin import SCENARIO

Played = tuple[Database, Scenario, str]
STUDY = "ORT-301"
MIDDLE = date(2025, 3, 19)
"""Mid-week, with sites still to open, shipments on their way, and subjects in screening and on study."""

pytestmark = pytest.mark.slow


def begun(played: Played, at: date | None = MIDDLE, days: int | None = 40, **changed: object) -> LiveStart:
    database, scenario, _ = played
    protocol = load_scenario_and_protocol(SCENARIO)[1]
    return live_start(database, SYSTEM_ACTOR, STUDY, scenario.model_copy(update=changed), protocol, at, days)


@pytest.fixture(scope="module")
def start(played: Played) -> LiveStart:
    return begun(played)


def test_stock_and_shipments_of_day_0_are_those_of_the_inventory_as_of_the_moment(
    played: Played, start: LiveStart
) -> None:
    names, present = start.names, start.plan.present
    moment = f"{MIDDLE}T23:59:59.999999Z"
    seen = inventory_by_type(Service(played[0]), SYSTEM_ACTOR, STUDY, moment)
    wanted: Counter[tuple[str, str, str]] = Counter()
    for line in seen.stock:
        if line.status in ("depot_available", "site_available"):
            wanted[line.place_kind, line.place, line.lot_id] += line.kits
    found: Counter[tuple[str, str, str]] = Counter()
    for kind, places, stock in (
        ("depot", names.depots, present.depot_stock),
        ("site", names.sites, present.stock),
    ):
        for place, by_lot in zip(places, stock.reshape(-1, len(names.lots)), strict=True):
            found.update({(kind, place, lot): int(n) for lot, n in zip(names.lots, by_lot, strict=True) if n})
    assert found == wanted
    sent = Counter((one.to_place, one.kits) for one in seen.shipments)
    loads = present.contents.reshape(-1, len(names.lots)).sum(axis=1)
    sites = [names.sites[site] for site in present.shipment_site]
    assert Counter(zip(sites, loads.tolist(), strict=True)) == sent
    assert present.shipments >= 3
    assert 0 < (present.opened == NOT_OPEN).sum() == len(names.sites) - len(start.state.sites)


def test_subjects_of_day_0_are_those_that_the_ledger_has_in_screening_and_on_study(
    played: Played, start: LiveStart
) -> None:
    present, plan = start.plan.present, start.plan
    entries = [one for one in sealed_entries(played[0], STUDY) if one.recorded_at.date() <= MIDDLE]
    screened = Counter(one.site_id for one in entries if one.command == "screen")
    assert {site: n for site, n in zip(start.names.sites, present.screened, strict=True) if n} == screened
    randomized = {one.subject_id: one for one in entries if one.command == "randomize"}
    left = {one.subject_id for one in entries if one.command == "discontinue"}
    failed = {
        one.subject_id for one in entries if one.command == "record_eligibility" and not one.after["eligible"]
    }
    arms = Counter(randomized[one].after["arm"] for one in randomized.keys() - left)
    assert Counter(start.names.arms[arm] for arm in present.arm if arm >= 0) == arms
    assert (present.arm < 0).sum() == screened.total() - len(randomized) - len(failed)
    days = sorted(
        (date.fromisoformat(randomized[one].after["randomized_on"]) - MIDDLE).days - 1
        for one in randomized.keys() - left
    )
    assert sorted(present.day0[present.arm >= 0].tolist()) == days
    assert present.allocated.sum() == len(randomized)
    assert present.taken.reshape(-1, plan.arms).sum(axis=1).max() <= present.block_size.max()
    assert plan.present.so_far[out.RANDOMIZED] == len(randomized)
    assert plan.present.so_far[out.KITS_DISPENSED] == sum(
        len(one.after["kits"]) for one in entries if one.command == "dispense"
    )


def test_both_engines_go_on_alike_conserve_kits_and_count_the_whole_trial(start: LiveStart) -> None:
    plan = start.plan
    one = compiled.play(plan, 5, 0)
    check_equal(one, simpy_twin.play(plan, 5, 0, trace=True))
    check_conserved(one)
    later = ("randomized", "screened", "visits", "kits_dispensed", "shipments")
    for column in (getattr(out, name.upper()) for name in later):
        assert one.outcomes[column] > plan.present.so_far[column] > 0
    # Nobody who is there is screened again, and everybody in screening is decided about by the protocol's limit.
    assert one.weekly[0, out.WEEKLY_SCREENED] >= plan.present.so_far[out.SCREENED]


def test_those_who_are_there_do_not_change_when_others_come_no_more(start: LiveStart) -> None:
    plan = start.plan
    none = plan._replace(
        present=plan.present._replace(rate=plan.present.rate * 0),
        sites=plan.sites._replace(rate=plan.sites.rate * 0),
    )

    def visits(of: TrialPlan) -> np.ndarray:
        trace = simpy_twin.play(of, 5, 0, trace=True).trace
        return trace[(trace[:, 2] == 11) & (trace[:, 4] < plan.present.subjects), :5]

    there = plan.present.arm >= 0
    with_others, alone = visits(plan), visits(none)
    keep = [row for row in with_others.tolist() if there[row[4]]]
    assert keep == [row for row in alone.tolist() if there[row[4]]]
    assert len(keep) > 20


def test_the_mean_number_screened_is_that_of_the_posterior_rates(played: Played) -> None:
    at = date(2025, 4, 10)
    days = 43  # to a Friday, so that nobody who came is still to be screened on the Monday after
    start = begun(played, at, days)
    plan, present = start.plan, start.plan.present
    assert (start.scenario.starts_on + timedelta(days=days - 1)).weekday() == 4
    shut = present.opened == NOT_OPEN
    open_plan = plan._replace(
        present=present._replace(never_opens=np.where(shut, 1.0, 0.0)),
        caps=plan.caps._replace(limit=plan.caps.limit * 100),
    )
    batch = compiled.play_batch(open_plan, 11, 0, 200)
    new = batch.outcomes[:, out.SCREENED] - present.so_far[out.SCREENED]
    mean = (present.rate * days)[~shut].sum()
    shape = present.shape[~shut]
    variance = ((present.rate * days)[~shut] * (1 + (present.rate * days)[~shut] / shape)).sum()
    assert abs(new.mean() - mean) < 4 * np.sqrt(variance / 200)
    assert 0.7 < new.var() / variance < 1.4
    # The posterior lies between what the site did and what the scenario says of all sites.
    k = present.screened[~shut]
    assert present.shape[~shut] == pytest.approx(plan.sites.gamma_shape + k)


@pytest.mark.parametrize(
    ("changed", "at", "days", "field"),
    [
        ({}, date(2024, 12, 1), 60, "--at"),
        ({}, MIDDLE, None, None),
        ({}, date(2025, 5, 1), None, "duration_days"),
        ({"lots": "kit_type"}, MIDDLE, 60, "lots[0].kit_type"),
        ({"lots": "expires_on"}, MIDDLE, 60, "lots[0].expires_on"),
        ({"lots": "code"}, MIDDLE, 60, "lots[0].arrivals"),
    ],
)
def test_what_cannot_go_on_is_refused_by_field_and_fix(
    played: Played, changed: dict[str, str], at: date, days: int | None, field: str | None
) -> None:
    lots = list(played[1].lots)
    other = {"kit_type": "KPB", "expires_on": date(2027, 1, 1), "code": "LX99"}
    if "lots" in changed:
        lots[0] = lots[0].model_copy(update={changed["lots"]: other[changed["lots"]]})
    if field is None:
        assert begun(played, at, None).scenario.duration_days == 22
        return
    with pytest.raises(LiveStartError) as refused:
        begun(played, at, days, lots=tuple(lots))  # type: ignore[arg-type]
    assert refused.value.field == field
    assert refused.value.fix


def test_a_scenario_without_the_studys_sites_or_of_another_study_is_refused(played: Played) -> None:
    database, scenario, _ = played
    document = load_scenario_and_protocol(SCENARIO)[1].model_dump(mode="json")
    fewer = Protocol.model_validate(document | {"sites": document["sites"][1:]})
    with pytest.raises(LiveStartError, match=document["sites"][0]["code"]) as refused:
        live_start(database, SYSTEM_ACTOR, STUDY, scenario, fewer, MIDDLE, 60)
    assert refused.value.field == "sites"
    other = Protocol.model_validate(document | {"study": document["study"] | {"id": "ORT-302"}})
    with pytest.raises(LiveStartError, match="ORT-302") as refused:
        live_start(database, SYSTEM_ACTOR, STUDY, scenario, other, MIDDLE, 60)
    assert refused.value.field == "--from-study"


def test_the_blinded_may_not(played: Played) -> None:
    database, scenario, _ = played
    protocol = load_scenario_and_protocol(SCENARIO)[1]
    with pytest.raises(NotPermitted):
        live_start(
            database,
            Actor("r", "R", (Grant("supply_manager_blinded"),)),
            STUDY,
            scenario,
            protocol,
            MIDDLE,
            60,
        )


def test_history_is_what_the_inventory_and_the_subjects_were_each_week(
    played: Played, start: LiveStart
) -> None:
    history = history_of(played[0], start.state)
    last = dict(history.filter(week=-1).select("series", "value").iter_rows())
    present = start.plan.present
    assert last == {
        "screened": len(start.state.subjects),
        "randomized": present.so_far[out.RANDOMIZED],
        "kits_at_sites": present.stock.sum(),
        "kits_at_depots": present.depot_stock.sum(),
        "kits_in_transit": present.contents.sum(),
        "kits_expired": 0,
        "kits_lost_damaged": present.so_far[out.KITS_LOST] + present.so_far[out.KITS_DAMAGED],
    }
    assert last["kits_lost_damaged"] > 0
    earlier = MIDDLE - timedelta(days=14)
    assert history.filter(week=-3)["date"].unique().to_list() == [earlier]
    seen = inventory_by_type(Service(played[0]), SYSTEM_ACTOR, STUDY, f"{earlier}T23:59:59.999999Z")
    for status, series in (("site_available", "kits_at_sites"), ("depot_available", "kits_at_depots")):
        kits = sum(line.kits for line in seen.stock if line.status == status)
        assert history.filter(week=-3, series=series)["value"].to_list() == [kits]


def test_the_command_tells_where_it_begins_and_shows_the_history(
    played: Played, start: LiveStart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The page takes most of the time, and is of the same drawing.
    monkeypatch.setattr("vl_convert.vegalite_to_html", lambda *_, **__: "")
    options = ["--replicates", "1", "--engine", "simpy", "--workers", "1", "--out", str(tmp_path)]
    live = ["--from-study", STUDY, "--at", MIDDLE.isoformat(), "--days", "10", "--db", played[2]]
    result = CliRunner().invoke(rtsm.app, ["simulate", str(SCENARIO), *options, *live, "--plots", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["live_start"] == start.as_json() | {"days": 10}
    assert told["live_start"]["day_0"] == "2025-03-20"
    assert told["outcomes"]["randomized"]["mean"] >= told["live_start"]["randomized"] > 0
    bands = pl.read_parquet(tmp_path / "bands.parquet").filter(series="randomized")
    assert bands["week"].to_list() == list(range(-11, 2))
    assert bands["date"].is_sorted()
    assert bands.filter(week=-1)["q50"].to_list() == [told["live_start"]["randomized"]]
    assert (tmp_path / "trial.png").stat().st_size > 10_000
    again = CliRunner().invoke(rtsm.app, ["simulate", str(SCENARIO), *options, *live])
    assert "0 replicates played" in again.stdout
    assert "as of 2025-03-19" in again.stdout


def test_options_of_a_live_start_need_a_study_and_a_day_that_has_been() -> None:
    alone = CliRunner().invoke(rtsm.app, ["simulate", str(SCENARIO), "--at", "2025-03-05"])
    assert alone.exit_code == 2
    assert "--from-study" in alone.output
    with pytest.raises(LiveStartError, match="still to come"):
        read_live_run(SCENARIO, Engine.SIMPY, None, STUDY, date(2999, 1, 1), None, None)


@pytest.fixture(scope="module")
def base(played: Played, start: LiveStart) -> Base:
    protocol = load_scenario_and_protocol(SCENARIO)[1]
    run = Run(start.scenario, protocol, start.plan, start.names, Engine.SIMPY, 1)
    return Base(run, start, played[1].starts_on)


def what_if(base: Base, **change: Any) -> Run:
    told = Change.model_validate({"name": "It", **change})
    findings = Findings()
    trial = changed_trial(told, base.trial, ("changes", 0), findings)
    assert findings.found == []
    assert trial is not None
    return run_of(Changed(told, trial), base)


def test_an_empty_what_if_has_the_plan_of_the_present_state(base: Base) -> None:
    assert what_if(base).plan_hashes() == base.run.plan_hashes()


def test_recruitment_halves_from_day_0_and_sites_keep_what_they_have_shown(base: Base) -> None:
    plan = what_if(base, recruitment=[{"factor": 0.5}]).plan
    np.testing.assert_array_equal(plan.present.rate, base.run.plan.present.rate)
    np.testing.assert_allclose(
        plan.sites.intensity[plan.sites.pattern],
        0.5 * base.run.plan.sites.intensity[base.run.plan.sites.pattern],
    )


def test_what_is_at_hand_expires_earlier_and_stays_where_it_is(base: Base) -> None:
    run = what_if(base, shelf_life=[{"days": 100}])
    before = dict(zip(base.run.names.lots, base.run.plan.lots.expiry_ordinal, strict=True))
    for lot, expiry in zip(run.names.lots, run.plan.lots.expiry_ordinal, strict=True):
        assert expiry == before[lot] - 100
    assert run.plan.present.depot_stock.sum() == base.run.plan.present.depot_stock.sum() > 0


def test_another_ratio_begins_with_new_blocks(base: Base) -> None:
    present = what_if(base, ratio={"arms": {"PLACEBO": 2}}).plan.present
    assert base.run.plan.present.block_size.sum() > 0
    assert present.block_size.sum() == present.taken.sum() == 0
    np.testing.assert_array_equal(present.allocated, base.run.plan.present.allocated)


def test_a_new_country_opens_sites_and_a_lost_depot_holds_up_what_is_to_come(base: Base) -> None:
    soon = MIDDLE + timedelta(days=5)
    brazil = {"country": "BRA", "count": 2, "opens": soon, "depot": "USD", "lead_time_days": 9}
    plan = what_if(base, sites=[brazil], depots_lost=[{"depot": "EUD", "first_day": soon, "days": 10}]).plan
    assert len(plan.sites.words) == len(base.run.plan.sites.words) + 2
    assert plan.outages.leaves[0, 4] == 14
    assert plan.outages.leaves[1, 7] == 7

"""Forecasts are kept with the ledger they were made from, and scored by what that ledger has since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.visits import VisitRequest, record_visit
from allocation.errors import NotFound, NotPermitted
from allocation.ledger.sealing import seal_pending
from forecasting.calibration.facts import facts_of
from forecasting.calibration.kept import ALL_TYPES, KeptNumber, keep, kept, number_of_draws
from forecasting.calibration.scorecard import Scorecard, scorecard, separate_windows
from forecasting.census import Census, census_at
from forecasting.errors import ForecastError
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk, desk_at


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    with desk_at(database_url) as one:
        yield one.set_up()


def number(measure: str, of: Census, draws: list[int], days: int = 7, **changed: object) -> KeptNumber:
    begins_on = of.at + timedelta(days=1)
    found = number_of_draws(
        np.array(draws), measure, "study", STUDY, ALL_TYPES, begins_on, begins_on + timedelta(days=days)
    )
    return replace(found, **changed)


def at_visit(desk: Desk, subject: str, with_kits: bool) -> None:
    if with_kits:
        dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=subject, visit_code="V2"))
    else:
        record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=subject, visit_code="V2"))


def test_facts_are_what_the_ledger_has_after_the_census_by_place_and_kit_type(desk: Desk) -> None:
    before = desk.randomized()
    at_visit(desk, before, with_kits=True)
    census = census_at(desk.database, STUDY, None)
    desk.move(days=1)
    served, unserved = desk.randomized("S02"), desk.randomized("S01")
    desk.screened("S01")
    at_visit(desk, served, with_kits=True)
    at_visit(desk, unserved, with_kits=False)
    seal_pending(desk.database)
    facts = facts_of(desk.database, STUDY, positions=frozenset({census.position}))
    first = census.at + timedelta(days=1)
    counts = facts.counts(census.position, census.at, first, first + timedelta(days=1), only_open=False)
    assert counts["randomized", "study", STUDY, ALL_TYPES] == 2
    assert counts["screened", "study", STUDY, ALL_TYPES] == 3
    assert counts["randomized", "site", "S01", ALL_TYPES] == 1
    assert counts["kits_dispensed", "country", "FRA", ALL_TYPES] == 1
    kit_type = {"ZZARMA": "ZZKITA", "ZZARMB": "ZZKITB", "ZZARMC": "ZZKITC"}[str(desk.arm(served))]
    assert counts["kits_dispensed", "depot", "D1", kit_type] == 1
    assert counts["stock_outs", "site", "S01", ALL_TYPES] == 1
    assert counts["stock_outs", "site", "S02", ALL_TYPES] == 0
    assert facts.hashes == {census.position: census.chain_hash}
    none = facts.counts(
        census.position, census.at, first + timedelta(days=1), first + timedelta(days=9), False
    )
    assert not none


def test_a_number_is_scored_once_its_time_is_over_and_by_its_own_ledger(desk: Desk) -> None:
    census = census_at(desk.database, STUDY, None)
    draws = [0, 1, 2, 3, 4]
    keep(
        census,
        "recruitment",
        {"a": 1},
        [number("randomized", census, draws), number("randomized", census, draws, 90)],
    )
    other = replace(census, chain_hash="0" * 64)
    keep(other, "recruitment", {"a": 1}, [number("randomized", other, draws)])
    desk.move(days=1)
    desk.randomized()
    assert scorecard(desk.database, SYSTEM_ACTOR, STUDY).groups == ()
    desk.move(days=8)
    desk.randomized()  # after the seven days
    card = scorecard(desk.database, SYSTEM_ACTOR, STUDY)
    (group,) = card.groups
    assert (group.numbers, group.came, group.mean) == (1, 1.0, 2.0)
    assert (card.forecasts, card.waiting, card.other_ledger) == (1, 1, 1)
    assert "too few to judge" in group.verdict
    # As it stood at the census, there was nothing to score.
    then = scorecard(desk.database, SYSTEM_ACTOR, STUDY, census.position)
    assert then.groups == ()
    assert then.other_ledger == 1
    assert then.short(["randomized"]) == [
        "No earlier forecast of this study can be scored yet (2 numbers wait for their time)."
    ]


def test_of_sites_open_at_the_census_only_theirs_count(desk: Desk) -> None:
    census = census_at(desk.database, STUDY, None)
    desk.move(days=1)
    desk.randomized()
    seal_pending(desk.database)
    facts = facts_of(desk.database, STUDY)
    first = census.at + timedelta(days=1)
    week = (census.position, census.at, first, first + timedelta(days=7))
    key = ("randomized", "study", STUDY, ALL_TYPES)
    assert facts.counts(*week, only_open=True)[key] == 1
    facts.opened["S01"] = first
    assert facts.counts(*week, only_open=True)[key] == 0
    assert facts.counts(*week, only_open=False)[key] == 1


def test_who_may_not_know_kit_types_gets_the_forecasts_of_subjects_alone(desk: Desk) -> None:
    census = census_at(desk.database, STUDY, None)
    numbers = [number("randomized", census, [0, 1]), number("kits_dispensed", census, [0, 5])]
    keep(census, "demand", {}, numbers)
    desk.move(days=9)
    desk.randomized()

    def seen(role: str) -> Scorecard:
        return scorecard(desk.database, Actor("x", "X", (Grant(role),)), STUDY)

    assert [one.measure for one in seen("supply_manager_blinded").groups] == ["randomized"]
    assert [one.measure for one in seen("supply_manager_unblinded").groups] == [
        "randomized",
        "kits_dispensed",
    ]
    with pytest.raises(NotPermitted):
        seen("edc")
    with pytest.raises(NotFound):
        scorecard(desk.database, SYSTEM_ACTOR, "NONE")


def test_a_census_has_the_position_of_the_end_of_its_day(desk: Desk) -> None:
    first = census_at(desk.database, STUDY, None)
    desk.move(days=3)
    desk.screened()
    last = census_at(desk.database, STUDY, None)
    assert last.position == first.position + 1
    assert last.at == first.at + timedelta(days=3)
    between = census_at(desk.database, STUDY, first.at + timedelta(days=1))
    assert (between.position, between.chain_hash) == (first.position, first.chain_hash)
    for day, told in ((date(2999, 1, 1), "still to come"), (date(2020, 1, 1), "begins on")):
        with pytest.raises(ForecastError, match=told) as refused:
            census_at(desk.database, STUDY, day)
        assert refused.value.field == "--at"


CENSUS = Census("S1", date(2026, 3, 2), 7, "ab" * 32, 1)


def test_a_kept_forecast_is_read_as_it_was_and_made_again_takes_its_own_place(store: Path) -> None:
    draws = [0, 0, 3, 9, *([2] * 96)]
    file = keep(CENSUS, "demand", {"weeks": 4}, [number("kits_dispensed", CENSUS, draws)], "cd" * 32)
    assert file.parent == store / "S1"
    (row,) = kept("S1").iter_rows(named=True)
    assert (row["ledger_position"], row["ledger_hash"], row["scenario_hash"]) == (7, "ab" * 32, "cd" * 32)
    assert (row["from_date"], row["to_date"]) == (date(2026, 3, 3), date(2026, 3, 10))
    assert (row["mean"], row["probability_above_zero"]) == (np.mean(draws), 0.98)
    assert row["quantiles"][:3] == [0, 0, 2]
    assert row["quantiles"][-1] == 3  # 99 of 100 draws are at most 3
    keep(CENSUS, "demand", {"weeks": 4}, [number("kits_dispensed", CENSUS, draws)], "cd" * 32)
    assert len(kept("S1")) == 1
    keep(CENSUS, "demand", {"weeks": 5}, [number("kits_dispensed", CENSUS, draws)], "cd" * 32)
    assert len(kept("S1")) == 2
    assert kept("S1", ["randomized"]).is_empty()
    assert kept("S2").is_empty()


def test_a_broken_file_is_refused_by_name(store: Path) -> None:
    (store / "S1").mkdir(parents=True)
    (store / "S1" / "demand-1.parquet").write_bytes(b"nothing")
    with pytest.raises(ForecastError) as refused:
        kept("S1")
    assert refused.value.field == "demand-1.parquet"
    pl.DataFrame({"measure": ["randomized"]}).write_parquet(store / "S1" / "demand-1.parquet")
    with pytest.raises(ForecastError):
        kept("S1")


def test_windows_that_overlap_count_once() -> None:
    def window(first: int, to: int) -> tuple[date, date]:
        return date(2026, 1, first), date(2026, 1, to)

    assert separate_windows([window(1, 8), window(1, 15), window(8, 15), window(10, 20)]) == 2
    assert separate_windows([window(1, 31), window(2, 3), window(3, 4), window(4, 5)]) == 3
    assert separate_windows([]) == 0

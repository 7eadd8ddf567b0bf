"""A recorded study goes through the real commands once, whatever cuts it off, and comes back fact by fact."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from sqlalchemy import Connection

from allocation.ledger.database import Database, open_database
from allocation.ledger.reader import SealedEntry, sealed_entries
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from allocation.study.yaml_files import load_protocol
from pipelines.replay_cli import exported
from simulation.replay.compare import compare
from simulation.replay.errors import PlayRefused, RecordedStudyError
from simulation.replay.player import Player, has_begun, rehearse
from simulation.replay.recorded_facts import Discontinued, Randomized
from simulation.replay.recorded_study import RecordedStudy, recorded_study
from simulation.replay.replay_plan import ReplayPlan, replay_plan
from simulation.replay.sdtm_reader import SdtmDatasets
from simulation.replay.visit_plan import visit_plan
from tests.replay.recorded_sample import PLAN

TINY_STUDY = Path(__file__).parent / "tiny_study.yaml"
ZONES = {"10": "Europe/Berlin", "20": "Indian/Reunion"}


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return load_protocol(TINY_STUDY)


@pytest.fixture(scope="module")
def plan(protocol: Protocol, tiny_study: RecordedStudy) -> ReplayPlan:
    return replay_plan(protocol, tiny_study)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    opened = open_database(sqlite_url)
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def played(plan: ReplayPlan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database after a replay that nothing cut off, for tests that only read."""
    opened = open_database(f"sqlite:///{tmp_path_factory.mktemp('played') / 'rtsm.db'}")
    Player(opened, plan).play()
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def uncut(played: Database) -> str:
    """The head of the chain of the replay that nothing cut off: it stands for every entry, in its order."""
    return verify_ledger(played, "TINY01").chain_head


def entries(database: Database, command: str = "") -> list[SealedEntry]:
    return [one for one in sealed_entries(database, "TINY01") if command in ("", one.command)]


def test_the_study_file_of_the_sample_says_what_the_sample_was_read_by(protocol: Protocol) -> None:
    assert visit_plan(protocol) == PLAN


def test_every_fact_comes_back_and_the_ledger_is_intact(
    database: Database, plan: ReplayPlan, tiny: SdtmDatasets, uncut: str
) -> None:
    done = Player(database, plan).play()
    result = compare(tiny, exported(database, "TINY01"))
    assert result.differences() == []
    assert result.ok
    assert result.dataset("SV").rows.matched == 11
    assert (done.acts["screen"], done.acts["randomize"], done.acts["dispense"]) == (3, 2, 3)
    assert done.acts["receive_shipment"] == done.acts["dispatch_shipment"] > 2
    verification = verify_ledger(database, "TINY01")
    assert verification.intact, verification.difference
    assert verification.chain_head == uncut, "the ledger does not depend on the database"
    assert verify_ledger(database, "SYSTEM").intact


def test_a_second_replay_plays_nothing_and_writes_nothing(database: Database, plan: ReplayPlan) -> None:
    first = Player(database, plan).play()
    before = len(entries(database)), len(sealed_entries(database, "SYSTEM"))
    again = Player(database, plan).play()
    assert again.was_complete
    assert again.before == first.acts
    assert (len(entries(database)), len(sealed_entries(database, "SYSTEM"))) == before


class PowerCut(Exception):
    """The machine stops."""


class Doomed(Database):
    """A database on which the power fails in the n-th writing transaction, before it commits or just after."""

    def __init__(self, real: Database, transactions: int, *, committed: bool) -> None:
        super().__init__(real.engine)
        self.left = transactions
        self.committed = committed

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.left -= 1
        with super().write() as connection:
            yield connection
            if self.left <= 0 and not self.committed:
                raise PowerCut
        if self.left <= 0:
            raise PowerCut


@pytest.mark.slow
@pytest.mark.parametrize("committed", [False, True], ids=["before commit", "after commit"])
@pytest.mark.parametrize("transactions", [5, 14, 17, 22, 24, 40, 55, 70, 80])
def test_a_replay_that_was_cut_off_goes_on_to_the_same_facts(
    sqlite_database: Database, plan: ReplayPlan, tiny: SdtmDatasets, transactions: int, committed: bool
) -> None:
    with pytest.raises(PowerCut):
        Player(Doomed(sqlite_database, transactions, committed=committed), plan).play()
    resumed = Player(sqlite_database, plan).play()
    assert not resumed.was_complete
    assert compare(tiny, exported(sqlite_database, "TINY01")).differences() == []
    assert verify_ledger(sqlite_database, "TINY01").intact
    keys = [one.idempotency_key for one in entries(sqlite_database) if one.idempotency_key]
    assert len(keys) == len(set(keys))


class CutOff(Player):
    """A player that is stopped between two acts."""

    acts_left = 0

    def _perform(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        self.acts_left -= 1
        if self.acts_left < 0:
            raise PowerCut
        return super()._perform(*arguments, **named)


@pytest.mark.slow
def test_a_replay_that_is_stopped_again_and_again_leaves_the_uninterrupted_ledger(
    database: Database, plan: ReplayPlan, uncut: str
) -> None:
    for acts in (3, 9, 20, 33, 47):
        player = CutOff(database, plan)
        player.acts_left = acts
        with pytest.raises(PowerCut):
            player.play()
    Player(database, plan).play()
    assert verify_ledger(database, "TINY01").chain_head == uncut


def test_the_study_from_another_source_is_refused_and_left_alone(
    played: Database, protocol: Protocol, tiny: SdtmDatasets
) -> None:
    before = len(entries(played))
    older = with_frame(tiny, "DM", tiny["DM"].with_columns(pl.col("AGE") + 1))
    other = replay_plan(protocol, recorded_study(older, PLAN))
    assert has_begun(played, other)
    with pytest.raises(PlayRefused, match="not from these datasets") as caught:
        Player(played, other).play()
    assert caught.value.code == "replay-other-source"
    assert len(entries(played)) == before


def test_the_same_records_in_another_order_are_the_same_replay(
    plan: ReplayPlan, protocol: Protocol, tiny: SdtmDatasets
) -> None:
    shuffled = dataclasses.replace(
        tiny,
        frames={name: f.sample(fraction=1, shuffle=True, seed=1) for name, f in tiny.frames.items()},
    )
    assert replay_plan(protocol, recorded_study(shuffled, PLAN)).fingerprint == plan.fingerprint


def with_frame(datasets: SdtmDatasets, name: str, frame: pl.DataFrame) -> SdtmDatasets:
    return dataclasses.replace(datasets, frames={**datasets.frames, name: frame})


def changed(tiny: SdtmDatasets, name: str, variable: str, before: object, after: object) -> SdtmDatasets:
    frame = tiny[name]
    assert (frame[variable] == before).sum() == 1
    return with_frame(tiny, name, frame.with_columns(pl.col(variable).replace({before: after})))


REFUSED: dict[str, tuple[Callable[[SdtmDatasets], SdtmDatasets], str, str]] = {
    "a subject who is too young": (
        lambda tiny: changed(tiny, "DM", "AGE", 55, 17), "T-10-2 screen", "age-outside-limits"
    ),
    "a planned visit that comes twice": (
        lambda tiny: changed(tiny, "SV", "VISITNUM", "4", "3"), "T-10-1 visit 3 of 2024-03-01", "visit-on-record"
    ),
    "a visit that ends before it starts": (
        lambda tiny: changed(tiny, "SV", "SVENDTC", "2024-02-07", "2024-02-05"),
        "T-10-1 visit 3 of 2024-02-06",
        "end-before-start",
    ),
    "an end before the randomization": (
        lambda tiny: changed(tiny, "EX", "EXENDTC", "2024-02-01", "2024-01-01"),
        "T-20-3 discontinue",
        "before-randomization",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_the_rehearsal_finds_what_the_service_will_refuse_and_names_the_record(
    protocol: Protocol, tiny: SdtmDatasets, case: str
) -> None:
    change, record, code = REFUSED[case]
    plan = replay_plan(protocol, recorded_study(change(tiny), PLAN))
    with pytest.raises(PlayRefused, match="nothing was written") as caught:
        rehearse(plan)
    assert (caught.value.field, caught.value.code) == (record, code)


MISFITS: dict[str, tuple[Callable[[SdtmDatasets], SdtmDatasets], str, str]] = {
    "another study": (
        lambda tiny: dataclasses.replace(tiny, study_id="OTHER"), "study.id", "of study OTHER, not of TINY01"
    ),
    "a visit that the study file lacks": (
        lambda tiny: changed(tiny, "TV", "VISITNUM", "90", "91"), "visits", "visit 91 (FOLLOW-UP) of TV"
    ),
    "an arm that the study file lacks": (
        lambda tiny: with_frame(tiny, "TA", tiny["TA"].with_columns(pl.col("ARMCD").replace("Pla", "Third"))),
        "arms",
        "arm THIRD of TA",
    ),
    "a subject whose identifier is made otherwise": (
        lambda tiny: changed(tiny, "DM", "SUBJID", "2", "7"), "subject_identifier.template", "T-10-7"
    ),
    "a subject in another country than its site": (
        lambda tiny: with_frame(tiny, "DM", tiny["DM"].with_columns(pl.col("COUNTRY").replace("DEU", "FRA"))),
        "DM T-10-1 COUNTRY",
        "not the country of site 10",
    ),
    "an age in months": (
        lambda tiny: with_frame(tiny, "DM", tiny["DM"].with_columns(pl.lit("MONTHS").alias("AGEU"))),
        "DM T-10-1 AGEU",
        "is MONTHS",
    ),
    "a value that no request takes": (
        lambda tiny: with_frame(tiny, "DM", tiny["DM"].with_columns(pl.lit("X").alias("SEX"))),
        "Screened T-10-1",
        "sex is 'X'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS)
def test_datasets_that_do_not_fit_the_study_file_are_refused_before_anything_is_played(
    protocol: Protocol, tiny: SdtmDatasets, case: str
) -> None:
    change, field, said = MISFITS[case]
    study = recorded_study(tiny, PLAN)
    misfit = change(tiny)
    if misfit["TA"] is tiny["TA"] and misfit["TV"] is tiny["TV"]:
        study = recorded_study(misfit, PLAN)
    study = dataclasses.replace(study, study_id=misfit.study_id, source=misfit)
    with pytest.raises(RecordedStudyError) as caught:
        replay_plan(protocol, study)
    assert caught.value.field == field
    assert said in str(caught.value)


def test_another_arm_than_the_recorded_one_stops_the_replay(
    sqlite_database: Database, plan: ReplayPlan
) -> None:
    """The list holds PLA for the subject whose record says ACT, as if somebody had put another list into use."""
    facts = tuple(
        dataclasses.replace(step, arm="ACT" if step.arm == "PLA" else "PLA") if step.arm else step
        for step in plan.facts
    )
    with pytest.raises(PlayRefused, match="is recorded") as caught:
        Player(sqlite_database, dataclasses.replace(plan, facts=facts)).play()
    assert caught.value.code == "replay-other-arm"


def test_each_act_is_recorded_on_its_day_at_the_site_and_the_clock_never_stands_still(
    played: Database, tiny_study: RecordedStudy
) -> None:
    acts = [one for one in entries(played) if one.subject_id]
    for command, kind in (("randomize", Randomized), ("discontinue", Discontinued)):
        recorded = {
            one.subject_id: one.recorded_at.astimezone(ZoneInfo(ZONES[one.site_id or ""])).date()
            for one in acts
            if one.command == command
        }
        expected = {
            fact.subject_number: fact.recorded_on for fact in tiny_study.facts if isinstance(fact, kind)
        }
        assert recorded == expected
        assert expected
    died = next(one for one in acts if one.command == "discontinue")
    assert (died.after["ended_on"], died.after["recorded_on"]) == ("2024-02-01", "2024-02-03")
    moments = [one.recorded_at for one in acts]
    assert all(earlier < later for earlier, later in pairwise(moments))


def test_a_reason_is_given_where_the_protocol_asks_for_one_and_nowhere_else(played: Database) -> None:
    asked = {
        (one.subject_id, one.command, (one.after.get("visit") or {}).get("visit_number"))
        for one in entries(played)
        if one.after.get("override_reason") or (one.after.get("visit") or {}).get("override_reason")
    }
    assert asked == {
        ("1", "record_visit", "1.2"),  # before the screening
        ("1", "randomize", None),  # a day too late
        ("1", "record_visit", "4"),  # a day early
    }


def test_every_act_is_that_of_the_one_whose_it_is(played: Database) -> None:
    by_role: dict[str, set[str]] = {}
    for one in entries(played):
        by_role.setdefault(one.role, set()).add(one.command)
        if one.role == "site_coordinator":
            assert one.actor == f"replay.tiny01.{one.site_id}"
    assert by_role["unblinded_statistician"] == {"load_study_version", "upload_list", "activate_list"}
    assert by_role["project_manager"] == {"open_site"}
    assert by_role["supply_manager_unblinded"] == {
        "load_lots", "load_kits", "run_resupply", "order_shipment", "dispatch_shipment",
    }  # fmt: skip
    assert "receive_shipment" in by_role["site_coordinator"]
    signed = {one.command: one.signature for one in entries(played) if one.signature}
    assert set(signed) == {"load_study_version", "activate_list"}
    for signature in signed.values():
        assert signature
        assert signature["username"] == "replay.tiny01.statistician"


def test_an_unscheduled_visit_lies_in_the_epoch_of_the_planned_visit_before_it(played: Database) -> None:
    visits = [one.after["visit"] for one in entries(played, "record_visit")]
    epochs = {one["visit_number"]: one["epoch"] for one in visits if not one["planned"]}
    assert epochs == {"1.2": "SCR", "3.3": "TRT"}


def test_the_first_kits_are_at_every_site_before_its_first_subject(played: Database) -> None:
    received: dict[str, str] = {}
    for one in entries(played, "receive_shipment"):
        received.setdefault(one.site_id or "", one.after["received_on"])
    assert set(received) == {"10", "20"}
    assert max(map(date.fromisoformat, received.values())) < date(2024, 1, 3)

"""The tour of docs/tour.md, each story played from the first screening on, on both databases."""

from collections import Counter
from collections.abc import Callable, Iterator

import polars as pl
import pytest

from allocation.commands.screening import ScreenRequest, screen
from allocation.errors import DomainRefusal
from allocation.ledger.database import Database, open_database
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.study.yaml_files import load_protocol_with_warnings
from pipelines.datasets import derive
from pipelines.events.reading import read_events
from tests.commands.derivation import Derivation
from tests.tour.stage import STUDIES, Stage
from tests.tour.stories import STORIES, People

FILES = [*(file for file, _ in STORIES.values()), "ratio-change-v2.yaml"]
Played = tuple[Stage, People]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def play(database: Database) -> Callable[[str], Played]:
    """Plays a story; its ledger must be whole, and each of its decisions derive to the same again."""

    def played(name: str) -> Played:
        file, story = STORIES[name]
        stage = Stage(database, file)
        people = story(stage)
        seal_pending(database)
        assert verify_ledger(database, stage.study_id).difference is None
        derived = Derivation(database, stage.study_id).run()
        assert {"randomize", "dispense", "order_shipment"} <= derived.keys()
        return stage, people

    return played


def dataset(stage: Stage, name: str) -> pl.DataFrame:
    return derive(read_events(stage.database, stage.study_id), "unblinded")[f"sdtm/{name}"]


def assert_masked(stage: Stage) -> None:
    """No blinded dataset names an arm, a treatment or a kit type of the study."""
    words = {one.code for one in (*stage.protocol.arms, *stage.protocol.kit_types)}
    words |= {one.name for one in stage.protocol.arms} | {"ORT-4127", "PLACEBO"}
    for name, frame in derive(read_events(stage.database, stage.study_id), "blinded").items():
        if name.startswith("sdtm/t"):
            continue  # trial design: what the protocol says of everybody
        told = {value for column in frame.select(pl.col(pl.String)).iter_columns() for value in column}
        assert told & words == set(), name


@pytest.mark.parametrize("file", FILES)
def test_every_study_of_the_tour_is_valid_and_what_is_doubtful_in_it_is_meant(file: str) -> None:
    _, warnings = load_protocol_with_warnings(STUDIES / file)
    # Open-label kits look otherwise: everybody is to see them.
    meant = 2 if file == "re-randomization.yaml" else 0
    assert len(warnings) == meant
    assert all("OPENLBL" in str(one) for one in warnings)


@pytest.mark.slow
def test_crossover(play: Callable[[str], Played]) -> None:
    stage, people = play("crossover")
    everybody = people["everybody"]
    sequences = Counter(stage.arm(who) for who in everybody)
    assert sum(sequences.values()) == 8
    assert abs(sequences["AB"] - sequences["BA"]) <= 2, "blocks of 2 and 4"
    exposure = dataset(stage, "ex")
    for who in everybody:
        own = exposure.filter(pl.col("USUBJID").str.ends_with(who)).sort("EXSEQ")
        order = ["ORT-4127", "PLACEBO"] if stage.arm(who) == "AB" else ["PLACEBO", "ORT-4127"]
        assert own["EXTRT"].to_list() == order
        ends, starts = own["EXENDTC"].str.to_date(), own["EXSTDTC"].str.to_date()
        assert (starts[1] - ends[0]).days == (19 if who in people["late"] else 14), "nothing in the washout"
    elements = dataset(stage, "se").group_by("USUBJID", maintain_order=True).agg("ETCD")["ETCD"].to_list()
    assert {tuple(one) for one in elements} == {
        ("SCRN", "ORT1", "WASH", "PBO2"),
        ("SCRN", "PBO1", "WASH", "ORT2"),
    }
    assert_masked(stage)


@pytest.mark.slow
def test_cohort_escalation(play: Callable[[str], Played]) -> None:
    stage, people = play("cohort-escalation")
    for cohort, dose in (("C1", "D10"), ("C2", "D20")):
        assert Counter(stage.arm(who) for who in people[cohort]) == {dose: 6, "PBO": 2}
    assert {stage.arm(who) for who in people["C3"]} <= {"D40", "PBO"}
    with pytest.raises(DomainRefusal) as caught:
        stage.act(screen, ScreenRequest(site_id="DE01", sex="F", age=40, cohort="C1"))
    assert caught.value.code == "cohort-not-open"
    assert_masked(stage)


@pytest.mark.slow
def test_re_randomization(play: Callable[[str], Played]) -> None:
    stage, people = play("re-randomization")
    passed = {who: stage.explained(who) for group in people.values() for who in group}
    assert all(len(found) == 2 for found in passed.values())
    assert {found[0].arm for found in passed.values()} == {"ORT", "PBO"}
    assert {passed[who][1].arm for who in people["others"]} == {"OPEN"}
    kept = [passed[who][1] for who in people["responders"] if passed[who][0].arm == "PBO"]
    split = [passed[who][1] for who in people["responders"] if passed[who][0].arm == "ORT"]
    assert {(one.arm, one.method) for one in kept} == {("PBO", "keep")}
    assert {one.arm for one in split} == {"ORT", "PBO"}
    numbers = [one.randomization_number for found in passed.values() for one in found]
    assert len(set(numbers)) == len(numbers) == 24
    planned = dict(dataset(stage, "dm").select("SUBJID", "ARMCD").rows())
    assert planned == {who: found[0].arm for who, found in passed.items()}
    elements = dict(
        dataset(stage, "se").group_by("USUBJID").agg(pl.col("ETCD").sort_by("SESEQ").str.join(" ")).rows()
    )
    for usubjid, path in elements.items():
        first, second = (one.arm for one in passed[usubjid[-len("DE01-0001") :]])
        assert path == f"SCRN {first}1 {second}2"
    milestones = dataset(stage, "ds").filter(pl.col("DSDECOD") == "RE-RANDOMIZED")
    assert milestones.height == 12
    assert_masked(stage)


@pytest.mark.slow
def test_ratio_change(play: Callable[[str], Played]) -> None:
    stage, people = play("ratio-change")
    before = [stage.explained(who)[0] for who in people["before"]]
    after = [stage.explained(who)[0] for who in people["after"]]
    assert {one.protocol_version for one in before} == {1}
    assert {one.protocol_version for one in after} == {2}
    assert {one.arm for one in before} == {"LOW", "HIGH", "PBO"}
    assert Counter(one.arm for one in after) == {"HIGH": 6, "PBO": 3}
    assert after[0].record["counts_before"] == [0, 0], "the new ratio begins its balance anew"
    assert [one.record["index"] for one in (*before, *after)] == list(range(18))
    kits = dataset(stage, "da")
    low = [who for who in people["before"] if stage.arm(who) == "LOW"]
    visits = {who: kits.filter(pl.col("USUBJID").str.ends_with(who))["VISITNUM"].n_unique() for who in low}
    assert set(visits.values()) == {2}, "whoever is in a closed arm goes on"
    assert_masked(stage)


@pytest.mark.slow
def test_forced_fr2(play: Callable[[str], Played]) -> None:
    stage, people = play("forced-fr2")
    short = [stage.explained(who)[0] for who in people["short"]]
    filled = [stage.explained(who)[0] for who in people["filled"]]
    assert {one.arm for one in short} == {"HIGH"}
    assert {one.scheduled_arm for one in short} - {"HIGH"}
    assert all(one.forced == (one.scheduled_arm != one.arm) for one in short)
    skipped = {sequence for one in short if one.list_use for sequence in one.list_use["skipped"]}
    filled_up = [one.list_use["sequence"] for one in filled if one.list_use]
    assert filled_up == sorted(skipped)[: len(filled)], "what was skipped comes first"
    assert not any(one.forced for one in filled)
    assert_masked(stage)

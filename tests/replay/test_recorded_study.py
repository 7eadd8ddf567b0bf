"""The stream of facts tells each subject's story once, in an order that the service can follow."""

import dataclasses
from collections import defaultdict
from datetime import date

import polars as pl
import pytest

from simulation.replay.errors import RecordedStudyError
from simulation.replay.recorded_allocation import kits_needed, rebuilt_list
from simulation.replay.recorded_facts import (
    Completed,
    Discontinued,
    EligibilityConfirmed,
    Randomized,
    RecordedFact,
    Screened,
    ScreenFailed,
    Visited,
)
from simulation.replay.recorded_study import RecordedStudy, recorded_study
from simulation.replay.sdtm_reader import SdtmDatasets
from tests.replay.conftest import PILOT_PLAN
from tests.replay.recorded_sample import PLAN


def of(study: RecordedStudy, subject: str) -> list[RecordedFact]:
    return [fact for fact in study.facts if fact.subject == subject]


def with_frame(datasets: SdtmDatasets, name: str, frame: pl.DataFrame) -> SdtmDatasets:
    return dataclasses.replace(datasets, frames={**datasets.frames, name: frame})


def test_a_completed_subject_is_told_in_order(tiny_study: RecordedStudy) -> None:
    told = [
        (
            type(fact).__name__,
            getattr(fact, "visit_number", None),
            fact.on.isoformat(),
            fact.recorded_on.isoformat(),
        )
        for fact in of(tiny_study, "T-10-1")
    ]
    assert told == [
        ("Screened", "1", "2024-01-03", "2024-01-03"),
        ("Visited", "1.2", "2024-01-02", "2024-01-03"),
        ("EligibilityConfirmed", None, "2024-01-10", "2024-01-10"),
        ("Randomized", None, "2024-01-10", "2024-01-10"),
        ("Visited", "2", "2024-01-10", "2024-01-10"),
        ("Visited", "3", "2024-02-06", "2024-02-07"),  # of two days: told when it is over
        ("Visited", "3.3", "2024-02-12", "2024-02-12"),
        ("Visited", "4", "2024-03-01", "2024-03-01"),
        ("Completed", "4", "2024-03-01", "2024-03-01"),
        ("Visited", "90", "2024-03-10", "2024-03-10"),
    ]


def test_a_screen_failure_is_known_at_its_last_contact(tiny_study: RecordedStudy) -> None:
    screened, failed = of(tiny_study, "T-10-2")
    assert isinstance(screened, Screened)
    assert isinstance(failed, ScreenFailed)
    assert (failed.on, failed.recorded_on) == (date(2024, 1, 5), date(2024, 1, 20))


def test_a_death_reported_later_keeps_its_own_date(tiny_study: RecordedStudy) -> None:
    end = of(tiny_study, "T-20-3")[-1]
    assert isinstance(end, Discontinued)
    assert (end.reason, end.on, end.recorded_on) == ("DEATH", date(2024, 2, 1), date(2024, 2, 3))
    assert (end.died_on, end.last_dose_on) == (date(2024, 2, 1), date(2024, 2, 1))


def test_no_kit_is_dispensed_once_exposure_has_ended(tiny_study: RecordedStudy) -> None:
    dispensed = {
        (fact.subject, fact.visit_number): fact.withheld
        for fact in tiny_study.facts
        if isinstance(fact, Visited) and fact.visit_number in PLAN.dispensing
    }
    assert dispensed == {
        ("T-10-1", "2"): None,
        ("T-10-1", "3"): None,
        ("T-20-3", "2"): None,
        ("T-20-3", "3"): "no dose was taken after the visit",
    }


def test_a_subject_without_a_dose_gets_no_kit(tiny: SdtmDatasets) -> None:
    never = with_frame(tiny, "EX", tiny["EX"].filter(pl.col("USUBJID") != "T-20-3"))
    visits = [fact for fact in of(recorded_study(never, PLAN), "T-20-3") if isinstance(fact, Visited)]
    assert [visit.withheld for visit in visits] == ["no dose was taken", "no dose was taken"]
    assert not any(visit.dispense for visit in visits)


def test_a_subject_still_in_the_study_has_no_end(tiny: SdtmDatasets) -> None:
    ongoing = with_frame(tiny, "DS", tiny["DS"].filter(pl.col("USUBJID") != "T-10-1"))
    facts = of(recorded_study(ongoing, PLAN), "T-10-1")
    assert not any(isinstance(fact, Completed | Discontinued | ScreenFailed) for fact in facts)
    assert sum(isinstance(fact, Visited) and fact.dispense for fact in facts) == 2


def test_the_order_of_rows_in_the_files_does_not_matter(
    tiny: SdtmDatasets, tiny_study: RecordedStudy
) -> None:
    for seed in range(5):
        shuffled = dataclasses.replace(
            tiny,
            frames={name: f.sample(fraction=1, shuffle=True, seed=seed) for name, f in tiny.frames.items()},
        )
        assert recorded_study(shuffled, PLAN).facts == tiny_study.facts


@pytest.mark.parametrize(
    ("name", "change", "code", "said"),
    [
        ("SV", pl.col("VISITNUM") != "1", "recorded-no-screening", "no screening visit"),
        ("SV", pl.col("VISITNUM") != "2", "recorded-no-randomization", "no randomization visit"),
    ],
)
def test_a_story_with_a_hole_is_refused(
    tiny: SdtmDatasets, name: str, change: pl.Expr, code: str, said: str
) -> None:
    with pytest.raises(RecordedStudyError, match=said) as caught:
        recorded_study(with_frame(tiny, name, tiny[name].filter(change)), PLAN)
    assert caught.value.code == code
    assert str(caught.value.field).startswith("SV T-")


def test_two_dispositions_of_a_subject_are_refused(tiny: SdtmDatasets) -> None:
    doubled = tiny["DS"].with_columns(pl.lit("DISPOSITION EVENT").alias("DSCAT"))
    with pytest.raises(RecordedStudyError, match="2 dispositions"):
        recorded_study(with_frame(tiny, "DS", doubled), PLAN)


def test_a_partial_visit_date_is_refused_because_the_service_needs_a_day(tiny: SdtmDatasets) -> None:
    partial = tiny["SV"].with_columns(pl.col("SVSTDTC").str.slice(0, 7))
    with pytest.raises(RecordedStudyError, match="SVSTDTC is 2024-01, and a whole date is needed"):
        recorded_study(with_frame(tiny, "SV", partial), PLAN)


def test_an_arm_that_the_design_does_not_have_is_refused(tiny: SdtmDatasets) -> None:
    other = tiny["DM"].with_columns(pl.col("ARMCD").replace("Act", "Third"))
    with pytest.raises(RecordedStudyError, match="ARMCD Third is not in TA"):
        recorded_study(with_frame(tiny, "DM", other), PLAN)


def test_the_rebuilt_list_yields_the_recorded_arm_at_each_site(pilot_study: RecordedStudy) -> None:
    waiting = defaultdict(list)
    for entry in rebuilt_list(pilot_study):
        waiting[entry.holder].append(entry)
    for fact in pilot_study.facts:
        if isinstance(fact, Randomized):
            assert waiting[fact.site].pop(0).arm == fact.arm
    assert not any(waiting.values())
    numbers = [entry.randomization_number for entry in rebuilt_list(pilot_study)]
    assert len(set(numbers)) == 254


def test_kits_are_counted_from_the_dispensings(tiny_study: RecordedStudy) -> None:
    def kits_at(arm: str, visit: str) -> dict[str, int]:
        return {f"KIT-{arm}": 2 if visit == "3" else 1}

    assert kits_needed(tiny_study, kits_at) == {("10", "KIT-ACT"): 3, ("20", "KIT-PLA"): 1}


def test_the_pilot_study_is_told_with_every_subject_and_visit(pilot_study: RecordedStudy) -> None:
    assert pilot_study.counts() == {
        "Screened": 306,
        "EligibilityConfirmed": 254,
        "Randomized": 254,
        "ScreenFailed": 52,
        "Visited": 3559 - 306,
        "Completed": 110,
        "Discontinued": 144,
        "dispensings": 1562,
    }
    assert pilot_study.decisions() == {
        "dispensing withheld: no dose was taken after the visit": 148,
        "disposition dated before the day on which it was recorded": 1,
        "last dose date not recorded: exposure taken to go on until the disposition": 6,
        "visit dated before the screening visit, entered on the screening day": 12,
    }


def test_the_pilot_studys_dispensings_are_those_that_its_exposure_records_need(
    pilot: SdtmDatasets, pilot_study: RecordedStudy
) -> None:
    """EX is not used visit by visit to decide, so it can check: its records start at visits 3, 4 and 12 where kits were given."""
    dispensed = {
        (fact.subject, fact.visit_number)
        for fact in pilot_study.facts
        if isinstance(fact, Visited) and fact.dispense and fact.visit_number in {"3", "4", "12"}
    }
    assert dispensed == set(pilot["EX"].select("USUBJID", "VISITNUM").rows())


def test_no_fact_comes_before_what_it_needs(pilot_study: RecordedStudy) -> None:
    days = [fact.recorded_on for fact in pilot_study.facts]
    assert days == sorted(days), "the clock never goes back"
    story = defaultdict(list)
    for fact in pilot_study.facts:
        assert fact.on <= fact.recorded_on
        story[fact.subject].append(fact)
    for facts in story.values():
        kinds = [type(fact) for fact in facts]
        assert kinds[0] is Screened
        assert kinds.count(Screened) == 1
        ends = [place for place, kind in enumerate(kinds) if kind in (Completed, Discontinued, ScreenFailed)]
        assert len(ends) == 1
        dispensings = [n for n, fact in enumerate(facts) if isinstance(fact, Visited) and fact.dispense]
        if Randomized in kinds:
            randomized = kinds.index(Randomized)
            assert kinds[randomized - 1] is EligibilityConfirmed
            assert randomized < dispensings[0]
            assert dispensings[-1] < ends[0]
        else:
            assert not dispensings
            assert kinds[-1] is ScreenFailed
        follow_up = [
            n for n, f in enumerate(facts) if isinstance(f, Visited) and f.visit_number in {"101", "201"}
        ]
        assert all(place > ends[0] for place in follow_up)


def test_the_pilot_study_is_told_the_same_way_twice(pilot: SdtmDatasets, pilot_study: RecordedStudy) -> None:
    reversed_rows = dataclasses.replace(pilot, frames={n: f.reverse() for n, f in pilot.frames.items()})
    assert recorded_study(reversed_rows, PILOT_PLAN).facts == pilot_study.facts

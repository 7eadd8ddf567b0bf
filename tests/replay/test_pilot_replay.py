"""The CDISC pilot study goes through the real service, on both databases, and every fact of it comes back."""

import dataclasses
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from allocation.ledger.database import open_database
from allocation.ledger.reader import sealed_entries
from allocation.ledger.verify import verify_ledger
from allocation.study.yaml_files import load_protocol
from pipelines.replay_cli import exported
from simulation.replay.compare import compare
from simulation.replay.player import Player
from simulation.replay.recorded_study import recorded_study
from simulation.replay.replay_plan import replay_plan
from simulation.replay.sdtm_reader import SdtmDatasets
from simulation.replay.visit_plan import visit_plan
from tests.postgres_pool import PostgresPool
from tests.replay.conftest import PILOT_PLAN

PILOT_STUDY = Path(__file__).resolve().parents[2] / "studies" / "cdisc-pilot.yaml"
STUDY = "CDISCPILOT01"


@dataclasses.dataclass(frozen=True)
class Expected:
    """What playing some of the pilot's subjects comes to: acts, arms, rows that came back and reasons for what did not."""

    acts: dict[str, int]
    visits: int
    sites: int
    arms: dict[str, int]
    late: int
    matched: dict[str, int]
    reasons: dict[str, int]


WHOLE = Expected(
    acts={
        "screen": 306, "randomize": 254, "record_eligibility": 254 + 52, "dispense": 1562, "complete": 110, "discontinue": 144,
    },
    visits=3559,
    sites=17,
    arms={"PBO": 86, "XAN_LO": 84, "XAN_HI": 84},
    late=57,
    matched={"DM": 306, "DS": 306, "SV": 3559, "EX": 591, "SE": 746, "TA": 11, "TV": 21},
    reasons={
        "SCREEN_FAILURE_HAS_NO_ARM": 4 * 52,
        "SCREEN_FAILURE_WRITTEN_DOWN_LATER": 37,
        "TIME_OF_DAY_NOT_RECORDED": 150,
        "LAST_DOSE_BEFORE_LAST_RECORD": 4,
        "LAST_DOSE_UNKNOWN": 2,
        "NOT_A_DISPOSITION": 254 + 36,
        "MILESTONE_ADDED": 254 + 306,
        "SCREENING_ELEMENT_BEFORE_FIRST_VISIT": 1,
        "ELEMENT_WITHOUT_EXPOSURE": 3,
        "UNPLANNED_ELEMENT_OF_SCREEN_FAILURE": 3,
        "FOLLOW_UP_OF_SCREEN_FAILURE": 2,
        "CONSENT_ON_FIRST_VISIT": 306,
        "DISPOSITION_ENDS_TREATMENT": 246,
        "UNPLANNED_VISIT_IN_OTHER_WORDS": 122,
    },
)  # fmt: skip

PART = Expected(
    acts={"screen": 83, "randomize": 65, "record_eligibility": 65 + 18, "dispense": 404, "complete": 29, "discontinue": 36},
    visits=921,
    sites=4,
    arms={"PBO": 22, "XAN_LO": 21, "XAN_HI": 22},
    late=8,
    matched={"DM": 83, "DS": 83, "SV": 921, "EX": 151, "SE": 190, "TA": 11, "TV": 21},
    reasons={
        "SCREEN_FAILURE_HAS_NO_ARM": 4 * 18,
        "SCREEN_FAILURE_WRITTEN_DOWN_LATER": 12,
        "TIME_OF_DAY_NOT_RECORDED": 40,
        "LAST_DOSE_BEFORE_LAST_RECORD": 3,
        "LAST_DOSE_UNKNOWN": 2,
        "NOT_A_DISPOSITION": 73,
        "MILESTONE_ADDED": 65 + 83,
        "SCREENING_ELEMENT_BEFORE_FIRST_VISIT": 1,
        "ELEMENT_WITHOUT_EXPOSURE": 2,
        "UNPLANNED_ELEMENT_OF_SCREEN_FAILURE": 1,
        "FOLLOW_UP_OF_SCREEN_FAILURE": 2,
        "CONSENT_ON_FIRST_VISIT": 83,
        "DISPOSITION_ENDS_TREATMENT": 65,
        "UNPLANNED_VISIT_IN_OTHER_WORDS": 29,
    },
)  # fmt: skip


def part_of(pilot: SdtmDatasets) -> SdtmDatasets:
    """Three sites, and one subject of a fourth: together they meet every reason that the whole study meets."""
    kept = pl.col("SITEID").is_in(["705", "708", "716"]) | (pl.col("USUBJID") == "01-701-1162")
    subjects = pilot["DM"].filter(kept).select("USUBJID")
    frames = {
        name: frame.join(subjects, on="USUBJID", how="semi", maintain_order="left")
        if "USUBJID" in frame.columns
        else frame
        for name, frame in pilot.frames.items()
    }
    return dataclasses.replace(pilot, frames=frames)


def played_and_compared(datasets: SdtmDatasets, url: str, expected: Expected) -> None:
    """Play the datasets on the database; what was done, drawn and exported is what was expected, and the ledger is intact."""
    protocol = load_protocol(PILOT_STUDY)
    assert visit_plan(protocol) == PILOT_PLAN
    database = open_database(url)
    played = Player(database, replay_plan(protocol, recorded_study(datasets, PILOT_PLAN))).play()
    try:
        counts = played.acts
        assert {name: counts[name] for name in expected.acts} == expected.acts
        assert counts["dispense"] + counts["record_visit"] + counts["screen"] == expected.visits
        assert counts["receive_shipment"] == counts["dispatch_shipment"] >= expected.sites

        entries = sealed_entries(database, STUDY)
        randomized = [one.after for one in entries if one.command == "randomize"]
        assert Counter(one["arm"] for one in randomized) == expected.arms
        assert sum(bool(one["override_reason"]) for one in randomized) == expected.late

        result = compare(datasets, exported(database, STUDY))
        assert result.differences() == []
        assert result.ok
        assert {one.name: one.rows.matched for one in result.datasets} == expected.matched
        reasons = result.reasons()
        del reasons["NO_VALUE"]
        assert reasons == expected.reasons
        verification = verify_ledger(database, STUDY)
        assert verification.intact, verification.difference
        assert verification.entries == len(entries)
        assert verify_ledger(database, "SYSTEM").intact
    finally:
        database.dispose()


@pytest.mark.slow
def test_the_pilot_study_is_played_through_the_service_and_comes_back(
    pilot: SdtmDatasets, sqlite_url: str
) -> None:
    played_and_compared(pilot, sqlite_url, WHOLE)


def test_the_part_meets_every_reason_and_act_that_the_whole_study_meets() -> None:
    assert PART.acts.keys() == WHOLE.acts.keys()
    assert PART.arms.keys() == WHOLE.arms.keys()
    assert PART.reasons.keys() == WHOLE.reasons.keys()
    assert all([*PART.acts.values(), *PART.reasons.values(), PART.late])


@pytest.mark.slow
@pytest.mark.postgres
def test_a_part_of_the_pilot_study_comes_back_from_postgresql_as_well(
    pilot: SdtmDatasets, migrated_postgres: PostgresPool
) -> None:
    with migrated_postgres.lend() as url:
        played_and_compared(part_of(pilot), url, PART)

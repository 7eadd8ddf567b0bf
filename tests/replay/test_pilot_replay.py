"""The CDISC pilot study goes through the real service, on both databases, and every fact of it comes back."""

from pathlib import Path

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
from tests.replay.conftest import PILOT_PLAN

PILOT_STUDY = Path(__file__).resolve().parents[2] / "studies" / "cdisc-pilot.yaml"
STUDY = "CDISCPILOT01"


@pytest.mark.slow
def test_the_pilot_study_is_played_through_the_service_and_comes_back(
    pilot: SdtmDatasets, database_url: str
) -> None:
    protocol = load_protocol(PILOT_STUDY)
    assert visit_plan(protocol) == PILOT_PLAN
    database = open_database(database_url)
    played = Player(database, replay_plan(protocol, recorded_study(pilot, PILOT_PLAN))).play()
    try:
        counts = played.acts
        assert (counts["screen"], counts["randomize"]) == (306, 254)
        assert counts["record_eligibility"] == 254 + 52
        assert counts["dispense"] == 1562
        assert counts["dispense"] + counts["record_visit"] + counts["screen"] == 3559
        assert (counts["complete"], counts["discontinue"]) == (110, 144)
        assert counts["receive_shipment"] == counts["dispatch_shipment"] >= 17

        entries = sealed_entries(database, STUDY)
        arms: dict[str, int] = {}
        for entry in entries:
            if entry.command == "randomize":
                arms[entry.after["arm"]] = arms.get(entry.after["arm"], 0) + 1
        assert arms == {"PBO": 86, "XAN_LO": 84, "XAN_HI": 84}
        late = [one for one in entries if one.command == "randomize" and one.after["override_reason"]]
        assert len(late) == 57

        result = compare(pilot, exported(database, STUDY))
        assert result.differences() == []
        assert result.ok
        assert {one.name: one.rows.matched for one in result.datasets} == {
            "DM": 306, "DS": 306, "SV": 3559, "EX": 591, "SE": 746, "TA": 11, "TV": 21,
        }  # fmt: skip
        reasons = result.reasons()
        del reasons["NO_VALUE"]
        assert reasons == {
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
        }
        verification = verify_ledger(database, STUDY)
        assert verification.intact, verification.difference
        assert verification.entries == len(entries)
        assert verify_ledger(database, "SYSTEM").intact
    finally:
        database.dispose()

"""What may be made: batches, yields, runs, and files that cannot be used."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.study.protocol import Protocol
from forecasting.supply_plan.candidates import Candidate, read_choices
from forecasting.supply_plan.errors import CampaignsError, SupplyPlanError
from forecasting.supply_plan.sizing import allotted
from simulation.scenario import Scenario, load_scenario_and_protocol
from tests.conftest import REPOSITORY

SCENARIO = REPOSITORY / "studies" / "rtsm-bench-100-supply-scenario.yaml"
CAMPAIGN: dict[str, Any] = {
    "code": "P",
    "kit_type": "KA",
    "starts_on": "2025-03-03",
    "lead_days": {"min_days": 30},
    "shelf_life_months": 12,
    "depots": ["DEP"],
}


@pytest.fixture(scope="module")
def supplied() -> tuple[Scenario, Protocol]:
    return load_scenario_and_protocol(SCENARIO)


def candidate(**changed: object) -> Candidate:
    return Candidate.model_validate(
        {**CAMPAIGN, "starts_on": date(2025, 3, 3), "depots": ("DEP",), **changed}
    )


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=4),
    st.integers(1, 300),
    st.integers(1, 60),
    st.integers(0, 1500),
    st.floats(0.3, 1),
)
def test_a_batch_is_of_a_size_that_can_be_made_and_gives_each_depot_its_part(
    by_depot: list[int], least: int, multiple: int, more: int, yield_share: float
) -> None:
    wanted = dict(enumerate(by_depot))
    most = -(-least // multiple) * multiple + more
    of = candidate(least_kits=least, multiple_of=multiple, most_kits=most, yield_share=yield_share)
    given_kits = allotted(of, wanted)
    batch = sum(given_kits.values())
    if not any(wanted.values()):
        assert batch == 0
        return
    assert least <= batch <= most
    assert batch % multiple == 0
    if batch < of.largest:
        assert all(of.good(given_kits.get(depot, 0)) >= kits for depot, kits in wanted.items())
        assert batch - multiple < max(sum(of.to_make(kits) for kits in wanted.values()), least)


def test_a_file_says_what_may_be_made(supplied: tuple[Scenario, Protocol], tmp_path: Path) -> None:
    scenario, protocol = supplied
    file = written(tmp_path, every_days=30, until="2025-06-30", least_kits=100)
    choices = read_choices(file, scenario, protocol, None)
    assert [run.code for run in choices.runs] == ["P-1", "P-2", "P-3", "P-4"]
    assert choices.scenario.campaigns == ()
    later = read_choices(file, scenario, protocol, date(2025, 4, 2))
    assert [run.code for run in later.runs] == ["P-3", "P-4"]
    assert "P-1, P-2" in later.notes[0]
    with pytest.raises(SupplyPlanError, match="--campaigns: no run begins after 2026-01-01"):
        read_choices(file, scenario, protocol, date(2026, 1, 1))
    made = choices.runs[1].made({"DEP": 300})
    assert (made.code, made.starts_on, made.kits_at()) == ("P-2", date(2025, 4, 2), {"DEP": 300})


def written(folder: Path, **changed: object) -> Path:
    file = folder / "campaigns.yaml"
    document = {"name": "What can be made", "campaigns": [{**CAMPAIGN, **changed}]}
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("changed", "place", "told"),
    [
        ({"shelf_life_months": None, "shelf_life_days": 20}, "shelf_life_days", "lengthen the shelf life"),
        ({"least_kits": 50, "most_kits": 40}, "campaigns[0]", "raise most_kits"),
        ({"kits": 100}, "campaigns[0]", "leave kits, shares and kits_by_depot out"),
        ({"depots": ["DEPP"]}, "campaigns[0].depots[0]", "did you mean DEP?"),
        ({"kit_type": "KC"}, "campaigns[0].kit_type", "use one of KA, KB"),
        ({"starts_on": "2030-01-01"}, "campaigns[0].starts_on", "begin earlier"),
        ({"lead_days": {"min_days": -3}}, "campaigns[0].lead_days.min_days", "give 0 or more days"),
        ({"multiple_of": 0}, "campaigns[0].multiple_of", "1"),
        ({"code": "LA"}, "campaigns[0].code", "another code"),
        ({"batch": 5}, "campaigns[0].batch", "batch"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_place_and_fix(
    supplied: tuple[Scenario, Protocol], tmp_path: Path, changed: dict[str, object], place: str, told: str
) -> None:
    scenario, protocol = supplied
    with pytest.raises(CampaignsError) as refused:
        read_choices(written(tmp_path, **changed), scenario, protocol, None)
    assert place in str(refused.value)
    assert told in str(refused.value)
    bare = scenario.model_copy(update={"campaigns": ()})
    with pytest.raises(SupplyPlanError, match="has no campaigns"):
        read_choices(None, bare, protocol, None)

"""The checks across the parts of a protocol as a whole: all findings at once, none that only follow, and what is right passes."""

import pytest

from allocation.study.errors import ProtocolError
from allocation.study.yaml_files import parse_protocol
from tests.study.small_protocol import SMALL, with_changes, yaml_text

THIRD_ARM = {"code": "B", "name": "Third", "ratio": 1}


def test_the_small_protocol_holds_together() -> None:
    assert parse_protocol(yaml_text(SMALL)).study.id == "S1"


def test_every_contradiction_is_told_at_once() -> None:
    data = with_changes({"visits[2].epoch": "X", "sites[0].country": "FRA", "screening.age_min": 90})
    with pytest.raises(ProtocolError) as refused:
        parse_protocol(yaml_text(data))
    assert [problem.path for problem in refused.value.problems] == [
        "screening.age_min",
        "visits[2].epoch",
        "sites[0].country",
    ]


def test_a_third_arm_without_ratio_or_kits_is_told_wherever_it_is_missing() -> None:
    data = with_changes({"arms[2]": THIRD_ARM})
    with pytest.raises(ProtocolError) as refused:
        parse_protocol(yaml_text(data))
    paths = {problem.path for problem in refused.value.problems}
    assert {
        "cells",
        "visits[1].dispensing",
        "visits[2].dispensing",
        "randomization[0].block_sizes[0]",
    } <= paths


def test_a_lane_to_every_site_of_a_country_serves_as_its_lane() -> None:
    data = with_changes({"lanes[0]": {"depot": "D1", "site": "G1", "lead_time_days": 2}})
    assert parse_protocol(yaml_text(data)).lanes[0].site == "G1"

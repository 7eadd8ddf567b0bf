"""Contradictions in the supply chain (kit types, depots, lanes, sites, parameters) are refused with path, line, value and fix."""

from typing import Any

import pytest

from tests.study.small_protocol import REMOVE, assert_refused

BROKEN: list[tuple[str, dict[str, Any], str, str, str]] = [
    # what is broken, the changes to the small protocol, path of the problem, its value, part of the fix
    (
        "unknown blinding group",
        {"kit_types[0].blinding_group": "GG"},
        "kit_types[0].blinding_group",
        "GG",
        "did you mean G?",
    ),
    (
        "one reusable kit type of those that look alike",
        {"kit_types[0].reusable": True, "kit_types[1].reusable": False},
        "kit_types[1].reusable",
        "False",
        "make them equal",
    ),
    (
        "a limit of uses of what is used once",
        {f"kit_types[{index}].max_uses": 3 for index in range(3)},
        "kit_types[0].max_uses",
        "3",
        "reusable: true",
    ),
    (
        "devices that look alike and may be used more often",
        {**{f"kit_types[{index}].reusable": True for index in range(3)}, "kit_types[1].max_uses": 3},
        "kit_types[1].max_uses",
        "3",
        "make them equal",
    ),
    (
        "devices that look alike and hold more",
        {**{f"kit_types[{index}].reusable": True for index in range(3)}, "kit_types[2].units_per_kit": 2},
        "kit_types[2].units_per_kit",
        "2",
        "make them equal",
    ),
    (
        "bulk supply that looks like another kit type, which its lots would tell apart",
        {"kit_types[1].serialized": False},
        "kit_types[1].serialized",
        "False",
        "a blinding group of its own",
    ),
    (
        "a GTIN with a wrong check digit",
        {"blinding_groups[0].gtin": "09501101530004"},
        "blinding_groups[0].gtin",
        '"09501101530004"',
        "check digit",
    ),
    (
        "two kit types of one code",
        {
            "kit_types[3]": {
                "code": "K1",
                "name": "Other",
                "blinding_group": "G",
                "units_per_kit": 1,
                "unit": "TABLET",
            }
        },
        "kit_types[3].code",
        "K1",
        "own",
    ),
    (
        "MKT below the range",
        {"kit_types[0].storage.mkt_celsius": 1},
        "kit_types[0].storage.mkt_celsius",
        "1",
        "highest mean kinetic",
    ),
    (
        "storage upside down",
        {"kit_types[0].storage.min_celsius": 30},
        "kit_types[0].storage.min_celsius",
        "30",
        "colder",
    ),
    (
        "a pooled kit type that is not there",
        {
            "supply.pools": [
                {"code": "P", "level": "depot", "items": [{"kit_type": "K9", "item": "I"}]},
            ]
        },
        "supply.pools[0].items[0].kit_type",
        "K9",
        "K1",
    ),
    (
        "one item of a pool for two kit types",
        {
            "supply.pools": [
                {
                    "code": "P",
                    "level": "site",
                    "items": [{"kit_type": "K1", "item": "I"}, {"kit_type": "K2", "item": "I"}],
                },
            ]
        },
        "supply.pools[0].items[1].item",
        "I",
        "own",
    ),
    (
        "depot supplied by itself",
        {"depots[0].supplied_by": "D2"},
        "depots[0].supplied_by",
        "D2",
        "earlier depot",
    ),
    (
        "depot supplied by an unknown one",
        {"depots[1].supplied_by": "D3"},
        "depots[1].supplied_by",
        "D3",
        "D1, D2",
    ),
    ("depot without a lane", {"lanes[3]": REMOVE}, "depots[1].supplied_by", "D1", "lead_time_days"),
    ("country of an unknown depot", {"countries[0].depot": "D3"}, "countries[0].depot", "D3", "D1, D2"),
    ("country without a lane", {"lanes[0]": REMOVE}, "countries[0].depot", "D1", "lead_time_days"),
    ("site of an unknown country", {"sites[0].country": "FRA"}, "sites[0].country", "FRA", "DEU, USA"),
    (
        "site of an unknown profile",
        {"sites[0].profile": "BIGG"},
        "sites[0].profile",
        "BIGG",
        "did you mean BIG?",
    ),
    (
        "site of another depot without a lane",
        {"sites[1].depot": "D1"},
        "sites[1].depot",
        "D1",
        "lead_time_days",
    ),
    ("two sites of one code", {"sites[1].code": "G1"}, "sites[1].code", "G1", "own"),
    ("lane with two ends", {"lanes[0].site": "G1"}, "lanes[0]", "DEU and G1", "one of country, site"),
    ("lane to itself", {"lanes[3].to_depot": "D1"}, "lanes[3].to_depot", "D1", "another depot"),
    (
        "lane twice",
        {"lanes[4]": {"depot": "D1", "country": "DEU", "lead_time_days": 3}},
        "lanes[4]",
        "D1 -> DEU",
        "remove one",
    ),
    ("weekday 7", {"supply.run_weekdays": [0, 7]}, "supply.run_weekdays[1]", "7", "0 (Monday)"),
    (
        "parameters of an unknown country",
        {"supply.parameters[1].key": "FRA"},
        "supply.parameters[1].key",
        "FRA",
        "DEU, USA",
    ),
    (
        "parameters of the study with a key",
        {"supply.parameters[0].key": "X"},
        "supply.parameters[0].key",
        "X",
        "remove it",
    ),
    (
        "parameters of an unknown kit type",
        {"supply.parameters[2].kit_type": "K8"},
        "supply.parameters[2].kit_type",
        "K8",
        "K1",
    ),
    (
        "parameters twice",
        {"supply.parameters[3]": {"level": "country", "key": "USA", "parameters": {"short_window": 14}}},
        "supply.parameters[3]",
        "country USA / every kit type / from the start",
        "remove one",
    ),
    (
        "max below min by inheritance",
        {"supply.parameters[2].parameters": {"min_buffer": 5}},
        "supply.parameters[0].parameters.max_buffer",
        "4",
        "up-to level",
    ),
    (
        "long below short by inheritance",
        {"supply.parameters[1].parameters": {"short_window": 40}},
        "supply.parameters[0].parameters.long_window",
        "30",
        "at least the short window",
    ),
]


@pytest.mark.parametrize(
    ("changes", "path", "value", "fix"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_contradiction_in_the_supply_is_refused(
    changes: dict[str, Any], path: str, value: str, fix: str
) -> None:
    assert_refused(changes, path, value, fix)

"""Pools in a protocol: shown, compared item by item, and where a depot's kits may go."""

import re
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from allocation.study.diff import diff_protocols
from allocation.study.pools import countries_supplied
from allocation.study.protocol import Protocol
from allocation.study.show import protocol_tables
from tests.api.trial import protocol


def pooled(keep: int, **changes: Any) -> Protocol:
    document = protocol() | changes
    items = [{"kit_type": "ZZKITA", "item": "PLACEBO", "keep": keep}]
    document["supply"]["pools"] = [{"code": "SHARED", "level": "depot", "items": items}]
    return Protocol.model_validate(document)


def test_a_pool_is_shown_with_what_the_study_keeps_and_a_change_of_it_is_named() -> None:
    console = Console(width=200, record=True, file=StringIO())
    for table in protocol_tables(pooled(4)):
        console.print(table)
    (line,) = [one for one in console.export_text().splitlines() if "SHARED" in one]
    assert [one.strip() for one in re.split("[│┃]", line) if one.strip()] == [
        "SHARED",
        "depots",
        "by hand",
        "ZZKITA",
        "PLACEBO",
        "4",
    ]
    (change,) = diff_protocols(pooled(4), pooled(5))
    assert (change.path, change.old, change.new) == ("supply.pools[SHARED].items[PLACEBO].keep", 4, 5)


@pytest.mark.parametrize(("depot", "countries"), [("D1", ("DEU", "FRA")), ("D2", ("FRA",)), ("D3", ())])
def test_kits_of_a_depot_go_to_its_own_countries_and_to_those_of_depots_that_it_refills(
    depot: str, countries: tuple[str, ...]
) -> None:
    document = protocol()
    below = {"code": "D2", "name": "Local", "country": "FRA", "timezone": "Europe/Paris", "supplied_by": "D1"}
    document["depots"].append(below)
    document["countries"][1]["depot"] = "D2"
    document["lanes"] += [
        {"depot": "D2", "country": "FRA", "lead_time_days": 1},
        {"depot": "D1", "to_depot": "D2", "lead_time_days": 2},
    ]
    assert countries_supplied(Protocol.model_validate(document), depot) == countries

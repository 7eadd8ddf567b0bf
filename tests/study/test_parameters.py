"""Resupply parameters are inherited one by one, from study to site; the lowest level that sets one wins."""

from datetime import date
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from allocation.errors import InvalidParameter
from allocation.rules.computed_buffer import ComputedBuffer
from allocation.rules.resupply import LongWindowFrom, Trigger
from allocation.study.buffers import provided_buffers
from allocation.study.errors import ProtocolError
from allocation.study.newcomers import newcomers
from allocation.study.parameters import (
    PARAMETER_NAMES,
    UNSET,
    effective_parameters,
    lead_time_days,
)
from allocation.study.protocol import Protocol
from allocation.study.show import show_protocol
from allocation.study.yaml_files import parse_protocol
from tests.study.small_protocol import with_changes, yaml_text

TODAY = date(2026, 6, 1)


def with_sets(*sets: dict[str, Any]) -> Protocol:
    return Protocol.model_validate(with_changes({"supply.parameters": list(sets)}))


def of_level(level: str, key: str = "", kit_type: str | None = None, **parameters: Any) -> dict[str, Any]:
    return {"level": level, "key": key, "kit_type": kit_type, "parameters": parameters}


WINDOWS = {"short_window": 14, "long_window": 42}
BASE = of_level("study", min_buffer=1, max_buffer=9, short_window=10, long_window=30)


def test_what_nobody_sets_orders_nothing() -> None:
    parameters = effective_parameters(with_sets(), "K1", TODAY, site="G1")
    assert {name: getattr(parameters, name) for name in PARAMETER_NAMES} == UNSET
    assert {str(source) for source in parameters.sources.values()} == {"unset"}


def test_each_parameter_comes_from_the_lowest_level_that_sets_it() -> None:
    protocol = with_sets(
        BASE,
        of_level("country_group", "EUR", short_window=11),
        of_level("country", "DEU", short_window=12, long_window=31),
        of_level("profile", "BIG", long_window=32, max_buffer=8),
        of_level("site", "G1", max_buffer=7),
    )
    at_site = effective_parameters(protocol, "K1", TODAY, site="G1")
    assert (at_site.min_buffer, at_site.short_window, at_site.long_window, at_site.max_buffer) == (
        1,
        12,
        32,
        7,
    )
    assert {
        name: str(at_site.sources[name])
        for name in ("min_buffer", "short_window", "long_window", "max_buffer")
    } == {
        "min_buffer": "study",
        "short_window": "country DEU",
        "long_window": "profile BIG",
        "max_buffer": "site G1",
    }
    elsewhere = effective_parameters(protocol, "K1", TODAY, site="U1")
    assert (elsewhere.short_window, elsewhere.long_window, elsewhere.max_buffer) == (10, 30, 9)


def test_a_kit_types_own_set_goes_before_the_general_one_of_its_level_only() -> None:
    protocol = with_sets(
        BASE, of_level("study", kit_type="K1", min_buffer=3), of_level("country", "DEU", min_buffer=2)
    )
    assert effective_parameters(protocol, "K1", TODAY, country="USA").min_buffer == 3
    assert effective_parameters(protocol, "K2", TODAY, country="USA").min_buffer == 1
    assert effective_parameters(protocol, "K1", TODAY, country="DEU").min_buffer == 2


@pytest.mark.parametrize(
    ("on", "expected"), [(date(2026, 2, 28), 9), (date(2026, 3, 1), 6), (date(2026, 7, 1), 4)]
)
def test_a_time_phased_set_counts_from_its_day_on(on: date, expected: int) -> None:
    protocol = with_sets(
        of_level("study", max_buffer=4, valid_from="2026-07-01"),
        BASE,
        of_level("study", max_buffer=6, valid_from="2026-03-01"),
    )
    parameters = effective_parameters(protocol, "K1", on, site="G1")
    assert parameters.max_buffer == expected
    if on.month == 7:
        assert str(parameters.sources["max_buffer"]) == "study, from 2026-07-01"


def test_a_pause_and_a_zero_are_values_that_win() -> None:
    protocol = with_sets(
        BASE,
        of_level("country", "DEU", paused=True, min_buffer=2),
        of_level("site", "G1", paused=False, min_buffer=0, kit_type="K1"),
    )
    of_type = effective_parameters(protocol, "K1", TODAY, site="G1")
    other_type = effective_parameters(protocol, "K2", TODAY, site="G1")
    assert (of_type.paused, of_type.min_buffer) == (False, 0)
    assert (other_type.paused, other_type.min_buffer) == (True, 2)


def test_a_site_that_the_service_opened_later_inherits_by_the_country_and_profile_that_it_is_given() -> None:
    protocol = with_sets(
        BASE, of_level("country", "USA", short_window=14), of_level("profile", "BIG", max_buffer=12)
    )
    parameters = effective_parameters(protocol, "K1", TODAY, site="U9", country="USA", profile="BIG")
    assert (parameters.short_window, parameters.max_buffer) == (14, 12)


def test_the_parameters_reach_the_rule_as_they_are() -> None:
    protocol = with_sets(
        {
            **BASE,
            "parameters": {**BASE["parameters"], "trigger": "at", "long_window_from": "end_of_short_window"},
        }
    )
    rule = effective_parameters(protocol, "K1", TODAY).for_rule()
    assert (rule.short_window, rule.long_window, rule.min_buffer, rule.max_buffer) == (10, 30, 1, 9)
    assert (rule.trigger, rule.long_window_from) == (Trigger.AT, LongWindowFrom.END_OF_SHORT_WINDOW)


LEVELS = [("study", ""), ("country_group", "EUR"), ("country", "DEU"), ("profile", "BIG"), ("site", "G1")]


@settings(deadline=None)
@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(range(5)), st.booleans(), st.sampled_from([None, "2026-01-01", "2026-12-01"])
        ),
        st.integers(0, 20),
        max_size=12,
    )
)
def test_the_winner_is_the_lowest_level_then_the_kit_types_own_then_the_latest_that_has_come(
    sets: dict[tuple[int, bool, str | None], int],
) -> None:
    protocol = with_sets(
        *(
            of_level(*LEVELS[level], kit_type="K1" if own else None, seed_quantity=value, valid_from=start)
            for (level, own, start), value in sets.items()
        )
    )
    come = {key: value for key, value in sets.items() if key[2] is None or key[2] <= TODAY.isoformat()}
    expected = come[max(come, key=lambda key: (key[0], key[1], key[2] or ""))] if come else 0
    assert effective_parameters(protocol, "K1", TODAY, site="G1").seed_quantity == expected


def test_a_sites_own_lane_goes_before_its_countrys() -> None:
    protocol = Protocol.model_validate(with_changes({}))
    assert lead_time_days(protocol, "D2", "USA", "U2") == 6
    assert lead_time_days(protocol, "D2", "USA", "U1") == 4
    assert lead_time_days(protocol, "D2", "USA") == 4


def test_a_place_without_a_lane_is_refused_by_name() -> None:
    protocol = Protocol.model_validate(with_changes({}))
    with pytest.raises(InvalidParameter, match="no lane leads from depot D1 to USA or site U1") as refused:
        lead_time_days(protocol, "D1", "USA", "U1")
    assert (refused.value.code, refused.value.field) == ("no-lane", "lanes")


COMPUTED = of_level("study", buffer_from="computed", confidence="0.9", enrolment_per_month="1", **WINDOWS)


def test_the_provider_of_the_buffers_is_inherited_and_phased_like_any_parameter() -> None:
    bands = [{"from_subjects": 0, "min_buffer": 4, "max_buffer": 6}]
    protocol = with_sets(
        COMPUTED,
        of_level("country", "DEU", enrolment_per_month="3"),
        of_level("site", "G1", buffer_from="bands", bands=bands, valid_from="2026-07-01"),
    )
    before = effective_parameters(protocol, "K1", TODAY, site="G1")
    assert (before.buffer_from, before.confidence, before.enrolment_per_month) == (
        "computed",
        Decimal("0.9"),
        Decimal("3"),
    )
    found = provided_buffers(protocol, "K1", before, 0)
    assert isinstance(found.record, ComputedBuffer)
    assert found.parameters.min_buffer == found.record.min_buffer
    after = effective_parameters(protocol, "K1", date(2026, 7, 1), site="G1")
    assert provided_buffers(protocol, "K1", after, 0).parameters.max_buffer == 6
    elsewhere = effective_parameters(protocol, "K1", TODAY, country="USA")
    fewer = provided_buffers(protocol, "K1", elsewhere, 0).parameters
    assert fewer.max_buffer < found.parameters.max_buffer, "one subject a month, not three"


def test_newcomers_receive_the_kits_of_their_arm_from_randomization_on() -> None:
    protocol = with_sets(COMPUTED)
    coming = newcomers(protocol)
    assert coming.ratio == (2, 1)
    per_arm = {
        code: {(one.arm, one.offset, one.quantity) for one in entries}
        for code, entries in coming.dispensings.items()
    }
    assert all(offset >= 0 for entries in per_arm.values() for _, offset, _ in entries)
    assert {arm for entries in per_arm.values() for arm, offset, _ in entries if offset == 0} == {0, 1}


@pytest.mark.parametrize(
    ("parameters", "path", "fix"),
    [
        ({"buffer_from": "computed", "confidence": "0.9"}, "supply.parameters", "a month"),
        ({"buffer_from": "computed", "enrolment_per_month": 1}, "supply.parameters", "such as 0.95"),
        (
            {"buffer_from": "computed", "confidence": "0.9", "enrolment_per_month": 90000},
            "supply.parameters[0].parameters.enrolment_per_month",
            "not of the study",
        ),
        ({"buffer_from": "bands"}, "supply.parameters", "give a band"),
        (
            {"buffer_from": "bands", "bands": [{"from_subjects": 1, "min_buffer": 1, "max_buffer": 3}]},
            "supply.parameters[0].parameters.bands",
            "from_subjects 0",
        ),
    ],
)
def test_a_provider_without_what_it_needs_is_refused(parameters: dict[str, Any], path: str, fix: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_protocol(
            yaml_text(with_changes({"supply.parameters": [of_level("study", **WINDOWS, **parameters)]})),
            "study.yaml",
        )
    assert any(problem.path == path and fix in problem.fix for problem in refused.value.problems), str(
        refused.value
    )


def test_a_protocol_shows_the_bands_and_rates_that_are_set() -> None:
    bands = [{"from_subjects": start, "min_buffer": start, "max_buffer": start + 2} for start in (0, 5)]
    protocol = with_sets(of_level("study", confidence="0.90", bands=bands, buffer_from="bands", **WINDOWS))
    console = Console(width=300, record=True, file=StringIO())
    show_protocol(protocol, console)
    assert "confidence 0.9, from 0 subjects 0 to 2, from 5 subjects 5 to 7" in console.export_text()

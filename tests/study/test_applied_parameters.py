"""Proposed parameters hold wherever they are proposed, whatever was set nearer or from whichever day on, and nothing else changes."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.errors import DomainRefusal
from allocation.study.applied_parameters import with_parameters
from allocation.study.diff import diff_protocols
from allocation.study.parameter_changes import check_takes_effect, parameter_changes
from allocation.study.parameters import PARAMETER_NAMES, effective_parameters
from allocation.study.proposed_parameters import ProposedSet, deciding
from allocation.study.protocol import Protocol
from allocation.study.supply_checks import OpenedSite
from tests.api.trial import protocol

ON = date(2026, 6, 1)
DAYS = (date.min, date(2026, 5, 4), ON, date(2027, 1, 1))


def with_levels() -> Protocol:
    """The small trial with a set at every level, some for one kit type and some from a later day on."""
    document = protocol()
    document["supply"]["profiles"] = [{"code": code, "name": code} for code in ("HIGH", "LOW")]
    document["countries"][0]["group"] = "EU"
    document["countries"][1]["group"] = "EU"
    document["caps"] = []
    document["depots"].append(
        {"code": "D2", "name": "Local", "country": "FRA", "timezone": "Europe/Paris", "supplied_by": "D1"}
    )
    document["lanes"].append({"depot": "D1", "to_depot": "D2", "lead_time_days": 4})
    document["sites"] = [
        {"code": f"S{number}", "name": "Site", "country": country, "profile": profile}
        for number, (country, profile) in enumerate(
            [("DEU", "HIGH"), ("DEU", "LOW"), ("FRA", "HIGH"), ("FRA", None)], start=1
        )
    ]
    sets: list[dict[str, Any]] = [
        {"level": "study", "kit_type": "ZZKITA", "parameters": {"min_buffer": 2, "max_buffer": 6}},
        {"level": "study", "kit_type": "ZZKITA", "parameters": {"min_buffer": 3, "valid_from": "2026-05-04"}},
        {"level": "country_group", "key": "EU", "parameters": {"short_window": 16, "long_window": 40}},
        {"level": "country", "key": "FRA", "parameters": {"max_buffer": 7, "seed_quantity": 4}},
        {"level": "profile", "key": "HIGH", "parameters": {"min_buffer": 4, "max_buffer": 9}},
        {"level": "profile", "key": "HIGH", "kit_type": "ZZKITB", "parameters": {"max_buffer": 12}},
        {"level": "site", "key": "S3", "parameters": {"max_buffer": 8, "valid_from": "2026-12-01"}},
        {"level": "depot", "key": "D2", "parameters": {"min_buffer": 10, "max_buffer": 40}},
    ]
    document["supply"]["parameters"] += sets
    return Protocol.model_validate(document)


TODAY = with_levels()
PLACES: tuple[dict[str, str], ...] = (
    {},
    {"country": "FRA"},
    {"profile": "HIGH"},
    {"country": "DEU", "profile": "HIGH"},
    {"site": "S3"},
    {"depot": "D2"},
)
SETS = st.builds(
    lambda place, kit_type, least, above, more: ProposedSet(
        **place,
        kit_type=kit_type,
        min_buffer=least,
        max_buffer=least + above,
        **({} if "depot" in place else more),  # neither seeds nor windows are of a depot
    ),
    st.sampled_from(PLACES),
    st.sampled_from((None, "ZZKITA", "ZZKITB")),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from(({}, {"seed_quantity": 11}, {"short_window": 9, "long_window": 50})),
)


def keys_of(protocol: Protocol) -> list[dict[str, str | None]]:
    """Each site, and the refilled depot, with its keys by level."""
    sites = [{"site": one.code, "country": one.country, "profile": one.profile} for one in protocol.sites]
    return [*sites, {"depot": "D2"}]


@settings(max_examples=15, deadline=None)
@given(st.lists(SETS, min_size=1, max_size=4, unique_by=lambda one: one.where))
def test_at_every_site_and_on_every_day_the_nearest_proposed_value_holds_and_else_what_held(
    proposed: list[ProposedSet],
) -> None:
    then = with_parameters(TODAY, proposed)
    for keys in keys_of(TODAY):
        for kind in TODAY.kit_types:
            for day in DAYS:
                old, new = (effective_parameters(one, kind.code, day, **keys) for one in (TODAY, then))
                for name in PARAMETER_NAMES:
                    one = deciding(proposed, keys, kind.code, name)
                    wanted = getattr(old, name) if one is None else one.values[name]
                    assert getattr(new, name) == wanted, (keys, kind.code, day, name)
    assert not [one for one in diff_protocols(TODAY, then) if not one.path.startswith("supply.parameters")]
    assert with_parameters(then, proposed) == then


def test_only_the_number_of_the_version_changes_with_it() -> None:
    one = ProposedSet(min_buffer=2, max_buffer=6)
    first, second = with_parameters(TODAY, [one]), with_parameters(TODAY, [one], version=2)
    assert [str(each) for each in diff_protocols(first, second)] == ["~ study.version: 1 -> 2"]


def test_the_comparison_names_what_holds_at_how_many_sites_and_what_the_service_opened_by_itself() -> None:
    proposed = [ProposedSet(max_buffer=9), ProposedSet(kit_type="ZZKITB", max_buffer=10)]
    then = with_parameters(TODAY, proposed)
    general, special = proposed
    changes = parameter_changes(TODAY, then, proposed, ON)
    told = {(one.where, one.kit_type): one for one in changes}
    assert set(told) == {("the study", kind.code) for kind in TODAY.kit_types} | {
        ("the study, kit type ZZKITB", "ZZKITB")
    }
    first = told["the study", "ZZKITA"]
    assert [(one.value, one.sites, one.source) for one in first.today] == [
        (9, 2, "profile HIGH"),
        (6, 1, "study, kit type ZZKITA"),
        (7, 1, "country FRA"),
    ]
    assert (first.proposed, first.sites, first.changed, first.kept) == (9, 4, 2, 0)
    assert told["the study", "ZZKITB"].sites == 0  # the nearer set decides there
    second = told["the study, kit type ZZKITB", "ZZKITB"]
    assert (second.proposed, second.sites, second.changed) == (10, 4, 4)
    assert (general.nearness, special.nearness) == ((-1 * 2, False), (-2, True))
    opened = [OpenedSite("NEW", "FRA", "D1", None)]
    more = parameter_changes(TODAY, then, proposed, ON, opened)
    assert (more[0].sites, more[0].kept) == (5, 0)
    by_country = [ProposedSet(country="FRA", profile="HIGH", max_buffer=20)]
    then = with_parameters(TODAY, by_country)
    (line,) = [
        one
        for one in parameter_changes(TODAY, then, by_country, ON, [OpenedSite("NEW", "FRA", "D1", "HIGH")])
        if one.kit_type == "ZZKITC"
    ]
    assert (line.sites, line.changed, line.kept) == (2, 1, 1)


def test_buffers_that_are_proposed_count_where_others_are_computed_or_by_bands() -> None:
    document = protocol()
    bands = [{"from_subjects": 0, "min_buffer": 1, "max_buffer": 3}]
    document["supply"]["parameters"].append(
        {"level": "country", "key": "FRA", "parameters": {"buffer_from": "bands", "bands": bands}}
    )
    today = Protocol.model_validate(document)
    proposed = [ProposedSet(min_buffer=4, max_buffer=8)]
    then = with_parameters(today, proposed)
    held = effective_parameters(then, "ZZKITA", ON, site="S02")
    assert (held.buffer_from, held.min_buffer, held.max_buffer) == ("min_max", 4, 8)
    check_takes_effect(today, then, proposed, ON)


@pytest.mark.parametrize(
    ("sets", "field", "says", "fix"),
    [
        ([{"site": "S9", "min_buffer": 1}], "parameters[0].site", "S9 is not in version 1", "one of S1, S2"),
        ([{"kit_type": "K", "min_buffer": 1}], "parameters[0].kit_type", "K is not in version", "ZZKITA"),
        ([{"depot": "D1", "min_buffer": 1}], "parameters[0].depot", "D1 is not in version", "one of D2"),
        (
            [{"min_buffer": 1}, {"max_buffer": 9}],
            "parameters[1]",
            r"is for the study, as parameters\[0\] is",
            "join",
        ),
        ([{"min_buffer": 50}], "parameters", "6 is less than min_buffer 50", "must not be below"),
    ],
)
def test_what_the_protocol_cannot_have_is_refused_with_place_and_fix(
    sets: list[dict[str, Any]], field: str, says: str, fix: str
) -> None:
    with pytest.raises(DomainRefusal, match=says) as caught:
        with_parameters(TODAY, [ProposedSet(**one) for one in sets])
    assert caught.value.code == "proposal-invalid"
    assert caught.value.field == field
    assert fix in str(caught.value.fix)


@pytest.mark.parametrize(
    ("sets", "field", "says"),
    [
        ([{"confidence": "0.9"}], "parameters[0].confidence", "buffer_from is min_max there"),
        ([{"country": "FRA", "seed_quantity": 4}], "parameters", "are what holds today"),
    ],
)
def test_what_would_decide_nothing_is_refused(sets: list[dict[str, Any]], field: str, says: str) -> None:
    proposed = [ProposedSet(**one) for one in sets]
    with pytest.raises(DomainRefusal, match=says) as caught:
        check_takes_effect(TODAY, with_parameters(TODAY, proposed), proposed, ON)
    assert (caught.value.code, caught.value.field) == ("proposal-without-effect", field)


def test_a_change_that_was_planned_for_a_later_day_is_a_change() -> None:
    proposed = [ProposedSet(site="S3", max_buffer=9)]
    then = with_parameters(TODAY, proposed)
    assert effective_parameters(TODAY, "ZZKITA", ON, site="S3").max_buffer == 9
    assert effective_parameters(TODAY, "ZZKITA", DAYS[-1], site="S3").max_buffer == 8
    check_takes_effect(TODAY, then, proposed, ON)
    assert effective_parameters(then, "ZZKITA", DAYS[-1], site="S3").max_buffer == 9


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"country": "FRA", "site": "S3", "min_buffer": 1}, "names country and site"),
        ({"country": "FRA"}, "sets no parameter"),
        ({"paused": True, "min_buffer": 1}, "sets paused"),
        ({"valid_from": "2026-09-01", "min_buffer": 1}, "sets valid_from"),
        ({"min_bufer": 1}, "min_bufer"),
    ],
)
def test_a_set_names_one_place_and_parameters_that_can_be_proposed(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ProposedSet(**values)

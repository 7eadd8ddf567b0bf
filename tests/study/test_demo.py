"""The demo protocol is sound, truly blind, and as large as it says."""

import io
from collections import Counter
from itertools import pairwise

from rich.console import Console

from allocation.rules.dosing import kits_due
from allocation.study.dose_paths import dispensing_rows, reachable_dose_levels
from allocation.study.doubts import warnings
from allocation.study.protocol import Protocol
from allocation.study.show import show_protocol
from allocation.study.strata import parse_stratum, strata_of, stratum_key
from allocation.study.yaml_files import load_protocol
from tests.conftest import REPOSITORY

DEMO = load_protocol(REPOSITORY / "studies" / "demo.yaml")


def test_the_demo_is_valid_without_a_warning() -> None:
    assert [str(doubt) for doubt in warnings(DEMO)] == []


def test_the_demo_has_the_size_that_its_readers_rely_on() -> None:
    assert [arm.ratio for arm in DEMO.arms] == [2, 2, 1]
    assert len(DEMO.stratification) == 2
    assert len(strata_of(DEMO, DEMO.randomization[0])) == 4
    assert (len(DEMO.countries), len(DEMO.depots), len(DEMO.sites), len(DEMO.kit_types)) == (12, 3, 40, 4)
    assert len([visit for visit in DEMO.visits if not visit.optional]) == 12
    assert len(DEMO.titration) == 1
    assert len(DEMO.titration[0].arms) == 1


def test_only_the_titrated_arm_gets_other_kits_at_another_level() -> None:
    rows = dispensing_rows(DEMO)
    follows = set()
    for arm in DEMO.arms:
        for visit, levels in reachable_dose_levels(DEMO, arm).items():
            if (
                DEMO.visit(visit).dispensing
                and len({kits_due(rows, visit, arm.code, level).kits for level in levels}) > 1
            ):
                follows.add(arm.code)
    assert follows == set(DEMO.titration[0].arms)


def test_dose_levels_open_one_step_a_titration_visit_in_every_arm_alike() -> None:
    by_arm = [reachable_dose_levels(DEMO, arm) for arm in DEMO.arms]
    assert by_arm[0] == by_arm[1] == by_arm[2]
    assert by_arm[0]["V2"] == {"L1"}
    assert by_arm[0]["V4"] == {"L1", "L2"}
    assert by_arm[0]["V5"] == by_arm[0]["V12"] == {"L1", "L2", "L3"}


def test_what_a_blinded_person_is_handed_is_the_same_in_every_arm_and_at_every_level() -> None:
    rows = dispensing_rows(DEMO)
    group = {kit_type.code: kit_type.blinding_group for kit_type in DEMO.kit_types}
    for visit in DEMO.visits:
        seen = set()
        for arm in DEMO.arms:
            for level in reachable_dose_levels(DEMO, arm)[visit.code]:
                counted = Counter()
                for kit_type, quantity in kits_due(rows, visit.code, arm.code, level).kits:
                    counted[group[kit_type]] += quantity
                seen.add(tuple(counted.items()))
        assert len(seen) == 1


def test_a_subject_is_given_enough_tablets_until_the_latest_next_dispensing_visit() -> None:
    rows = dispensing_rows(DEMO)
    at = [visit for visit in DEMO.visits if visit.dispensing] + [DEMO.visit("V11")]
    for visit, after in pairwise(at):
        days = after.target_day + after.window_after - visit.target_day
        kits = sum(quantity for _, quantity in kits_due(rows, visit.code, "PLACEBO", "L1").kits)
        assert kits * DEMO.kit_types[0].units_per_kit >= days


def test_planned_subjects_add_up_over_countries_and_sites() -> None:
    assert sum(country.planned_subjects for country in DEMO.countries) == 500
    for country in DEMO.countries:
        own = [site for site in DEMO.sites if site.country == country.code]
        assert (len(own), sum(site.planned_subjects for site in own)) == (
            country.planned_sites,
            country.planned_subjects,
        )


def test_a_stratum_key_names_the_factors_in_the_order_of_the_event_and_is_read_back() -> None:
    event = DEMO.randomization[0]
    keys = [stratum_key(levels, event.factors) for levels in strata_of(DEMO, event)]
    assert keys[0] == "SEVERITY=MODERATE|PRIOR=NO"
    assert len(set(keys)) == 4
    assert [parse_stratum(key) for key in keys] == strata_of(DEMO, event)
    assert stratum_key({}, ()) == "ALL"
    assert parse_stratum("ALL") == {}


def shown(protocol: Protocol) -> str:
    console = Console(file=io.StringIO(), width=180)
    show_protocol(protocol, console)
    return console.file.getvalue()


def test_the_tables_say_what_is_dispensed_where_it_depends_on_the_level_and_how_long_lanes_are() -> None:
    text = shown(DEMO)
    lines = {line.split("│")[1].strip(): line for line in text.splitlines() if line.startswith("│")}
    assert "L1: 1 K10" in lines["V4"]
    assert "1 K20" in lines["V4"]
    assert "when needed" in lines["ET"]
    assert "permuted_block" in lines["RAND"]
    assert "AU01" in lines["AUS"]
    assert [cell.strip() for cell in lines["JPN"].split("│")][3:5] == ["APD", "7"]

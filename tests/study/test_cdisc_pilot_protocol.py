"""studies/cdisc-pilot.yaml is the protocol of the original study: compared with its SDTM TV, TI, TE, TA, TS, DM and EX."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyreadstat
import pytest

from allocation.study.dose_paths import reachable_dose_levels, regimen_for, visits_in_order
from allocation.study.protocol import Protocol
from allocation.study.usdm import import_usdm
from allocation.study.yaml_files import load_protocol
from tests.conftest import REPOSITORY

Row = dict[str, Any]

ARMS = {"Pbo": "PBO", "Xan_Lo": "XAN_LO", "Xan_Hi": "XAN_HI"}
EPOCHS = {"SCREENING": "SCREENING", "TREATMENT": "TREATMENT", "FOLLOW_UP": "FOLLOW-UP"}


@pytest.fixture(scope="module")
def pilot() -> Protocol:
    return load_protocol(REPOSITORY / "studies" / "cdisc-pilot.yaml")


def sdtm(shared_data: Path, name: str) -> list[Row]:
    """The rows of a dataset, apostrophes of WINDOWS-1252 written in ASCII."""
    frame, _ = pyreadstat.read_xport(
        shared_data / "cdiscpilot" / "sdtm" / f"{name}.xpt", encoding="WINDOWS-1252", output_format="polars"
    )
    return [
        {key: value.replace("\u2019", "'") if isinstance(value, str) else value for key, value in row.items()}
        for row in frame.iter_rows(named=True)
    ]


def test_every_visit_of_tv_is_planned_with_its_number_name_day_and_rules(
    pilot: Protocol, shared_data: Path
) -> None:
    planned = [
        (float(visit.number), visit.name, visit.target_day, visit.start_rule, visit.end_rule)
        for visit in pilot.visits
    ]
    assert planned == [
        (row["VISITNUM"], row["VISIT"], row["VISITDY"], row["TVSTRL"], row["TVENRL"])
        for row in sdtm(shared_data, "tv")
    ]
    assert len(planned) == 21


def test_every_planned_visit_of_sv_is_one_of_these_in_the_same_epoch(
    pilot: Protocol, shared_data: Path
) -> None:
    """Records of a follow-up visit on the day of the last treatment visit have the epoch TREATMENT there."""
    epochs = {float(visit.number): EPOCHS[visit.epoch] for visit in pilot.visits}
    recorded = [row for row in sdtm(shared_data, "sv") if not row["VISIT"].startswith("UNSCHEDULED")]
    assert len(recorded) == 3437
    assert {row["VISITNUM"] for row in recorded} | {501.0} == epochs.keys()
    assert {row["EPOCH"] for row in recorded if epochs[row["VISITNUM"]] != row["EPOCH"]} == {"TREATMENT"}
    assert all(row["VISITNUM"] > 100 for row in recorded if epochs[row["VISITNUM"]] != row["EPOCH"])


def test_the_windows_are_those_of_the_usdm_document(pilot: Protocol, shared_data: Path) -> None:
    imported = import_usdm(shared_data / "usdm" / "CDISC_Pilot_Study.json").protocol_data["visits"]
    windows = {
        visit["name"].upper(): (
            visit.get("window_before", 0),
            visit.get("window_after", 0),
            visit.get("dispensing", False),
        )
        for visit in imported
        if visit.get("contact") != "phone" and not visit.get("optional")
    }
    assert len(windows) == 12
    assert windows == {
        visit.name: (visit.window_before, visit.window_after, visit.dispensing)
        for visit in pilot.visits
        if visit.name in windows
    }


def test_kits_are_dispensed_at_the_nine_visits_that_the_case_report_form_names(pilot: Protocol) -> None:
    numbers = [visit.number for visit in pilot.visits if visit.dispensing]
    assert numbers == [3, 4, 5, 7, 8, 9, 10, 11, 12]


def test_the_criteria_are_those_of_ti_word_by_word(pilot: Protocol, shared_data: Path) -> None:
    assert [(one.code, one.category, one.text) for one in pilot.criteria] == [
        (row["IETESTCD"], row["IECAT"], row["IETEST"]) for row in sdtm(shared_data, "ti")
    ]
    assert len(pilot.criteria) == 31


def test_the_elements_are_those_of_te(pilot: Protocol, shared_data: Path) -> None:
    found = {one.code: (one.name, one.start_rule, one.end_rule, one.duration) for one in pilot.elements}
    assert found == {
        row["ETCD"]: (row["ELEMENT"], row["TESTRL"], row["TEENRL"], row["TEDUR"])
        for row in sdtm(shared_data, "te")
    }
    assert len(found) == 7


def test_the_cells_give_ta_row_by_row(pilot: Protocol, shared_data: Path) -> None:
    rows = []
    for arm in sorted(pilot.arms, key=lambda one: one.code):
        order = 0
        for epoch in pilot.epochs:
            cell = next(one for one in pilot.cells if (one.arm, one.epoch) == (arm.code, epoch.code))
            for element in cell.elements:
                order += 1
                rows.append((arm.code, arm.name, order, element, cell.branch, cell.transition, epoch.term))
    assert rows == [
        (ARMS[r["ARMCD"]], r["ARM"], r["TAETORD"], r["ETCD"], r["TABRANCH"], r["TATRANS"], r["EPOCH"])
        for r in sdtm(shared_data, "ta")
    ]


def test_the_elements_start_when_they_started_for_the_subjects(pilot: Protocol, shared_data: Path) -> None:
    """In SE each treatment element starts on the date of its visit; one HIM starts 9 days late in the original."""
    visit_dates = {(row["USUBJID"], row["VISITNUM"]): row["SVSTDTC"] for row in sdtm(shared_data, "sv")}
    number = {visit.code: float(visit.number) for visit in pilot.visits}
    apart: dict[str, int] = {}
    for row in sdtm(shared_data, "se"):
        element = next((one for one in pilot.elements if one.code == row["ETCD"]), None)
        if element is None or element.starts_at_visit is None:
            continue
        assert element.start_offset_days == 0
        start = visit_dates[row["USUBJID"], number[element.starts_at_visit]]
        apart[row["ETCD"]] = apart.get(row["ETCD"], 0) + (start != row["SESTDTC"])
    assert apart == {"PBO": 0, "LO": 0, "HIS": 0, "HIM": 1, "HIE": 0}


def test_the_arms_have_the_names_of_dm_in_equal_shares(pilot: Protocol, shared_data: Path) -> None:
    subjects = sdtm(shared_data, "dm")
    assert {arm.code: arm.name for arm in pilot.arms} == {
        ARMS[row["ARMCD"]]: row["ARM"] for row in subjects if row["ARMCD"] in ARMS
    }
    assert {arm.ratio for arm in pilot.arms} == {1}
    for row in subjects:
        made = pilot.subject_identifier.template.format(
            study=pilot.study.id, site=row["SITEID"], subject=row["SUBJID"]
        )
        assert made == row["USUBJID"]
    assert {row["STUDYID"] for row in subjects} == {pilot.study.id}


def test_the_sites_and_the_country_are_those_of_dm(pilot: Protocol, shared_data: Path) -> None:
    subjects = sdtm(shared_data, "dm")
    assert {site.code for site in pilot.sites} == {row["SITEID"] for row in subjects}
    assert {country.code for country in pilot.countries} == {row["COUNTRY"] for row in subjects}
    assert len(pilot.sites) == 17


def test_every_record_of_ex_has_the_regimen_that_the_protocol_gives(
    pilot: Protocol, shared_data: Path
) -> None:
    """591 of 591 records: by the randomized arm and the visit that the record belongs to."""
    arm_of = {row["USUBJID"]: ARMS.get(row["ARMCD"]) for row in sdtm(shared_data, "dm")}
    code = {float(visit.number): visit.code for visit in pilot.visits}
    levels = {arm.code: reachable_dose_levels(pilot, arm) for arm in pilot.arms}
    records = sdtm(shared_data, "ex")
    for row in records:
        arm, visit = arm_of[row["USUBJID"]], code[row["VISITNUM"]]
        assert arm is not None
        (level,) = levels[arm][visit]
        found = regimen_for(pilot, visit, arm, level)
        assert found is not None
        one = found[1]
        assert (one.treatment, float(one.dose), one.unit, one.form, one.frequency, one.route) == (
            row["EXTRT"], row["EXDOSE"], row["EXDOSU"], row["EXDOSFRM"], row["EXDOSFRQ"], row["EXROUTE"],
        )  # fmt: skip
    assert len(records) == 591


def test_every_record_of_ex_starts_on_the_day_that_its_period_says(
    pilot: Protocol, shared_data: Path
) -> None:
    visit_dates = {(row["USUBJID"], row["VISITNUM"]): row["SVSTDTC"] for row in sdtm(shared_data, "sv")}
    number = {visit.code: float(visit.number) for visit in pilot.visits}
    offset = {number[period.visit]: timedelta(period.offset_days) for period in pilot.exposure.periods}
    for row in sdtm(shared_data, "ex"):
        visited = date.fromisoformat(visit_dates[row["USUBJID"], row["VISITNUM"]])
        assert (visited + offset[row["VISITNUM"]]).isoformat() == row["EXSTDTC"]


def test_the_subjects_counted_as_treated_by_another_arm_are_those_without_the_second_step(
    pilot: Protocol, shared_data: Path
) -> None:
    rule = next(arm.as_treated for arm in pilot.arms if arm.as_treated is not None)
    assert (rule.unless_dose_level, rule.then_arm) == ("STEP2", "XAN_LO")
    (second_step,) = [one.visits for one in pilot.titration if one.to_level == rule.unless_dose_level]
    number = {visit.code: float(visit.number) for visit in pilot.visits}
    stepped_up = {
        row["USUBJID"] for row in sdtm(shared_data, "ex") if row["VISITNUM"] == number[second_step[0]]
    }
    subjects = [row for row in sdtm(shared_data, "dm") if row["ARMCD"] == "Xan_Hi"]
    moved = [row for row in subjects if row["USUBJID"] not in stepped_up]
    assert len(moved) == 12
    assert {ARMS[row["ACTARMCD"]] for row in moved} == {"XAN_LO"}
    assert {row["ACTARMCD"] for row in subjects if row["USUBJID"] in stepped_up} == {"Xan_Hi"}


def test_the_trial_parameters_are_those_of_ts_that_no_other_part_says(
    pilot: Protocol, shared_data: Path
) -> None:
    original: dict[str, list[str]] = {}
    for row in sdtm(shared_data, "ts"):
        original.setdefault(row["TSPARMCD"], []).append(row["TSVAL"])
    stated = {one.code: list(one.values) for one in pilot.trial_parameters}
    said_elsewhere = {"TITLE", "TPHASE", "TBLIND", "PLANSUB", "AGEMIN", "AGEMAX", "NARMS", "RANDOM", "FCNTRY"}
    told_by_the_conduct = {"ACTSUB", "SSTDTC"}
    no_term_any_more = {"AGESPAN"}
    left_out = said_elsewhere | told_by_the_conduct | no_term_any_more
    assert stated == {code: values for code, values in original.items() if code not in left_out}
    assert original["TITLE"] == [pilot.study.title]
    assert original["TPHASE"] == [f"PHASE {pilot.study.phase} TRIAL"]
    assert original["TBLIND"] == [pilot.study.blinding.replace("_", " ").upper()]
    assert original["PLANSUB"] == [str(pilot.study.planned_subjects)]
    assert original["AGEMIN"] == [f"P{pilot.screening.age_min}Y"]
    assert pilot.screening.age_max is None
    assert original["NARMS"] == [str(len(pilot.arms))]
    assert original["FCNTRY"] == [country.code for country in pilot.countries]


def test_what_blinded_people_see_is_the_same_in_every_arm(pilot: Protocol) -> None:
    """Kits by blinding group and number, dose steps, and exposure periods: none of them may differ between arms."""
    group = {kit_type.code: kit_type.blinding_group for kit_type in pilot.kit_types}
    levels = {arm.code: reachable_dose_levels(pilot, arm) for arm in pilot.arms}
    for visit in [
        code for code in visits_in_order(pilot) if next(v for v in pilot.visits if v.code == code).dispensing
    ]:
        seen = set()
        for arm in pilot.arms:
            (level,) = levels[arm.code][visit]
            row = next(
                one
                for one in pilot.dispensing
                if visit in one.visits and one.arm == arm.code and one.dose_level in (None, level)
            )
            kits = tuple(sorted((group[kit.kit_type], kit.quantity) for kit in row.kits))
            seen.add((level, kits))
        assert len(seen) == 1, visit


def test_a_kit_lasts_until_the_next_dispensing_at_the_late_end_of_its_window(pilot: Protocol) -> None:
    units = {kit_type.code: kit_type.units_per_kit for kit_type in pilot.kit_types}
    planned = [visit for visit in pilot.visits if visit.dispensing or visit.code == "V13"]
    for visit, following in pairwise(planned):
        assert visit.target_day is not None
        assert following.target_day is not None
        days = following.target_day - visit.target_day + following.window_after
        for row in pilot.dispensing:
            if visit.code in row.visits:
                assert all(kit.quantity * units[kit.kit_type] >= days for kit in row.kits), (visit.code, row)


def test_the_strength_of_the_kits_adds_up_to_the_dose_of_the_regimen(pilot: Protocol) -> None:
    strength = {kit_type.code: float(kit_type.strength.removesuffix(" mg")) for kit_type in pilot.kit_types}
    for row in pilot.dispensing:
        assert row.arm is not None
        worn = sum(strength[kit.kit_type] for kit in row.kits)
        level = row.dose_level or "STEP1"
        found = regimen_for(pilot, row.visits[0], row.arm, level)
        assert found is not None
        assert worn == float(found[1].dose)

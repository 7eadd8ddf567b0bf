"""Each rule of its own of DM, DS, SV, EX, DA, SE, IE and SUPPDM notices the study that is broken in that one way, by its key."""

import polars as pl
import pytest

from data_contracts import contract
from data_contracts.sdtm.common import standard_rules
from tests.data_contracts.breaking import (
    Broken,
    another,
    assert_only_that_rule_notices,
    put,
    subject,
    without,
)

ONE, TWO, FAILED = {"USUBJID": subject("001")}, {"USUBJID": subject("002")}, {"USUBJID": subject("004")}
RANDOMIZED_ONE = {**ONE, "DSDECOD": "RANDOMIZED"}
LONG_ARM = "A" * 21
RETURN = {"DAREFID": "K70", "DATESTCD": "RETAMT"}
UNSCHEDULED, MISSED, BASELINE = {"VISITNUM": 3.1}, {"SVOCCUR": "N"}, {**ONE, "VISITNUM": 2.0}

BROKEN = [
    # DM: arms
    Broken("DM.ARMCD.length", ONE, {"ARMCD": LONG_ARM}, {"TA": another({"ARMCD": "ACT"}, ARMCD=LONG_ARM)}),
    Broken(
        "DM.ACTARMCD.length", ONE, {"ACTARMCD": LONG_ARM}, {"TA": another({"ARMCD": "ACT"}, ARMCD=LONG_ARM)}
    ),
    Broken("DM.arm-or-reason", FAILED, {"ARMNRS": None, "RFENDTC": "2026-01-15"}),
    Broken(
        "DM.reason-agrees-with-arm",
        ONE,
        {"ARMNRS": "NOT ASSIGNED", "ACTARM": None, "ACTARMCD": None, "RFENDTC": None},
    ),
    Broken("DM.arm-code-with-arm", ONE, {"ACTARMCD": None}),
    Broken("DM.arm-is-an-arm", ONE, {"ARMCD": "Scrnfail", "ARM": "Screen Failure"}),
    Broken("DM.unplanned-arm-described", ONE, {"ACTARMUD": "Took the tablets of a sister"}),
    Broken("DM.ARMCD.in-TA", ONE, {"ARM": "Aktive"}),
    Broken("DM.ACTARMCD.in-TA", ONE, {"ACTARMCD": "HIGH"}),
    # DM: reference dates
    Broken("DM.RFXSTDTC.first-dose", ONE, {"RFXSTDTC": "2026-01-13"}),
    Broken("DM.RFXENDTC.last-dose", ONE, {"RFXENDTC": "2026-02-09"}),
    Broken("DM.RFICDTC.consent", ONE, {"RFICDTC": "2026-01-06"}),
    Broken(
        "DM.treated-subject-in-DS",
        ONE,
        {"RFICDTC": None},
        {"DS": without(**ONE)},
        beside=("DM.arm-means-randomized",),
    ),
    Broken("DM.arm-means-randomized", ONE, {"ARMCD": "ACT"}, {"DS": without(**RANDOMIZED_ONE)}),
    Broken("DM.RFENDTC.only-with-arm", FAILED, {"RFENDTC": "2026-01-16"}),
    Broken("DM.RFENDTC.of-assigned", ONE, {"RFENDTC": None}),
    Broken("DM.RFENDTC.not-before-RFSTDTC", ONE, {"RFENDTC": "2026-01-11"}),
    Broken(
        "DM.RFXENDTC.not-before-RFXSTDTC", ONE, {"RFXENDTC": "2026-01-11"}, beside=("DM.RFXENDTC.last-dose",)
    ),
    Broken("DM.RFSTDTC.not-before-RFICDTC", ONE, {"RFSTDTC": "2026-01-04"}),
    # DM: the person
    Broken("DM.AGE.range", ONE, {"AGE": 131}),
    Broken("DM.AGE.with-unit", ONE, {"AGEU": None}),
    Broken("DM.COUNTRY.iso-3166", ONE, {"COUNTRY": "DE"}),
    Broken("DM.DTHFL.yes-or-empty", ONE, {"DTHFL": "N"}),
    Broken("DM.DTHFL.with-date", ONE, {"DTHDTC": "2026-02-10"}),
    Broken("DM.SUBJID.unique-at-site", ONE, {"SUBJID": "002"}, fails=pl.col("SUBJID") == "002"),
    # DS
    Broken(
        "DS.DSDECOD.fits-category",
        RANDOMIZED_ONE,
        {"DSCAT": "DISPOSITION EVENT", "DSSCAT": "STUDY TREATMENT"},
    ),
    Broken("DS.DSDECOD.in-codelist", RANDOMIZED_ONE, {"DSDECOD": "RANDOMISED"}),
    Broken(
        "DS.one-disposition",
        {"USUBJID": subject("004"), "DSSEQ": 1},
        {"DSCAT": "DISPOSITION EVENT", "DSDECOD": "DEATH"},
        fails=pl.col("USUBJID") == subject("004"),
    ),
    Broken(
        "DS.randomized-once",
        {**ONE, "DSDECOD": "COMPLETED"},
        {"DSCAT": "PROTOCOL MILESTONE", "DSDECOD": "RANDOMIZED"},
        fails=(pl.col("USUBJID") == subject("001")) & (pl.col("DSDECOD") == "RANDOMIZED"),
    ),
    Broken("DS.consent-before-randomization", RANDOMIZED_ONE, {"DSSTDTC": "2026-01-04", "DSSTDY": -8}),
    Broken("DS.collected-not-before", RANDOMIZED_ONE, {"DSDTC": "2026-01-11"}),
    Broken("DS.visit-in-SV", RANDOMIZED_ONE, {"VISITNUM": 9.0}),
    # SV
    Broken("SV.planned-visit-in-TV", MISSED, {"VISITNUM": 5.0, "VISITDY": None, "VISIT": None}),
    Broken("SV.planned-visit-name", BASELINE, {"VISIT": "DAY 1"}),
    Broken("SV.VISITDY.of-TV", BASELINE, {"VISITDY": 2}),
    Broken("SV.SVPRESP.yes-or-empty", BASELINE, {"SVPRESP": "N"}),
    Broken("SV.SVOCCUR.of-planned", BASELINE, {"SVOCCUR": None}),
    Broken("SV.VISITDY.of-planned", UNSCHEDULED, {"VISITDY": 21}),
    Broken("SV.unplanned-visit-described", UNSCHEDULED, {"SVUPDES": None}),
    Broken("SV.dates-of-occurred", MISSED, {"SVSTDTC": "2026-02-11"}),
    # EX
    Broken("EX.EXDOSE.range", {**ONE, "EXSEQ": 1}, {"EXDOSE": -10.0}),
    Broken("EX.dose-with-unit", {**ONE, "EXSEQ": 1}, {"EXDOSU": None}),
    Broken("EX.placebo-dose-0", {**TWO, "EXSEQ": 1}, {"EXDOSE": 10.0}),
    Broken("EX.EXSTDTC.filled", {**ONE, "EXSEQ": 2}, {"EXSTDTC": None, "EXSTDY": None}),
    Broken("EX.EXENDTC.filled", {**ONE, "EXSEQ": 2}, {"EXENDTC": None, "EXENDY": None}),
    Broken(
        "EX.treated-has-arm",
        {**ONE, "EXSEQ": 1},
        {"USUBJID": subject("004"), "EXSTDY": None, "EXENDY": None, "VISITNUM": None},
    ),
    Broken("EX.visit-in-SV", {**ONE, "EXSEQ": 1}, {"VISITNUM": 2.5}),
    # DA
    Broken("DA.DATESTCD.length", RETURN, {"DATESTCD": "RETURNAMT"}, beside=("DA.DATESTCD.in-codelist",)),
    Broken(
        "DA.DATEST.length",
        RETURN,
        {"DATESTCD": "RETX", "DATEST": "R" * 41},
        beside=("DA.DATESTCD.in-codelist", "DA.DATEST.in-codelist"),
    ),
    Broken("DA.DATEST.name-of-DATESTCD", RETURN, {"DATEST": "Lost Amount"}),
    Broken("DA.DAREFID.filled", RETURN, {"DAREFID": None, "DATESTCD": "LOSTAMT", "DATEST": "Lost Amount"}),
    Broken("DA.DADTC.filled", RETURN, {"DADTC": None, "DADY": None}),
    Broken(
        "DA.kit-dispensed-once",
        {"DAREFID": "K70"},
        {"DAREFID": "K57"},
        fails=(pl.col("DAREFID") == "K57") & (pl.col("DATESTCD") == "DISPAMT"),
    ),
    Broken("DA.return-of-dispensed", RETURN, {"DAREFID": "K57"}),
    Broken("DA.return-at-most-dispensed", RETURN, {"DASTRESN": 31.0, "DASTRESC": "31", "DAORRES": "31"}),
    Broken("DA.return-after-dispensing", RETURN, {"DADTC": "2026-01-11", "DADY": -1}),
    Broken("DA.DASTRESN.range", RETURN, {"DASTRESN": -4.0, "DASTRESC": "-4"}),
    Broken("DA.DASTRESN.number-of-DASTRESC", RETURN, {"DASTRESN": 5.0}),
    Broken("DA.result-or-not-done", RETURN, {"DASTAT": "NOT DONE"}),
    Broken("DA.visit-in-SV", RETURN, {"VISITNUM": 4.0}),
    # SE
    Broken(
        "SE.ETCD.length",
        {**ONE, "SESEQ": 2},
        {"ETCD": "ACTIVE-10"},
        {"TE": another({"ETCD": "ACT"}, ETCD="ACTIVE-10"), "TA": another({"ETCD": "ACT"}, ETCD="ACTIVE-10")},
    ),
    Broken("SE.element-name", {**ONE, "SESEQ": 2}, {"ELEMENT": "Aktive"}),
    Broken(
        "SE.element-in-TE", {**ONE, "SESEQ": 2}, {"ETCD": "HI"}, {"TA": another({"ETCD": "ACT"}, ETCD="HI")}
    ),
    Broken("SE.element-of-arm", {**TWO, "SESEQ": 2}, {"ETCD": "ACT", "ELEMENT": "Active"}),
    Broken("SE.EPOCH.of-element", {**ONE, "SESEQ": 2}, {"EPOCH": "SCREENING"}),
    Broken("SE.contiguous", {**ONE, "SESEQ": 1}, {"SEENDTC": "2026-01-11"}),
    Broken("SE.unplanned-element-described", {**ONE, "SESEQ": 2}, {"SEUPDES": "Stayed longer"}),
    # IE
    Broken(
        "IE.IETESTCD.length",
        {},
        {"IETESTCD": "EXCLUSION1"},
        {"TI": put({"IETESTCD": "EX01"}, {"IETESTCD": "EXCLUSION1"})},
    ),
    Broken("IE.IEORRES.not-met", {}, {"IEORRES": "N", "IESTRESC": "N"}),
    Broken("IE.IESTRESC.same", {}, {"IESTRESC": "N"}),
    Broken("IE.criterion-in-TI", {}, {"IETEST": "Pregnant"}),
    Broken("IE.visit-in-SV", {}, {"VISITNUM": 2.0}),
    # SUPPDM
    Broken("SUPPDM.RDOMAIN.in-codelist", ONE, {"RDOMAIN": "DS"}),
    Broken("SUPPDM.QNAM.variable-name", ONE, {"QNAM": "RANDNUMBER"}),
    Broken("SUPPDM.QLABEL.length", ONE, {"QLABEL": "The number under which it was randomized!"}),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.rule)
def test_a_rule_notices_the_one_break_and_names_its_key(broken: Broken) -> None:
    assert_only_that_rule_notices(broken)


@pytest.mark.parametrize("dataset", ["DM", "DS", "SV", "EX", "DA", "SE", "IE", "SUPPDM"])
def test_every_rule_that_the_dataset_has_of_its_own_is_broken_above(dataset: str) -> None:
    common = {rule.rule_id for rule in standard_rules(dataset)}
    own = {rule.rule_id for rule in contract(dataset).rules} - common
    assert {broken.rule for broken in BROKEN if broken.dataset == dataset} == own

"""Each rule of its own of TA, TE, TV, TI and TS notices the design that is broken in that one way, by its key."""

import polars as pl
import pytest

from data_contracts import check, contract
from data_contracts.sdtm.common import standard_rules
from tests.data_contracts.breaking import Broken, another, assert_only_that_rule_notices, without
from tests.data_contracts.good_study import good_frames

FIRST = {"ARMCD": "ACT", "TAETORD": 1}
TREATED = {"ARMCD": "ACT", "TAETORD": 2}

BROKEN = [
    Broken("TA.ARMCD.length", {"ARMCD": "ACT"}, {"ARMCD": "A" * 21}),
    Broken("TA.ETCD.length", TREATED, {"ETCD": "ACTIVE-10"}, {"TE": another({"ETCD": "ACT"}, ETCD="ACTIVE-10")}),
    Broken("TA.one-name-per-arm", FIRST, {"ARM": "Aktive"}, fails=pl.col("ARMCD") == "ACT"),
    Broken("TA.TAETORD.positive-integer", FIRST, {"TAETORD": 0}),
    Broken("TA.element-in-TE", TREATED, {"ETCD": "HI"}),
    Broken("TA.element-name", TREATED, {"ELEMENT": "Aktive"}),
    Broken("TE.ETCD.length", {"ETCD": "ACT"}, {"ETCD": "ACTIVE-10"}, {"TA": another(TREATED, ETCD="ACTIVE-10")}),
    Broken("TE.end-rule-or-duration", {"ETCD": "ACT"}, {"TEDUR": None}),
    Broken("TE.element-used", {"ETCD": "ACT"}, {"ETCD": "OLD"}),
    Broken("TV.ARMCD.length", {"VISITNUM": 4.0}, {"ARMCD": "A" * 21}, {"TA": another(TREATED, ARMCD="A" * 21)}),
    Broken("TV.one-name-per-visit", {"VISITNUM": 4.0}, {"VISIT": "WEEK 2"}, fails=pl.col("VISITNUM") >= 3),
    Broken("TV.VISITDY.no-day-0", {"VISITNUM": 2.0}, {"VISITDY": 0}),
    Broken("TV.arm-in-TA", {"VISITNUM": 4.0}, {"ARMCD": "HIGH"}),
    Broken("TI.IETESTCD.length", {"IETESTCD": "IN01"}, {"IETESTCD": "INCLUDED1"}),
    Broken(
        "TS.TSPARMCD.length", {"TSPARMCD": "TITLE"}, {"TSPARMCD": "LONGTITLE"},
        beside=("TS.TSPARMCD.in-codelist", "TS.parameters"),
    ),
    Broken(
        "TS.TSPARM.length", {"TSPARMCD": "TITLE"}, {"TSPARM": "T" * 41},
        beside=("TS.TSPARM.in-codelist", "TS.TSPARM.name-of-TSPARMCD"),
    ),
    Broken("TS.TSPARM.name-of-TSPARMCD", {"TSPARMCD": "TITLE"}, {"TSPARM": "Trial is Randomized"}),
    Broken("TS.value-or-null-flavor", {"TSPARMCD": "TITLE"}, {"TSVAL": None}),
    Broken("TS.code-with-terminology", {"TSPARMCD": "TBLIND"}, {"TSVCDREF": None}),
    Broken("TS.yes-no-values", {"TSPARMCD": "RANDOM"}, {"TSVAL": "Yes"}),
    Broken("TS.counts", {"TSPARMCD": "PLANSUB"}, {"TSVAL": "about 4"}),
    Broken("TS.NARMS.of-TA", {"TSPARMCD": "NARMS"}, {"TSVAL": "3"}),
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.rule)
def test_a_rule_notices_the_one_break_and_names_its_key(broken: Broken) -> None:
    assert_only_that_rule_notices(broken)


def test_a_summary_without_a_parameter_that_the_system_knows_is_noticed() -> None:
    frames = good_frames()
    result = check("TS", without(TSPARMCD="NARMS")(frames["TS"]), frames)
    assert [failure.rule for failure in result.failures] == ["TS.parameters"]
    assert result.passed  # a warning


@pytest.mark.parametrize("dataset", ["TA", "TE", "TV", "TI", "TS"])
def test_every_rule_that_the_dataset_has_of_its_own_is_broken_above(dataset: str) -> None:
    common = {rule.rule_id for rule in standard_rules(dataset)}
    own = {rule.rule_id for rule in contract(dataset).rules} - common - {"TS.parameters"}
    assert {broken.rule for broken in BROKEN if broken.dataset == dataset} == own

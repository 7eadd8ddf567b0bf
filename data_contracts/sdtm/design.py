"""TA, TE, TV, TI and TS: the design of the trial as the protocol states it."""

import polars as pl

from data_contracts import standard
from data_contracts.joins import found_in, looked_up
from data_contracts.rule import Frames, Rule, at_most, contains, holds
from data_contracts.sdtm.common import codes_with_names, standard_rules

# The parameters of an interventional trial that the system itself knows: without them nobody can read the design.
TRIAL_PARAMETERS = ("NARMS", "PLANSUB", "RANDOM", "TBLIND", "TITLE")
YES_NO_PARAMETERS = ("ADAPT", "ADDON", "EXTTIND", "HLTSUBJI", "PDSTIND", "PIPIND", "RANDOM", "RDIND")
COUNT_PARAMETERS = ("ACTSUB", "NARMS", "NCOHORT", "PLANSUB")


def trial_arms() -> list[Rule]:
    """TA: each arm a sequence of elements of TE, under one description."""

    def element_name(frames: Frames) -> pl.Series:
        name = looked_up(frames.own, ["ETCD"], frames.others["TE"], "ELEMENT")
        return frames.own["ELEMENT"] == name

    order = pl.col("TAETORD")
    return [
        *standard_rules("TA"),
        at_most("TA", "ARMCD", 20),
        at_most("TA", "ETCD", 8),
        holds(
            "TA",
            "one-name-per-arm",
            ["ARM", "ARMCD"],
            "an arm code has one description, and a description one code",
            (pl.col("ARM").n_unique().over("ARMCD") == 1) & (pl.col("ARMCD").n_unique().over("ARM") == 1),
        ),
        holds(
            "TA",
            "TAETORD.positive-integer",
            ["TAETORD"],
            "TAETORD is a whole number from 1",
            (order >= 1) & (order == order.floor()),
        ),
        holds(
            "TA",
            "element-in-TE",
            ["ETCD"],
            "an element of an arm is one of TE",
            lambda frames: found_in(frames.own, ["ETCD"], frames.others["TE"]),
            needs={"TE": ["ETCD"]},
        ),
        holds(
            "TA",
            "element-name",
            ["ELEMENT", "ETCD"],
            "an element has the description that TE gives it",
            element_name,
            needs={"TE": ["ETCD", "ELEMENT"]},
        ),
    ]


def trial_elements() -> list[Rule]:
    """TE: each element with a rule for its end or a duration, and used by an arm."""
    return [
        *standard_rules("TE"),
        at_most("TE", "ETCD", 8),
        holds(
            "TE",
            "end-rule-or-duration",
            ["TEENRL", "TEDUR"],
            "an element has a rule for its end or a planned duration (CORE-000027)",
            pl.col("TEENRL").is_not_null() | pl.col("TEDUR").is_not_null(),
        ),
        holds(
            "TE",
            "element-used",
            ["ETCD"],
            "an arm of TA uses the element",
            lambda frames: found_in(frames.own, ["ETCD"], frames.others["TA"]),
            needs={"TA": ["ETCD"]},
            severity="warning",
        ),
    ]


def trial_visits() -> list[Rule]:
    """TV: each visit number with one name, for arms of TA."""

    def in_trial_arms(frames: Frames) -> pl.Series:
        return found_in(frames.own, ["ARMCD"], frames.others["TA"]) | frames.own["ARMCD"].is_null()

    return [
        *standard_rules("TV"),
        at_most("TV", "ARMCD", 20),
        holds(
            "TV",
            "one-name-per-visit",
            ["VISIT", "VISITNUM"],
            "a visit number has one name, and a name one number",
            (pl.col("VISIT").n_unique().over("VISITNUM") == 1)
            & (pl.col("VISITNUM").n_unique().over("VISIT") == 1),
        ),
        holds("TV", "VISITDY.no-day-0", ["VISITDY"], "VISITDY is never 0", pl.col("VISITDY") != 0),
        holds(
            "TV",
            "arm-in-TA",
            ["ARMCD"],
            "a visit of one arm names an arm of TA",
            in_trial_arms,
            needs={"TA": ["ARMCD"]},
        ),
    ]


def trial_criteria() -> list[Rule]:
    """TI: each criterion with a code of at most 8 characters and one text in a version."""
    return [*standard_rules("TI"), at_most("TI", "IETESTCD", 8)]


def trial_summary() -> list[Rule]:
    """TS: parameters under their own names, each with a value or the reason why it has none."""
    pairs = standard.paired_terms("TSPARMCD", "TSPARM")
    parameter, value = pl.col("TSPARMCD"), pl.col("TSVAL")
    has_value = value.is_not_null()

    def number_of_arms(frames: Frames) -> pl.Series:
        arms = str(frames.others["TA"]["ARMCD"].drop_nulls().n_unique())
        return frames.own.select(pl.when(parameter == "NARMS").then(value == arms)).to_series()

    return [
        *standard_rules("TS"),
        at_most("TS", "TSPARMCD", 8),
        at_most("TS", "TSPARM", 40),
        codes_with_names("TS", "TSPARMCD", "TSPARM", pairs),
        holds(
            "TS",
            "value-or-null-flavor",
            ["TSVAL", "TSVALNF"],
            "a parameter has a value, or a null flavor that says why not",
            has_value != pl.col("TSVALNF").is_not_null(),
        ),
        holds(
            "TS",
            "code-with-terminology",
            ["TSVCDREF", "TSVALCD"],
            "a coded value names its terminology",
            pl.col("TSVALCD").is_null() | pl.col("TSVCDREF").is_not_null(),
        ),
        holds(
            "TS",
            "yes-no-values",
            ["TSVAL", "TSPARMCD"],
            "a yes-or-no parameter is Y or N",
            pl.when(parameter.is_in(YES_NO_PARAMETERS)).then(value.is_in(["Y", "N"])),
        ),
        holds(
            "TS",
            "counts",
            ["TSVAL", "TSPARMCD"],
            "a number of arms, cohorts or subjects is a whole number",
            pl.when(parameter.is_in(COUNT_PARAMETERS)).then(value.str.contains(r"^\d+$")),
        ),
        holds(
            "TS",
            "NARMS.of-TA",
            ["TSVAL", "TSPARMCD"],
            "NARMS is the number of arms in TA",
            number_of_arms,
            needs={"TA": ["ARMCD"]},
        ),
        contains("TS", "parameters", "TSPARMCD", TRIAL_PARAMETERS, "warning"),
    ]

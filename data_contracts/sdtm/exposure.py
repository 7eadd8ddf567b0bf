"""SV, EX, DA and SE: the visits, what was given and taken back at them, and the elements that a subject went through."""

import polars as pl

from data_contracts import standard
from data_contracts.joins import found_in, looked_up
from data_contracts.rule import Frames, Rule, at_most, between, filled, holds
from data_contracts.sdtm.common import codes_with_names, standard_rules, visit_of_subject
from data_contracts.sdtm.dates import not_before

UNPLANNED = "UNPLAN"


def subject_visits() -> list[Rule]:
    """SV: planned visits are those of TV, unplanned ones are described, and a visit that did not occur has no dates."""

    def in_trial_visits(frames: Frames) -> pl.Series:
        return found_in(frames.own, ["VISITNUM"], frames.others["TV"]) | frames.own["SVPRESP"].is_null()

    def visit_name(frames: Frames) -> pl.Series:
        name = looked_up(frames.own, ["VISITNUM"], frames.others["TV"], "VISIT")
        return (frames.own["VISIT"] == name) | frames.own["SVPRESP"].is_null() | frames.own["VISIT"].is_null()

    def planned_day(frames: Frames) -> pl.Series:
        day = looked_up(frames.own, ["VISITNUM"], frames.others["TV"], "VISITDY").cast(pl.Float64)
        own = frames.own["VISITDY"].cast(pl.Float64)
        return (own == day) | own.is_null() | frames.own["SVPRESP"].is_null()

    planned, occurred = pl.col("SVPRESP").is_not_null(), pl.col("SVOCCUR")
    return [
        *standard_rules("SV"),
        holds(
            "SV",
            "planned-visit-in-TV",
            ["VISITNUM", "SVPRESP"],
            "a planned visit (SVPRESP = Y) is a visit of TV (CORE-000035 to 40)",
            in_trial_visits,
            needs={"TV": ["VISITNUM"]},
        ),
        holds(
            "SV",
            "planned-visit-name",
            ["VISIT", "VISITNUM", "SVPRESP"],
            "a planned visit has the name that TV gives it",
            visit_name,
            needs={"TV": ["VISITNUM", "VISIT"]},
        ),
        holds(
            "SV",
            "VISITDY.of-TV",
            ["VISITDY", "VISITNUM", "SVPRESP"],
            "a planned visit has the planned day of TV",
            planned_day,
            needs={"TV": ["VISITNUM", "VISITDY"]},
        ),
        holds(
            "SV",
            "SVPRESP.yes-or-empty",
            ["SVPRESP"],
            "SVPRESP is Y or empty",
            ~pl.col("SVPRESP").is_in(["N", "U", "NA"]),
        ),
        holds(
            "SV",
            "SVOCCUR.of-planned",
            ["SVOCCUR", "SVPRESP"],
            "SVOCCUR says of planned visits, and only of them, whether they took place",
            planned == occurred.is_not_null(),
        ),
        holds(
            "SV",
            "VISITDY.of-planned",
            ["VISITDY", "SVPRESP"],
            "an unplanned visit has no VISITDY (CORE-000140)",
            planned | pl.col("VISITDY").is_null(),
        ),
        holds(
            "SV",
            "unplanned-visit-described",
            ["SVUPDES", "SVPRESP"],
            "SVUPDES describes unplanned visits, and only them",
            planned == pl.col("SVUPDES").is_null(),
        ),
        holds(
            "SV",
            "dates-of-occurred",
            ["SVSTDTC", "SVENDTC", "SVOCCUR"],
            "a visit has a start date exactly where it took place, and no end date otherwise",
            pl.when(occurred == "N")
            .then(pl.col("SVSTDTC").is_null() & pl.col("SVENDTC").is_null())
            .otherwise(pl.col("SVSTDTC").is_not_null()),
        ),
    ]


def exposure() -> list[Rule]:
    """EX: doses with units, placebo dosed as 0, only in subjects with an actual arm."""

    def treated_has_arm(frames: Frames) -> pl.Series:
        arms = frames.others["DM"].filter(pl.col("ACTARMCD").is_not_null() | pl.col("ACTARMUD").is_not_null())
        return found_in(frames.own, ["USUBJID"], arms)

    dose = pl.col("EXDOSE")
    return [
        *standard_rules("EX"),
        between("EX", "EXDOSE", 0, None),
        holds(
            "EX",
            "dose-with-unit",
            ["EXDOSU", "EXDOSE"],
            "a dose has a unit",
            dose.is_null() | pl.col("EXDOSU").is_not_null(),
        ),
        holds(
            "EX",
            "placebo-dose-0",
            ["EXDOSE", "EXTRT"],
            "the dose of placebo is 0",
            pl.when(pl.col("EXTRT").str.to_uppercase() == "PLACEBO").then(dose == 0),
        ),
        filled("EX", "EXSTDTC"),
        filled("EX", "EXENDTC", "warning"),
        holds(
            "EX",
            "treated-has-arm",
            ["USUBJID"],
            "a treated subject has an actual arm, or an unplanned one that is described, in DM",
            treated_has_arm,
            needs={"DM": ["USUBJID", "ACTARMCD", "ACTARMUD"]},
        ),
        visit_of_subject("EX", "warning"),
    ]


def product_accountability() -> list[Rule]:
    """DA: each kit (DAREFID) is dispensed once to one subject, from whom no more of it comes back, or is lost, than it held.

    A reusable device is dispensed as often as the supply ledger says. Bulk supply stands by lot, which many subjects are given.
    """

    def no_oftener_than_issued(frames: Frames) -> pl.Series:
        moves = frames.others["kit_movements"].filter(pl.col("kit_number").is_not_null())
        issued = moves.group_by("study_id", "kit_number").agg(
            pl.col("act").is_in(["dispense", "confirm_dispensing"]).sum().alias("times")
        )
        named = frames.own.select(study_id="STUDYID", kit_number="DAREFID")
        times = looked_up(named, ["study_id", "kit_number"], issued, "times")
        given = frames.own.select((pl.col("DATESTCD") == "DISPAMT").sum().over("DAREFID")).to_series()
        # A reference that no kit has is a lot.
        return (given <= times.clip(1)) | (frames.own["DATESTCD"] != "DISPAMT") | times.is_null()

    def dispensed_before(frames: Frames) -> pl.Series:
        dispensed = frames.own.filter(pl.col("DATESTCD") == "DISPAMT")
        comes_back = frames.own["DATESTCD"].is_in(["RETAMT", "LOSTAMT"]) & frames.own["DAREFID"].is_not_null()
        return found_in(frames.own, ["USUBJID", "DAREFID"], dispensed) | ~comes_back

    def not_more_than_dispensed(frames: Frames) -> pl.Series:
        dispensed = frames.own.filter(pl.col("DATESTCD") == "DISPAMT")
        kept = dispensed.group_by("USUBJID", "DAREFID").agg(pl.col("DASTRESN").sum())
        amount = looked_up(frames.own, ["USUBJID", "DAREFID"], kept, "DASTRESN")
        accounted = pl.col("DATESTCD").is_in(["RETAMT", "LOSTAMT"])
        of_kit = pl.col("DASTRESN").filter(accounted).sum().over("USUBJID", "DAREFID")
        returned = frames.own.select("USUBJID", "DAREFID", "DATESTCD", "DASTRESN").with_columns(
            amount.alias("dispensed")
        )
        return returned.select(pl.when(accounted).then(of_kit <= pl.col("dispensed"))).to_series()

    def not_before_dispensing(frames: Frames) -> pl.Series:
        dispensed = frames.own.filter(pl.col("DATESTCD") == "DISPAMT").sort("DADTC", nulls_last=True)
        given = looked_up(frames.own, ["USUBJID", "DAREFID"], dispensed, "DADTC")
        returned = frames.own.select("DATESTCD", "DADTC").with_columns(given.alias("given"))
        return returned.select(
            pl.when(pl.col("DATESTCD").is_in(["RETAMT", "LOSTAMT"])).then(
                not_before(pl.col("DADTC"), pl.col("given"))
            )
        ).to_series()

    not_done = pl.col("DASTAT").is_not_null()
    number = pl.col("DASTRESC").cast(pl.Float64, strict=False)
    return [
        *standard_rules("DA"),
        at_most("DA", "DATESTCD", 8),
        at_most("DA", "DATEST", 40),
        codes_with_names("DA", "DATESTCD", "DATEST", standard.paired_terms("DATESTCD", "DATEST")),
        filled("DA", "DAREFID"),
        filled("DA", "DADTC", "warning"),
        holds(
            "DA",
            "kit-dispensed-once",
            ["DAREFID", "DATESTCD", "STUDYID"],
            "a kit is dispensed once, to one subject, or as often as the supply ledger says",
            no_oftener_than_issued,
            needs={"kit_movements": ["study_id", "kit_number", "act"]},
        ),
        holds(
            "DA",
            "return-of-dispensed",
            ["DAREFID", "DATESTCD", "USUBJID"],
            "a kit that comes back was dispensed to that subject",
            dispensed_before,
        ),
        holds(
            "DA",
            "return-at-most-dispensed",
            ["DASTRESN", "DAREFID", "DATESTCD", "USUBJID"],
            "no more comes back and is lost than was dispensed",
            not_more_than_dispensed,
        ),
        holds(
            "DA",
            "return-after-dispensing",
            ["DADTC", "DAREFID", "DATESTCD", "USUBJID"],
            "a kit does not come back before it was dispensed",
            not_before_dispensing,
        ),
        between("DA", "DASTRESN", 0, None),
        holds(
            "DA",
            "DASTRESN.number-of-DASTRESC",
            ["DASTRESN", "DASTRESC"],
            "DASTRESN is the number that DASTRESC writes",
            pl.col("DASTRESN").cast(pl.Float64).eq_missing(number),
        ),
        holds(
            "DA",
            "result-or-not-done",
            ["DAORRES", "DASTAT"],
            "a finding has a result or the status NOT DONE",
            pl.col("DAORRES").is_null() == not_done,
        ),
        visit_of_subject("DA"),
    ]


def subject_elements() -> list[Rule]:
    """SE: elements of TE, in the subject's arm, one after the other without a gap."""

    def in_trial_elements(frames: Frames) -> pl.Series:
        return found_in(frames.own, ["ETCD"], frames.others["TE"]) | (frames.own["ETCD"] == UNPLANNED)

    def element_name(frames: Frames) -> pl.Series:
        name = looked_up(frames.own, ["ETCD"], frames.others["TE"], "ELEMENT")
        return frames.own["ELEMENT"] == name

    def in_arm(frames: Frames) -> pl.Series:
        subjects = frames.others["DM"].unique("USUBJID", keep="first", maintain_order=True)
        judged = frames.own.select("USUBJID", "ETCD").with_columns(
            looked_up(frames.own, ["USUBJID"], subjects, arm).alias(arm) for arm in ("ARMCD", "ACTARMCD")
        )
        fits = [
            found_in(judged, [arm, "ETCD"], frames.others["TA"], ["ARMCD", "ETCD"])
            for arm in ("ARMCD", "ACTARMCD")
        ]
        without_arm = judged["ARMCD"].is_null() & judged["ACTARMCD"].is_null()
        return fits[0] | fits[1] | without_arm | (judged["ETCD"] == UNPLANNED)

    def epoch_of_element(frames: Frames) -> pl.Series:
        known = found_in(frames.own, ["ETCD", "EPOCH"], frames.others["TA"])
        elsewhere = ~found_in(frames.own, ["ETCD"], frames.others["TA"])
        return known | elsewhere | frames.own["EPOCH"].is_null()

    def contiguous(frames: Frames) -> pl.Series:
        rows = frames.own.select("USUBJID", "SESEQ", "SESTDTC", "SEENDTC").with_row_index("row")
        rows = rows.sort("USUBJID", "SESTDTC", "SESEQ", maintain_order=True)
        following = pl.col("SESTDTC").shift(-1).over("USUBJID")
        is_last = pl.int_range(pl.len()).over("USUBJID") == pl.len().over("USUBJID") - 1
        rows = rows.with_columns(fits=pl.when(~is_last).then(pl.col("SEENDTC").eq_missing(following)))
        return rows.sort("row")["fits"]

    described = pl.col("SEUPDES").is_not_null()
    return [
        *standard_rules("SE"),
        at_most("SE", "ETCD", 8),
        holds(
            "SE",
            "element-in-TE",
            ["ETCD"],
            "an element is one of TE, or UNPLAN",
            in_trial_elements,
            needs={"TE": ["ETCD"]},
        ),
        holds(
            "SE",
            "element-name",
            ["ELEMENT", "ETCD"],
            "an element has the description that TE gives it",
            element_name,
            needs={"TE": ["ETCD", "ELEMENT"]},
        ),
        holds(
            "SE",
            "element-of-arm",
            ["ETCD", "USUBJID"],
            "an element belongs to the subject's planned or actual arm in TA",
            in_arm,
            needs={"DM": ["USUBJID", "ARMCD", "ACTARMCD"], "TA": ["ARMCD", "ETCD"]},
        ),
        holds(
            "SE",
            "EPOCH.of-element",
            ["EPOCH", "ETCD"],
            "the epoch is one that TA gives the element",
            epoch_of_element,
            needs={"TA": ["ETCD", "EPOCH"]},
        ),
        holds(
            "SE",
            "contiguous",
            ["SEENDTC", "SESTDTC", "SESEQ", "USUBJID"],
            "an element ends when the subject's next one starts (CORE-000352)",
            contiguous,
        ),
        holds(
            "SE",
            "unplanned-element-described",
            ["SEUPDES", "ETCD"],
            "SEUPDES describes UNPLAN elements, and only them",
            described == (pl.col("ETCD") == UNPLANNED),
        ),
    ]

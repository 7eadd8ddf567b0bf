"""Masking: the design and the events of a trial as blinded people may have them.

SDTM knows no blinded state: empty arms break the standard, and a reason why an arm is empty would be false. So the blinded
product is complete in structure and has ONE arm: every randomized subject has the arm BLINDED, elements in which arms differ are
one masked element for each epoch, every regimen is the masked one, and kits go by the label of their blinding group.

Nothing here reads a subject's true arm except to replace it. Two studies that differ only in which treatment each label stands
for give the same masked design and events, byte for byte (tests/pipelines/test_blinding.py).
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import polars as pl

from allocation.study.design import Element
from allocation.study.protocol import Protocol
from pipelines.events.frames import EventFrames, event_frame
from pipelines.sdtm.trial_design import (
    TrialArm,
    TrialCell,
    TrialDesign,
    TrialParameter,
    TrialRegimen,
    protocols_in_force,
    trial_design,
)
from pipelines.supply.bulk_lots import is_unit

ARM_CODE, ARM_NAME = "BLINDED", "Blinded Treatment"
ELEMENT_CODE, ELEMENT_NAME = "BLIND", "Blinded Treatment"
DOSE_TEXT = "BLINDED"
# Where arms differ in it; these words are no terms, the codelists are extensible.
ANY_UNIT, ANY_TERM = "DOSE", "BLINDED"
KIT_UNIT = "KIT"

KEPT_FRAMES = (
    "sites",
    "subjects",
    "eligibility",
    "visits",
    "dose_holds",
    "code_breaks",
    "dispositions",
    "shipments",
    "kit_movements",
    "kit_dates",
)


def masked_design(events: EventFrames) -> TrialDesign:
    """The design with one masked arm. Raises DerivationError as `trial_design`."""
    design = trial_design(events)
    latest = protocols_in_force(events)[-1]
    cells, elements = _masked_structure(design)
    return replace(
        design,
        masked=True,
        arms=(TrialArm(ARM_CODE, ARM_NAME),),
        cells=cells,
        elements=elements,
        regimens=_masked_regimens(design, latest.exposure.masked_treatment),
        parameters=tuple(_masked_parameter(one) for one in design.parameters),
    )


def _masked_structure(design: TrialDesign) -> tuple[tuple[TrialCell, ...], tuple[Element, ...]]:
    """One arm: an epoch with the same elements in every arm keeps them, any other becomes one masked element."""
    known = {element.code: element for element in design.elements}
    by_epoch: dict[str, dict[str, list[TrialCell]]] = {}
    for cell in design.cells:
        by_epoch.setdefault(cell.epoch, {}).setdefault(cell.arm, []).append(cell)
    differing = [epoch for epoch, arms in by_epoch.items() if _differs(arms, len(design.arms))]
    cells: list[TrialCell] = []
    elements: list[Element] = []
    for epoch in sorted(
        by_epoch, key=lambda name: min(c.order for cs in by_epoch[name].values() for c in cs)
    ):
        arms = by_epoch[epoch]
        if epoch in differing:
            suffix = "" if len(differing) == 1 else str(differing.index(epoch) + 1)
            starts = [known[found[0].element] for found in arms.values()]
            elements.append(_masked_element(starts, suffix, design))
            cells.append(TrialCell(ARM_CODE, len(cells) + 1, elements[-1].code, epoch, "", ""))
            continue
        for cell in next(iter(arms.values())):
            elements.append(known[cell.element])
            branch = "Randomized to blinded treatment" if cell.branch else ""
            cells.append(TrialCell(ARM_CODE, len(cells) + 1, cell.element, epoch, branch, ""))
    return tuple(cells), tuple(elements)


def _differs(arms: dict[str, list[TrialCell]], arm_count: int) -> bool:
    paths = {tuple(cell.element for cell in cells) for cells in arms.values()}
    return len(paths) > 1 or len(arms) < arm_count


def _masked_element(starts: Sequence[Element], suffix: str, design: TrialDesign) -> Element:
    """The element that stands for those that `starts` begin: it begins with the earliest of them."""
    numbers = {visit.code: visit.number for visit in design.visits}
    first = min(
        starts,
        key=lambda one: (numbers.get(one.starts_at_visit or "", Decimal(-1)), one.start_offset_days),
    )
    return Element(
        code=ELEMENT_CODE + suffix,
        name=f"{ELEMENT_NAME} {suffix}".strip(),
        start_rule=f"Start of blinded treatment {suffix}".strip(),
        end_rule=f"End of blinded treatment {suffix}".strip(),
        starts_at_visit=first.starts_at_visit,
        start_offset_days=first.start_offset_days,
        starts_after_treatment=all(one.starts_after_treatment for one in starts),
    )


def _masked_regimens(design: TrialDesign, treatment: str) -> tuple[TrialRegimen, ...]:
    """The one regimen of the masked arm; form, frequency, route and unit are shown where all arms share them."""
    if not design.regimens:
        return ()

    def common(name: str, otherwise: str) -> str:
        values = {getattr(one, name) for one in design.regimens}
        return str(values.pop()) if len(values) == 1 else otherwise

    return (
        TrialRegimen(
            arm=ARM_CODE,
            dose_level=None,
            visits=(),
            treatment=treatment,
            dose=None,
            dose_text=DOSE_TEXT,
            unit=common("unit", ANY_UNIT),
            form=common("form", ANY_TERM),
            frequency=common("frequency", ANY_TERM),
            route=common("route", ANY_TERM),
        ),
    )


def _masked_parameter(parameter: TrialParameter) -> TrialParameter:
    """NARMS would contradict the one masked arm of TA: its value is masked (null flavor MSK), as the standard allows."""
    if parameter.code != "NARMS":
        return parameter
    return TrialParameter("NARMS", 1, None, "MSK")


def masked_events(events: EventFrames) -> EventFrames:
    """The events with every treatment masked. Frames that a blinded dataset does not need are empty: they cannot leak."""
    protocols = protocols_in_force(events)
    masked = {name: event_frame(name) for name in events}
    masked |= {name: events[name] for name in KEPT_FRAMES}
    no_level = pl.lit(None, dtype=pl.String).alias("dose_level")
    masked["visits"] = events["visits"].with_columns(no_level)
    masked["randomizations"] = events["randomizations"].with_columns(
        pl.lit(ARM_CODE).alias("arm"), no_level, pl.lit(None, dtype=pl.String).alias("stratum")
    )
    masked["kit_counts"] = _masked_counts(events["kit_counts"], events["kits"], protocols)
    masked["dispensings"] = _masked_dispensings(events["dispensings"], protocols)
    masked["kits"] = _masked_kits(events["kits"], events["lots"], protocols)
    masked["entries"] = events["entries"].with_columns(pl.lit("").alias("chain_hash"))
    return masked


def group_labels(protocols: Sequence[Protocol]) -> dict[str, str]:
    """Kit type to the label of its blinding group, over all versions; a later one wins."""
    labels: dict[str, str] = {}
    for protocol in protocols:
        names = {group.code: group.label for group in protocol.blinding_groups}
        labels |= {
            kind.code: names.get(kind.blinding_group, kind.blinding_group) for kind in protocol.kit_types
        }
    return labels


def _masked_kits(kits: pl.DataFrame, lots: pl.DataFrame, protocols: Sequence[Protocol]) -> pl.DataFrame:
    """Kits by blinding group, without their lots: a lot may map one to one to an arm.

    Bulk supply, the only kit type of its group, keeps the word for its lot that blinded people read.
    """
    words = lots.group_by("lot_id").agg(
        pl.coalesce(pl.col("blinded_lot").last(), "lot_id").last().alias("word")
    )
    return (
        kits.join(words, on="lot_id", how="left", maintain_order="left")
        .with_columns(_as_group(protocols), pl.when(is_unit()).then("word").alias("lot_id"))
        .drop("word")
    )


def _as_group(protocols: Sequence[Protocol]) -> pl.Expr:
    return pl.col("kit_type").replace_strict(
        group_labels(protocols), default=KIT_UNIT, return_dtype=pl.String
    )


def _masked_dispensings(dispensings: pl.DataFrame, protocols: Sequence[Protocol]) -> pl.DataFrame:
    """Kits by blinding group; amounts as they are where every type of the group holds the same, else counted in kits."""
    uniform = _uniform_looks(protocols)
    dispensings = dispensings.with_columns(_as_group(protocols))
    alike = pl.col("kit_type").is_in(uniform)
    one = pl.lit(Decimal(1)).cast(dispensings.schema["quantity"])
    nothing = pl.lit(None, dtype=pl.String)
    return dispensings.with_columns(
        pl.when(alike).then("quantity").otherwise(one).alias("quantity"),
        pl.when(alike).then("unit").otherwise(pl.lit(KIT_UNIT)).alias("unit"),
        nothing.alias("lot_id"),
        nothing.alias("dose_level"),
    )


def _uniform_looks(protocols: Sequence[Protocol]) -> list[str]:
    """The labels of the blinding groups of which every kit holds the same, in all versions."""
    content: dict[str, set[tuple[Decimal, str]]] = {}
    labels = group_labels(protocols)
    for protocol in protocols:
        for kind in protocol.kit_types:
            content.setdefault(labels[kind.code], set()).add((kind.units_per_kit, kind.unit))
    return [label for label, contents in content.items() if len(contents) == 1]


def _masked_counts(counts: pl.DataFrame, kits: pl.DataFrame, protocols: Sequence[Protocol]) -> pl.DataFrame:
    """Counted units as they are where every kit of the look holds the same; else the container is counted, as in the dispensings."""
    looks = kits.select("kit_number", _as_group(protocols).alias("look"))
    alike = pl.col("look").is_in(_uniform_looks(protocols))
    number = counts.schema["returned_units"]
    container = pl.when("came_back").then(pl.lit(1)).otherwise(pl.lit(0)).cast(number)
    gone = pl.when("came_back").then(pl.lit(0)).otherwise(pl.lit(1)).cast(number)
    return (
        counts.join(looks, on="kit_number", how="left", maintain_order="left")
        .with_columns(
            pl.when(alike).then("returned_units").otherwise(container).alias("returned_units"),
            pl.when(alike).then("lost_units").otherwise(gone).alias("lost_units"),
        )
        .drop("look")
    )

"""Every derived dataset by name: what it is built from and by which function. Dagster's assets and `derive` both read this table.

A dataset's inputs are event frames ("events/visits") or other datasets of the same product ("sdtm/dm"); the builder gets each as
a keyword argument of the name on the left, after the trial design.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipelines.events.frames import EventFrames
from pipelines.events.settled import settled_events
from pipelines.sdtm.da import da
from pipelines.sdtm.design_datasets import ta, te, ti, tv
from pipelines.sdtm.dm import dm
from pipelines.sdtm.ds import ds
from pipelines.sdtm.ex import ex
from pipelines.sdtm.masking import masked_design, masked_events
from pipelines.sdtm.se import se
from pipelines.sdtm.sv import sv
from pipelines.sdtm.trial_design import TrialDesign, trial_design
from pipelines.sdtm.ts import ts
from pipelines.subject_progress import subject_progress
from pipelines.supply.inventory import inventory, stock_over_time
from pipelines.supply.movements import kit_movements
from pipelines.supply.stock import kits, shipments, sites, stock

Product = Literal["blinded", "unblinded"]
PRODUCTS: tuple[Product, ...] = ("blinded", "unblinded")
Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class DerivedDataset:
    """A dataset. `inputs`: argument of `build` to the name of an event frame or dataset. `contract`: its name in data_contracts."""

    name: str
    build: Callable[..., pl.DataFrame]
    inputs: Mapping[str, str]
    description: str
    contract: str | None = None
    products: tuple[Product, ...] = PRODUCTS

    @property
    def group(self) -> str:
        """The part before the slash: sdtm or supply."""
        return self.name.partition("/")[0]


def _events(*names: str) -> dict[str, str]:
    return {name: f"events/{name}" for name in names}


PROGRESS = "supply/subject_progress"

DATASETS: tuple[DerivedDataset, ...] = (
    DerivedDataset(
        PROGRESS,
        subject_progress,
        _events("subjects", "eligibility", "randomizations", "visits", "dispositions"),
        "How far each subject has come, one row a subject.",
    ),
    DerivedDataset("sdtm/ta", ta, {}, "Trial Arms", "TA"),
    DerivedDataset("sdtm/te", te, {}, "Trial Elements", "TE"),
    DerivedDataset("sdtm/tv", tv, {}, "Trial Visits", "TV"),
    DerivedDataset("sdtm/ti", ti, {}, "Trial Inclusion/Exclusion Criteria", "TI"),
    DerivedDataset("sdtm/ts", ts, {"progress": PROGRESS}, "Trial Summary", "TS"),
    DerivedDataset(
        "sdtm/ex",
        ex,
        {**_events("visits", "randomizations", "dose_holds"), "progress": PROGRESS},
        "Exposure",
        "EX",
    ),
    DerivedDataset(
        "sdtm/dm",
        dm,
        {**_events("visits", "dispensings"), "progress": PROGRESS, "ex": "sdtm/ex"},
        "Demographics",
        "DM",
    ),
    DerivedDataset("sdtm/sv", sv, {**_events("visits"), "dm": "sdtm/dm"}, "Subject Visits", "SV"),
    DerivedDataset(
        "sdtm/se",
        se,
        {**_events("visits", "randomizations"), "progress": PROGRESS, "dm": "sdtm/dm"},
        "Subject Elements",
        "SE",
    ),
    DerivedDataset(
        "sdtm/ds",
        ds,
        {
            **_events("sites", "subjects", "randomizations", "dispositions", "visits", "code_breaks"),
            "progress": PROGRESS,
            "se": "sdtm/se",
            "dm": "sdtm/dm",
        },
        "Disposition",
        "DS",
    ),
    DerivedDataset(
        "sdtm/da",
        da,
        {**_events("dispensings", "kit_counts", "visits", "kits"), "dm": "sdtm/dm"},
        "Product Accountability",
        "DA",
    ),
    DerivedDataset("supply/sites", sites, _events("sites"), "Sites that were opened.", "sites"),
    DerivedDataset(
        "supply/kit_movements",
        kit_movements,
        _events("kit_movements", "dispensings", "kits"),
        "The supply ledger in double entry: every movement of every kit.",
        "kit_movements",
    ),
    DerivedDataset(
        "supply/kits",
        kits,
        _events("kits", "kit_dates", "kit_movements", "dispensings"),
        "Every kit and where it is.",
        "kits",
        products=("unblinded",),
    ),
    DerivedDataset(
        "supply/shipments",
        shipments,
        _events("shipments"),
        "Every shipment and how far it has come.",
        "shipments",
    ),
    DerivedDataset(
        "supply/stock",
        stock,
        _events("kits", "kit_dates", "kit_movements", "dispensings"),
        "Kits by place, type and status.",
    ),
    DerivedDataset(
        "supply/stock_over_time",
        stock_over_time,
        _events("kits", "kit_movements", "dispensings"),
        "Kits by place, type and status, day by day.",
        "stock_over_time",
    ),
    DerivedDataset(
        "supply/inventory",
        inventory,
        {**_events("kits", "kit_movements", "dispensings"), "sites": "supply/sites"},
        "Kits by place, country, type, lot, expiry and status.",
        "inventory",
    ),
)
"""In an order in which they can be built."""


def datasets_of(product: Product) -> tuple[DerivedDataset, ...]:
    """The datasets of a product, in the order in which they can be built."""
    return tuple(dataset for dataset in DATASETS if product in dataset.products)


def product_inputs(events: EventFrames, product: Product) -> tuple[TrialDesign, EventFrames]:
    """What the datasets of a product are built from: masked for the blinded one. Raises DerivationError."""
    events = settled_events(events)
    if product == "blinded":
        return masked_design(events), masked_events(events)
    return trial_design(events), events


def build_dataset(
    dataset: DerivedDataset, design: TrialDesign, events: EventFrames, built: Frames
) -> pl.DataFrame:
    """One dataset, from the events and the datasets already `built`. Raises DerivationError, KeyError for a missing input."""
    arguments = {}
    for argument, source in dataset.inputs.items():
        group, _, name = source.partition("/")
        arguments[argument] = events[name] if group == "events" else built[source]
    return dataset.build(design, **arguments)


def derive(events: EventFrames, product: Product) -> dict[str, pl.DataFrame]:
    """Every dataset of a product by name, from the events alone. Raises DerivationError."""
    design, inputs = product_inputs(events, product)
    built: dict[str, pl.DataFrame] = {}
    for dataset in datasets_of(product):
        built[dataset.name] = build_dataset(dataset, design, inputs, built)
    return built

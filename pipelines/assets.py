"""Dagster's assets: the ledger's events, the datasets of both products, and the snapshot that publishes them. Partitioned by study.

Each product is one step that makes all its datasets, since a snapshot is whole; the graph still shows what each is built from.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from allocation.ledger.database import Database, open_database
from pipelines.datasets import PRODUCTS, DerivedDataset, Product, datasets_of, derive
from pipelines.events.frames import EVENT_SCHEMAS, last_entry
from pipelines.events.reading import read_events
from pipelines.io_manager import LakeIOManager
from pipelines.lake import Lake, published_events
from pipelines.sdtm.trial_design import cut_off_date, protocols_in_force

STUDIES = dg.DynamicPartitionsDefinition(name="study")
UNBLINDED: Product = "unblinded"


class LedgerResource(dg.ConfigurableResource):
    """The ledger's database. `url` empty: RTSM_DATABASE_URL, else the SQLite file in RTSM_HOME."""

    url: str = ""

    def open(self) -> Database:
        """Open it; migrations are the service's matter. Raises DatabaseUnavailable."""
        return open_database(self.url or None, create=False)


def event_key(name: str) -> dg.AssetKey:
    """The key of an event frame."""
    return dg.AssetKey([UNBLINDED, "events", name])


def dataset_key(product: str, dataset: str) -> dg.AssetKey:
    """The key of a dataset of a product, from its name such as "sdtm/dm"."""
    return dg.AssetKey([product, *dataset.split("/")])


SNAPSHOT_KEY = dg.AssetKey(["snapshot"])
CUT_FRAMES = ("entries", "protocol_versions", "version_countries", "visits", "subjects")
"""The event frames that say how far a snapshot reaches."""


@dg.multi_asset(
    name="ledger_events",
    group_name="events",
    partitions_def=STUDIES,
    outs={name: dg.AssetOut(key=event_key(name), dagster_type=pl.DataFrame) for name in EVENT_SCHEMAS},
)
def ledger_events(
    context: dg.AssetExecutionContext, ledger: LedgerResource, io_manager: dg.ResourceParam[LakeIOManager]
) -> Iterator[dg.Output[pl.DataFrame]]:
    """Sealed ledger entries as typed events: those of the published snapshot, and those sealed since."""
    standing = Lake(Path(io_manager.home)).find_snapshot(context.partition_key, UNBLINDED)
    database = ledger.open()
    try:
        events = read_events(database, context.partition_key, published_events(standing))
    finally:
        database.dispose()
    for name in EVENT_SCHEMAS:
        yield dg.Output(events[name], output_name=name, metadata={"position": last_entry(events)[0]})


def _source_key(product: str, source: str) -> dg.AssetKey:
    group, _, name = source.partition("/")
    return event_key(name) if group == "events" else dataset_key(product, source)


def _sources(product: Product, dataset: DerivedDataset) -> set[dg.AssetKey]:
    """What the graph shows a dataset to be built from: its frames, the protocol, confirmations, and the last entry (the cut-off)."""
    found = {_source_key(product, source) for source in dataset.inputs.values()}
    if product != UNBLINDED and event_key("kits") in found:
        found |= {event_key("lots")}  # their blinded words, by which bulk supply is named
    return found | {
        event_key(name) for name in ("protocol_versions", "version_countries", "hand_outs", "entries")
    }


def output_name(dataset: str) -> str:
    """The name of a dataset as a Dagster output: letters, digits and _ only."""
    return dataset.replace("/", "_")


def product_assets(product: Product) -> dg.AssetsDefinition:
    """The assets of a product: every dataset, made in one step from the events."""
    made = {dataset_key(product, dataset.name) for dataset in datasets_of(product)}
    internal = {output_name(dataset.name): _sources(product, dataset) for dataset in datasets_of(product)}

    @dg.multi_asset(
        name=f"{product}_datasets",
        partitions_def=STUDIES,
        ins={
            key.path[-1]: dg.AssetIn(key=key, dagster_type=pl.DataFrame)
            for key in sorted(set().union(*internal.values()) - made)
        },
        outs={
            output_name(dataset.name): dg.AssetOut(
                key=dataset_key(product, dataset.name),
                description=dataset.description,
                group_name=f"{dataset.group}_{product}",
                dagster_type=pl.DataFrame,
            )
            for dataset in datasets_of(product)
        },
        internal_asset_deps=internal,
    )
    def datasets(**events: pl.DataFrame) -> Iterator[dg.Output[pl.DataFrame]]:
        for name, frame in derive(events, product).items():
            yield dg.Output(frame, output_name=output_name(name))

    return datasets


@dg.asset(
    key=SNAPSHOT_KEY,
    group_name="publication",
    partitions_def=STUDIES,
    ins={name: dg.AssetIn(key=event_key(name), dagster_type=pl.DataFrame) for name in CUT_FRAMES},
    deps=[dataset_key(product, dataset.name) for product in PRODUCTS for dataset in datasets_of(product)]
    + [event_key(name) for name in EVENT_SCHEMAS if name not in CUT_FRAMES],
)
def snapshot(
    context: dg.AssetExecutionContext,
    io_manager: dg.ResourceParam[LakeIOManager],
    **events: pl.DataFrame,
) -> dg.MaterializeResult:
    """Both products, published: readers see all datasets of this run from here on, or, had a contract been broken, none."""
    lake, study_id = Lake(Path(io_manager.home)), context.partition_key
    position, chain_hash = last_entry(events)
    facts: dict[str, Any] = {
        "position": position,
        "cut_off": cut_off_date(events).isoformat(),
        "protocol_version": protocols_in_force(events)[-1].study.version,
    }
    published = {
        # The chain hash covers entries that name arms, so the blinded product does not carry it.
        UNBLINDED: lake.publish(study_id, UNBLINDED, context.run.run_id, {**facts, "chain_hash": chain_hash}),
        "blinded": lake.publish(study_id, "blinded", context.run.run_id, facts),
    }
    return dg.MaterializeResult(
        metadata={**facts, **{f"{product}_snapshot": one.name for product, one in published.items()}}
    )


ASSETS = [ledger_events, *(product_assets(product) for product in PRODUCTS), snapshot]

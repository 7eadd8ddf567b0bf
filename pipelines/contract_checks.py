"""Dagster's asset checks, which block publication: each dataset against its contract, and kits against conservation."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from pipelines.assets import UNBLINDED, dataset_key, event_key, output_name
from pipelines.datasets import PRODUCTS, DerivedDataset, Product, datasets_of
from pipelines.io_manager import LakeIOManager
from pipelines.lake import Lake
from pipelines.supply.conservation import conservation_breaks
from pipelines.verdicts import Verdict, check_product, known_verdicts, verdicts_text

CONTRACT, CONSERVATION = "contract", "kits_are_conserved"
MOVEMENTS = "supply/kit_movements"
BREAKS_SHOWN = 20


def _check_result(product: Product, dataset: DerivedDataset, verdict: Verdict) -> dg.AssetCheckResult:
    """Failed where a critical rule failed; a warning or information passes, and is told all the same."""
    return dg.AssetCheckResult(
        asset_key=dataset_key(product, dataset.name),
        check_name=CONTRACT,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "rows": verdict.rows,
            "rules": verdict.rules,
            "failures": dg.MetadataValue.json(list(verdict.failures)),
            "not_evaluated": dg.MetadataValue.json(verdict.not_evaluated),
        },
    )


def product_checks(product: Product) -> dg.AssetChecksDefinition:
    """One blocking check for each dataset of a product that has a contract."""
    checked = [dataset for dataset in datasets_of(product) if dataset.contract]

    @dg.multi_asset_check(
        name=f"{product}_contracts",
        specs=[
            dg.AssetCheckSpec(CONTRACT, asset=dataset_key(product, dataset.name), blocking=True)
            for dataset in checked
        ],
        ins={
            output_name(dataset.name): dg.AssetIn(key=dataset_key(product, dataset.name))
            for dataset in checked
        },
    )
    def contracts(
        context: dg.AssetCheckExecutionContext,
        io_manager: dg.ResourceParam[LakeIOManager],
        **frames: pl.DataFrame,
    ) -> Iterator[dg.AssetCheckResult]:
        lake, study_id = Lake(Path(io_manager.home)), context.op_execution_context.partition_key
        standing = lake.find_snapshot(study_id, product)
        known = known_verdicts(standing.manifest) if standing else {}
        by_name = {dataset.name: frames[output_name(dataset.name)] for dataset in checked}
        verdicts = check_product(product, by_name, known)
        lake.stage_verdicts(study_id, product, context.run.run_id, verdicts_text(verdicts))
        for dataset in checked:
            yield _check_result(product, dataset, verdicts[dataset.name])

    return contracts


@dg.asset_check(
    asset=dataset_key(UNBLINDED, MOVEMENTS),
    name=CONSERVATION,
    blocking=True,
    additional_ins={
        "stated": dg.AssetIn(key=event_key("kit_movements")),
    },
)
def kits_are_conserved(movements: pl.DataFrame, stated: pl.DataFrame) -> dg.AssetCheckResult:
    """Every kit is in one place, and moves only as its state allows, from where the ledger had it."""
    breaks = conservation_breaks(movements, stated)
    return dg.AssetCheckResult(
        passed=breaks.is_empty(),
        metadata={
            "movements": movements.height,
            "breaks": breaks.height,
            "failures": dg.MetadataValue.json(breaks.head(BREAKS_SHOWN).to_dicts()),
        },
    )


CHECKS = [*(product_checks(product) for product in PRODUCTS), kits_are_conserved]

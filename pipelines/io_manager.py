"""How Dagster's assets reach the lake: an asset's output is staged as Parquet, atomically; its input is what the run has staged.

An asset's key is (product, group, dataset). Nothing is visible to readers before the asset `snapshot` publishes the whole.
"""

from pathlib import Path

import dagster as dg
import polars as pl
from dagster._core.execution.context.system import StepExecutionContext

from pipelines.errors import LakeError
from pipelines.lake import Lake, write_parquet


class LakeIOManager(dg.ConfigurableIOManager):
    """Stages frames under the run's folder in the lake. `home`: RTSM_HOME."""

    home: str

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame) -> None:
        """Write the frame, and record rows, columns and hash with the materialization."""
        path = self._path(context.asset_key, context.step_context)
        digest = write_parquet(obj, path)
        columns = [dg.TableColumn(name, str(kind)) for name, kind in obj.schema.items()]
        context.add_output_metadata(
            {
                "dagster/row_count": obj.height,
                "dagster/column_schema": dg.TableSchema(columns=columns),
                "sha256": digest,
                "path": dg.MetadataValue.path(str(path)),
            }
        )

    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        """Read the frame that this run staged. Raises LakeError when it has not: a snapshot is built whole, in one run."""
        path = self._path(context.asset_key, context.step_context)
        if not path.exists():
            raise LakeError(
                f"this run has not built {context.asset_key.to_user_string()}: a snapshot is built whole, "
                "so materialize all assets of the study together"
            )
        return pl.read_parquet(path)

    def _path(self, key: dg.AssetKey, step: StepExecutionContext) -> Path:
        product, group, dataset = key.path
        staging = Lake(Path(self.home)).staging_folder(step.partition_key, product, step.run_id)
        return staging / group / f"{dataset}.parquet"

"""What Dagster loads (workspace.yaml): assets, checks, the job and the sensor, on the database and home of the environment.

Steps run in one process: a refresh is many small frames, and a process for each would cost more than the work.
"""

import dagster as dg

from allocation.home_folder import rtsm_home
from pipelines.assets import ASSETS, LedgerResource
from pipelines.contract_checks import CHECKS
from pipelines.io_manager import LakeIOManager
from pipelines.sensor import ledger_sensor, refresh_job


def resources(home: str, database_url: str = "") -> dict[str, object]:
    """The resources of a lake under `home` and a ledger at `database_url` (empty: as the environment says)."""
    return {"ledger": LedgerResource(url=database_url), "io_manager": LakeIOManager(home=home)}


defs = dg.Definitions(
    assets=ASSETS,
    asset_checks=CHECKS,
    jobs=[refresh_job],
    sensors=[ledger_sensor],
    resources=resources(str(rtsm_home().absolute())),
    executor=dg.in_process_executor,
)

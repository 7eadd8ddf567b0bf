"""The sensor that follows the ledger: a run for each study that has sealed entries beyond those that a run was asked for."""

import json

import dagster as dg

from allocation.ledger.reader import last_position, studies
from pipelines.assets import STUDIES, LedgerResource

MINIMUM_INTERVAL_SECONDS = 10
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]

# Every event of a run is in Dagster's own log; the console of the daemon is told of what goes wrong.
refresh_job = dg.define_asset_job(
    "refresh_lake",
    selection=dg.AssetSelection.all(),
    config={"loggers": {"console": {"config": {"log_level": "WARNING"}}}},
)


@dg.sensor(
    name="ledger",
    job=refresh_job,
    minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def ledger_sensor(context: dg.SensorEvaluationContext, ledger: LedgerResource) -> dg.SensorResult:
    """Ask for a run of each study whose last sealed position has moved since.

    The cursor is JSON, study to position. A study whose run is still under way waits for the next tick, so that a busy ledger makes
    one run after another and not a queue of them; `run_key` makes the same position run once.
    """
    asked: dict[str, int] = json.loads(context.cursor or "{}")
    database = ledger.open()
    try:
        found = {study_id: last_position(database, study_id) for study_id in studies(database)}
    finally:
        database.dispose()
    known = set(context.instance.get_dynamic_partitions(STUDIES.name or ""))
    requests = []
    for study_id, position in found.items():
        if position == asked.get(study_id) or _is_running(context.instance, study_id):
            continue
        requests.append(dg.RunRequest(run_key=f"{study_id}:{position}", partition_key=study_id))
        asked[study_id] = position
    missing = [study_id for study_id in found if study_id not in known]
    return dg.SensorResult(
        run_requests=requests,
        cursor=json.dumps(asked, sort_keys=True),
        dynamic_partitions_requests=[STUDIES.build_add_request(missing)] if missing else [],
    )


def _is_running(instance: dg.DagsterInstance, study_id: str) -> bool:
    filters = dg.RunsFilter(tags={"dagster/partition": study_id}, statuses=UNFINISHED)
    return bool(instance.get_runs(filters, limit=1))

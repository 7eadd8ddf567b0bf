"""Refreshing the lake without Dagster's daemon: the same assets and checks, run in this process.

The demo, the replay and the command line use it. What it does is what the sensor's run does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from allocation.ledger.database import Database
from allocation.ledger.reader import last_position, studies
from pipelines.assets import ASSETS, STUDIES
from pipelines.contract_checks import CHECKS
from pipelines.datasets import PRODUCTS
from pipelines.definitions import resources
from pipelines.errors import DatasetsRejected, LakeError, PipelineError
from pipelines.lake import Lake, Snapshot

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
FAILURES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh did. `changed`: False where the lake held the last sealed entry already, and nothing was done."""

    study_id: str
    position: int
    changed: bool
    blinded: Snapshot
    unblinded: Snapshot


def refresh_lake(
    database: Database,
    home: Path,
    study_id: str,
    *,
    instance: dg.DagsterInstance | None = None,
    force: bool = False,
) -> Refresh:
    """Bring the lake under `home` to the last sealed entry of a study, and give what stands published then.

    instance: Dagster's instance that keeps the run's history (None: none is kept). Nothing is done where nothing was sealed since
    and the code is the same, unless `force`. Raises DatasetsRejected, naming rules and failing keys, when a dataset breaks its
    contract (the previous snapshot stays), LakeError for a study without sealed entries, PipelineError with the step and the
    cause for anything else that fails.
    """
    lake, position = Lake(home), last_position(database, study_id)
    if position == 0:
        known = ", ".join(studies(database)) or "none"
        raise LakeError(f"study {study_id!r} has no sealed ledger entry: loaded studies are {known}")
    standing = {product: lake.find_snapshot(study_id, product) for product in PRODUCTS}
    blinded, unblinded = standing["blinded"], standing["unblinded"]
    if (
        not force
        and blinded
        and unblinded
        and all(_is_current(one, position) for one in (blinded, unblinded))
    ):
        return Refresh(study_id, position, False, blinded, unblinded)
    _run(lake, study_id, _url(database), instance)
    blinded, unblinded = (lake.snapshot(study_id, product) for product in ("blinded", "unblinded"))
    return Refresh(study_id, unblinded.position, True, blinded, unblinded)


def _is_current(snapshot: Snapshot, position: int) -> bool:
    return snapshot.position == position and snapshot.is_of_this_code


def _url(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def _run(lake: Lake, study_id: str, url: str, instance: dg.DagsterInstance | None) -> None:
    """Run all assets for the study; raises what a step raised, or DatasetsRejected."""
    with dg.DagsterInstance.ephemeral() as without_history:
        keeper = instance or without_history
        keeper.add_dynamic_partitions(STUDIES.name or "", [study_id])
        outcome = dg.materialize(
            [*ASSETS, *CHECKS],
            partition_key=study_id,
            resources=resources(str(lake.home.absolute()), url),
            instance=keeper,
            run_config=QUIET,
            raise_on_error=False,
        )
        if outcome.success:
            return
        for product in PRODUCTS:
            lake.drop_staging(study_id, product, outcome.run_id)
        rejected = [one for one in outcome.get_asset_check_evaluations() if not one.passed]
        if rejected:
            raise DatasetsRejected(
                f"study {study_id}: nothing was published, since datasets break their contracts:\n"
                + "\n".join(_told(one) for one in rejected)
            )
        raise _cause(outcome)


def _told(evaluation: dg.AssetCheckEvaluation) -> str:
    """The failures of a check, one line each."""
    failures: Any = evaluation.metadata["failures"].value
    name = evaluation.asset_key.to_user_string()
    lines = [
        f"  {name}: " + (one["text"] if "text" in one else one["why"]) + f" ({_keys(one)})"
        for one in failures[:FAILURES_SHOWN]
        if one.get("severity", "critical") == "critical"
    ]
    return "\n".join(lines)


def _keys(failure: dict[str, Any]) -> str:
    if "keys" not in failure:
        return f"position {failure['position']}, kit {failure['kit_number'] or 'of bulk supply'}"
    shown = ["/".join(str(value) for value in key.values()) for key in failure["keys"][:3]]
    return f"{failure['count']} failing: {', '.join(shown)}"


def _cause(outcome: Any) -> BaseException:
    """The error of the step that failed, as it was raised."""
    for event in outcome.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            return PipelineError(f"{event.step_key}: {(error.cause or error).message.strip()}")
    return PipelineError("the run failed before its first step")

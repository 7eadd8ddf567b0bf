"""A supply plan as files: JSON, its runs as CSV, and the scenario with its campaigns, which `rtsm simulate` plays."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from allocation.study.yaml_files import dump_document, dump_protocol
from forecasting.supply_plan.errors import SupplyPlanError
from forecasting.supply_plan.supply_plan import SupplyPlan

_PROTOCOL = "protocol.yaml"


def check_folder(folder: Path) -> None:
    """Raises SupplyPlanError where the folder is a file, or cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as unusable:
        raise SupplyPlanError(
            f"{folder} cannot be used as a folder ({unusable.strerror})",
            field="--out",
            fix="name another one",
        ) from unusable


def write_plan(plan: SupplyPlan, folder: Path, plot: bool) -> list[Path]:
    """Write the files into the folder, and answer which. Raises SupplyPlanError where one cannot be written."""
    begins = plan.beginning
    with_plan = begins.scenario.model_copy(
        update={
            "protocol": _PROTOCOL,
            "campaigns": (*begins.scenario.campaigns, *plan.found.sized.campaigns(plan.case)),
        }
    )
    texts = {
        "plan.json": json.dumps(plan.as_json(), indent=2, ensure_ascii=False) + "\n",
        "runs.csv": _runs(plan),
        "scenario.yaml": f"# The supply plan for {plan.level:g}, seed {plan.seed}.\n"
        + dump_document(with_plan),
        _PROTOCOL: dump_protocol(begins.protocol),
    }
    try:
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as unwritable:
        raise SupplyPlanError(
            f"{unwritable.filename} cannot be written ({unwritable.strerror})",
            field="--out",
            fix="name another folder",
        ) from unwritable
    files = [folder / name for name in texts]
    if plot:
        from forecasting.supply_plan.plan_plot import write_plots  # here: drawing takes a while to load

        files += write_plots(plan, folder)
    return files


def _runs(plan: SupplyPlan) -> str:
    """A row for each run and depot."""
    text = io.StringIO()
    columns = (
        "run",
        "kit_type",
        "depot",
        "kits_made",
        "begins_on",
        "labelled_from",
        "released_on",
        "expires_on",
    )
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in plan.runs():
        for depot, kits in row["by_depot"].items():
            writer.writerow({**row, "depot": depot, "kits_made": kits})
    return text.getvalue()

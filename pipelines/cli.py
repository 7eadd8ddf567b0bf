"""The pipelines' part of the command line: `rtsm export` and `rtsm pipeline refresh`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from allocation.access.permissions import authorize
from allocation.home_folder import rtsm_home
from allocation.ledger.database import open_database
from allocation.ledger.sealing import seal_pending
from allocation.ledger_cli import As, AsJson, Study
from allocation.terminal import acting, progress_bar, show, the_study

app = typer.Typer(no_args_is_help=True)
pipeline = typer.Typer(no_args_is_help=True, help="Refresh the lake of derived datasets.")
app.add_typer(pipeline, name="pipeline")


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="The folder to write; an earlier export is replaced.")],
    formats: Annotated[
        str,
        typer.Option(
            "--format", help="Formats, joined by commas: xpt, dataset-json, dataset-ndjson, csv, parquet."
        ),
    ] = "xpt,dataset-json,csv,parquet",
    blinded: Annotated[
        bool,
        typer.Option(
            "--blinded/--unblinded", help="Treatments masked, or as they are. Unblinded it UNBLINDS."
        ),
    ] = True,
    as_of: Annotated[
        int | None,
        typer.Option("--as-of", help="As the ledger stood at this position (default: the last).", min=1),
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Export the SDTM datasets, and beside them the operational supply datasets, as of a ledger position.

    The files carry the moment of the last ledger entry, so that the same ledger gives the same bytes.
    """
    # These take seconds to import, which a mistyped option should not cost.
    from pipelines.exports import FORMATS, ExportedFile, export_datasets
    from pipelines.release import release

    database = open_database(create=False)
    study_id = the_study(database, study)
    authorize(acting(database, actor), "export.blinded" if blinded else "export.unblinded", study_id)
    seal_pending(database)
    made = release(database, rtsm_home(), study_id, "blinded" if blinded else "unblinded", as_of)
    asked = [name.strip() for name in formats.split(",") if name.strip()]
    total = len(made.sdtm) * len(asked) + len(made.operational) * len([one for one in asked if one != "xpt"])
    with progress_bar(f"Exporting {study_id}") as report:
        written: list[ExportedFile] = []

        def on_file(file: ExportedFile) -> None:
            written.append(file)
            report(len(written), total)

        manifest = export_datasets(
            made.sdtm,
            asked,
            out,
            study_id=study_id,
            created=made.moment,
            blinded=blinded,
            ledger_position=made.position,
            operational=made.operational if set(asked) & (set(FORMATS) - {"xpt"}) else None,
            on_file=on_file,
        )
    rows = {file.dataset: file.rows for file in manifest.files}
    text = [
        f"{study_id}, {made.product}, as of ledger position {made.position}: {len(manifest.files)} files in {out}"
    ]
    text += [f"  {name}: {count} rows" for name, count in rows.items()]
    show(asdict(manifest), as_json, "\n".join(text))


@pipeline.command()
def refresh(
    study: Annotated[str, typer.Argument(help="The study.", show_default=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Build even if nothing was sealed since the last time.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the lake to the last sealed ledger entry: events, datasets, contracts, and a new snapshot if all hold."""
    import dagster as dg

    from pipelines.dagster_home import prepare_dagster_home
    from pipelines.refresh import refresh_lake

    database = open_database(create=False)
    study_id = the_study(database, study)
    seal_pending(database)
    home = rtsm_home().absolute()
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(home / "dagster"))) as instance:
        done = refresh_lake(database, home, study_id, instance=instance, force=force)
    datasets = {name: one["rows"] for name, one in done.unblinded.manifest["datasets"].items()}
    answer = {
        "study_id": study_id,
        "position": done.position,
        "changed": done.changed,
        "cut_off": done.unblinded.manifest["cut_off"],
        "snapshots": {"blinded": done.blinded.name, "unblinded": done.unblinded.name},
        "rows": datasets,
    }
    state = "built" if done.changed else "was up to date"
    text = [
        f"{study_id}: the lake {state} as of ledger position {done.position} (cut-off {answer['cut_off']})"
    ]
    text += [f"  {name}: {count} rows" for name, count in datasets.items() if not name.startswith("events/")]
    show(answer, as_json, "\n".join(text))

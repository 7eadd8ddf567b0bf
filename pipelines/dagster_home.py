"""DAGSTER_HOME: where Dagster keeps its runs and events, with the settings that the system wants."""

from pathlib import Path

SETTINGS = """\
# Written by OpenRTSM where it is missing. Nothing is sent anywhere.
telemetry:
  enabled: false
# One refresh at a time: the next one finds more sealed entries, and two would only compete for the processors.
concurrency:
  runs:
    max_concurrent_runs: 1
# The sensor ticks every few seconds; what it saw is of no use after days.
retention:
  sensor:
    purge_after_days:
      skipped: 1
      success: 30
      failure: 30
"""


def prepare_dagster_home(folder: Path) -> Path:
    """Make the folder and its dagster.yaml where they are missing; what stands there is left as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():
        settings.write_text(SETTINGS, encoding="utf-8")
    return folder

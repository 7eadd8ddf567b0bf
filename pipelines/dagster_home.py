"""DAGSTER_HOME: where Dagster keeps its runs and events, with the settings that the system wants."""

from pathlib import Path

SETTINGS = """\
# Written by OpenRTSM where it is missing. Nothing is sent anywhere.
telemetry:
  enabled: false
# Nor is anybody asked for an e-mail address on the first visit.
nux:
  enabled: false
# One refresh at a time: the next one finds more sealed entries, and two would only compete for the processors.
concurrency:
  runs:
    max_concurrent_runs: 1
# A run whose process died (a machine that went down) is tried again; one whose datasets broke a contract is not.
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false
# A run that nobody ends would keep its place for ever.
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  max_runtime_seconds: 7200
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

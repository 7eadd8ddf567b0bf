"""DAGSTER_HOME: where Dagster keeps its runs and events, with the settings that the system wants."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SETTINGS: Final = """\
# Written by OpenRTSM where it is missing. Nothing is sent anywhere.
telemetry:
  enabled: false
"""


def prepare_dagster_home(folder: Path) -> Path:
    """Make the folder and its dagster.yaml where they are missing; what stands there is left as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():
        settings.write_text(SETTINGS, encoding="utf-8")
    return folder

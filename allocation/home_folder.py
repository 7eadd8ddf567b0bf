"""The folder of a run, for whoever keeps something there: it imports nothing that takes time."""

from __future__ import annotations

import os
from pathlib import Path


def rtsm_home() -> Path:
    """Where a run keeps all it makes: `RTSM_HOME`, else `.rtsm` in the current folder."""
    return Path(os.environ.get("RTSM_HOME") or ".rtsm")

"""The whole time of `rtsm simulate` with 1,000 replicates of RTSM-BENCH-100, from the prompt to the end, with a compiled kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench100_study import SCENARIO

REPLICATES = 1000


def warm_command(times: int = 3) -> list[float]:
    """Seconds of each of `times` runs after a first one that compiles.

    Raises subprocess.CalledProcessError where the command fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"RTSM_HOME": str(Path(folder) / "home")}
        seconds = []
        for turn in range(times + 1):
            start = time.perf_counter()
            subprocess.run(
                [
                    *(sys.executable, "-m", "rtsm", "simulate", str(SCENARIO)),
                    *("--replicates", str(REPLICATES), "--seed", "1"),
                    *("--out", str(Path(folder) / f"out{turn}")),
                ],
                check=True,
                capture_output=True,
                env=environment,
            )
            seconds.append(time.perf_counter() - start)
    return seconds[1:]

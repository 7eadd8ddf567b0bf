"""The trace of a replicate: every event as a row of whole numbers, in one canonical order that both engines give."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulation.engines.events import KINDS
from simulation.engines.phases import PHASES

COLUMNS: Final = ("day", "phase", "kind", "site", "subject", "kit_type", "lot", "quantity")
"""-1 stands for none. `site` is the depot (below -1: -2 - depot) where the event is a depot's; `subject` counts from 0 by screening."""

Trace = NDArray[np.int64]
"""Events x COLUMNS."""

_ORDER: Final = ("day", "phase", "site", "subject", "kind", "kit_type", "lot", "quantity")


def canonical(rows: Any) -> Trace:
    """The events in order of day, phase, site, subject, kind, kit type, lot, quantity."""
    trace = np.asarray(rows, dtype=np.int64).reshape(-1, len(COLUMNS))
    keys = [trace[:, COLUMNS.index(name)] for name in reversed(_ORDER)]
    return trace[np.lexsort(keys)]


def as_frame(trace: Trace) -> pl.DataFrame:
    """A trace with the words for phases and kinds, to be read by people."""
    frame = pl.DataFrame({name: trace[:, index] for index, name in enumerate(COLUMNS)})
    phases, kinds = pl.Series("phase", PHASES), pl.Series("kind", KINDS)
    return frame.with_columns(phase=phases.gather(frame["phase"]), kind=kinds.gather(frame["kind"]))

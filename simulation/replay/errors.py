"""Errors of the replay of a recorded study.

    ReplayError (SimulationError)
    ├── SourceDataError      a dataset of the recorded study cannot be read: missing, truncated, wrong-typed, duplicated keys
    ├── RecordedStudyError   the datasets are well-formed and contradict each other or the study file
    └── PlayRefused          the service refused a fact, or the database holds the study from another source

Messages name the file, the variable and the row (by its key) and say what to do.
"""

from __future__ import annotations

from simulation.errors import SimulationError


class ReplayError(SimulationError):
    """Root of what can go wrong before, while or after a recorded study is played."""

    default_code = "replay-error"


class SourceDataError(ReplayError):
    """A dataset cannot be used as it is; `field` is the file and, where one is at fault, the variable."""

    default_code = "source-data"


class RecordedStudyError(ReplayError):
    """The records of a subject cannot be put into one story; `field` is the dataset and the subject."""

    default_code = "recorded-study"


class PlayRefused(ReplayError):
    """A fact could not be played; `field` is the command and the subject or place."""

    default_code = "play-refused"

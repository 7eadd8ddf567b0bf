"""Errors of the replay of a recorded study.

    ReplayError (RTSMError)
    ├── SourceDataError      a dataset of the recorded study cannot be read: missing, truncated, wrong-typed, duplicated keys
    └── RecordedStudyError   the datasets are well-formed and contradict each other or the study file

Messages name the file, the variable and the row (by its key) and say what to do.
"""

from __future__ import annotations

from allocation.errors import RTSMError


class ReplayError(RTSMError):
    """Root of what can go wrong before or after a recorded study is played."""

    default_code = "replay-error"


class SourceDataError(ReplayError):
    """A dataset cannot be used as it is; `field` is the file and, where one is at fault, the variable."""

    default_code = "source-data"


class RecordedStudyError(ReplayError):
    """The records of a subject cannot be put into one story; `field` is the dataset and the subject."""

    default_code = "recorded-study"

"""Errors of the USDM import.

RTSMError
└── UsdmUnreadable   the file is no USDM 4 document that a study can be drafted from: CLI exit 1
"""

from __future__ import annotations

from pathlib import Path

from allocation.errors import RTSMError


class UsdmUnreadable(RTSMError):
    """The file cannot be read as a USDM 4 document. One line: the file, the path inside it, what is wrong and the fix."""

    default_code = "usdm-unreadable"

    def __init__(self, file: Path, path: str, message: str, fix: str) -> None:
        where = f"{file}: {path}" if path else str(file)
        super().__init__(f"{where}: {message}", fix=fix)
        self.file = file
        self.path = path

"""The root of the errors of what-if comparisons.

WhatIfError (ForecastError)
ChangeFileError (DocumentError)   a change file cannot be used; `problems` has every reason with line, field, value and fix
"""

from __future__ import annotations

from allocation.study.errors import DocumentError
from forecasting.errors import ForecastError


class WhatIfError(ForecastError):
    """A comparison cannot be made as it was asked for; `field` names the option."""

    default_code = "what-if"


class ChangeFileError(DocumentError):
    """A file of changes cannot be used; `problems` has every reason."""

    default_code = "changes-invalid"

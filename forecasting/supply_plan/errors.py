"""The errors of the supply plan.

ForecastError (forecasting.errors)
└── SupplyPlanError     a supply plan cannot be made of what was given: `field` names it
DocumentError (allocation.study.errors)
└── CampaignsError      the file of what may be made cannot be used: each problem with its place and fix
"""

from __future__ import annotations

from allocation.study.errors import DocumentError
from forecasting.errors import ForecastError


class SupplyPlanError(ForecastError):
    """A supply plan cannot be made of what was given; `field` names it."""

    default_code = "supply-plan"


class CampaignsError(DocumentError):
    """The file of what may be made cannot be used; `problems` has every reason."""

    default_code = "campaigns-invalid"

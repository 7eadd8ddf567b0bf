"""The root of the errors of filing a proposal.

ProposalError (ForecastError)
├── ProposalRefused     the service refused it: `code`, `field` and `fix` are the service's
└── ServiceSilent       the service does not answer at the address that was given
"""

from __future__ import annotations

from forecasting.errors import ForecastError


class ProposalError(ForecastError):
    """Root of what can go wrong when a report is filed."""

    default_code = "proposal"


class ProposalRefused(ProposalError):
    """The service refused the proposal, or the one who files it; nothing was filed."""

    default_code = "proposal-refused"


class ServiceSilent(ProposalError):
    """The service does not answer, or what answers is not the service."""

    default_code = "service-silent"

"""The run-out alarm in blinded words: by site alone. A date by kit type, or by look with the stock beside it, would tell arms."""

from __future__ import annotations

from datetime import date

from allocation.views.shape import View


class SiteRunOut(View):
    """The earliest projected run-out at a site over all that it stocks; None when none is projected within two years."""

    site_id: str
    run_out_on: date | None
    alarm: bool


class SitesRunOut(View):
    """The sites that the reader may see, in order of their ids."""

    study_id: str
    sites: tuple[SiteRunOut, ...]

"""The run-out alarm by kit type, for those who may learn kit types."""

from __future__ import annotations

from datetime import date

from allocation.views.shape import View


class TypeRunOut(View):
    """The projected run-out of one kit type at a site; `sai` in kits, on hand and on their way. None: not within two years."""

    site_id: str
    kit_type: str
    sai: int
    run_out_on: date | None
    alarm_days: int
    alarm: bool


class TypesRunOut(View):
    """Every kit type at every site that the reader may see, by site and in the protocol's order."""

    study_id: str
    kit_types: tuple[TypeRunOut, ...]

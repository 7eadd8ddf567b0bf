"""Forecasting a study's demand from the page, with its progress; it is kept as `rtsm forecast demand --study` keeps it. Unblinded."""

from __future__ import annotations

from datetime import date

import streamlit as st

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from forecasting.demand.kept_tables import keep_demand
from forecasting.demand.study_demand import StudyDemand, forecast_study_demand
from forecasting.demand.study_start import study_start

SEED = 1


def forecast_now(
    database: Database, actor: Actor, study_id: str, at: date | None, weeks: int, replicates: int
) -> StudyDemand:
    """Forecast, keep, and show how far it is meanwhile. Raises as `study_start` and `forecast_study_demand` do."""
    bar = st.progress(0.0, text="Reading the ledger and fitting assumptions to it …")
    start = study_start(database, actor, study_id, at, None, weeks)
    bar.progress(
        0.05, text="Starting the simulator (the first time on a machine it is compiled: two minutes) …"
    )

    def progress(done: int, total: int) -> None:
        if done == total or done % max(total // 50, 1) == 0:
            bar.progress(
                0.05 + 0.9 * done / total, text=f"{done:,} of {total:,} replicates from {start.census.at} on"
            )

    found = forecast_study_demand(start, weeks, replicates, SEED, progress=progress)
    bar.progress(0.95, text="Keeping it …")
    keep_demand(found)
    bar.empty()
    return found

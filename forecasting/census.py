"""The moment that a forecast is made from: the end of a day of a study's ledger, with the position and hash that stand for it, and what
can be assumed of the study by then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import func, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.reader import iter_sealed, protocol_at
from allocation.ledger.schema import ledger_entry, ledger_seal
from allocation.ledger.sealing import seal_pending
from forecasting.errors import ForecastError
from simulation.fitting.observed import observe
from simulation.fitting.scenario_fit import ScenarioFit, fit_observed


@dataclass(frozen=True)
class Census:
    """The end of the day `at` (UTC) in a study's ledger: what is sealed up to `position`, whose chain hash is `chain_hash`.

    `config_version`: the latest version of the protocol that an entry until then was decided under.
    """

    study_id: str
    at: date
    position: int
    chain_hash: str
    config_version: int


def census_at(database: Database, study_id: str, at: date | None) -> Census:
    """The census at the end of the day `at` (UTC; None: that of the last entry).

    Raises NotFound for an unknown study, ForecastError for a day before its ledger or one that is still to come.
    """
    protocol_at(database, study_id)
    if at is not None and at > datetime.now(UTC).date():
        raise ForecastError(
            f"{at} is still to come", field="--at", fix="leave it out, or give a day on which the study ran"
        )
    seal_pending(database)
    of_study = (
        select(
            func.min(ledger_entry.c.recorded_at),
            func.max(ledger_entry.c.recorded_at),
            func.max(ledger_seal.c.position),
            func.max(ledger_entry.c.config_version),
        )
        .join_from(ledger_seal, ledger_entry)
        .where(ledger_seal.c.study_id == study_id)
    )
    with database.read() as connection:
        first, last, position, version = connection.execute(of_study).one()
        if at is not None:
            end = datetime.combine(at + timedelta(days=1), time(), UTC)
            until = of_study.where(ledger_entry.c.recorded_at < end)
            _, _, position, version = connection.execute(until).one()
        if position is None:
            raise ForecastError(
                f"the ledger of {study_id} begins on {first.date()}, after {at}",
                field="--at",
                fix=f"give a day from {first.date()} to {last.date()}",
            )
        chain_hash = connection.execute(
            select(ledger_seal.c.chain_hash).where(
                ledger_seal.c.study_id == study_id, ledger_seal.c.position == position
            )
        ).scalar_one()
    return Census(study_id, at or last.date(), position, chain_hash, version)


def fit_at(database: Database, actor: Actor, census: Census, seed: int = 1) -> ScenarioFit:
    """A scenario fitted to what was sealed until a census, under the protocol of that time; `seed`: that of the scenario. UNBLINDS.

    Raises NotPermitted, and FitError as `simulation.fitting.scenario_fit.fit_scenario`.
    """
    authorize(actor, "scenario.fit", census.study_id)
    protocol = protocol_at(database, census.study_id, census.config_version)
    entries = iter_sealed(database, census.study_id, up_to=census.position)
    return fit_observed(observe(census.study_id, protocol, entries), seed)

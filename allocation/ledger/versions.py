"""Which protocol version is in force where: in the study as a whole, in a country, and for a subject on study.

A version takes effect in each country at its own moment (table `study_version_country`); a country without a row has not got it yet.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Label, bindparam, func, select, true

from allocation.ledger.schema import study_version, study_version_country
from allocation.study.protocol import Protocol

Protocols = dict[tuple[str, int], Protocol]
"""Protocols that were read, by study and version: a version never changes."""

VERSION_IN_STUDY = (
    select(func.max(study_version.c.version))
    .where(study_version.c.study_id == bindparam("study"), study_version.c.effective_at <= bindparam("now"))
    .scalar_subquery()
    .label("version")
)
"""The latest version in force anywhere in the study `study` at the moment `now`."""


def version_in_country(country: ColumnElement[str]) -> Label[Any]:
    """The version of `study` in force in a row's country at `now`, as the column `version`; NULL where none is yet."""
    return _latest(country, true()).label("version")


def moving_version_in_country(country: ColumnElement[str]) -> Label[Any]:
    """The latest such version that moves the subjects on study, as the column `moves_to`; NULL where there is none."""
    return _latest(country, study_version_country.c.moves_subjects).label("moves_to")


def _latest(country: ColumnElement[str], condition: ColumnElement[bool]) -> ColumnElement[Any]:
    table = study_version_country.c
    return (
        select(func.max(table.version))
        .where(
            table.study_id == bindparam("study"),
            table.country == country,
            table.effective_at <= bindparam("now"),
            condition,
        )
        .scalar_subquery()
    )


def countries_in_force(connection: Connection, study_id: str, now: datetime) -> dict[str, int]:
    """Country -> the version in force there at `now`; a country where none is yet is left out."""
    table = study_version_country.c
    query = (
        select(table.country, func.max(table.version).label("version"))
        .where(table.study_id == study_id, table.effective_at <= now)
        .group_by(table.country)
        .order_by(table.country)
    )
    return {row.country: row.version for row in connection.execute(query)}


def protocol_of(connection: Connection, study_id: str, version: int, known: Protocols) -> Protocol:
    """The protocol of a loaded version; `known` keeps what was read."""
    key = (study_id, version)
    if key not in known:
        query = select(study_version.c.protocol_json).where(
            study_version.c.study_id == study_id, study_version.c.version == version
        )
        known[key] = Protocol.model_validate_json(connection.execute(query).scalar_one())
    return known[key]

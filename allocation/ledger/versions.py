"""Which protocol version is in force where: in the study as a whole, in a country, and for a subject on study.

A version takes effect in each country at its own moment (table `study_version_country`); a country without a row has not got it yet.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Label, bindparam, func, select, true

from allocation.ledger.schema import study_version, study_version_country
from allocation.rules.amendments import VersionsByVisit, versions_by_visit
from allocation.study.followed_schedule import followed_schedule
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


def version_from_a_visit_in_country(country: ColumnElement[str]) -> Label[Any]:
    """The latest such version that moves them from a visit on, as the column `moves_from`; NULL where there is none."""
    return _latest(country, study_version_country.c.moves_from_visit.is_not(None)).label("moves_from")


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


def moves_from_visits(
    connection: Connection, study_id: str, now: datetime
) -> dict[str, list[tuple[int, Decimal]]]:
    """Country -> the versions in force there at `now` (UTC) that move subjects from a visit on, each with that visit's number."""
    table = study_version_country.c
    query = select(table.country, table.version, table.moves_from_visit).where(
        table.study_id == study_id, table.effective_at <= now, table.moves_from_visit.is_not(None)
    )
    found: dict[str, list[tuple[int, Decimal]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.country, []).append((row.version, Decimal(row.moves_from_visit)))
    return found


def versions_of_subject(
    connection: Connection,
    study_id: str,
    now: datetime,
    country: str,
    in_force: int,
    randomized_under: int | None,
    moves_to: int | None,
    moves_from: int | None,
) -> VersionsByVisit:
    """The versions that one subject's visits follow (rules/amendments.py), by the columns of the statements above."""
    by_visit: list[tuple[int, Decimal]] = []
    if randomized_under is not None and (moves_from or 0) > max(randomized_under, moves_to or 0):
        by_visit = moves_from_visits(connection, study_id, now)[country]
    return versions_by_visit(in_force, randomized_under, moves_to, by_visit)


def schedule_of(
    connection: Connection, study_id: str, versions: VersionsByVisit, version: int, known: Protocols
) -> Protocol:
    """The protocol of `version` with the schedule of `versions`; `known` keeps what was read."""
    protocols = {
        number: protocol_of(connection, study_id, number, known)
        for number in {version, *(number for _, number in versions)}
    }
    return followed_schedule(versions, protocols, version)


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

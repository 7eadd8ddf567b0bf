"""When a protocol version takes effect in which country: with its load, or later by a signed act when the approval comes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection, func, select

from allocation.access.signing import require_signature
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.entry import moment_text
from allocation.ledger.schema import study as study_table
from allocation.ledger.schema import study_version, study_version_country
from allocation.ledger.versions import protocol_of
from allocation.study.canonical import decimal_text
from allocation.study.effective_moments import effective_moments
from allocation.study.protocol import MOVES_SUBJECTS
from allocation.study.supply import CountryCode

IN_EFFECT = "protocol version approved for the country"
"""The meaning of the signature on a version's effect in a country."""


class PutVersionIntoEffectRequest(CommandRequest):
    """A loaded version, the country that it is approved in, and the moment (UTC) from which it counts there; None: from now."""

    version: int = Field(ge=1)
    country: CountryCode
    effective_at: AwareDatetime | None = None


def effect_content(
    study_id: str, version: int, sha256: str, country: str, effective_at: datetime | None
) -> dict[str, Any]:
    """What the signature covers: the version by its hash, the country, and the moment as it was asked for (None: from now)."""
    return {
        "study_id": study_id,
        "version": version,
        "sha256": sha256,
        "country": country,
        "effective_at": None if effective_at is None else moment_text(effective_at),
    }


def loaded_sha256(connection: Connection, study_id: str, version: int) -> str:
    """The hash of a loaded version's document. Raises NotFound."""
    query = select(study_version.c.sha256).where(
        study_version.c.study_id == study_id, study_version.c.version == version
    )
    sha256 = connection.execute(query).scalar()
    if sha256 is None:
        raise NotFound(
            f"version {version} of study {study_id} is not loaded",
            field="version",
            fix="load it with `rtsm study amend FILE`",
        )
    return str(sha256)


def check_moments(
    connection: Connection,
    study_id: str,
    version: int,
    moments: Mapping[str, datetime],
    effective: datetime,
    now: datetime,
) -> None:
    """Raise DomainRefusal for a moment in the past, or before an earlier version takes effect in the same country.

    `effective` is the version's moment in the study, which counts where the protocol has no countries. All moments are UTC.
    """
    table = study_version_country.c
    query = (
        select(table.country, func.max(table.effective_at).label("at"))
        .where(table.study_id == study_id, table.version < version)
        .group_by(table.country)
    )
    earlier = {row.country: row.at for row in connection.execute(query)}
    for country, moment in (moments or {"the study": effective}).items():
        before = earlier.get(country)
        if moment < now:
            raise DomainRefusal(
                f"version {version} would take effect in {country} at {moment_text(moment)}, in the past",
                code="effective-in-the-past",
                field="effective_at",
                fix="leave it out for now, or give a later moment",
            )
        if before is not None and moment < before:
            raise DomainRefusal(
                f"version {version} would take effect in {country} at {moment_text(moment)}, before an earlier version does there, "
                f"at {moment_text(before)}",
                code="effective-before-earlier-version",
                field="effective_at",
                fix="give that moment or a later one",
            )


def put_version_into_effect(
    service: Service, act: Act, study_id: str, request: PutVersionIntoEffectRequest
) -> dict[str, Any]:
    """Put a loaded version into effect in one more country, signed (`IN_EFFECT`), or move a moment that has not come yet.

    Answers study, version, country and moment. Raises NotFound for a version that is not loaded, DomainRefusal for a country that the
    version does not have or where it, or a later one, is in effect already, SignatureRefused.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        connection = transaction.connection
        # One after another with the loading of versions, which looks at the same moments.
        connection.execute(
            select(study_table.c.study_id).where(study_table.c.study_id == study_id).with_for_update()
        )
        sha256 = loaded_sha256(connection, study_id, request.version)
        protocol = protocol_of(connection, study_id, request.version, service.protocols)
        require_signature(
            act.signature,
            IN_EFFECT,
            effect_content(study_id, request.version, sha256, request.country, request.effective_at),
            username=act.actor.username,
        )
        moment = request.effective_at or transaction.now
        moments = effective_moments(protocol, None, {request.country: moment}, transaction.now)
        before = _standing(transaction, request, moment)
        check_moments(connection, study_id, request.version, moments, moment, transaction.now)
        after = {
            "version": request.version,
            "country": request.country,
            "effective_at": moment_text(moment),
            "moves_subjects": protocol.amendment_rule == MOVES_SUBJECTS,
        }
        if (visit := protocol.moves_from) is not None:
            after["moves_from_visit"] = decimal_text(visit.number)
        answer = {
            "study_id": study_id,
            "version": request.version,
            "country": request.country,
            "effective_at": moment_text(moment.astimezone(UTC)),
        }
        return transaction.append(after, before=before, answer=answer)

    return execute(service, act, study_id, "put_version_into_effect", request, body)


def _standing(
    transaction: Transaction, request: PutVersionIntoEffectRequest, moment: datetime
) -> dict[str, Any]:
    """The moment that stood before, as the entry's `before`. Raises DomainRefusal where it has come, or a later version is there."""
    table = study_version_country.c
    query = select(table.version, table.effective_at).where(
        table.study_id == transaction.study_id,
        table.country == request.country,
        table.version >= request.version,
    )
    standing = None
    for row in transaction.connection.execute(query):
        if row.version == request.version:
            standing = row.effective_at
        elif row.effective_at <= moment:
            raise DomainRefusal(
                f"version {row.version}, which is later, takes effect in {request.country} at {moment_text(row.effective_at)}",
                code="version-superseded",
                field="version",
                fix="nothing is to be done",
            )
    if standing is not None and standing <= transaction.now:
        raise DomainRefusal(
            f"version {request.version} has been in effect in {request.country} since {moment_text(standing)}",
            code="version-in-effect",
            field="country",
            fix="nothing is to be done",
        )
    return {"effective_at": None if standing is None else moment_text(standing)}

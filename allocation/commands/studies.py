"""Loading a protocol version: a study begins with version 1, and each later version is a signed change with an effective moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection, select

from allocation.access.signing import require_signature
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.commands.version_effects import check_moments
from allocation.errors import DomainRefusal, Unsupported
from allocation.ledger.database import Database
from allocation.ledger.entry import moment_text
from allocation.ledger.reader import protocol_at
from allocation.ledger.schema import study as study_table
from allocation.ledger.schema import study_version
from allocation.study.amendment import version_errors
from allocation.study.canonical import plain_document, protocol_sha256
from allocation.study.effective_moments import effective_moments
from allocation.study.list_basis import events_needing_lists
from allocation.study.protocol import Protocol
from allocation.study.supply import CountryCode

GO_LIVE = "protocol version approved"
"""The meaning of the signature on a protocol version."""


class LoadStudyVersionRequest(CommandRequest):
    """A protocol version and the moment (UTC) from which acts are decided under it; None: from now.

    `countries`: the moments of countries that have their own. Where it names any and `effective_at` is left out, the other
    countries wait until the version is put into effect there (version_effects.py).
    """

    protocol: Protocol
    effective_at: AwareDatetime | None = None
    countries: dict[CountryCode, AwareDatetime] = Field(default_factory=dict)


def version_content(protocol: Protocol) -> dict[str, Any]:
    """What the signature of a protocol version covers."""
    return {
        "study_id": protocol.study.id,
        "version": protocol.study.version,
        "sha256": protocol_sha256(protocol),
    }


def unsupported_features(protocol: Protocol) -> list[str]:
    """What the protocol asks for that this version of the service would not carry out; empty when all can be run."""
    found = []
    if protocol.supply.eligible_subjects != "randomized":
        found.append("supply.eligible_subjects screened: only randomized subjects can be projected yet")
    return found


def unsupported_changes(old: Protocol, new: Protocol) -> list[str]:
    """What a later version changes that the running study would not follow; empty when it follows all."""
    before = {one.code: one.expiry for one in old.kit_types}
    found = [
        f"kit_types[{index}].expiry: kits carry the last dates that were worked out when they were loaded"
        for index, one in enumerate(new.kit_types)
        if before.get(one.code, one.expiry) != one.expiry
    ]
    numbered = {one.code: one.serialized for one in old.kit_types}
    return found + [
        f"kit_types[{index}].serialized: kits have their numbers, or have none, since they were loaded"
        for index, one in enumerate(new.kit_types)
        if numbered.get(one.code, one.serialized) != one.serialized
    ]


def reasons_not_to_run(
    database: Database,
    protocol: Protocol,
    now: datetime,
    effective_at: datetime | None = None,
    countries: Mapping[str, datetime] | None = None,
) -> list[str]:
    """Why `protocol` would not be carried out after the latest loaded version, or not from these moments (as when it is loaded).

    Raises NotFound where no version is loaded, DomainRefusal for a country that the protocol does not have.
    """
    study_id = protocol.study.id
    latest = protocol_at(database, study_id)
    found = [*unsupported_features(protocol), *unsupported_changes(latest, protocol)]
    moments = effective_moments(protocol, effective_at, countries or {}, now)
    effective = min(moments.values(), default=effective_at or now)
    with database.read() as connection:
        try:
            check_moments(connection, study_id, protocol.study.version, moments, effective, now)
        except DomainRefusal as refusal:
            found.append(str(refusal))
    return found


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """What the ledger's entry of a protocol version holds, and what whoever loads it is answered."""

    before: dict[str, Any]
    after: dict[str, Any]
    answer: dict[str, Any]


def locked_latest_version(connection: Connection, study_id: str) -> int:
    """The number of the latest loaded version, 0 where there is none; versions are loaded one after another from here on."""
    query = select(study_table.c.latest_version).where(study_table.c.study_id == study_id).with_for_update()
    return int(connection.execute(query).scalar() or 0)


def load_study_version(service: Service, act: Act, request: LoadStudyVersionRequest) -> dict[str, Any]:
    """Load a protocol version; answers study, version, hash, the moment from which it counts anywhere, that of each country, and the
    events that wait for a new list then.

    In production, and for every version after the first, it must be signed (`GO_LIVE`). Raises DomainRefusal when the
    version does not follow the latest one or drops what the ledger may name, Unsupported for what cannot be run.
    """
    protocol = request.protocol
    study_id, version = protocol.study.id, protocol.study.version

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study(new=True)
        latest = locked_latest_version(transaction.connection, study_id)
        if version != latest + 1:
            raise DomainRefusal(
                f"version {version} does not follow the latest loaded version, {latest}",
                code="version-out-of-order",
                field="study.version",
                fix=f"load version {latest + 1}",
            )
        _refuse_unsupported(protocol)
        if protocol.study.mode == "production" or version > 1:
            require_signature(act.signature, GO_LIVE, version_content(protocol), username=act.actor.username)
        entry = version_entry(transaction, protocol, request.effective_at, request.countries)
        return transaction.append(entry.after, before=entry.before, answer=entry.answer)

    return execute(service, act, study_id, "load_study_version", request, body)


def _refuse_unsupported(protocol: Protocol) -> None:
    if unsupported := unsupported_features(protocol):
        raise Unsupported(
            "; ".join(unsupported),
            field="protocol",
            fix="take these out, or wait for the version that runs them",
        )


def version_entry(
    transaction: Transaction,
    protocol: Protocol,
    effective_at: datetime | None,
    countries: Mapping[str, datetime],
) -> VersionEntry:
    """The entry of a version that follows the latest one, which is locked (`locked_latest_version`); moments as when it is loaded.

    Raises DomainRefusal when the version drops what the ledger may name or a moment cannot be, Unsupported for what cannot be run.
    """
    study_id, version = protocol.study.id, protocol.study.version
    moments = effective_moments(protocol, effective_at, countries, transaction.now)
    effective = min(moments.values(), default=effective_at or transaction.now)
    waiting: list[str] = []
    before: dict[str, Any] = {}
    if version > 1:
        columns = study_version.c
        before_query = select(columns.sha256, columns.protocol_json).where(
            columns.study_id == study_id, columns.version == version - 1
        )
        previous = transaction.connection.execute(before_query).one()
        old = Protocol.model_validate_json(previous.protocol_json)
        if errors := version_errors(old, protocol):
            raise DomainRefusal(
                f"version {version} cannot follow version {version - 1}: {' | '.join(map(str, errors))}",
                code="version-cannot-follow",
                field="protocol",
                fix="keep what the ledger may already name",
            )
        if unsupported := unsupported_changes(old, protocol):
            raise Unsupported("; ".join(unsupported), field="protocol", fix="keep them as they were")
        check_moments(transaction.connection, study_id, version, moments, effective, transaction.now)
        before = {"version": version - 1, "sha256": previous.sha256}
        waiting = events_needing_lists(old, protocol)
    sha256 = protocol_sha256(protocol)
    after = {
        "version": version,
        "effective_at": moment_text(effective),
        "countries": [[country, moment_text(moments[country])] for country in sorted(moments)],
        "sha256": sha256,
        "protocol": plain_document(protocol),
        "depots": [
            {
                "depot_id": depot.code,
                "name": depot.name,
                "country": depot.country,
                "timezone": depot.timezone,
            }
            for depot in protocol.depots
        ],
    }
    answer = {
        "study_id": study_id,
        "version": version,
        "sha256": sha256,
        "effective_at": moment_text(effective.astimezone(UTC)),
        "countries": {country: moment_text(moments[country].astimezone(UTC)) for country in sorted(moments)},
        "events_needing_lists": waiting,
    }
    return VersionEntry(before, after, answer)

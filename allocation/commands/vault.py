"""The vault of patients' addresses: what is shipped to a patient needs one, and nothing else of the system may hold it.

The address is encrypted before it is stored and stands in one table alone. Entries of the ledger say that one was recorded or forgotten;
not even a hash of it goes there, since addresses can be guessed. Every opening of the vault is recorded in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from cryptography.fernet import InvalidToken, MultiFernet
from pydantic import ConfigDict, Field
from sqlalchemy import Connection, Row, delete, insert, select, update

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.access.vault_keys import KEY, vault_cipher
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, earlier_answer, execute
from allocation.errors import DomainRefusal, IdempotencyConflict, NotFound
from allocation.ledger.schema import site, subject, vault_access, vault_address
from allocation.plain_values import PlainModel
from allocation.study.model import Code

Line = Annotated[str, Field(min_length=1, max_length=200)]


class PatientAddress(PlainModel):
    """Where a patient takes a parcel. `country`: ISO 3166-1 alpha-3; `phone`: for the carrier."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True
    )

    recipient: Line
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=6)]
    postcode: Annotated[str, Field(max_length=20)] = ""
    city: Line
    country: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    phone: Annotated[str, Field(max_length=40)] = ""

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Nothing: whatever prints a request, a debugger or a failed assertion, prints none of it."""
        return ()


class AddressOfSubject(CommandRequest):
    """Whose address is meant."""

    subject_id: Code


class SetAddressRequest(AddressOfSubject):
    """The address of a subject; it takes the place of the one before."""

    address: PatientAddress


def set_patient_address(
    service: Service, act: Act, study_id: str, request: SetAddressRequest
) -> dict[str, Any]:
    """Keep the address of a subject, encrypted, in the vault; answers whether one was there before, and never the address.

    Raises DomainRefusal without a usable key, IdempotencyConflict when the act's key came with another address, NotFound,
    NotPermitted.
    """
    named = AddressOfSubject(subject_id=request.subject_id)

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        token = _encrypted(vault_cipher(), study_id, request.subject_id, request.address)
        connection = transaction.connection
        gone = connection.execute(delete(vault_address).where(*_of(study_id, request.subject_id)))
        connection.execute(
            insert(vault_address).values(
                study_id=study_id,
                subject_id=request.subject_id,
                ciphertext=token,
                updated_at=transaction.now,
                updated_by=act.actor.username,
            )
        )
        replaced = bool(gone.rowcount)
        _record(transaction, request.subject_id, "write")
        answer = {"subject_id": request.subject_id, "replaced": replaced}
        return transaction.append(
            {"replaced": replaced}, answer=answer, subject_id=request.subject_id, site_id=row.site_id
        )

    # The ledger holds no hash of the address, so a retry is compared with what is kept.
    answer = earlier_answer(service, act, study_id, "set_patient_address", named)
    if answer is None:
        return execute(service, act, study_id, "set_patient_address", named, body)
    with service.database.read() as connection:
        kept = _stored(connection, study_id, request.subject_id)
    if kept is not None and _decrypted(vault_cipher(), kept) != request.address:
        raise IdempotencyConflict(
            f"the key {act.idempotency_key!r} was used before, and another address is kept now",
            field="Idempotency-Key",
            fix="use a new key",
        )
    return answer


def forget_patient_address(
    service: Service, act: Act, study_id: str, request: AddressOfSubject
) -> dict[str, Any]:
    """Delete the address of a subject, with a reason; that it was deleted stays on record. It takes no key.

    Raises DomainRefusal without a reason, NotFound when there is none, NotPermitted.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        act.require_reason("an address is forgotten for a reason", "give it, without the address")
        gone = transaction.connection.execute(delete(vault_address).where(*_of(study_id, request.subject_id)))
        if not gone.rowcount:
            raise _no_address(request.subject_id)
        _record(transaction, request.subject_id, "forget")
        answer = {"subject_id": request.subject_id, "forgotten": True}
        return transaction.append(
            {"forgotten": True}, answer=answer, subject_id=request.subject_id, site_id=row.site_id
        )

    return execute(service, act, study_id, "forget_patient_address", request, body)


def read_patient_address(service: Service, actor: Actor, study_id: str, subject_id: str) -> PatientAddress:
    """The address of a subject, for whoever sends to it: people of the subject's site. The reading is recorded.

    Raises NotFound, NotPermitted, and DomainRefusal where no key opens it.
    """
    with service.database.write() as connection:
        role = _may(connection, actor, "vault.read", study_id, subject_id)
        found = _stored(connection, study_id, subject_id)
        if found is None:
            raise _no_address(subject_id)
        address = _decrypted(vault_cipher(), found)
        _log(connection, study_id, subject_id, service.clock(), actor.username, role, "read")
    return address


def list_vault_accesses(
    service: Service, actor: Actor, study_id: str, subject_id: str
) -> list[dict[str, Any]]:
    """Who opened the vault for a subject, the latest first: `at` (UTC), `actor`, `role`, `act`. Raises NotFound, NotPermitted."""
    columns = (vault_access.c.at, vault_access.c.actor, vault_access.c.role, vault_access.c.act)
    query = (
        select(*columns)
        .where(vault_access.c.study_id == study_id, vault_access.c.subject_id == subject_id)
        .order_by(vault_access.c.access_id.desc())
    )
    with service.database.read() as connection:
        _may(connection, actor, "vault.audit", study_id, subject_id)
        return [dict(row._mapping) for row in connection.execute(query)]


def rotate_vault_key(service: Service, actor: Actor, study_id: str) -> int:
    """Encrypt every address of a study with the first key, all or none; gives how many.

    Raises NotPermitted, and DomainRefusal where no key opens one of them.
    """
    role = authorize(actor, "vault.rotate", study_id)
    cipher = vault_cipher()
    with service.database.write() as connection:
        query = select(vault_address).where(vault_address.c.study_id == study_id)
        rows = connection.execute(query.order_by(vault_address.c.subject_id).with_for_update()).all()
        for row in rows:
            _decrypted(cipher, row)
            token = cipher.rotate(row.ciphertext.encode()).decode()
            connection.execute(
                update(vault_address).where(*_of(study_id, row.subject_id)).values(ciphertext=token)
            )
            _log(connection, study_id, row.subject_id, service.clock(), actor.username, role, "rotate")
    return len(rows)


def _of(study_id: str, subject_id: str) -> tuple[Any, Any]:
    return vault_address.c.study_id == study_id, vault_address.c.subject_id == subject_id


def _stored(connection: Connection, study_id: str, subject_id: str) -> Row[Any] | None:
    return connection.execute(select(vault_address).where(*_of(study_id, subject_id))).first()


def _no_address(subject_id: str) -> NotFound:
    return NotFound(
        f"no address of subject {subject_id} is kept", field="subject_id", fix="`rtsm vault set` keeps one"
    )


def _may(connection: Connection, actor: Actor, permission: str, study_id: str, subject_id: str) -> str:
    """The role under which the actor does this for the subject, at its site. Raises NotFound, NotPermitted."""
    found = connection.execute(
        select(subject.c.site_id, site.c.country)
        .join(site, (site.c.study_id == subject.c.study_id) & (site.c.site_id == subject.c.site_id))
        .where(subject.c.study_id == study_id, subject.c.subject_id == subject_id)
    ).first()
    if found is None:
        if not actor.roles_in(study_id):
            authorize(actor, permission, study_id)
        raise NotFound(
            f"subject {subject_id!r} is not known in study {study_id}",
            field="subject_id",
            fix="correct the subject's number",
        )
    return authorize(actor, permission, study_id, site_id=found.site_id, country=found.country)


def _record(transaction: Transaction, subject_id: str, what: str) -> None:
    """Record what a command did with the vault."""
    username, role = transaction.act.actor.username, str(transaction.role)
    _log(transaction.connection, transaction.study_id, subject_id, transaction.now, username, role, what)


def _log(
    connection: Connection, study_id: str, subject_id: str, at: datetime, actor: str, role: str, what: str
) -> None:
    connection.execute(
        insert(vault_access).values(
            study_id=study_id, subject_id=subject_id, at=at, actor=actor, role=role, act=what
        )
    )


def _encrypted(cipher: MultiFernet, study_id: str, subject_id: str, address: PatientAddress) -> str:
    # Whose it is stands inside, too: a token that was moved to another subject's row does not pass for that one's address.
    content = {"study_id": study_id, "subject_id": subject_id, "address": address.model_dump()}
    return cipher.encrypt(json.dumps(content).encode()).decode()


def _decrypted(cipher: MultiFernet, row: Row[Any]) -> PatientAddress:
    try:
        content = json.loads(cipher.decrypt(row.ciphertext.encode()))
    except InvalidToken:
        raise DomainRefusal(
            f"no key of the vault opens the address of subject {row.subject_id}",
            code="vault-key-wrong",
            field=KEY,
            fix="add the key that it was encrypted with behind the newest one",
        ) from None
    if (content["study_id"], content["subject_id"]) != (row.study_id, row.subject_id):
        raise DomainRefusal(
            f"what is kept for subject {row.subject_id} is the address of somebody else",
            code="vault-mixed-up",
            field="subject_id",
            fix="somebody changed the database by hand: ask the subject and set the address again",
        )
    return PatientAddress.model_validate({**content["address"], "lines": tuple(content["address"]["lines"])})

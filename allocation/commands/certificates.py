"""Certificates of destruction: no kit is destroyed without one, whether it was returned or lay at a depot."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sqlalchemy import select

from allocation.commands.service import CommandRequest
from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.schema import destruction_certificate
from allocation.plain_values import Day


class Certificate(CommandRequest):
    """A certificate of destruction: its number, when and where, and the file that is kept of it with its SHA-256."""

    number: str = Field(min_length=1, max_length=60)
    destroyed_on: Day
    place: str = Field(min_length=1, max_length=200)
    file_name: str = Field(min_length=1, max_length=200)
    file_sha256: str = Field(pattern="^[0-9a-f]{64}$")

    def stored(self) -> dict[str, str]:
        """As it stands in the ledger."""
        return {
            "certificate": self.number,
            "destroyed_on": self.destroyed_on.isoformat(),
            "place": self.place,
            "file_name": self.file_name,
            "file_sha256": self.file_sha256,
        }


def certificate_facts(transaction: Transaction, certificate: Certificate) -> dict[str, Any]:
    """What an entry says of the certificate that it goes by; one may cover several acts.

    Raises DomainRefusal for a date that is still to come, or when its number stands for another certificate.
    """
    if certificate.destroyed_on > transaction.today:
        raise DomainRefusal(
            f"{certificate.destroyed_on} is after today, {transaction.today}",
            code="contradicting-date",
            field="certificate.destroyed_on",
            fix="record it when it has been done",
        )
    columns = destruction_certificate.c
    known = transaction.connection.execute(
        select(
            columns.certificate, columns.destroyed_on, columns.place, columns.file_name, columns.file_sha256
        ).where(columns.study_id == transaction.study_id, columns.certificate == certificate.number)
    ).first()
    stored = certificate.stored()
    if known is not None and {**known._asdict(), "destroyed_on": known.destroyed_on.isoformat()} != stored:
        raise DomainRefusal(
            f"certificate {certificate.number} is on record with another date, place or file",
            code="certificate-differs",
            field="certificate.number",
            fix="give the certificate as it is on record, or its own number",
        )
    return {"certificate": stored, "new_certificate": known is None}

"""Whether mail that was written may still be sent: roles, addresses and accounts change while it waits."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection

from allocation.access.permissions import UNBLINDED_ROLES
from allocation.notify.events import EVENT
from allocation.notify.outbox import countries_of_sites
from allocation.notify.places import as_places
from allocation.notify.recipients import Recipient, recipients_of

DIGEST: Final = "digest"
"""The event of a row that carries others."""

NO_ADDRESS: Final = "the account has no address, or is disabled"
NO_LONGER: Final = "the account may no longer read it"


def reader_of(connection: Connection, row: Any) -> Recipient | str:
    """Whom the mail of `row` goes to by what the account is now, or why it goes to nobody."""
    found = recipients_of(connection, row.study_id, username=row.username)
    if not found:
        return NO_ADDRESS
    (reader,) = found
    if row.event == DIGEST:
        unblinded = any(grant.role in UNBLINDED_ROLES for grant in reader.grants)
        allowed = unblinded or row.variant == "blinded"
    else:
        countries = countries_of_sites(connection, row.study_id)
        variant = reader.variant(EVENT[row.event], row.study_id, as_places(row.places), countries)
        allowed = variant == row.variant
    return reader if allowed else NO_LONGER

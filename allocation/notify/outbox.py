"""The outbox: mail to people is written in the transaction of what it tells of, a row for each who is told, and delivered later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select

from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.schema import site
from allocation.notify.blinded import blinded_mail
from allocation.notify.events import EVENTS_OF_COMMAND, Event
from allocation.notify.happening import Happening, Notice, Told
from allocation.notify.places import NoticePlace
from allocation.notify.recipients import Recipient, recipients_of
from allocation.notify.schema import notice
from allocation.notify.unblinded import unblinded_mail

Words = Callable[[str, datetime, Notice], tuple[str, str]]

VARIANTS: Final = ("blinded", "unblinded")


def queue_notices(happening: Happening) -> None:
    """Write the mail that an act's entry is told by, if the table has a row for it; in the caller's transaction."""
    for event in EVENTS_OF_COMMAND.get(happening.command, ()):
        if event.if_said is not None and not happening.after.get(event.if_said):
            continue
        people = recipients_of(happening.connection, happening.study_id, event.roles)
        if not people:
            continue
        outbox = Outbox(happening.connection, happening.study_id, event, people, happening.at)
        occurrence = f"{event.code} {happening.entry_id}"
        if event.blinded is not None and outbox.has("blinded"):
            outbox.put(occurrence, "blinded", event.blinded(happening), blinded_mail)
        if event.unblinded is not None and outbox.has("unblinded"):
            outbox.put(occurrence, "unblinded", event.unblinded(happening), unblinded_mail)


class Outbox:
    """Writes the mail of one event to those of `people` who are told. `at` (UTC) is the moment of the event."""

    def __init__(
        self, connection: Connection, study_id: str, event: Event, people: Sequence[Recipient], at: datetime
    ) -> None:
        self._connection = connection
        self._study_id = study_id
        self._event = event
        self._people = [one for one in people if one.wants(event)]
        self._at = at
        self._countries = countries_of_sites(connection, study_id) if self._people else {}

    def has(self, variant: str) -> bool:
        """Whether anybody may be told in this variant at all."""
        return any(
            self._event.variant_for(grant.role) == variant for one in self._people for grant in one.grants
        )

    def put(self, occurrence: str, variant: str, told: Sequence[Told[Notice]], words: Words[Notice]) -> int:
        """Write a row for each who is told, in this variant alone; gives how many. `occurrence` names what is told of.

        A message's id follows from occurrence and recipient: never from its content, which would differ between arms.
        """
        rows = []
        for index, one in enumerate(told):
            subject_line, body = words(self._study_id, self._at, one.notice)
            for person in self._people:
                found = person.variant(
                    self._event, self._study_id, one.places, self._countries, local=one.local
                )
                if found != variant:
                    continue
                for_digest, due_at = person.due(self._event, self._at)
                name = f"{occurrence} {index}"
                rows.append(
                    {
                        "study_id": self._study_id,
                        "occurrence": name,
                        "username": person.username,
                        "event": self._event.code,
                        "variant": variant,
                        "places": ", ".join(map(str, one.places)),
                        "message_id": message_id(self._study_id, name, person.username),
                        "subject": subject_line,
                        "body": body,
                        "created_at": self._at,
                        "for_digest": for_digest,
                        "state": "waiting",
                        "attempts": 0,
                        "next_try_at": due_at,
                    }
                )
        if rows:
            self._connection.execute(insert(notice), rows)
        return len(rows)


def people_at(
    connection: Connection, study_id: str, command: str, places: Sequence[NoticePlace]
) -> dict[NoticePlace, int]:
    """How many people of each place are told of an act of this command there, those of the whole study not counted."""
    told: dict[NoticePlace, set[str]] = {place: set() for place in places}
    countries = countries_of_sites(connection, study_id)
    for event in EVENTS_OF_COMMAND[command]:
        for person in recipients_of(connection, study_id, event.roles):
            for place, names in told.items():
                if person.variant(event, study_id, (place,), countries, local=True) is not None:
                    names.add(person.username)
    return {place: len(names) for place, names in told.items()}


def message_id(study_id: str, occurrence: str, username: str) -> str:
    """The left part of a Message-ID: the same for the same person and occurrence, however often it is sent."""
    return f"rtsm.{sha256_hex(canonical_json([study_id, occurrence, username]))[:32]}"


def countries_of_sites(connection: Connection, study_id: str) -> dict[str, str]:
    """Open site -> its country."""
    rows = connection.execute(select(site.c.site_id, site.c.country).where(site.c.study_id == study_id))
    return {row.site_id: row.country for row in rows}

"""The check for what nobody does: late shipments, low stock, projected run-outs, expiries ahead. Each is told once for as long as it lasts.

What lasts stands in `notice_condition`; what has ended is taken out, so that it is told again when it comes again. Nothing of the trial
changes by it, so there is no entry in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.commands.notify_conditions import Found, conditions_now
from allocation.commands.service import Service
from allocation.ledger.entry import moment_text
from allocation.ledger.schema import study
from allocation.notify.blinded import blinded_mail
from allocation.notify.events import EVENT
from allocation.notify.happening import Notice, Told
from allocation.notify.outbox import Outbox, Words
from allocation.notify.recipients import recipients_of
from allocation.notify.schema import notice_condition
from allocation.notify.unblinded import unblinded_mail
from allocation.rules.notices import changes


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: conditions that began and ended since the last one, that last, and the mail that was written of them."""

    begun: int
    ended: int
    lasting: int
    written: int


def check_study(service: Service, actor: Actor, study_id: str) -> Checked:
    """Look at the study as it is now and write the mail of what has begun. Raises NotPermitted, NotFound.

    Two checks at once tell nothing twice: the study's row is locked.
    """
    authorize(actor, "notify.administer", study_id)
    now = service.clock()
    found = conditions_now(service, study_id, now)
    with service.database.write() as connection:
        connection.execute(select(study.c.study_id).where(study.c.study_id == study_id).with_for_update())
        blinded = _told(connection, study_id, now, "blinded", found.blinded, blinded_mail)
        unblinded = _told(connection, study_id, now, "unblinded", found.unblinded, unblinded_mail)
    return Checked(*(mine + other for mine, other in zip(blinded, unblinded, strict=True)))


def _told(
    connection: Connection,
    study_id: str,
    now: datetime,
    variant: str,
    found: Found[Notice],
    words: Words[Notice],
) -> tuple[int, int, int, int]:
    """Compare the conditions of one variant with those that were told of; gives begun, ended, lasting, mail written."""
    table = notice_condition.c
    begun = ended = lasting = written = 0
    for code, now_there in found.items():
        these = (table.study_id == study_id, table.event == code, table.variant == variant)
        standing = list(connection.execute(select(table.about).where(*these)).scalars())
        change = changes(standing, now_there)
        if change.ended:
            connection.execute(delete(notice_condition).where(*these, table.about.in_(change.ended)))
        if change.begun:
            row = {"study_id": study_id, "event": code, "variant": variant, "since": now}
            connection.execute(insert(notice_condition), [{**row, "about": one} for one in change.begun])
            written += _mail(connection, study_id, now, code, variant, change.begun, now_there, words)
        begun, ended = begun + len(change.begun), ended + len(change.ended)
        lasting += len(now_there)
    return begun, ended, lasting, written


def _mail(
    connection: Connection,
    study_id: str,
    now: datetime,
    code: str,
    variant: str,
    begun: tuple[str, ...],
    told: Mapping[str, Told[Notice]],
    words: Words[Notice],
) -> int:
    event = EVENT[code]
    people = recipients_of(connection, study_id, event.roles)
    outbox = Outbox(connection, study_id, event, people, now)
    return sum(
        outbox.put(f"{code} {variant} {about} since {moment_text(now)}", variant, [told[about]], words)
        for about in begun
    )

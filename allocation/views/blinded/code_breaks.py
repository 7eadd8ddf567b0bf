"""Code breaks in blinded words: whose code was broken by whom, when and why, what was asked for, and every reading. Never the arm.

The reason that was written goes to the unblinded alone: whoever knows one arm may write of it. Everybody else reads the category.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.schema import code_break, code_break_read, code_break_request
from allocation.views.shape import View
from allocation.views.study_at import study_at
from allocation.views.visible import visible

PERMISSION = "view.code_breaks"


class CodeBreak(View):
    """That a person was unblinded for a subject. `broken_at` is UTC, `broken_on` the date at the site; `readings`: the break included."""

    subject_id: str
    site_id: str
    person: str
    role: str
    kind: str
    category: str
    broken_at: datetime
    broken_on: date
    request_id: str | None
    readings: int


class CodeBreakAsked(View):
    """A request for a planned code break: requested, approved, refused or used. Moments are UTC."""

    request_id: str
    subject_id: str
    site_id: str
    category: str
    requested_by: str
    requested_at: datetime
    state: str
    decided_by: str | None
    decided_at: datetime | None


class CodeBreaks(View):
    """Breaks and requests of the sites that the reader may see, the latest first."""

    study_id: str
    breaks: tuple[CodeBreak, ...]
    requests: tuple[CodeBreakAsked, ...]


class BrokenCodeReading(View):
    """A person was shown a subject's treatment. `act`: break, read (again), or retry (the answer to a break or a reading was asked
    for twice). `number` counts those of the person and subject; `kind` and `category` are those of the break; `read_at` is UTC.
    """

    subject_id: str
    site_id: str
    person: str
    role: str
    number: int
    act: str
    read_at: datetime
    kind: str
    category: str


class BrokenCodeReadings(View):
    """Every reading of broken codes at the sites that the reader may see, the latest first."""

    study_id: str
    readings: tuple[BrokenCodeReading, ...]


def list_code_breaks(database: Database, actor: Actor, study_id: str) -> CodeBreaks:
    """Who was unblinded for whom, and which breaks were asked for. Raises NotPermitted, NotFound."""
    readings = list_broken_code_readings(database, actor, study_id).readings
    counted: dict[tuple[str, str], int] = {}
    for one in readings:
        key = one.subject_id, one.person
        counted[key] = counted.get(key, 0) + 1
    with database.read() as connection:
        seen = visible(connection, actor, PERMISSION, study_id)
        made = connection.execute(
            select(code_break)
            .where(code_break.c.study_id == study_id, seen.at_site(code_break.c.site_id))
            .order_by(code_break.c.broken_at.desc(), code_break.c.subject_id, code_break.c.person)
        )
        breaks = tuple(
            CodeBreak(
                **{name: value for name, value in row._mapping.items() if name != "study_id"},
                readings=counted.get((row.subject_id, row.person), 0),
            )
            for row in made
        )
        asked = connection.execute(
            select(code_break_request)
            .where(code_break_request.c.study_id == study_id, seen.at_site(code_break_request.c.site_id))
            .order_by(code_break_request.c.requested_at.desc(), code_break_request.c.request_id)
        )
        requests = tuple(
            CodeBreakAsked(**{name: value for name, value in row._mapping.items() if name != "study_id"})
            for row in asked
        )
    return CodeBreaks(study_id=study_id, breaks=breaks, requests=requests)


def list_broken_code_readings(database: Database, actor: Actor, study_id: str) -> BrokenCodeReadings:
    """Every time that somebody was shown a treatment by a broken code. Raises NotPermitted, NotFound."""
    table = code_break_read.c
    with database.read() as connection:
        seen = visible(connection, actor, PERMISSION, study_id)
        study_at(connection, study_id)
        rows = connection.execute(
            select(
                *(table[name] for name in BrokenCodeReading.model_fields if name not in ("kind", "category")),
                code_break.c.kind,
                code_break.c.category,
            )
            .join_from(
                code_break_read,
                code_break,
                (code_break.c.study_id == table.study_id)
                & (code_break.c.subject_id == table.subject_id)
                & (code_break.c.person == table.person),
            )
            .where(table.study_id == study_id, seen.at_site(table.site_id))
            .order_by(table.read_at.desc(), table.subject_id, table.person, table.number.desc())
        )
        readings = tuple(BrokenCodeReading(**row._mapping) for row in rows)
    return BrokenCodeReadings(study_id=study_id, readings=readings)

"""The mail of a study: who was told of what, and how far it got. Its text is not shown here: whoever administers may be blinded."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from sqlalchemy import case, func, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.notify.schema import notice
from allocation.views.shape import View
from allocation.views.study_at import study_at

PAGE: Final = 50
LONGEST_PAGE: Final = 1000
NoticeState = Literal["waiting", "bundled", "sent", "dead"]


class NoticeLine(View):
    """One mail. `places` are depots and sites; moments are UTC; `last_error` says why it has not arrived, and quotes nothing of it."""

    notice_id: int
    username: str
    event: str
    variant: str
    places: str
    created_at: datetime
    state: str
    attempts: int
    next_try_at: datetime
    sent_at: datetime | None
    last_error: str | None


class NoticeList(View):
    """How many mails there are in each state (`bundled`: carried by a digest), and the last of them, dead ones before others."""

    study_id: str
    waiting: int
    bundled: int
    sent: int
    dead: int
    notices: tuple[NoticeLine, ...]


def list_notices(
    database: Database, actor: Actor, study_id: str, *, state: NoticeState | None = None, limit: int = PAGE
) -> NoticeList:
    """The mail of a study, of one state if so asked. Raises NotPermitted, NotFound."""
    authorize(actor, "notify.administer", study_id)
    with database.read() as connection:
        study_at(connection, study_id)
        ours = notice.c.study_id == study_id
        by_state = select(notice.c.state, func.count().label("mails")).where(ours).group_by(notice.c.state)
        counts = {row.state: row.mails for row in connection.execute(by_state)}
        query = select(*(notice.c[name] for name in NoticeLine.model_fields)).where(ours)
        if state is not None:
            query = query.where(notice.c.state == state)
        dead_first = case((notice.c.state == "dead", 0), else_=1)
        rows = connection.execute(
            query.order_by(dead_first, notice.c.notice_id.desc()).limit(limit)
        ).mappings()
        return NoticeList(
            study_id=study_id,
            **{one: int(counts.get(one, 0)) for one in ("waiting", "bundled", "sent", "dead")},
            notices=tuple(NoticeLine.model_validate(dict(row)) for row in rows),
        )

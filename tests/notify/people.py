"""The people of the small blinded trial with addresses, and what was written to them."""

from typing import Any

from sqlalchemy import select

from allocation.access.accounts import set_email
from allocation.access.actors import SYSTEM_ACTOR
from allocation.notify.schema import notice
from tests.api.trial import PEOPLE, make_people
from tests.commands.desk import Desk


def address(name: str) -> str:
    return f"{name}@example.org"


def give_addresses(desk: Desk) -> Desk:
    """An account with an address for everyone of `PEOPLE`."""
    make_people(desk.database, lambda: desk.now)
    for name in PEOPLE:
        set_email(desk.database, SYSTEM_ACTOR, name, address(name), lambda: desk.now)
    return desk


def mail(desk: Desk, event: str | None = None) -> list[Any]:
    """The rows of mail, in the order in which they were written; of one event if so asked."""
    query = select(notice).order_by(notice.c.notice_id)
    if event is not None:
        query = query.where(notice.c.event == event)
    with desk.database.read() as connection:
        return list(connection.execute(query))


def told(desk: Desk, event: str) -> dict[str, str]:
    """Who was told of an event -> in which variant."""
    return {row.username: row.variant for row in mail(desk, event)}

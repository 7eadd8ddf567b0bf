"""Which studies an actor has to do with."""

from __future__ import annotations

from sqlalchemy import select

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.schema import study
from allocation.views.shape import View


class StudyListed(View):
    """A loaded study and the roles that the reader holds in it."""

    study_id: str
    title: str
    mode: str
    roles: tuple[str, ...]


class StudyListing(View):
    """The reader's studies, by id."""

    studies: tuple[StudyListed, ...]


def list_studies(database: Database, actor: Actor) -> StudyListing:
    """Every loaded study in which the actor holds a role; none is named to anybody else."""
    with database.read() as connection:
        rows = connection.execute(
            select(study.c.study_id, study.c.title, study.c.mode).order_by(study.c.study_id)
        ).all()
    return StudyListing(
        studies=tuple(
            StudyListed(study_id=row.study_id, title=row.title, mode=row.mode, roles=roles)
            for row in rows
            if (roles := actor.roles_in(row.study_id))
        )
    )

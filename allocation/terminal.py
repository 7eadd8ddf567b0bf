"""What the command lines of the service share: who acts and signs, the clock, how answers and progress are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from allocation.access.actors import SYSTEM_ACTOR, Actor
from allocation.access.grants import actor_named
from allocation.access.permissions import COMMAND_PERMISSIONS, authorize
from allocation.access.signing import Signature, sign
from allocation.access.tokens import actor_for_login
from allocation.commands.service import Service, utc_now
from allocation.errors import NotFound, NotPermitted
from allocation.ledger.database import Database
from allocation.ledger.reader import studies


def acting(database: Database, username: str | None) -> Actor:
    """Who acts: the operator of the machine that holds the database, or with `username` that account, after its password."""
    if username is None:
        return SYSTEM_ACTOR
    password = typer.prompt(f"Password of {username}", hide_input=True)
    actor_for_login(database, username, password, utc_now)
    return actor_named(database, username)


def the_study(database: Database, study_id: str | None) -> str:
    """The study that is meant: the one given, or the only one that is loaded. Raises NotFound."""
    loaded = studies(database)
    if study_id is None and len(loaded) == 1:
        return loaded[0]
    if study_id in loaded:
        return str(study_id)
    known = ", ".join(loaded) or "none"
    if study_id is None:
        raise NotFound(f"say which study: {known}", field="--study", fix="name one of them")
    raise NotFound(
        f"study {study_id!r} is not loaded (loaded: {known})",
        field="--study",
        fix="load it with `rtsm study load`",
    )


def signed(
    service: Service,
    who: Actor,
    username: str | None,
    command: str,
    meaning: str,
    content: dict[str, Any],
    study_id: str,
) -> Signature | None:
    """The signature of `content` by the account's password again, which is asked for; None for the operator.

    A command that needs a signature refuses the operator's act itself. Raises NotPermitted before the password is asked for.
    """
    if username is None:
        return None
    role = authorize(who, COMMAND_PERMISSIONS[command], study_id)
    return signed_as(service, who, role, meaning, content)


def signed_as(service: Service, who: Actor, role: str, meaning: str, content: dict[str, Any]) -> Signature:
    """The signature of `content` by that account under `role`, by its password again, which is asked for."""
    password = typer.prompt(f"Password of {who.username}, to sign: {meaning}", hide_input=True)
    return sign(service.database, who, password, meaning, content, service.clock, role=role)


def require_person(username: str | None) -> str:
    """The account of --as. Raises NotPermitted without one: what is signed is signed by a person, not by the machine's operator."""
    if username is None:
        raise NotPermitted(
            "this is signed by a person",
            field="--as",
            fix="name the account that signs with --as",
        )
    return username


def show(answer: dict[str, Any], as_json: bool, text: str) -> None:
    """Print an answer: as JSON, or the text for people."""
    typer.echo(json.dumps(answer, indent=2, default=str) if as_json else text)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, on a terminal only; gives the function to report (done, total) to."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task(what, total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield report

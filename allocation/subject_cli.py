"""`rtsm subject`: record the true stratum of a subject; and the answer to whoever wants a subject removed."""

from __future__ import annotations

from typing import Annotated

import typer

from allocation.commands.service import Act, Service
from allocation.commands.stratum_correction import (
    CorrectStratumRequest,
    RemoveSubjectRequest,
    correct_stratum,
    remove_subject,
)
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.terminal import acting, show, the_study

app = typer.Typer(no_args_is_help=True, help="Correct a subject's stratum. No subject is ever removed.")

Subject = Annotated[str, typer.Argument(help="The subject.", show_default=False)]


@app.command("correct-stratum")
def correct(
    subject: Subject,
    factor: Annotated[
        list[str], typer.Option("--factor", help="FACTOR=LEVEL (may be repeated).", show_default=False)
    ],
    reason: Annotated[
        str, typer.Option("--reason", help="Why, for the audit trail (required).", show_default=False)
    ] = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Correct factor levels. A randomized subject stays as randomized, and the truth is recorded beside it."""
    levels = dict(one.partition("=")[::2] for one in factor)
    if not all(levels.values()):
        raise typer.BadParameter("write FACTOR=LEVEL", param_hint="--factor")
    database = open_database(create=False)
    study_id = the_study(database, study)
    act = Act(acting(database, actor), reason=reason)
    request = CorrectStratumRequest(subject_id=subject, factors=levels)
    answer = correct_stratum(Service(database), act, study_id, request)
    beside = ", ".join(f"{code}={level}" for code, level in answer["true_factors"].items())
    levels_text = ", ".join(f"{code}={level}" for code, level in answer["factors"].items())
    stays = f"stays as randomized ({levels_text}); true: {beside or 'the same'}"
    show(answer, as_json, f"{subject}: {stays if answer['randomized'] else levels_text}")


@app.command()
def remove(subject: Subject, study: Study = None, actor: As = None) -> None:
    """Refused, always: says why, and what to do instead."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    act = Act(acting(database, actor))
    remove_subject(Service(database), act, study_id, RemoveSubjectRequest(subject_id=subject))

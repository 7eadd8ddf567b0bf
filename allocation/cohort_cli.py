"""`rtsm study cohort`: list the cohorts of a study, open or close one."""

from __future__ import annotations

from typing import Annotated

import typer

from allocation.commands.cohorts import SetCohortRequest, set_cohort
from allocation.commands.service import Act, Service
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.terminal import acting, show, the_study
from allocation.views.blinded.cohorts import list_cohorts

app = typer.Typer(no_args_is_help=True, help="List the cohorts of a study, open or close one.")

Cohort = Annotated[str, typer.Argument(help="The code of the cohort.", show_default=False)]
Reason = Annotated[
    str, typer.Option("--reason", help="Why, for the audit trail (required).", show_default=False)
]


@app.command("open")
def open_cohort(
    cohort: Cohort, reason: Reason = "", study: Study = None, actor: As = None, as_json: AsJson = False
) -> None:
    """Open a cohort to new subjects; the one that must close before it has to be closed."""
    _set(cohort, True, reason, study, actor, as_json)


@app.command("close")
def close_cohort(
    cohort: Cohort, reason: Reason = "", study: Study = None, actor: As = None, as_json: AsJson = False
) -> None:
    """Close a cohort; who is in screening in it may still be randomized."""
    _set(cohort, False, reason, study, actor, as_json)


@app.command("list")
def list_them(study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """List the cohorts: which take subjects now, and how far they are filled."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = list_cohorts(database, acting(database, actor), study_id)
    lines = [
        f"{one.cohort}: {'takes subjects' if one.takes_subjects else f'waits for {one.waits_for}' if one.open else 'closed'}, "
        f"{one.in_screening} in screening, {one.randomized} randomized{'' if one.cap is None else f' of {one.cap}'}"
        for one in found.cohorts
    ]
    show(found.model_dump(mode="json"), as_json, "\n".join(lines) or "the protocol has no cohorts")


def _set(
    cohort: str, is_open: bool, reason: str, study: str | None, actor: str | None, as_json: bool
) -> None:
    database = open_database(create=False)
    study_id = the_study(database, study)
    act = Act(acting(database, actor), reason=reason)
    answer = set_cohort(Service(database), act, study_id, SetCohortRequest(cohort=cohort, open=is_open))
    show(answer, as_json, f"{study_id}: cohort {answer['cohort']} is {answer['state']}")

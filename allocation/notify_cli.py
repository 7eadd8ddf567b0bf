"""`rtsm notify`: the mail of a study, its delivery, the check for what nobody does, and where and when people want their mail."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from allocation.access.accounts import set_email
from allocation.access.permissions import authorize
from allocation.commands.notify_check import check_study
from allocation.commands.service import Service, utc_now
from allocation.delivery import revive_dead
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.notify.preferences import Preference, preference_of, set_preference
from allocation.notify.schema import notice
from allocation.notify.sending import send_notices
from allocation.notify.settings import required_smtp_settings
from allocation.terminal import acting, progress_bar, show, the_study
from allocation.views.blinded.notices import LONGEST_PAGE, PAGE, NoticeList, list_notices

app = typer.Typer(
    no_args_is_help=True, help="Mail to people: check, send, list, try again; addresses and digests."
)

Username = Annotated[str, typer.Argument(help="The account.", show_default=False)]


class State(StrEnum):
    """How far a mail has got."""

    WAITING = "waiting"
    BUNDLED = "bundled"
    SENT = "sent"
    DEAD = "dead"


@app.command()
def check(study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """Look for late shipments, low stock, run-outs and expiries ahead, and write the mail of what has begun."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    done = check_study(Service(database), acting(database, actor), study_id)
    text = f"{study_id}: {done.lasting} conditions last, {done.begun} of them began, {done.ended} ended; {done.written} mails written"
    show({"study_id": study_id, **asdict(done)}, as_json, text)


@app.command()
def send(study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """Send the mail that is due (`rtsm serve` does it by itself). Exit 1 if any is given up."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    authorize(acting(database, actor), "notify.administer", study_id)
    settings = required_smtp_settings()
    with progress_bar("sending") as report:
        done = send_notices(database, study_id, settings, utc_now, progress=report)
    text = f"{study_id}: {done.sent} sent, {done.failed} to be tried again, {done.dead} given up, {done.waiting} waiting"
    show({"study_id": study_id, **asdict(done)}, as_json, text)
    raise typer.Exit(1 if done.dead else 0)


@app.command()
def retry(study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """Put mail that was given up back in line."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    authorize(acting(database, actor), "notify.administer", study_id)
    revived = revive_dead(database, notice, study_id, utc_now())
    show(
        {"study_id": study_id, "revived": revived}, as_json, f"{study_id}: {revived} mails are in line again"
    )


@app.command("list")
def list_mail(
    state: Annotated[State | None, typer.Option(help="Only mail in this state.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=LONGEST_PAGE)] = PAGE,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show who was told of what and whether it arrived; what was given up comes first. The text is not shown."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    wanted: Any = None if state is None else state.value
    found = list_notices(database, acting(database, actor), study_id, state=wanted, limit=limit)
    if as_json:
        show(found.model_dump(mode="json"), True, "")
        return
    _print(found)


@app.command()
def email(
    username: Username,
    address: Annotated[
        str | None, typer.Argument(help="The address; left out: none.", show_default=False)
    ] = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Set where an account is notified, or that it is not."""
    database = open_database(create=False)
    kept = set_email(database, acting(database, actor), username, address, utc_now)
    show({"username": username, "email": kept}, as_json, f"{username}: {kept or 'is sent no mail'}")


@app.command()
def prefer(
    username: Username,
    digest_hour: Annotated[
        int | None,
        typer.Option("--digest-hour", help="A daily digest at this hour.", min=0, max=23, show_default=False),
    ] = None,
    at_once: Annotated[bool, typer.Option("--at-once", help="Each mail at once, no digest.")] = False,
    timezone: Annotated[
        str | None,
        typer.Option("--time-zone", help="Of the hour, as Europe/Berlin (default: the site's, else UTC)."),
    ] = None,
    off: Annotated[
        list[str] | None,
        typer.Option("--off", help="An event that is not mailed; may be repeated.", show_default=False),
    ] = None,
    all_on: Annotated[bool, typer.Option("--all-on", help="Mail every event again.")] = False,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show or change how an account is notified. What is not named stays as it is. Recalls are always mailed at once."""
    if digest_hour is not None and at_once:
        raise typer.BadParameter(
            "a digest is not at once: give one of them", param_hint="--digest-hour, --at-once"
        )
    if off and all_on:
        raise typer.BadParameter("give one of them", param_hint="--off, --all-on")
    database = open_database(create=False)
    who = acting(database, actor)
    found = preference_of(database, who, username)
    if digest_hour is not None or at_once or timezone is not None or off or all_on:
        hour = None if at_once else found.digest_hour if digest_hour is None else digest_hour
        wanted = Preference(
            username,
            found.email,
            hour,
            found.timezone if timezone is None else timezone,
            () if all_on else tuple(off) if off else found.off,
        )
        found = set_preference(database, who, wanted, utc_now)
    when = "each mail at once" if found.digest_hour is None else f"a daily digest at {found.digest_hour}:00"
    zone = f" {found.timezone}" if found.timezone and found.digest_hour is not None else ""
    text = (
        f"{username}: {found.email or 'no address'}; {when}{zone}; off: {', '.join(found.off) or 'nothing'}"
    )
    show(asdict(found), as_json, text)


def _print(found: NoticeList) -> None:
    console = Console()
    console.print(
        f"[bold]{found.study_id}[/bold]: {found.waiting} waiting, {found.bundled} in digests, {found.sent} sent, {found.dead} given up"
    )
    table = Table("mail", "to", "event", "variant", "where", "written", "state", "tries", "last error")
    for one in found.notices:
        written = f"{one.created_at:%Y-%m-%d %H:%M}"
        row = (str(one.notice_id), one.username, one.event, one.variant, one.places or "study", written)
        table.add_row(*row, one.state, str(one.attempts), one.last_error or "")
    console.print(table)

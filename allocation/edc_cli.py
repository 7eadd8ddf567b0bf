"""`rtsm edc`: receive a file, fetch REDCap records, send the outbox, look at the exchange, give and revoke sender keys."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import func, select

from allocation.access.permissions import authorize
from allocation.commands.edc_transfers import Arrival, Read, take_transfer
from allocation.commands.service import Act, Service, utc_now
from allocation.delivery import revive_dead
from allocation.edc.export_csv import read_export
from allocation.edc.facts import EdcMessage
from allocation.edc.receiving import ReceivedBody
from allocation.edc.schema import edc_outbox, edc_transfer
from allocation.edc.settings import (
    REDCAP_TOKEN,
    REDCAP_URL,
    SEND_TOKEN,
    SEND_URL,
    required_setting,
    sender_secret,
    setting,
)
from allocation.edc.signing import issue_key, keys_derived_otherwise, revoke_key
from allocation.ledger.database import Database, open_database
from allocation.ledger.reader import protocol_at
from allocation.ledger_cli import As, AsJson, Study
from allocation.study.edc import Edc
from allocation.terminal import acting, progress_bar, show, the_study
from allocation.views.blinded.edc import LONGEST_PAGE, PAGE, edc_log
from allocation.views.blinded.edc_models import EdcLog

app = typer.Typer(
    no_args_is_help=True, help="Exchange data with the EDC: receive, pull, send, look at the transfer log."
)

CHUNK = 1024 * 1024
SHOWN = 10
"""OIDs that nobody mapped in a line of the log; --json has all that are listed."""


class FileKind(StrEnum):
    """What a file is."""

    ODM = "odm"
    EXPORT = "export"


@app.command()
def receive(
    file: Annotated[
        Path,
        typer.Argument(
            help="An ODM file (XML or JSON), or a form's CSV export.", exists=True, dir_okay=False
        ),
    ],
    kind: Annotated[FileKind, typer.Option(help="What the file is.")] = FileKind.ODM,
    form: Annotated[
        str | None, typer.Option("--form", help="Of an export: the form's OID.", show_default=False)
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            "--as-of",
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"],
            help="Of an export: the moment it was made, such as 2026-03-01T08:00Z.",
            show_default=False,
        ),
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Receive a file of the EDC as the operator of this machine, whole or not at all."""
    if kind is FileKind.EXPORT and (form is None or as_of is None):
        raise typer.BadParameter(
            "an export does not say its form and moment: give both", param_hint="--form, --as-of"
        )
    database = open_database(create=False)
    study_id = the_study(database, study)
    act = Act(acting(database, actor))
    service, size = Service(database), file.stat().st_size
    with closing(ReceivedBody()) as body:
        with file.open("rb") as source, progress_bar("reading") as report:
            while part := source.read(CHUNK):
                body.add(part)
                report(body.size, size)
        if form is not None and as_of is not None and kind is FileKind.EXPORT:
            read: Read = partial(_read_export, file, form, as_of.astimezone(UTC))
        else:
            read = body.read_odm
        answer = take_transfer(service, act, study_id, Arrival(None), read)
    show(answer, as_json, _received(study_id, answer))


@app.command()
def pull(
    everything: Annotated[
        bool, typer.Option("--all", help="All records, not only those changed since the last time.")
    ] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the records that changed in REDCap since the last time. Needs RTSM_REDCAP_URL and RTSM_REDCAP_TOKEN."""
    from allocation.edc.redcap import SENDER, fetch_records, read_records  # no other command waits for httpx

    database = open_database(create=False)
    study_id = the_study(database, study)
    who = acting(database, actor)
    authorize(who, "edc.receive", study_id)
    url, token = required_setting(REDCAP_URL, study_id), required_setting(REDCAP_TOKEN, study_id)
    zone = ZoneInfo(protocol_at(database, study_id).edc.time_zone)
    service = Service(database)
    began = service.clock()
    since = None if everything else _pulled_until(database, study_id, SENDER)
    answer = take_transfer(
        service,
        Act(who),
        study_id,
        Arrival(SENDER, facts_until=began),
        lambda edc: read_records(fetch_records(url, token, since, zone), edc, began),
    )
    show(answer, as_json, _received(study_id, answer))


@app.command()
def send(
    retry_dead: Annotated[
        bool, typer.Option("--retry-dead", help="First put messages that were given up back in line.")
    ] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Send what waits in the outbox. Needs RTSM_EDC_URL, and RTSM_EDC_TOKEN if the EDC asks for one. Exit 1 if any is given up."""
    from allocation.edc.sending import send_waiting  # as in `pull`

    database = open_database(create=False)
    study_id = the_study(database, study)
    authorize(acting(database, actor), "edc.send", study_id)
    url = required_setting(SEND_URL, study_id)
    revived = revive_dead(database, edc_outbox, study_id, utc_now()) if retry_dead else 0
    with progress_bar("sending") as report:
        done = send_waiting(database, study_id, url, setting(SEND_TOKEN, study_id), utc_now, progress=report)
    text = f"{study_id}: {done.sent} sent, {done.failed} to be tried again, {done.dead} given up, {done.waiting} waiting"
    show({"study_id": study_id, "revived": revived, **asdict(done)}, as_json, text)
    raise typer.Exit(1 if done.dead else 0)


@app.command()
def log(
    limit: Annotated[int, typer.Option(help="How many of each.", min=1, max=LONGEST_PAGE)] = PAGE,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show what came, what goes out, and what the EDC says otherwise than the record here."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = edc_log(database, acting(database, actor), study_id, limit=limit)
    show(found.model_dump(mode="json"), as_json, "\n".join(_log_lines(study_id, found)))


@app.command()
def key(
    username: Annotated[
        str, typer.Argument(help="The account of the EDC, with the role edc.", show_default=False)
    ],
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Give the EDC a key to sign its messages with. It is shown once; the protocol names the account under edc.senders."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    secret = sender_secret(create=True) or b""
    key_id, value = issue_key(database, acting(database, actor), study_id, username, secret, utc_now)
    with database.read() as connection:
        stale = keys_derived_otherwise(connection, study_id, secret)
    answer: dict[str, Any] = {"key_id": key_id, "key": value, "refused_keys": stale}
    lines = [f"id of the key: {key_id}", f"key (hexadecimal, shown this once): {value}"]
    lines += [f"warning: key {one} was made under another secret and is refused" for one in stale]
    show(answer, as_json, "\n".join(lines))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id of the key.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")],
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a sender key; what it signs is refused from now on."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    revoke_key(database, acting(database, actor), study_id, key_id, utc_now, reason=reason)
    show({"key_id": key_id, "revoked": True}, as_json, f"{study_id}: key {key_id} is revoked")


def _read_export(file: Path, form: str, exported_at: datetime, edc: Edc) -> EdcMessage:
    return read_export(file.read_bytes(), form, file.name, edc, exported_at)


def _pulled_until(database: Database, study_id: str, sender: str) -> datetime | None:
    query = select(func.max(edc_transfer.c.facts_until)).where(
        edc_transfer.c.study_id == study_id,
        edc_transfer.c.sender == sender,
        edc_transfer.c.outcome.in_(("accepted", "repeated")),
    )
    with database.read() as connection:
        until: datetime | None = connection.execute(query).scalar()
    return until


def _received(study_id: str, answer: dict[str, Any]) -> str:
    lines = [
        f"{study_id}: {answer['facts']} facts of {answer['subjects']} subjects received, {answer['superseded']} older than "
        f"what is known, {answer['repeated']} subjects with nothing new"
    ]
    if answer["unknown_subjects"]:
        lines.append(f"  not screened here: {', '.join(answer['unknown_subjects'])}")
    if answer["unmapped"]:
        lines.append(f"  items that the study does not map: {', '.join(answer['unmapped'])}")
    return "\n".join(lines)


def _log_lines(study_id: str, found: EdcLog) -> list[str]:
    lines = [
        f"{study_id} ({found.mode}): {found.waiting} messages waiting, {found.sent} sent, {found.dead} given up"
    ]
    for came in found.transfers:
        what = (
            f"{came.facts} facts of {came.subjects} subjects"
            if came.code is None
            else f"{came.code}: {came.detail}"
        )
        if came.unmapped:
            what += f", not mapped: {', '.join(came.unmapped[:SHOWN])}"
            what += " ..." if len(came.unmapped) > SHOWN else ""
        lines.append(f"  in   {came.came_at:%Y-%m-%d %H:%M} {came.sender} {came.outcome}: {what}")
    for message in found.deliveries:
        error = "" if message.last_error is None else f" ({message.last_error}, {message.attempts} tries)"
        lines.append(
            f"  out  {message.message_id} {message.kind} of {message.subject_id}: {message.state}{error}"
        )
    for one in found.contradictions:
        lines.append(
            f"  !    {one.subject_id} {one.about}: {one.here or '(nothing)'} here, {one.in_edc} in the EDC ({one.kind})"
        )
    return lines

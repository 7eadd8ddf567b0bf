"""`rtsm code-break`: ask for one, decide on it, break the code of one subject, read it again; who was unblinded, and every reading."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from allocation.commands.code_break_requests import (
    DecideCodeBreakRequest,
    RequestCodeBreakRequest,
    approve_code_break,
    refuse_code_break,
    request_code_break,
)
from allocation.commands.code_breaks import (
    BreakCodeRequest,
    ReadBrokenCodeRequest,
    break_code,
    read_broken_code,
)
from allocation.commands.malformed import request_from
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.rules.code_break import (
    BROKEN_CODE_READ,
    CODE_BREAK_APPROVED,
    CODE_BREAK_REFUSED,
    CODE_BREAK_REQUESTED,
    CODE_BROKEN,
    CodeBreakCategory,
    CodeBreakKind,
)
from allocation.signed_cli import run_signed
from allocation.terminal import acting, show, the_study
from allocation.views.blinded.code_breaks import list_broken_code_readings, list_code_breaks
from allocation.views.unblinded.code_breaks import list_unblinded_code_breaks

app = typer.Typer(
    no_args_is_help=True,
    help="Emergency unblinding of one subject. Acts are signed by the account of --as; what it shows is for that person alone.",
)

Subject = Annotated[str, typer.Argument(help="The subject.", show_default=False)]
RequestId = Annotated[
    str, typer.Argument(help="The request, such as DE01-0001-U1.", metavar="REQUEST", show_default=False)
]
Category = Annotated[
    CodeBreakCategory, typer.Option("--category", help="Why, in a word that everybody may read.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why, in full, for the audit trail (required).")]


@app.command("break")
def break_(
    subject: Subject,
    category: Category,
    reason: Reason = "",
    emergency: Annotated[
        bool,
        typer.Option("--emergency/--planned", help="An emergency waits for no approval."),
    ] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Break the code of one subject and show its treatment to you. Nobody else learns it; the people responsible are told that you did."""
    kind = CodeBreakKind.EMERGENCY if emergency else CodeBreakKind.PLANNED
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(BreakCodeRequest, subject_id=subject, kind=kind, category=category)
    answer = run_signed(database, study_id, "break_code", break_code, request, CODE_BROKEN, reason, actor)
    text = _treatment_text(answer["treatment"])
    if answer["discontinued"]:
        text += f"\n{subject} is discontinued: so the protocol says"
    show(answer, as_json, text)


@app.command()
def read(
    subject: Subject,
    reason: Reason = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show the treatment again of a subject whose code you broke. The reading is recorded."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(ReadBrokenCodeRequest, subject_id=subject)
    answer = run_signed(
        database, study_id, "read_broken_code", read_broken_code, request, BROKEN_CODE_READ, reason, actor
    )
    show(answer, as_json, f"{_treatment_text(answer['treatment'])}\nreading {answer['reading']}, recorded")


@app.command("request")
def request_(
    subject: Subject,
    category: Category,
    reason: Reason = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a planned code break, where the protocol wants it approved."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(RequestCodeBreakRequest, subject_id=subject, category=category)
    answer = run_signed(
        database,
        study_id,
        "request_code_break",
        request_code_break,
        request,
        CODE_BREAK_REQUESTED,
        reason,
        actor,
    )
    show(answer, as_json, f"{study_id}: request {answer['request_id']} waits for its decision")


@app.command()
def approve(
    request_id: RequestId,
    reason: Annotated[str, typer.Option("--reason", help="A remark for the audit trail.")] = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Approve a request of somebody else. You are shown no treatment."""
    _decide("approve_code_break", request_id, reason, study, actor, as_json)


@app.command()
def refuse(
    request_id: RequestId,
    reason: Reason = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a request of somebody else, with a reason."""
    _decide("refuse_code_break", request_id, reason, study, actor, as_json)


@app.command("list")
def list_(
    unblinded: Annotated[
        bool, typer.Option("--unblinded", help="With arm and written reason, for those who may learn them.")
    ] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """List whose code was broken, by whom, when and why, and what was asked for."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    who = acting(database, actor)
    if unblinded:
        open_list = list_unblinded_code_breaks(database, who, study_id)
        lines = [
            f"{one.broken_at:%Y-%m-%d %H:%M} UTC  {one.subject_id}  {one.arm}  {one.person} ({one.role})  {one.kind}, "
            f"{one.category}: {one.reason}"
            for one in open_list.breaks
        ]
        show(open_list.model_dump(mode="json"), as_json, "\n".join(lines) or "no code was broken")
        return
    found = list_code_breaks(database, who, study_id)
    lines = [
        f"{one.broken_at:%Y-%m-%d %H:%M} UTC  {one.subject_id}  site {one.site_id}  {one.person} ({one.role})  {one.kind}, "
        f"{one.category}, shown {one.readings} x"
        for one in found.breaks
    ]
    lines += [
        f"{one.requested_at:%Y-%m-%d %H:%M} UTC  {one.subject_id}  request {one.request_id} of {one.requested_by}: {one.state}"
        + (f" by {one.decided_by}" if one.decided_by else "")
        for one in found.requests
    ]
    show(found.model_dump(mode="json"), as_json, "\n".join(lines) or "no code was broken")


@app.command()
def reads(study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """List every time that somebody was shown a treatment by a broken code, the latest first (UTC)."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = list_broken_code_readings(database, acting(database, actor), study_id)
    lines = [
        f"{one.read_at:%Y-%m-%d %H:%M:%S}  {one.act:<5}  {one.subject_id}  {one.person} ({one.role})  {one.kind}, {one.category}"
        for one in found.readings
    ]
    show(found.model_dump(mode="json"), as_json, "\n".join(lines) or "nobody was shown a treatment")


def _decide(
    command: str, request_id: str, reason: str, study: str | None, actor: str | None, as_json: bool
) -> None:
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(DecideCodeBreakRequest, request_id=request_id)
    run, meaning = {
        "approve_code_break": (approve_code_break, CODE_BREAK_APPROVED),
        "refuse_code_break": (refuse_code_break, CODE_BREAK_REFUSED),
    }[command]
    answer = run_signed(database, study_id, command, run, request, meaning, reason, actor)
    show(answer, as_json, f"{study_id}: request {request_id} is {answer['state']}")


def _treatment_text(treatment: dict[str, Any]) -> str:
    """The treatment as people read it."""
    lines = [f"{treatment['subject_id']}: {treatment['arm']} ({treatment['arm_name']})"]
    if treatment["dose_level"]:
        lines.append(f"dose level {treatment['dose_level']}")
    lines += [
        f"{one['randomized_on']}  {one['event']}: {one['arm']} ({one['arm_name']})"
        for one in treatment["allocations"]
    ]
    lines += [
        f"epoch {one['epoch']}: {one['treatment']}{'  (now)' if one['current'] else ''}"
        for one in treatment["periods"]
    ]
    lines += [
        f"{one['dispensed_on'] or 'assigned  '}  kit {one['kit_number']}: {one['kit_type']} ({one['kit_type_name']}), lot {one['lot_id']}"
        for one in treatment["kits"]
    ]
    return "\n".join(lines)

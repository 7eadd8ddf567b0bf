"""`rtsm returns`: counts of what subjects bring back, the steps of a return, and what they leave: logs and discrepancies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import typer

from allocation.access.permissions import COMMAND_PERMISSIONS, reach
from allocation.certificate_options import (
    CertificateFile,
    CertificateNumber,
    DestroyedOn,
    DestroyedWhere,
    certificate_of,
)
from allocation.commands.count_corrections import CorrectKitCountRequest, correct_kit_count
from allocation.commands.kit_counts import (
    ReturnFromSubjectRequest,
    return_from_subject,
)
from allocation.commands.malformed import request_from
from allocation.commands.return_ends import (
    DestroyReturnedRequest,
    ReuseRequest,
    destroy_returned_kits,
    reuse_returned_kits,
)
from allocation.commands.return_shipping import (
    DispatchReturnRequest,
    ReceiveReturnRequest,
    dispatch_return,
    receive_return,
)
from allocation.commands.return_steps import ReturnRequest
from allocation.commands.returns import (
    ApproveReturnRequest,
    DeclareReturnRequest,
    ReconcileReturnRequest,
    approve_return,
    declare_return,
    reconcile_return,
    withdraw_return,
)
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.signed_requests import asked_content
from allocation.errors import DomainRefusal
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.lot_quantity_options import (
    CountedUnits,
    DamagedUnits,
    MissingUnits,
    Units,
    kits_told,
    lot_quantities,
)
from allocation.return_steps_page import return_steps_page
from allocation.returns_reports_cli import log_of_site, of_subject, reconciliation_of, returns_of, show_return
from allocation.rules.kit_authority import DESTROYED, REUSED
from allocation.rules.return_process import APPROVED
from allocation.terminal import acting, require_person, show, signed_as, the_study
from allocation.views.blinded.returns import return_detail

app = typer.Typer(
    no_args_is_help=True,
    help="Take kits back from subjects and sites, count, approve, ship, reuse and destroy them; logs and discrepancies.",
)
app.command("list")(returns_of)
app.command("show")(show_return)
app.command("subject")(of_subject)
app.command("log")(log_of_site)
app.command("reconciliation")(reconciliation_of)

ReturnId = Annotated[str, typer.Argument(help="The return, as DE01-R001.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the ledger.", show_default=False)]
Counted = Annotated[
    list[str] | None,
    typer.Argument(help="KIT=RETURNED, KIT=RETURNED/LOST or KIT=RETURNED/LOST/USED.", show_default=False),
]
Numbers = Annotated[list[str] | None, typer.Argument(help="Kit numbers.", show_default=False)]
Missing = Annotated[
    list[str] | None, typer.Option("--missing", help="A kit that is not there.", show_default=False)
]
Note = Annotated[str, typer.Option("--note", help="What is known of the differences.", show_default=False)]


@app.command()
def count(
    subject: Annotated[str, typer.Argument(help="The subject.", show_default=False)],
    kits: Counted = None,
    not_back: Annotated[
        list[str] | None,
        typer.Option("--not-back", help="KIT=LOST: its container did not come back.", show_default=False),
    ] = None,
    units: CountedUnits = None,
    on: Annotated[
        datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="The site's date; left out, today.")
    ] = None,
    reason: Reason = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Take kits back from a subject, with the units that are in them."""
    counted = [_counted(text) for text in kits or ()]
    counted += [
        {"kit_number": kit, "returned_units": "0", "lost_units": lost or "0", "came_back": False}
        for kit, _, lost in (text.partition("=") for text in not_back or ())
    ]
    returned_on = None if on is None else on.date()
    bulk = [_counted_units(text) for text in units or ()]
    request = request_from(
        ReturnFromSubjectRequest, subject_id=subject, kits=counted, bulk=bulk, returned_on=returned_on
    )
    _do(return_from_subject, request, reason, study, actor, as_json)


@app.command()
def correct(
    subject: Annotated[str, typer.Argument(help="The subject.", show_default=False)],
    reason: Reason,
    kit: Annotated[str, typer.Argument(help="The kit, as for count.", show_default=False)] = "",
    units: CountedUnits = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Correct the count of a kit that came back, or of all units of a lot; the earlier count stays beside it."""
    counts = {"bulk": [_counted_units(text) for text in units or ()], **(_counted(kit) if kit else {})}
    request = request_from(CorrectKitCountRequest, subject_id=subject, **counts)
    _do(correct_kit_count, request, reason, study, actor, as_json)


@app.command()
def declare(
    site: Annotated[str, typer.Argument(help="The site.", show_default=False)],
    kits: Numbers = None,
    unused_as: Annotated[
        str | None,
        typer.Option("--unused-as", help="Why usable kits go: excess or site_closing.", show_default=False),
    ] = None,
    units: Units = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Declare kits of a site for return; without numbers, all that is back, expired, damaged or in quarantine there."""
    named, bulk = tuple(kits or ()), lot_quantities(units)
    request = request_from(
        DeclareReturnRequest, site_id=site, kit_numbers=named, unused_as=unused_as, bulk=bulk
    )
    _do(declare_return, request, "", study, actor, as_json)


@app.command()
def reconcile(
    return_id: ReturnId,
    missing: Missing = None,
    differs: Annotated[
        list[str] | None,
        typer.Option("--differs", help="KIT=UNITS that are in it.", show_default=False),
    ] = None,
    missing_units: MissingUnits = None,
    note: Note = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Count a declared return (a monitor's act); kits that are not named are there as declared."""
    findings: list[dict[str, Any]] = [
        {"kit_number": kit, "found": False, "reason": note} for kit in missing or ()
    ]
    findings += [
        {"kit_number": kit, "units": units, "reason": note}
        for kit, _, units in (text.partition("=") for text in differs or ())
    ]
    bulk = lot_quantities(missing_units, found=False, reason=note)
    request = request_from(ReconcileReturnRequest, return_id=return_id, findings=findings, bulk=bulk)
    _do(reconcile_return, request, "", study, actor, as_json)


@app.command()
def approve(
    return_id: ReturnId,
    reason: Reason = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Approve a return as it stands, signed by the account of --as (a project manager's act)."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    who = acting(database, require_person(actor))
    read = return_detail(database, who, study_id, return_id)
    request = ApproveReturnRequest(return_id=return_id, content_hash=read.content_hash)
    _sign_and_do(Service(database), who, study_id, approve_return, request, APPROVED, reason, as_json)


@app.command()
def ship(
    return_id: ReturnId,
    carrier: Annotated[str, typer.Option("--carrier", help="Who carries it.", show_default=False)],
    tracking: Annotated[str, typer.Option("--tracking", help="The tracking number.", show_default=False)],
    expected: Annotated[
        datetime | None,
        typer.Option("--expected", formats=["%Y-%m-%d"], help="Left out, by the lane's lead time."),
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Send a return from its site to the depot."""
    request = request_from(
        DispatchReturnRequest,
        return_id=return_id,
        carrier=carrier,
        tracking_number=tracking,
        expected_on=None if expected is None else expected.date(),
    )
    _do(dispatch_return, request, "", study, actor, as_json)


@app.command()
def receive(
    return_id: ReturnId,
    missing: Missing = None,
    damaged: Annotated[
        list[str] | None, typer.Option("--damaged", help="A kit that is damaged.", show_default=False)
    ] = None,
    missing_units: MissingUnits = None,
    damaged_units: DamagedUnits = None,
    note: Note = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Receive a return at its depot; kits that are not named arrived in good order."""
    findings = [{"kit_number": kit, "found": "missing", "reason": note} for kit in missing or ()]
    findings += [{"kit_number": kit, "found": "damaged", "reason": note} for kit in damaged or ()]
    bulk = lot_quantities(missing_units, found="missing", reason=note)
    bulk += lot_quantities(damaged_units, found="damaged", reason=note)
    request = request_from(ReceiveReturnRequest, return_id=return_id, findings=findings, bulk=bulk)
    _do(receive_return, request, "", study, actor, as_json)


@app.command()
def reuse(
    return_id: ReturnId,
    reason: Reason,
    kits: Numbers = None,
    units: Units = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Put unused kits of a received return back into the depot's stock, signed by the account of --as."""
    named, bulk = tuple(kits or ()), lot_quantities(units)
    request = request_from(ReuseRequest, return_id=return_id, kit_numbers=named, bulk=bulk)
    _signed(reuse_returned_kits, request, REUSED, reason, study, actor, as_json)


@app.command()
def destroy(
    return_id: ReturnId,
    reason: Reason,
    certificate: CertificateFile,
    number: CertificateNumber,
    place: DestroyedWhere,
    on: DestroyedOn,
    kits: Numbers = None,
    units: Units = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Record that kits of a return (all that are left, or those named) were destroyed, signed by the account of --as."""
    told = certificate_of(certificate, number, place, on)
    named, bulk = tuple(kits or ()), lot_quantities(units)
    request = request_from(
        DestroyReturnedRequest, return_id=return_id, kit_numbers=named, bulk=bulk, certificate=told
    )
    _signed(destroy_returned_kits, request, DESTROYED, reason, study, actor, as_json)


@app.command()
def withdraw(
    return_id: ReturnId,
    reason: Reason,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Take a return back, or refuse it, before it leaves the site; its usable kits go into quarantine."""
    _do(withdraw_return, ReturnRequest(return_id=return_id), reason, study, actor, as_json)


@app.command()
def steps() -> None:
    """Print docs/return-steps.md: the steps of a return, who may do each, and what must be signed."""
    typer.echo(return_steps_page(), nl=False)


def _counted(text: str) -> dict[str, Any]:
    """KIT=RETURNED[/LOST[/USED]] as the fields of a count. Raises DomainRefusal for anything else."""
    kit, equals, units = text.partition("=")
    parts = units.split("/")
    if not kit or not equals or len(parts) > 3:
        raise DomainRefusal(
            f"{text!r} is no count",
            code="invalid-request",
            field="kits",
            fix="write KIT=RETURNED, KIT=RETURNED/LOST or KIT=RETURNED/LOST/USED",
        )
    names = ("returned_units", "lost_units", "used_units")
    return {"kit_number": kit, **dict(zip(names, parts, strict=False))}


def _counted_units(text: str) -> dict[str, Any]:
    """LOT=QUANTITY:RETURNED[/LOST[/USED]] as the fields of a count. Raises DomainRefusal for anything else."""
    named, _, units = text.partition(":")
    (asked,) = lot_quantities([named])
    counted = _counted(f"{asked['lot']}={units}")
    return {**asked, **{name: value for name, value in counted.items() if name != "kit_number"}}


def _do(
    run: Callable[..., dict[str, Any]],
    request: CommandRequest,
    reason: str,
    study: str | None,
    username: str | None,
    as_json: bool,
) -> None:
    database = open_database(create=False)
    study_id = the_study(database, study)
    who = acting(database, username)
    answer = run(Service(database), Act(who, reason=reason), study_id, request)
    show(answer, as_json, f"{study_id}: {_words(answer)}")


def _signed(
    run: Callable[..., dict[str, Any]],
    request: ReturnRequest,
    meaning: str,
    reason: str,
    study: str | None,
    username: str | None,
    as_json: bool,
) -> None:
    database = open_database(create=False)
    study_id = the_study(database, study)
    who = acting(database, require_person(username))
    _sign_and_do(Service(database), who, study_id, run, request, meaning, reason, as_json)


def _sign_and_do(
    service: Service,
    who: Any,
    study_id: str,
    run: Callable[..., dict[str, Any]],
    request: ReturnRequest,
    meaning: str,
    reason: str,
    as_json: bool,
) -> None:
    command = run.__name__
    role = reach(who, COMMAND_PERMISSIONS[command], study_id).role
    content = asked_content(study_id, command, request, reason)
    signature = signed_as(service, who, role, meaning, content)
    answer = run(service, Act(who, reason=reason, signature=signature), study_id, request)
    show(answer, as_json, f"{study_id}: {_words(answer)}")


def _words(answer: dict[str, Any]) -> str:
    """An answer as one line."""
    parts = []
    bulk = answer.get("bulk", {})
    for name, value in answer.items():
        if name == "bulk":
            continue
        if name in bulk:
            value = kits_told(answer, name)
        if isinstance(value, list):
            shown = [" ".join(map(str, one.values())) if isinstance(one, dict) else str(one) for one in value]
            more = ", ..." if len(shown) > 20 else ""
            text = f"{len(shown)} ({', '.join(shown[:20])}{more})" if shown else "none"
        elif isinstance(value, dict):
            text = ", ".join(f"{key} {one}" for key, one in value.items())
        else:
            text = str(value)
        parts.append(f"{name.replace('_', ' ')} {text}")
    return "; ".join(parts)

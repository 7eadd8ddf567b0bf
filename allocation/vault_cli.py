"""`rtsm vault`: keep, show and forget the address of a subject; who opened the vault; a new key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from allocation.commands.malformed import fault_of
from allocation.commands.service import Act, Service
from allocation.commands.vault import (
    AddressOfSubject,
    PatientAddress,
    SetAddressRequest,
    forget_patient_address,
    list_vault_accesses,
    read_patient_address,
    rotate_vault_key,
    set_patient_address,
)
from allocation.errors import DomainRefusal
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.terminal import acting, require_person, show, the_study

app = typer.Typer(no_args_is_help=True, help="Addresses of patients: encrypted, apart from everything else.")

Subject = Annotated[str, typer.Argument(help="The subject.", show_default=False)]


@app.command("set")
def keep(
    subject: Subject,
    file: Annotated[
        Path,
        typer.Argument(
            help="JSON: recipient, lines, postcode, city, country, phone; - reads standard input, so that "
            "the address is in no file and no history of commands.",
            show_default=False,
        ),
    ],
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Keep the address of a subject; it takes the place of the one before."""
    address = _address(file)
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = SetAddressRequest(subject_id=subject, address=address)
    answer = set_patient_address(Service(database), Act(acting(database, actor)), study_id, request)
    show(answer, as_json, f"{subject}: address {'replaced' if answer['replaced'] else 'kept'}")


@app.command("show")
def read(subject: Subject, study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """Show the address of a subject to a person of its site (--as); the reading is recorded."""
    username = require_person(actor)
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = read_patient_address(Service(database), acting(database, username), study_id, subject)
    town = f"{found.postcode} {found.city}".strip()
    text = "\n".join(filter(None, [found.recipient, *found.lines, town, found.country, found.phone]))
    show(found.model_dump(), as_json, text)


@app.command()
def forget(
    subject: Subject,
    reason: Annotated[
        str, typer.Option("--reason", help="Why, for the audit trail (required).", show_default=False)
    ] = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Delete the address of a subject. That there was one, and who deleted it, stays on record."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    act = Act(acting(database, actor), reason=reason)
    request = AddressOfSubject(subject_id=subject)
    show(forget_patient_address(Service(database), act, study_id, request), as_json, f"{subject}: forgotten")


@app.command()
def accesses(subject: Subject, study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """List who opened the vault for a subject, the latest first (UTC)."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    rows = list_vault_accesses(Service(database), acting(database, actor), study_id, subject)
    lines = [
        f"{row['at']:%Y-%m-%d %H:%M:%S}  {row['act']:<6}  {row['actor']} ({row['role']})" for row in rows
    ]
    show({"subject_id": subject, "accesses": rows}, as_json, "\n".join(lines) or "nobody")


@app.command()
def rotate(study: Study = None, as_json: AsJson = False) -> None:
    """Encrypt every address of a study with the newest key (the first of RTSM_VAULT_KEY), all or none."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    count = rotate_vault_key(Service(database), acting(database, None), study_id)
    show({"study_id": study_id, "addresses": count}, as_json, f"{count} addresses have the newest key")


def _address(file: Path) -> PatientAddress:
    """The address in a file of JSON, or in standard input. Raises DomainRefusal with the field at fault, never its value."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise DomainRefusal(
            f"{file} cannot be read as text", code="file-unreadable", field="FILE", fix="name a file of JSON"
        ) from None
    try:
        return PatientAddress.model_validate_json(text)
    except ValidationError as invalid:
        fault = fault_of(invalid.errors(include_input=False)[0])
    raise DomainRefusal(fault.message, code="invalid-request", field=fault.field, fix=fault.fix)

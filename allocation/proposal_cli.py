"""`rtsm resupply proposal`: file a tune report, compare it with today's settings, sign it into effect, reject or withdraw it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from allocation.amendment_cli import MOMENT_FORMATS
from allocation.commands.malformed import request_from
from allocation.commands.service import Act, Service
from allocation.commands.supply_proposal_decisions import (
    RejectSupplyProposalRequest,
    SignSupplyProposalRequest,
    reject_supply_proposal,
    sign_supply_proposal,
)
from allocation.commands.supply_proposals import (
    FileSupplyProposalRequest,
    NamedProposalRequest,
    file_supply_proposal,
    withdraw_supply_proposal,
)
from allocation.errors import FileRefused
from allocation.ledger.database import open_database
from allocation.ledger.proposals import proposal_row
from allocation.ledger_cli import As, AsJson, Study
from allocation.proposal_tables import parameter_line, print_comparison, proposal_lines
from allocation.rules.supply_proposal import PROPOSAL_REJECTED, PROPOSAL_SIGNED
from allocation.signed_cli import run_signed
from allocation.terminal import acting, require_person, show, the_study
from allocation.views.blinded.supply_proposals import list_blinded_proposals
from allocation.views.unblinded.supply_proposals import compare_proposal, filed_proposal, list_proposals

app = typer.Typer(
    no_args_is_help=True,
    help="Supply parameters from a tune to their effect: file, compare, sign, reject. They tell kit types: UNBLINDING.",
)

_WIDTH_WITHOUT_TERMINAL = 160

ProposalId = Annotated[
    str, typer.Argument(metavar="PROPOSAL", help="The proposal, such as P1.", show_default=False)
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the audit trail.")]
NeededReason = Annotated[str, typer.Option("--reason", help="Why, for the audit trail (required).")]


@app.command("file")
def file_(
    report: Annotated[
        Path, typer.Argument(metavar="REPORT.json", help="The report of `rtsm tune`.", show_default=False)
    ],
    scenario: Annotated[
        Path,
        typer.Option(
            "--scenario",
            metavar="FILE.json",
            help="The scenario that was simulated, with its defaults.",
            show_default=False,
        ),
    ],
    supersedes: Annotated[
        str | None,
        typer.Option("--supersedes", help="An open proposal that it replaces.", show_default=False),
    ] = None,
    reason: Reason = "",
    study: Study = None,
    actor: As = None,
    idempotency_key: Annotated[str | None, typer.Option(hidden=True)] = None,
    as_json: AsJson = False,
) -> None:
    """File a tune report as a proposal. `rtsm tune --propose` does both in one."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(
        FileSupplyProposalRequest,
        report=_document(report),
        scenario=_document(scenario),
        supersedes=supersedes,
    )
    act = Act(acting(database, actor), idempotency_key=idempotency_key, reason=reason)
    answer = file_supply_proposal(Service(database), act, study_id, request)
    lines = [
        f"{study_id}: proposal {answer['proposal_id']} filed, report sha256 {answer['report_sha256']}",
        f"  rtsm resupply proposal compare {answer['proposal_id']}",
    ]
    show(answer, as_json, "\n".join(lines))


@app.command("list")
def list_(
    blinded: Annotated[
        bool, typer.Option("--blinded", help="Without hashes and reasons, as blinded readers see it.")
    ] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """List the proposals and what became of them, the latest first."""
    database = open_database(create=False)
    study_id, who = the_study(database, study), acting(database, actor)
    listed = list_blinded_proposals if blinded else list_proposals
    found = listed(database, who, study_id)
    lines = [line for one in found.proposals for line in proposal_lines(one)]
    show(found.model_dump(mode="json"), as_json, "\n".join(lines) or "nothing was proposed")


@app.command("show")
def show_(
    proposal_id: ProposalId,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show a proposal with the parameters of its choice; with --json, report and scenario whole, as they were filed."""
    database = open_database(create=False)
    found = filed_proposal(database, acting(database, actor), the_study(database, study), proposal_id)
    lines = [*proposal_lines(found.proposal), *map(parameter_line, found.report["choice"]["parameters"])]
    show(found.model_dump(mode="json"), as_json, "\n".join(lines))


@app.command()
def compare(
    proposal_id: ProposalId,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show a proposal beside today's settings, parameter by parameter, and its simulated impact and risk beside the baseline's."""
    database = open_database(create=False)
    who, study_id = acting(database, actor), the_study(database, study)
    found = compare_proposal(database, who, study_id, proposal_id)
    if as_json:
        show(found.model_dump(mode="json"), True, "")
        return
    console = Console()
    print_comparison(found, console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL))


@app.command()
def sign(
    proposal_id: ProposalId,
    effective_at: Annotated[
        datetime | None,
        typer.Option(
            formats=MOMENT_FORMATS,
            help="Moment from which the parameters count, such as 2026-03-01T00:00Z (default: now).",
            show_default=False,
        ),
    ] = None,
    reason: Reason = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Put a proposal into effect, signed: its parameters are those of a new protocol version. Somebody else than who filed it does."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    require_person(actor)
    with database.read() as connection:
        filed = proposal_row(connection, study_id, proposal_id)
    request = request_from(
        SignSupplyProposalRequest,
        proposal_id=proposal_id,
        report_sha256=filed.report_sha256,
        effective_at=effective_at,
    )
    run, meaning = sign_supply_proposal, PROPOSAL_SIGNED
    answer = run_signed(database, study_id, "sign_supply_proposal", run, request, meaning, reason, actor)
    lines = [
        f"{study_id}: proposal {proposal_id} is signed, report sha256 {answer['report_sha256']}",
        f"protocol version {answer['version']}, sha256 {answer['sha256']}",
    ]
    lines += [f"  {code} from {moment}" for code, moment in answer["countries"].items()]
    show(answer, as_json, "\n".join(lines))


@app.command()
def reject(
    proposal_id: ProposalId,
    reason: NeededReason = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Reject a proposal of somebody else, signed and with a reason."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(RejectSupplyProposalRequest, proposal_id=proposal_id)
    run, meaning = reject_supply_proposal, PROPOSAL_REJECTED
    answer = run_signed(database, study_id, "reject_supply_proposal", run, request, meaning, reason, actor)
    show(answer, as_json, f"{study_id}: proposal {proposal_id} is rejected")


@app.command()
def withdraw(
    proposal_id: ProposalId,
    reason: NeededReason = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Take back a proposal of one's own, with a reason."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(NamedProposalRequest, proposal_id=proposal_id)
    act = Act(acting(database, actor), reason=reason)
    answer = withdraw_supply_proposal(Service(database), act, study_id, request)
    show(answer, as_json, f"{study_id}: proposal {proposal_id} is withdrawn")


def _document(file: Path) -> dict[str, Any]:
    """The JSON object of a file. Raises FileRefused with the line of what is wrong."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileRefused(str(file), [f"line 1: cannot be read ({error.strerror})"]) from error
    except UnicodeDecodeError as error:
        raise FileRefused(str(file), [f"byte {error.start}: is not UTF-8"]) from error
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise FileRefused(str(file), [f"line {line}: is not JSON ({error})"]) from error
    except RecursionError as error:
        raise FileRefused(str(file), ["line 1: lists and mappings lie too deep in each other"]) from error
    if not isinstance(found, dict):
        raise FileRefused(str(file), ["line 1: is not a JSON object"])
    return found

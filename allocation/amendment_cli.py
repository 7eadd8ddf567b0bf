"""`rtsm study amend` and `rtsm study put-into-effect`: preview, sign and load an amendment, country by country."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from allocation.access.actors import Actor
from allocation.amendment_tables import print_blinded_preview, print_preview
from allocation.commands.service import Act, Service
from allocation.commands.studies import (
    GO_LIVE,
    LoadStudyVersionRequest,
    load_study_version,
    reasons_not_to_run,
    version_content,
)
from allocation.commands.version_effects import (
    IN_EFFECT,
    PutVersionIntoEffectRequest,
    effect_content,
    loaded_sha256,
    put_version_into_effect,
)
from allocation.ledger.database import Database, open_database
from allocation.ledger.reader import protocol_at
from allocation.ledger_cli import As, AsJson, Study
from allocation.study.protocol import Protocol
from allocation.study.yaml_files import load_protocol
from allocation.terminal import acting, show, signed, the_study
from allocation.views.blinded.amendments import blinded_amendment_preview
from allocation.views.unblinded.amendments import preview_amendment

MOMENT_FORMATS = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]

_WIDTH_WITHOUT_TERMINAL = 160

EffectiveAt = Annotated[
    datetime | None,
    typer.Option(
        formats=MOMENT_FORMATS,
        help="Moment from which it counts, such as 2026-03-01T00:00Z (default: now).",
        show_default=False,
    ),
]
Reason = Annotated[str, typer.Option(help="Why, for the audit trail.")]


def amend(
    file: Annotated[
        Path, typer.Argument(help="The study file of the next version, in YAML.", show_default=False)
    ],
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what it would change, and change nothing. It UNBLINDS.")
    ] = False,
    blinded: Annotated[
        bool, typer.Option("--blinded", help="With --preview: what the blinded study team may be told.")
    ] = False,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            "--as-of",
            formats=MOMENT_FORMATS,
            help="With --preview: the moment that counts as now, for a study that is played by its own clock.",
            show_default=False,
        ),
    ] = None,
    effective_at: EffectiveAt = None,
    country: Annotated[
        list[str] | None,
        typer.Option(
            "--country",
            metavar="CODE=MOMENT",
            help="A country's own moment, such as FRA=2026-05-01T00:00Z (may be repeated). Without --effective-at the countries that "
            "are not named wait for `rtsm study put-into-effect`.",
            show_default=False,
        ),
    ] = None,
    actor: As = None,
    reason: Reason = "",
    idempotency_key: Annotated[str | None, typer.Option(hidden=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Amend a running study: show what the next version would change, or sign and load it."""
    if (blinded or as_of is not None) and not preview:
        raise typer.BadParameter("--blinded and --as-of go with --preview")
    countries = dict(map(_country_moment, country or []))
    protocol = load_protocol(file)
    database = open_database(create=False)
    who = acting(database, actor)
    if preview:
        now = as_of or Service(database).clock()
        _preview(database, who, protocol, now, effective_at, countries, blinded, as_json)
        return
    service = Service(database)
    content, study_id = version_content(protocol), protocol.study.id
    signature = signed(service, who, actor, "load_study_version", GO_LIVE, content, study_id)
    answer = load_study_version(
        service,
        Act(who, idempotency_key=idempotency_key, reason=reason, signature=signature),
        LoadStudyVersionRequest(protocol=protocol, effective_at=effective_at, countries=countries),
    )
    waiting = [one.code for one in protocol.countries if one.code not in answer["countries"]]
    lines = [f"{answer['study_id']} version {answer['version']} signed and loaded, sha256 {answer['sha256']}"]
    lines += [f"  {code} from {moment}" for code, moment in answer["countries"].items()]
    lines += [f"  {code} waits: rtsm study put-into-effect {code}" for code in waiting]
    ahead = f"rtsm load list --protocol-version {answer['version']}"
    lines += [f"  {event} needs a list for this version: {ahead}" for event in answer["events_needing_lists"]]
    show(answer, as_json, "\n".join(lines))


def put_into_effect(
    country: Annotated[
        str, typer.Argument(help="The country (ISO 3166-1 alpha-3) whose approval came.", show_default=False)
    ],
    version: Annotated[
        int | None,
        typer.Option("--version", help="The version (default: the latest loaded).", show_default=False),
    ] = None,
    effective_at: EffectiveAt = None,
    study: Study = None,
    actor: As = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Put a loaded protocol version into effect in one more country, signed, or move a moment that has not come yet."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    number = protocol_at(database, study_id).study.version if version is None else version
    with database.read() as connection:
        sha256 = loaded_sha256(connection, study_id, number)
    service, who = Service(database), acting(database, actor)
    content = effect_content(study_id, number, sha256, country, effective_at)
    signature = signed(service, who, actor, "put_version_into_effect", IN_EFFECT, content, study_id)
    answer = put_version_into_effect(
        service,
        Act(who, reason=reason, signature=signature),
        study_id,
        PutVersionIntoEffectRequest(version=number, country=country, effective_at=effective_at),
    )
    text = f"{study_id} version {number} counts in {country} from {answer['effective_at']}"
    show(answer, as_json, text)


def _preview(
    database: Database,
    who: Actor,
    protocol: Protocol,
    now: datetime,
    effective_at: datetime | None,
    countries: dict[str, datetime],
    blinded: bool,
    as_json: bool,
) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_WITHOUT_TERMINAL)
    if blinded:
        told = blinded_amendment_preview(database, who, protocol, now, effective_at, countries)
        if as_json:
            show(told.model_dump(mode="json"), True, "")
        else:
            print_blinded_preview(told, console)
        return
    reasons = reasons_not_to_run(database, protocol, now, effective_at, countries)
    found = preview_amendment(database, who, protocol, now, effective_at, countries, reasons)
    if as_json:
        show(found.model_dump(mode="json"), True, "")
    else:
        print_preview(found, console)


def _country_moment(text: str) -> tuple[str, datetime]:
    """`FRA=2026-05-01T00:00Z` as country and moment. Raises BadParameter."""
    code, _, said = text.partition("=")
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(
            f"{text!r}: write CODE=MOMENT, such as FRA=2026-05-01T00:00Z", param_hint="--country"
        )
    return code, moment

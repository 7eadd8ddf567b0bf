"""`rtsm lot`: decide on a lot, release it by country, change its expiry, record relabelling, list the lots: it UNBLINDS, but for
`history` of bulk supply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from allocation.commands.expiry_change import (
    ChangeLotExpiryRequest,
    RelabelKitsRequest,
    change_lot_expiry,
    relabel_kits,
)
from allocation.commands.lot_release import (
    ChangeLotReleaseRequest,
    JudgeLotRequest,
    change_lot_release,
    judge_lot,
)
from allocation.commands.malformed import request_from
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.rules.kit_authority import EXPIRY_CHANGED, RELABELLED
from allocation.rules.lot_status import LOT_TRANSITIONS, RELEASE_CHANGED, LotAct
from allocation.signed_cli import run_signed
from allocation.terminal import acting, show, the_study
from allocation.views.blinded.lot_history import lot_history
from allocation.views.unblinded.lots import list_lots

app = typer.Typer(
    no_args_is_help=True, help="Lots: their expiry, relabelling, release and quality status. It UNBLINDS."
)

LotId = Annotated[str, typer.Argument(metavar="LOT", help="The lot.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the ledger.", show_default=False)]


def _decide(decision: str) -> Callable[..., None]:
    """The command line of one decision on a lot's quality."""
    meaning = {row.act: row.signature for row in LOT_TRANSITIONS}[LotAct(decision)]

    def decide(
        lot: LotId, reason: Reason, study: Study = None, actor: As = None, as_json: AsJson = False
    ) -> None:
        database = open_database(create=False)
        study_id = the_study(database, study)
        request = request_from(JudgeLotRequest, lot_id=lot, decision=decision)
        answer = run_signed(database, study_id, "judge_lot", judge_lot, request, str(meaning), reason, actor)
        taken = f"; {len(answer['quarantined'])} kits quarantined" if answer["quarantined"] else ""
        lines = [f"lot {answer['lot_id']} is {answer['status']}{taken}"]
        lines += [
            f"  study {one['study_id']}, which has kits of it: {len(one['kits'])} quarantined"
            for one in answer["other_studies"]
        ]
        show(answer, as_json, "\n".join(lines))

    return decide


for _word, _help in (
    (
        "release",
        "Release a lot: its kits may be shipped and dispensed in the countries that it is released for.",
    ),
    ("restrict", "Restrict a lot: none of it is shipped any more, and what sites have is used."),
    ("reject", "Reject a lot: its kits go into quarantine, and none is ever released again."),
):
    app.command(_word, help=f"{_help} Signed by the account of --as.")(_decide(_word))


Countries = Annotated[
    list[str],
    typer.Argument(metavar="COUNTRY...", help="Countries or label groups, or * for all.", show_default=False),
]


def _by_country(field: str) -> Callable[..., None]:
    """The command line of releasing a lot for countries, or of withdrawing it."""

    def act(
        lot: LotId,
        countries: Countries,
        reason: Reason,
        study: Study = None,
        actor: As = None,
        as_json: AsJson = False,
    ) -> None:
        database = open_database(create=False)
        study_id = the_study(database, study)
        request = request_from(ChangeLotReleaseRequest, lot_id=lot, **{field: tuple(countries)})
        answer = run_signed(
            database,
            study_id,
            "change_lot_release",
            change_lot_release,
            request,
            RELEASE_CHANGED,
            reason,
            actor,
        )
        lines = [
            f"lot {answer['lot_id']} is released for {', '.join(answer['released_for']) or 'no country'}"
        ]
        lines += [f"  not used any more: {kits} kits at site {site}" for site, kits in answer["held"].items()]
        lines += [
            f"  study {one['study_id']}, which has kits of it: released for {', '.join(one['released_for']) or 'no country'}"
            for one in answer["other_studies"]
        ]
        show(answer, as_json, "\n".join(lines))

    return act


app.command(
    "release-for", help="Release a lot for countries or label groups, signed by the account of --as."
)(_by_country("release"))
app.command(
    "withdraw-from", help="Withdraw a lot from countries or label groups, signed by the account of --as."
)(_by_country("withdraw"))


@app.command()
def expiry(
    lot: LotId,
    until: Annotated[
        str, typer.Argument(metavar="DATE", help="The new expiry date, as 2028-12-31.", show_default=False)
    ],
    reason: Reason,
    country: Annotated[
        list[str] | None,
        typer.Option("--country", help="Only in this country or label group; repeat it.", show_default=False),
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Change a lot's expiry date, later or earlier, signed by the account of --as."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(
        ChangeLotExpiryRequest, lot_id=lot, expiry_date=until, countries=tuple(country or ())
    )
    answer = run_signed(
        database, study_id, "change_lot_expiry", change_lot_expiry, request, EXPIRY_CHANGED, reason, actor
    )
    show(answer, as_json, "\n".join(_expiry_lines(answer)))


def _expiry_lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"lot {answer['lot_id']}: expires {answer['expiry_date']}"]
    lines += [f"  in {country}: {day}" for country, day in sorted(answer["by_country"].items())]
    lines.append(f"  {answer['dated']} kits have other dates now")
    if answer["quarantined"]:
        numbers = ", ".join(answer["quarantined"][:20])
        lines.append(f"  had expired, in quarantine now ({len(answer['quarantined'])}): {numbers}")
    lines += [f"  to relabel: {kits} at {place}" for place, kits in answer["to_relabel"].items()]
    if answer["dispensed"]:
        having = ", ".join(f"{one['kit_number']} ({one['subject_id']})" for one in answer["dispensed"][:20])
        lines.append(f"  dispensed, as they were ({len(answer['dispensed'])}): {having}")
    lines += [
        f"  study {one['study_id']}, which has kits of it: {one['dated']} kits have other dates, "
        f"{len(one['quarantined'])} of them in quarantine now"
        for one in answer["other_studies"]
    ]
    return lines


@app.command()
def relabel(
    lot: LotId,
    until: Annotated[
        str,
        typer.Argument(metavar="DATE", help="What the new labels say, as 2028-12-31.", show_default=False),
    ],
    reason: Reason,
    kits: Annotated[
        list[str] | None,
        typer.Option(
            "--kit",
            help="Only this kit; repeat it (default: all in quarantine or expired there).",
            show_default=False,
        ),
    ] = None,
    site: Annotated[
        str | None, typer.Option("--site", help="The site where it was done.", show_default=False)
    ] = None,
    depot: Annotated[
        str | None, typer.Option("--depot", help="The depot where it was done.", show_default=False)
    ] = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Record that kits of a lot got new labels where they are, signed by the account of --as; they are in quarantine after it."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    request = request_from(
        RelabelKitsRequest,
        lot_id=lot,
        printed_expiry=until,
        site_id=site,
        depot_id=depot,
        kit_numbers=tuple(kits or ()),
    )
    answer = run_signed(database, study_id, "relabel_kits", relabel_kits, request, RELABELLED, reason, actor)
    numbers = ", ".join(answer["kits"][:20])
    show(
        answer,
        as_json,
        f"{study_id}: {len(answer['kits'])} kits relabelled, expiring {answer['expiry_date']}: {numbers}; "
        "`rtsm kit release` takes them out of quarantine",
    )


@app.command()
def history(
    lot: Annotated[str, typer.Argument(help="The lot of bulk supply, as you read it.", show_default=False)],
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show the chain of custody of a lot of bulk supply: how many units went from where to where, and are where now."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = lot_history(database, acting(database, actor), study_id, lot)
    if as_json:
        show(found.model_dump(mode="json"), True, "")
        return
    table = Table("entry", "UTC", "units", "from", "to", "what", "who", "role", "reason")
    for one in found.moves:
        table.add_row(
            str(one.entry or ""),
            "" if one.recorded_at is None else f"{one.recorded_at:%Y-%m-%d %H:%M}",
            str(one.quantity),
            one.from_place,
            one.to_place,
            one.text,
            one.actor or "",
            one.role or "",
            one.reason,
        )
    places = ", ".join(f"{units} at {place}" for place, units in found.places.items())
    console = Console()
    console.print(f"lot {lot}: {places or 'none where you see it'}", highlight=False, markup=False)
    console.print(table)


@app.command("list")
def list_command(study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """Show the lots of a study: kit type, status, where they are released, and their expiry dates."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    found = list_lots(database, acting(database, actor), study_id)
    if as_json:
        show(found.model_dump(mode="json"), True, "")
        return
    table = Table(
        "lot", "kit type", "blinded lot", "status", "released for", "expires", "in countries", "printed"
    )
    for one in found.lots:
        table.add_row(
            one.lot_id,
            one.kit_type,
            one.blinded_lot or "",
            one.status,
            ", ".join(one.released_for) or "nowhere",
            one.expiry_date.isoformat(),
            ", ".join(f"{country} {day}" for country, day in sorted(one.expiry_by_country.items())),
            "" if one.printed_expiry is None else one.printed_expiry.isoformat(),
        )
    Console().print(table)

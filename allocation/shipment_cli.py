"""`rtsm shipment`: order by hand, approve, pack by scan, dispatch, receive, cancel, lose and look at shipments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from allocation.commands.malformed import request_from
from allocation.commands.order_approval import (
    ShipmentRequest,
    approve_order,
    cancel_shipment,
    refuse_order,
)
from allocation.commands.packing import ExchangeRequest, PackRequest, exchange_kit, pack_kits
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.shipments_on_the_way import (
    CorrectDispatchRequest,
    correct_dispatch,
    lose_shipment,
)
from allocation.commands.stock_indents import IndentRequest, indent_stock
from allocation.errors import RTSMError
from allocation.ledger.database import open_database
from allocation.ledger_cli import As, AsJson, Study
from allocation.lot_quantity_options import (
    ReceivedUnits,
    Units,
    kits_in,
    kits_told,
    lot_quantities,
    received_lots,
)
from allocation.terminal import acting, show, the_study
from allocation.views.blinded.overview_models import ShipmentSummary
from allocation.views.blinded.shipments import ShipmentStatus, list_shipments, shipment_detail

app = typer.Typer(
    no_args_is_help=True,
    help="Order by hand, approve, pack, dispatch, receive, cancel, and look at shipments.",
)

Shipment = Annotated[str, typer.Argument(help="The shipment.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the ledger.", show_default=False)]
Carrier = Annotated[str | None, typer.Option("--carrier", help="The shipping agency.", show_default=False)]
Tracking = Annotated[str | None, typer.Option("--tracking", help="Tracking number.", show_default=False)]
Expected = Annotated[
    datetime | None,
    typer.Option("--expected", formats=["%Y-%m-%d"], help="Expected arrival.", show_default=False),
]
Loggers = Annotated[
    list[str] | None,
    typer.Option("--logger", help="Serial number of a logger (may be repeated).", show_default=False),
]


@app.command("list")
def list_(
    site: Annotated[str | None, typer.Option("--site", help="Only of this site.", show_default=False)] = None,
    status: Annotated[
        ShipmentStatus | None, typer.Option("--status", help="Only in this status.", show_default=False)
    ] = None,
    late: Annotated[bool, typer.Option("--late", help="Only those whose expected date has passed.")] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Show shipments, newest request first."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    now = Service(database).clock()
    who = acting(database, actor)
    found = list_shipments(database, who, study_id, site_id=site, status=status, late=late, now=now)
    if as_json:
        show(found.model_dump(mode="json"), True, "")
        return
    Console().print(_table(found.shipments))


@app.command("show")
def show_(shipment: Shipment, study: Study = None, actor: As = None, as_json: AsJson = False) -> None:
    """Show a shipment with its kits: the packing list of an order, the receipt of one that came."""
    database = open_database(create=False)
    study_id = the_study(database, study)
    now = Service(database).clock()
    found = shipment_detail(database, acting(database, actor), study_id, shipment, now=now)
    if as_json:
        show(found.model_dump(mode="json"), True, "")
        return
    console = Console()
    console.print(_table((found.shipment,)))
    table = Table("kit", "looks like", "packed", "found")
    for one in found.contents:
        table.add_row(one.name, one.kit_group, str(one.packed_on or ""), one.disposition or "")
    console.print(table)


@app.command()
def order(
    site: Annotated[str, typer.Argument(help="The site.", show_default=False)],
    wanted: Annotated[
        list[str] | None,
        typer.Argument(
            help="LOOK=KITS of each kit type of a blinding group, as BOTTLE=4.", show_default=False
        ),
    ] = None,
    by_type: Annotated[
        list[str] | None,
        typer.Option("--type", help="TYPE=KITS, as K20=4 (unblinded; may be repeated).", show_default=False),
    ] = None,
    seed: Annotated[
        bool, typer.Option("--seed", help="The site's first shipment, by its seed quantities.")
    ] = False,
    reason: Reason = "",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Order for a site by hand (stock indent)."""
    asked = {"site_id": site, "groups": _quantities(wanted), "kit_types": _quantities(by_type), "seed": seed}
    answer = _run(indent_stock, request_from(IndentRequest, **asked), reason, study, actor)
    show(answer, as_json, f"{answer['shipment_id']} to {site}: {answer['kits']} kits, {answer['status']}")


def _quantities(texts: list[str] | None) -> dict[str, Any]:
    pairs = [text.rpartition("=") for text in texts or ()]
    if any(not name for name, _, _ in pairs):
        raise RTSMError("write NAME=KITS, as BOTTLE=4", field="wanted", fix="correct it")
    return {name: int(count) if count.isdecimal() else count for name, _, count in pairs}


def _step(run: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """The command line of a step that names a shipment and a reason, and nothing else."""

    def step(
        shipment: Shipment,
        reason: Reason = "",
        study: Study = None,
        actor: As = None,
        as_json: AsJson = False,
    ) -> None:
        answer = _run(run, request_from(ShipmentRequest, shipment_id=shipment), reason, study, actor)
        kits = f" ({kits_in(answer, 'kits')} kits)" if "kits" in answer else ""
        show(answer, as_json, f"{shipment}: {answer['status']}{kits}")

    return step


app.command("approve", help="Approve a proposed order, so that it may leave.")(_step(approve_order))
app.command("refuse", help="Refuse a proposed order: its kits are stock again.")(_step(refuse_order))
app.command("cancel", help="Cancel an order that has not left: its kits are stock again.")(
    _step(cancel_shipment)
)
app.command("lost", help="Give a shipment up as lost on its way: the next run orders it again.")(
    _step(lose_shipment)
)


@app.command()
def pack(
    shipment: Shipment,
    scans: Annotated[
        list[str] | None, typer.Argument(help="What the scanner read, kit by kit.", show_default=False)
    ] = None,
    units: Units = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Scan kits into the box of an order; count bulk supply into it by lot."""
    request = request_from(
        PackRequest, shipment_id=shipment, scans=tuple(scans or ()), bulk=lot_quantities(units)
    )
    answer = _run(pack_kits, request, "", study, actor)
    rest = ", ".join(kits_told(answer, "to_pack")) or "none"
    show(answer, as_json, f"{shipment}: {kits_in(answer, 'packed')} kits packed; still to be packed: {rest}")


@app.command()
def exchange(
    shipment: Shipment,
    reason: Reason,
    kit: Annotated[
        str | None, typer.Argument(help="The kit that cannot be packed.", show_default=False)
    ] = None,
    lot: Annotated[
        str | None, typer.Option("--lot", help="Of bulk supply: the lot of the unit.", show_default=False)
    ] = None,
    found: Annotated[
        Literal["damaged", "lost"], typer.Option("--found", help="What is wrong with it.")
    ] = "damaged",
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Exchange a damaged or missing kit of an order for the next one by the picking rule."""
    request = request_from(ExchangeRequest, shipment_id=shipment, kit_number=kit, lot=lot, found=found)
    answer = _run(exchange_kit, request, reason, study, actor)
    new = ", ".join(kits_told(answer, "replacement"))
    show(
        answer,
        as_json,
        f"{shipment}: pack kit {new}" if new else f"{shipment}: goes without; there is no other",
    )


@app.command()
def dispatch(
    shipment: Shipment,
    carrier: Carrier = None,
    tracking: Tracking = None,
    expected: Expected = None,
    on: Annotated[
        datetime | None,
        typer.Option(
            "--on", formats=["%Y-%m-%d"], help="Date of dispatch (default: today).", show_default=False
        ),
    ] = None,
    loggers: Loggers = None,
    split: Annotated[bool, typer.Option("--split", help="Send what is packed; the rest waits.")] = False,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Send a shipment off."""
    request = request_from(
        DispatchRequest,
        shipment_id=shipment,
        carrier=carrier or "",
        tracking_number=tracking or "",
        expected_on=_day(expected),
        dispatched_on=_day(on),
        loggers=tuple(loggers or ()),
        split=split,
    )
    answer = _run(dispatch_shipment, request, "", study, actor)
    rest = f"; the rest is {answer['split_off']}" if answer["split_off"] else ""
    many = kits_in(answer, "kits")
    show(answer, as_json, f"{shipment}: {many} kits, expected {answer['expected_on']}{rest}")


@app.command()
def correct(
    shipment: Shipment,
    reason: Reason,
    carrier: Carrier = None,
    tracking: Tracking = None,
    expected: Expected = None,
    loggers: Loggers = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Correct or add what was said at dispatch, such as the tracking number."""
    request = request_from(
        CorrectDispatchRequest,
        shipment_id=shipment,
        carrier=carrier,
        tracking_number=tracking,
        expected_on=_day(expected),
        loggers=None if loggers is None else tuple(loggers),
    )
    answer = _run(correct_dispatch, request, reason, study, actor)
    show(answer, as_json, f"{shipment}: corrected {', '.join(answer['corrected'])}")


@app.command()
def receive(
    shipment: Shipment,
    found: Annotated[
        list[str] | None,
        typer.Option(
            "--found",
            help="KIT=damaged, quarantined, lost or not_arrived (may be repeated); the others are in good order.",
            show_default=False,
        ),
    ] = None,
    unlisted: Annotated[
        list[str] | None,
        typer.Option("--unlisted", help="Scan of a kit that the shipment does not list.", show_default=False),
    ] = None,
    scans: Annotated[
        list[str] | None,
        typer.Option(
            "--scan",
            help="Scan of a kit that came (may be repeated); what is neither scanned nor named has not arrived.",
            show_default=False,
        ),
    ] = None,
    units: ReceivedUnits = None,
    study: Study = None,
    actor: As = None,
    as_json: AsJson = False,
) -> None:
    """Receive a shipment at its site, in whole or in part."""
    pairs = [text.partition("=") for text in found or ()]
    request = request_from(
        ReceiveRequest,
        shipment_id=shipment,
        dispositions={kit: what for kit, _, what in pairs},
        unlisted=tuple(unlisted or ()),
        scans=tuple(scans or ()),
        bulk=received_lots(units),
    )
    answer = _run(receive_shipment, request, "", study, actor)
    counts = ", ".join(f"{count} {what}" for what, count in sorted(answer["kits"].items())) or "no kits"
    awaited = ", ".join(kits_told(answer, "awaited"))
    more = f"; awaited: {awaited}" if awaited else ""
    more += (
        f"; quarantined without being listed: {', '.join(answer['unlisted'])}" if answer["unlisted"] else ""
    )
    show(answer, as_json, f"{shipment}: {answer['status']}: {counts}{more}")


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


def _run(
    run: Callable[..., dict[str, Any]],
    request: CommandRequest,
    reason: str,
    study: str | None,
    actor: str | None,
) -> dict[str, Any]:
    database = open_database(create=False)
    study_id = the_study(database, study)
    return run(Service(database), Act(acting(database, actor), reason=reason), study_id, request)


def _table(shipments: tuple[ShipmentSummary, ...]) -> Table:
    table = Table(
        "shipment", "status", "from", "to", "kits", "ordered", "sent", "expected", "carrier", "tracking"
    )
    for one in shipments:
        expected = f"{one.expected_on or ''}{' LATE' if one.late else ''}"
        ordered = f"{one.requested_on}{f' by {one.ordered_by}' if one.ordered_by else ''}"
        ends = (f"{one.from_kind} {one.from_place}", f"{one.to_kind} {one.to_place}")
        sent = (str(one.dispatched_on or ""), expected, one.carrier or "", one.tracking_number or "")
        table.add_row(one.shipment_id, one.status, *ends, str(one.kits), ordered, *sent)
    return table

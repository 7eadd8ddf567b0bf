"""A protocol for people, as tables: design, schedule with dispensing, kit types, places, and supply parameters.

It shows what each arm is given, so it is for those who may see the unblinded protocol.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from allocation.study.canonical import decimal_text, protocol_sha256
from allocation.study.dose_paths import dispensing_rows, reachable_dose_levels
from allocation.study.measure_points import possible_kits
from allocation.study.strata import strata_of

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.schedule import Visit
    from allocation.study.supply import KitType, ResupplyParameters, StorageLimits


def show_protocol(protocol: Protocol, console: Console) -> None:
    """Print the protocol to `console`."""
    console.print(Group(*protocol_tables(protocol)))


def protocol_tables(protocol: Protocol) -> list[RenderableType]:
    """The tables, in the order in which a protocol is read."""
    tables: list[RenderableType] = [
        _heading(protocol),
        _arms(protocol),
        _randomization(protocol),
        _schedule(protocol),
    ]
    if protocol.study.blinding != "open_label":
        tables.append(_code_breaks(protocol))
    if protocol.kit_types:
        tables.append(_kit_types(protocol))
    if protocol.countries:
        tables.append(_places(protocol))
    if protocol.supply.parameters:
        tables.append(_parameters(protocol))
    if protocol.supply.pools:
        tables.append(_pools(protocol))
    return tables


def _table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", expand=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def _heading(protocol: Protocol) -> Text:
    study = protocol.study
    facts = [
        f"phase {study.phase}" if study.phase else "",
        study.blinding.replace("_", " "),
        f"{study.planned_subjects} subjects planned" if study.planned_subjects else "",
        f"from {study.planned_start}" if study.planned_start else "",
        f"mode {study.mode}",
    ]
    text = Text()
    text.append(f"{study.id} version {study.version}", style="bold")
    text.append(
        f"\n{study.title}\n{', '.join(fact for fact in facts if fact)}\nsha256 {protocol_sha256(protocol)}\n"
    )
    return text


def _arms(protocol: Protocol) -> Table:
    table = _table("Arms", "arm", "name", "ratio", "starts at", right=("ratio",))
    for arm in protocol.arms:
        table.add_row(arm.code, arm.name, str(arm.ratio), arm.start_dose_level or "")
    return table


def _randomization(protocol: Protocol) -> Table:
    table = _table("Randomization", "event", "visit", "method", "blocks", "held by", "strata")
    labels = {factor.code: factor for factor in protocol.stratification}
    for event in protocol.randomization:
        factors = ", ".join(
            f"{code} ({', '.join(level.code for level in labels[code].levels)})" for code in event.factors
        )
        count = len(strata_of(protocol, event))
        table.add_row(
            event.code,
            event.visit,
            event.method,
            ", ".join(map(str, event.block_sizes)),
            event.held_by,
            f"{count}: {factors}" if factors else "not stratified",
        )
    return table


def _code_breaks(protocol: Protocol) -> Text:
    policy = protocol.unblinding
    approval = f"approved by {policy.approval_by}" if policy.approval_by else "made at once"
    after = "is discontinued" if policy.discontinue_after_code_break else "stays on study"
    text = Text("Code breaks\n", style="bold")
    text.append(
        f"emergency by {', '.join(policy.emergency_by)}; planned ones are {approval}; the subject {after}\n",
        style="not bold",
    )
    return text


def _schedule(protocol: Protocol) -> Table:
    arms = [arm.code for arm in protocol.arms]
    table = _table(
        "Schedule and dispensing",
        "visit",
        "no.",
        "name",
        "epoch",
        "day",
        "window",
        *arms,
        right=("no.", "day"),
    )
    rows = dispensing_rows(protocol)
    levels = {arm.code: reachable_dose_levels(protocol, arm) for arm in protocol.arms}
    for visit in sorted(protocol.visits, key=lambda visit: visit.number):
        cells = []
        for arm in protocol.arms:
            by_level = {
                level: [kits for _, kits in possible_kits(protocol, rows, visit.code, arm.code, level)]
                for level in sorted(levels[arm.code][visit.code], key=str)
            }
            cells.append(_kits_text(by_level) if visit.dispensing else "")
        table.add_row(
            visit.code,
            decimal_text(visit.number),
            visit.name,
            visit.epoch,
            _day_text(visit),
            _window_text(visit),
            *cells,
        )
    return table


def _kits_text(by_level: dict[str | None, list[tuple[tuple[str, int], ...]]]) -> str:
    """What is dispensed; by dose level where that makes a difference, and each possibility where it goes by weight, area or age."""
    texts = {
        level: " | ".join(" + ".join(f"{quantity} {kit_type}" for kit_type, quantity in one) for one in kits)
        for level, kits in by_level.items()
    }
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "\n".join(f"{level}: {text}" for level, text in texts.items())


def _day_text(visit: Visit) -> str:
    if visit.target_day is None:
        return ""
    event = f"{visit.anchor_event} " if visit.anchor_event else ""
    names = {"randomization": event, "screening": "S ", "first_dose": "D ", "previous_visit": "+"}
    return f"{names.get(visit.anchor, '')}{visit.target_day}"


def _window_text(visit: Visit) -> str:
    if visit.anchor == "none":
        return "when needed"
    before, after = visit.window_before, visit.window_after
    days = f"±{before}" if before == after else f"-{before} +{after}"
    return f"{days} {visit.window}"


def _storage_text(storage: StorageLimits) -> str:
    """The range, and what may be spent outside of it: `2 to 8 (720 min above, 60 min below, MKT 25)`."""
    beyond = [
        text
        for value, text in (
            (storage.minutes_above, f"{storage.minutes_above} min above"),
            (storage.minutes_below, f"{storage.minutes_below} min below"),
            (storage.mkt_celsius, f"MKT {storage.mkt_celsius}"),
        )
        if value is not None
    ]
    limits = f"{decimal_text(storage.min_celsius)} to {decimal_text(storage.max_celsius)}"
    return f"{limits} ({', '.join(beyond)})" if beyond else limits


def _reuse_text(kit_type: KitType) -> str:
    if not kit_type.serialized:
        return ", bulk"
    if not kit_type.reusable:
        return ""
    return ", reusable" if kit_type.max_uses is None else f", reusable, {kit_type.max_uses} uses at most"


def _kit_types(protocol: Protocol) -> Table:
    table = _table(
        "Kit types", "kit type", "name", "looks like", "content", "storage °C", "DNS / DNC / DND", "told"
    )
    labels = {group.code: group.label for group in protocol.blinding_groups}
    for kit_type in protocol.kit_types:
        storage, expiry = kit_type.storage, kit_type.expiry
        limits = "" if storage is None else _storage_text(storage)
        table.add_row(
            kit_type.code,
            kit_type.name,
            labels[kit_type.blinding_group],
            f"{decimal_text(kit_type.units_per_kit)} {kit_type.unit}{_reuse_text(kit_type)}",
            limits,
            f"{expiry.dns_days} / {expiry.dnc_days} / {expiry.dnd_days}",
            f"{kit_type.expiry_notice_days} days ahead" if kit_type.expiry_notice_days else "never",
        )
    return table


def _places(protocol: Protocol) -> Table:
    table = _table(
        "Countries, depots and sites",
        "country",
        "name",
        "depot",
        "lead days",
        "sites",
        "planned subjects",
        "known sites",
        right=("lead days", "planned subjects"),
    )
    lead = {(lane.depot, lane.country): lane.lead_time_days for lane in protocol.lanes}
    for country in protocol.countries:
        sites = [site for site in protocol.sites if site.country == country.code]
        days = lead.get((country.depot, country.code))
        table.add_row(
            country.code,
            country.name,
            country.depot,
            "by site" if days is None else str(days),
            str(country.planned_sites or len(sites)),
            str(country.planned_subjects or ""),
            ", ".join(site.code for site in sites),
        )
    return table


def _parameters(protocol: Protocol) -> Table:
    table = _table(
        "Resupply parameters (the lowest level that sets one wins)",
        "level",
        "key",
        "kit type",
        "from",
        "parameters",
    )
    for entry in protocol.supply.parameters:
        table.add_row(
            entry.level.replace("_", " "),
            entry.key,
            entry.kit_type or "all",
            str(entry.parameters.valid_from or ""),
            _set_values(entry.parameters),
        )
    return table


def _pools(protocol: Protocol) -> Table:
    table = _table(
        "Pools (kits that studies lend each other)", "pool", "at", "taken", "kit type", "item", "keeps"
    )
    for pool in protocol.supply.pools:
        taken = "by runs, too" if pool.automatic else "by hand"
        for one in pool.items:
            table.add_row(pool.code, f"{pool.level}s", taken, one.kit_type, one.item, str(one.keep))
    return table


def _set_values(parameters: ResupplyParameters) -> str:
    values = parameters.model_dump(exclude_none=True, exclude={"valid_from", "bands"})
    texts = [
        f"{name} {decimal_text(value) if isinstance(value, Decimal) else value}"
        for name, value in values.items()
    ]
    texts += [
        f"from {band.from_subjects} subjects {band.min_buffer} to {band.max_buffer}"
        for band in parameters.bands or ()
    ]
    return ", ".join(texts)

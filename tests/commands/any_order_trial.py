"""The trial that random acts are tried on: kits that follow the dose level, scarce stock, and dates that differ by place."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    UploadListRequest,
    activate_list,
    activation_content,
    upload_list,
)
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.studies import LoadStudyVersionRequest, load_study_version
from allocation.study.protocol import Protocol
from tests.api.trial import AS_IS, KIT_TYPE_OF_ARM, STUDY, protocol, randomization_list
from tests.commands.desk import ACT, Desk

START = date(2026, 3, 2)
PLACES = {
    "S01": ("DEU", "Europe/Berlin"),
    "S02": ("FRA", "Pacific/Auckland"),
    "S03": ("FRA", "America/Los_Angeles"),
    "S04": ("FRA", "Europe/Paris"),
}
"""Site -> country and time zone: the depot's day, at Berlin, is often not the site's. S04 is a satellite of S02 where there is one."""
DEPOTS = {"D1": "Europe/Berlin", "CENTRAL": "Asia/Tokyo"}
"""Depot -> time zone; CENTRAL refills D1."""
SATELLITE, PHARMACY = "S04", "S02"
OTHER = "TRIAL-2"
"""Another study with the same depot and sites, which takes kits of the pools."""

WINDOWS = {"dns_days": 12, "dnc_days": 8, "dnd_days": 5}
SHELF_LIVES = (40, 120, 500)
LOTS = tuple(
    {
        "lot_id": f"ZZLOT-{letter}{index}",
        "kit_type": kit_type,
        "expiry_date": (START + timedelta(days=days + 2 * shift)).isoformat(),
        "released_for": ["DEU"] if (index, shift) in ((0, 0), (1, 1)) else ["*"],
        "status": "quarantined" if (index, shift) == (1, 2) else "released",
        "expiry_printed": index == 2,
    }
    for shift, (letter, kit_type) in enumerate(zip("ABC", KIT_TYPE_OF_ARM.values(), strict=True))
    for index, days in enumerate(SHELF_LIVES)
)


ITEMS = [{"kit_type": one, "item": one, "keep": 0} for one in KIT_TYPE_OF_ARM.values()]


@dataclass(frozen=True)
class Variant:
    """What differs between the trials that are tried."""

    kits_a_lot: int = 4
    consolidation: str = "all_types"
    lot_choice: str = "min_wastage"
    seeding: str = "on_activation"
    block_size: int = 1
    trigger: str = "at"
    long_window_from: str = "today"
    pipeline_statuses: tuple[str, ...] = ("requested", "in_transit")
    ignore_skipped: bool = False
    overdue_days: int | None = None
    confirmation: bool = False
    not_dispensed_to: str = "stock"
    partial: bool = False
    same_lot: str = "off"
    valid_until_next_visit: bool = True
    order_approval: str = "none"
    satellite: bool = False
    reusable: bool = False
    depot_shortage: str = "first_come"


def any_order_protocol(variant: Variant, version: int = 1, min_buffer: int = 1) -> Protocol:
    """The small blinded trial with kits by dose level, a scheduled titration, a repeating visit without target, and no caps."""
    document: dict[str, Any] = protocol(version)
    document["caps"] = []
    treated = {"epoch": "TRT", "window_before": 3, "window_after": 3, "dispensing": True}
    document["visits"] = [
        *document["visits"][:3],
        {"code": "V4", "number": 4, "name": "WEEK 4", "target_day": 29, **treated},
        {
            "code": "V5",
            "number": 5,
            "name": "WEEK 8",
            "target_day": 28,
            "anchor": "previous_visit",
            **treated,
        },
        {"code": "V6", "number": 6, "name": "WEEK 9", "target_day": 64, "epoch": "TRT", "repeats": True},
        {
            "code": "RX",
            "number": 9,
            "name": "REPLACEMENT",
            "epoch": "TRT",
            "anchor": "none",
            "optional": True,
            "repeats": True,
            "dispensing": True,
        },
    ]
    arms = list(KIT_TYPE_OF_ARM)
    document["titration"].append(
        {"code": "S", "kind": "scheduled", "arms": arms, "visits": ["V4"], "to_level": "ZZD2"}
    )
    document["dispensing"] = []
    for arm, kit_type in KIT_TYPE_OF_ARM.items():
        low = [{"kit_type": kit_type, "quantity": 1}]
        high = (
            [*low, {"kit_type": "ZZKITA", "quantity": 1}] if arm == "ZZARMC" else [{**low[0], "quantity": 2}]
        )
        visits = ["V2", "V3", "V4", "V5"]
        document["dispensing"] += [
            {"visits": visits, "arm": arm, "dose_level": "ZZD1", "kits": low},
            {"visits": visits, "arm": arm, "dose_level": "ZZD2", "kits": high},
            {"visits": ["RX"], "arm": arm, "kits": low},
        ]
    document["dosing"] = {
        "confirmation": variant.confirmation,
        "not_dispensed_to": variant.not_dispensed_to,
        "partial": variant.partial,
        "same_lot": variant.same_lot,
        "valid_until_next_visit": variant.valid_until_next_visit,
        "unscheduled": True,
        "home_delivery": variant.confirmation,
    }
    for kit_type in document["kit_types"]:
        kit_type["expiry"] = WINDOWS
        kit_type["block_size"] = variant.block_size
        if variant.reusable:
            kit_type |= {"reusable": True, "max_uses": 2}
    local = document["depots"][0]
    document["depots"] = [
        {**local, "supplied_by": "CENTRAL", "kind": "local"},
        {**local, "code": "CENTRAL", "name": "Central depot", "timezone": DEPOTS["CENTRAL"]},
    ]
    document["lanes"].append({"depot": "CENTRAL", "to_depot": "D1", "lead_time_days": 3})
    document["sites"] = [
        {"code": code, "name": f"Site {code}", "country": country, "timezone": timezone}
        for code, (country, timezone) in PLACES.items()
    ]
    if variant.satellite:
        document["sites"][-1] |= {"supplied_by_site": PHARMACY, "days_from_pharmacy": 1}
    document["supply"] = {
        "consolidation": variant.consolidation,
        "lot_choice": variant.lot_choice,
        "seeding": variant.seeding,
        "order_approval": variant.order_approval,
        "depot_shortage": variant.depot_shortage,
        "pools": [{"code": level.upper(), "level": level, "items": ITEMS} for level in ("depot", "site")],
        "pipeline_statuses": variant.pipeline_statuses,
        "ignore_if_last_dispensing_skipped": variant.ignore_skipped,
        "ignore_if_overdue_days": variant.overdue_days,
        "returns": {
            "destruction_at_site": True,
            "reconciliation": False,
            "approval": False,
            "reuse": True,
        },
        "parameters": [
            {
                "level": "study",
                "parameters": {
                    "min_buffer": min_buffer,
                    "max_buffer": min_buffer + 2,
                    "short_window": 14,
                    "long_window": 28,
                    "trigger": variant.trigger,
                    "long_window_from": variant.long_window_from,
                    "seed_quantity": 2,
                },
            },
            {
                "level": "depot",
                "key": "D1",
                "parameters": {"min_buffer": 4, "max_buffer": 6},
            },
        ],
    }
    return Protocol.model_validate(document)


def kit_rows(variant: Variant) -> list[dict[str, Any]]:
    """Kits of every lot, with numbers and pick sequences in scrambled order."""
    rows: list[dict[str, Any]] = []
    for number in range(variant.kits_a_lot):
        for lot in LOTS:
            index = len(rows)
            rows.append(
                {
                    "kit_number": f"K{index * 89 % 997:03d}",
                    "kit_type": lot["kit_type"],
                    "lot_id": lot["lot_id"],
                    "pick_sequence": index * 53 % 211 + 1 if number else 300 + index,
                }
            )
    return rows


def depot_of(index: int) -> str:
    """At which depot the kit of that row comes in: one in four at the upper one."""
    return "CENTRAL" if index % 4 == 3 else "D1"


def list_entries() -> list[dict[str, Any]]:
    """The entries of the randomization list: two strata, two blocks of three each."""
    entries: list[dict[str, Any]] = randomization_list(AS_IS)["entries"]
    return entries


def begin(desk: Desk, variant: Variant) -> None:
    """Everything that comes before the first subject."""
    desk.load(any_order_protocol(variant))
    for site_id in PLACES:
        open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id=site_id))
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": LOTS}))
    rows = kit_rows(variant)
    for depot_id in DEPOTS:
        ours = [row for index, row in enumerate(rows) if depot_of(index) == depot_id]
        stock = {"depot_id": depot_id, "kits": ours}
        load_kits(desk.service, ACT, STUDY, LoadKitsRequest.model_validate(stock))
    other = any_order_protocol(variant).model_dump(mode="json")
    other["study"]["id"] = OTHER
    load = LoadStudyVersionRequest(protocol=Protocol.model_validate(other))
    load_study_version(desk.service, ACT, load)
    for site_id in PLACES:
        open_site(desk.service, ACT, OTHER, OpenSiteRequest(site_id=site_id))
    answer = upload_list(
        desk.service, ACT, STUDY, UploadListRequest.model_validate(randomization_list(AS_IS))
    )
    act = desk.signed(ACTIVATION, activation_content("ZZMRL", answer["sha256"]))
    activate_list(desk.service, act, STUDY, ActivateListRequest(list_id="ZZMRL"))

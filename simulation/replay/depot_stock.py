"""The lots and kits that a replay loads at the depots; from there the resupply rule ships them, as in any study.

Kits are not in SDTM. The calendar of a published study is often shifted subject by subject, so its stock over time is not compared
with anything; the depots hold enough, and what the sites hold is the rule's decision by the study file's parameters.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from allocation.commands.kits import KitRow, LotRow
from allocation.rules.dosing import kits_due
from allocation.rules.kit_numbers import number_kits
from allocation.study.buffers import possible_buffers
from allocation.study.dose_paths import dispensing_rows
from allocation.study.parameters import effective_parameters
from allocation.study.protocol import Protocol
from allocation.study.subject_schedule import scheduled_dose_level
from simulation.replay.errors import RecordedStudyError
from simulation.replay.recorded_allocation import kits_needed
from simulation.replay.recorded_study import RecordedStudy
from simulation.replay.sdtm_reader import exact_decimal

SHELF_LIFE = timedelta(days=366)
"""How long kits are usable after the last recorded day, beside the expiry windows."""

OVERAGE = 1.5
"""Kits at the depots for each kit that was handed out: some are shipped for visits that never came."""


@dataclass(frozen=True, slots=True)
class SitePlace:
    """Where a site is, and the depot that supplies it."""

    site: str
    country: str
    depot: str
    timezone: str
    profile: str | None


@dataclass(frozen=True, slots=True)
class DepotStock:
    """A lot for each kit type, and the kits of each depot."""

    lots: tuple[LotRow, ...]
    kits: dict[str, tuple[KitRow, ...]]


def site_place(protocol: Protocol, site: str, country: str) -> SitePlace:
    """Where a site is: by the study file's site of that code, and where it has none by the subjects' country."""
    known = next((one for one in protocol.sites if one.code == site), None)
    here = protocol.country(known.country if known else country)
    if here is None:
        raise RecordedStudyError(
            f"site {site} is in {country}, a country that the study file does not have",
            code="recorded-study-misfit",
            field="countries",
            fix="add the country to the study file",
        )
    return SitePlace(
        site,
        here.code,
        (known.depot if known else None) or here.depot,
        (known.timezone if known else None) or here.timezone,
        known.profile if known else None,
    )


def depot_stock(
    protocol: Protocol, study: RecordedStudy, places: dict[str, SitePlace], first_day: date
) -> DepotStock:
    """The lots and kits to load: `OVERAGE` for each kit handed out in the recorded study, and every site's buffer and seed."""
    needed = kits_needed(study, lambda arm, number: _kits_at(protocol, arm, number))
    at_depot: dict[str, Counter[str]] = {}
    for place in places.values():
        stock = at_depot.setdefault(place.depot, Counter())
        for kit_type in protocol.kit_types:
            found = effective_parameters(
                protocol,
                kit_type.code,
                first_day,
                country=place.country,
                site=place.site,
                profile=place.profile,
            )
            stock[kit_type.code] += (
                ceil(OVERAGE * needed.get((place.site, kit_type.code), 0))
                + max(high for _, high in possible_buffers(protocol, kit_type.code, found))
                + found.seed_quantity
                + kit_type.block_size
            )
    last_day = max(fact.recorded_on for fact in study.facts)
    lots = tuple(
        LotRow(
            lot_id=f"{kit_type.code}-1",
            kit_type=kit_type.code,
            expiry_date=last_day + timedelta(days=kit_type.expiry.dns_days) + SHELF_LIFE,
        )
        for kit_type in protocol.kit_types
    )
    return DepotStock(lots, _kit_rows(protocol, at_depot))


def _kits_at(protocol: Protocol, arm: str, number: str) -> dict[str, int]:
    """What the protocol hands out to an arm at a visit: the level follows from the scheduled titrations up to it.

    An investigator's titration is not recorded in SDTM, so such a study is played at its scheduled levels.
    """
    defined = protocol.arm(arm)
    level = defined.start_dose_level if defined is not None else None
    due: dict[str, int] = {}
    for visit in sorted(protocol.visits, key=lambda one: one.number):
        level = scheduled_dose_level(protocol, arm, level, visit.code)
        if exact_decimal(visit.number) == number:
            due = dict(kits_due(dispensing_rows(protocol), visit.code, arm, level).kits)
    return due


def _kit_rows(protocol: Protocol, at_depot: dict[str, Counter[str]]) -> dict[str, tuple[KitRow, ...]]:
    """The kits of each depot, numbered in one scramble over all depots and types, so that a number tells neither.

    The seed is the study's identity: the records of a study that is over keep no secret, and a replay that is started again must
    make the same kits.
    """
    wanted = [
        (depot, kit_type.code)
        for depot in sorted(at_depot)
        for kit_type in protocol.kit_types
        for _ in range(at_depot[depot][kit_type.code])
    ]
    seed = int.from_bytes(hashlib.sha256(protocol.study.id.encode()).digest()[:7], "big")
    numbered = number_kits(seed, len(wanted), digits=max(6, len(str(len(wanted) * 4)) + 1))
    rows: dict[str, list[KitRow]] = {}
    for (depot, kit_type), one in zip(wanted, numbered, strict=True):
        rows.setdefault(depot, []).append(
            KitRow(
                kit_number=one.number,
                kit_type=kit_type,
                lot_id=f"{kit_type}-1",
                pick_sequence=one.pick_sequence,
            )
        )
    return {depot: tuple(kits) for depot, kits in rows.items()}

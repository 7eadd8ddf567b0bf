"""A small blinded trial, run through the API by people with every role, whose treatment labels can be permuted.

The words that would unblind begin with ZZ, so that they are easily found in what a blinded role is sent.
"""

from collections.abc import Mapping
from typing import Any

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR, Grant
from allocation.access.grants import grant_role
from allocation.ledger.database import Database
from tests.api.running_app import ApiClient

STUDY = "TRIAL-1"
PASSWORD = "correct horse battery"
ARMS = ("ZZARMA", "ZZARMB", "ZZARMC")
KIT_TYPE_OF_ARM = {"ZZARMA": "ZZKITA", "ZZARMB": "ZZKITB", "ZZARMC": "ZZKITC"}
SITES = {"S01": "DEU", "S02": "FRA"}
AS_IS = {arm: arm for arm in ARMS}
PERMUTED = {"ZZARMA": "ZZARMC", "ZZARMB": "ZZARMA", "ZZARMC": "ZZARMB"}

PEOPLE: dict[str, tuple[Grant, ...]] = {
    "coordinator": (Grant("site_coordinator", STUDY, "site", "S01"),),
    "investigator": (Grant("investigator", STUDY, "site", "S01"),),
    "pharmacist": (Grant("site_pharmacist_blinded", STUDY, "site", "S01"),),
    "other.site": (Grant("site_coordinator", STUDY, "site", "S02"),),
    "monitor": (Grant("monitor", STUDY, "country", "DEU"),),
    "project.manager": (Grant("project_manager", STUDY),),
    "supply": (Grant("supply_manager_blinded", STUDY),),
    "depot": (Grant("depot_operator", STUDY, "depot", "D1"),),
    "sponsor": (Grant("sponsor_blinded", STUDY),),
    "medical.monitor": (Grant("medical_monitor", STUDY),),
    "data.manager": (Grant("data_manager", STUDY),),
    "administrator": (Grant("administrator", "*"),),
    "edc.system": (Grant("edc", STUDY),),
    "open.pharmacist": (Grant("site_pharmacist_unblinded", STUDY, "site", "S01"),),
    "open.supply": (Grant("supply_manager_unblinded", STUDY),),
    "statistician": (Grant("unblinded_statistician", STUDY),),
    "auditor": (Grant("auditor", STUDY),),
    "stranger": (Grant("site_coordinator", "OTHER-STUDY"),),
}
BLINDED = tuple(
    name for name in PEOPLE if name not in ("open.pharmacist", "open.supply", "statistician", "auditor")
)


def protocol(version: int = 1, mode: str = "test") -> dict[str, Any]:
    """Three arms 1:1:1 that look alike, two strata, titration by the investigator, one depot, two countries, two sites."""
    dispensing = [
        {"visits": ["V2", "V3"], "arm": arm, "kits": [{"kit_type": kind, "quantity": 1}]}
        for arm, kind in KIT_TYPE_OF_ARM.items()
    ]
    visit = {"epoch": "TRT", "window_before": 3, "window_after": 3}
    return {
        "study": {
            "id": STUDY,
            "title": "A small blinded trial",
            "version": version,
            "mode": mode,
            "planned_subjects": 40,
            "planned_start": "2026-03-02",
            "planned_enrolment_end": "2026-06-10",
        },
        "arms": [
            {"code": arm, "name": f"{arm} name", "ratio": 1, "start_dose_level": "ZZD1"} for arm in ARMS
        ],
        "stratification": [
            {
                "code": "SEVERITY",
                "name": "Severity",
                "levels": [{"code": "MILD", "label": "Mild"}, {"code": "SEVERE", "label": "Severe"}],
            }
        ],
        "randomization": [{"code": "RAND", "visit": "V2", "method": "list", "factors": ["SEVERITY"]}],
        "caps": [{"kind": "screening", "scope": "site", "key": "S02", "limit": 1, "at_cap": "refuse"}],
        "criteria": [{"code": "IN01", "category": "INCLUSION", "text": "Adult"}],
        "screening": {"visit": "V1", "age_min": 18, "max_days_to_randomization": 28},
        "epochs": [
            {"code": "SCR", "name": "Screening", "term": "SCREENING"},
            {"code": "TRT", "name": "Treatment", "term": "TREATMENT"},
        ],
        "visits": [
            {
                "code": "V1",
                "number": 1,
                "name": "SCREENING",
                "epoch": "SCR",
                "anchor": "screening",
                "target_day": 1,
            },
            {"code": "V2", "number": 2, "name": "BASELINE", "target_day": 1, "dispensing": True, **visit},
            {
                "code": "V3",
                "number": 3,
                "name": "WEEK 2",
                "target_day": 15,
                "dispensing": True,
                "window": "hard",
                **visit,
            },
            {"code": "V4", "number": 4, "name": "WEEK 4", "target_day": 29, **visit},
        ],
        "dose_levels": [
            {"code": "ZZD1", "label": "Dose level 1", "order": 1},
            {"code": "ZZD2", "label": "Dose level 2", "order": 2},
        ],
        "titration": [
            {
                "code": "T",
                "kind": "investigator",
                "arms": list(ARMS),
                "visits": ["V3"],
                "min_level": "ZZD1",
                "max_level": "ZZD2",
            }
        ],
        "dispensing": dispensing,
        "blinding_groups": [{"code": "BOTTLE", "label": "Bottle of 35 tablets"}],
        "kit_types": [
            {
                "code": kind,
                "name": f"{kind} name",
                "blinding_group": "BOTTLE",
                "units_per_kit": 35,
                "unit": "TABLET",
                "strength": "ZZ strength",
                "expiry": {"dns_days": 30, "dnc_days": 20, "dnd_days": 15},
                "storage": {"min_celsius": 2, "max_celsius": 8, "minutes_above": 120},
            }
            for kind in KIT_TYPE_OF_ARM.values()
        ],
        "depots": [{"code": "D1", "name": "Depot", "country": "DEU", "timezone": "Europe/Berlin"}],
        "countries": [
            {
                "code": "DEU",
                "name": "Germany",
                "depot": "D1",
                "timezone": "Europe/Berlin",
                "planned_sites": 1,
                "planned_subjects": 25,
            },
            {
                "code": "FRA",
                "name": "France",
                "depot": "D1",
                "timezone": "Europe/Paris",
                "planned_sites": 1,
                "planned_subjects": 15,
            },
        ],
        "lanes": [
            {"depot": "D1", "country": "DEU", "lead_time_days": 2},
            {"depot": "D1", "country": "FRA", "lead_time_days": 3},
        ],
        "sites": [
            {"code": code, "name": f"Site {code}", "country": country, "planned_subjects": 20}
            for code, country in SITES.items()
        ],
        "supply": {
            "parameters": [
                {
                    "level": "study",
                    "parameters": {
                        "min_buffer": 1,
                        "max_buffer": 3,
                        "short_window": 14,
                        "long_window": 28,
                        "trigger": "at",
                        "long_window_from": "today",
                        "seed_quantity": 2,
                    },
                }
            ]
        },
    }


def make_people(database: Database, clock: Any) -> None:
    """An account for everyone in `PEOPLE`."""
    for name, grants in PEOPLE.items():
        create_account(database, SYSTEM_ACTOR, name, f"Name of {name}", PASSWORD, clock)
        for grant in grants:
            grant_role(database, SYSTEM_ACTOR, name, grant, clock)


def lots(labels: Mapping[str, str]) -> dict[str, Any]:
    """One lot for each arm's kit type under these labels; a lot's expiry belongs to the lot, whatever it holds."""
    return {
        "lots": [
            {
                "lot_id": f"ZZLOT{index}",
                "kit_type": KIT_TYPE_OF_ARM[labels[arm]],
                "expiry_date": f"2026-1{index - 1}-15",
                "blinded_lot": "B2026",
            }
            for index, arm in enumerate(ARMS, start=1)
        ]
    }


def kits(labels: Mapping[str, str], count: int = 60) -> dict[str, Any]:
    """Kits with scrambled numbers and pick sequences, one in three of each arm's type."""
    rows = []
    for index in range(count):
        arm = ARMS[index % 3]
        rows.append(
            {
                "kit_number": f"{100 + index * 37 % 101 * 7:04d}",
                "kit_type": KIT_TYPE_OF_ARM[labels[arm]],
                "lot_id": f"ZZLOT{index % 3 + 1}",
                "pick_sequence": index * 53 % 61 + 1,
            }
        )
    return {"depot_id": "D1", "kits": rows}


def randomization_list(labels: Mapping[str, str], blocks: int = 2) -> dict[str, Any]:
    """Permuted blocks of three in each stratum; the numbers are the same under all labels."""
    orders = ("ABC", "CAB", "BCA", "ACB")
    entries = []
    for stratum_index, stratum in enumerate(("SEVERITY=MILD", "SEVERITY=SEVERE")):
        for block in range(blocks):
            for place, letter in enumerate(orders[(block + stratum_index) % 4]):
                sequence = block * 3 + place + 1
                entries.append(
                    {
                        "line": len(entries) + 2,
                        "stratum": stratum,
                        "sequence": sequence,
                        "block": block + 1,
                        "randomization_number": f"R{(stratum_index * 100 + sequence) * 7919 % 9973:04d}",
                        "arm": labels[f"ZZARM{letter}"],
                    }
                )
    return {"list_id": "ZZMRL", "event": "RAND", "entries": entries}


def set_up(
    clients: Mapping[str, ApiClient],
    labels: Mapping[str, str],
    clock: Any,
    *,
    stocked: bool = True,
    document: dict[str, Any] | None = None,
) -> None:
    """Load the protocol, open the sites, load lots, kits and the list, activate it, and bring the first shipments to the sites."""
    path = f"/studies/{STUDY}"
    clients["statistician"].done(f"{path}/versions", {"protocol": document or protocol()})
    for site_id in SITES:
        clients["project.manager"].done(f"{path}/sites", {"site_id": site_id})
    clients["open.supply"].done(f"{path}/lots", lots(labels))
    clients["open.supply"].done(f"{path}/kits", kits(labels))
    clients["statistician"].done(f"{path}/lists", randomization_list(labels))
    signature = {"password": PASSWORD, "meaning": "randomization list activated"}
    clients["statistician"].done(f"{path}/list-activations", {"list_id": "ZZMRL", "signature": signature})
    if not stocked:
        return
    clients["supply"].done(f"{path}/resupply-runs", {}, key="first-run")
    clock.move(days=1)
    receivers = {"S01": clients["coordinator"], "S02": clients["other.site"]}
    found = clients["supply"].get(f"{path}/shipments", status="requested").json()["shipments"]
    for shipment in found:
        named = {"shipment_id": shipment["shipment_id"]}
        clients["depot"].done(f"{path}/dispatches", {**named, "carrier": "Carrier"})
    clock.move(days=2)
    for shipment in found:
        named = {"shipment_id": shipment["shipment_id"]}
        receivers[shipment["to_place"]].done(f"{path}/receipts", named)

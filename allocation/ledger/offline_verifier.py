"""Verify an exported ledger without the database and without this project: standard library only, one file.

    python offline_verifier.py EXPORT.jsonl

Line 1 is a header: {"format": "openrtsm-ledger/1", "study_id": ..., "entries": n, "chain_head": ...}. Each further line is an
entry: its columns, its position (1, 2, 3, ...), content_hash and chain_hash. The check recomputes

    content_hash = SHA-256 of the JSON list of the hashed fields (sorted keys, no white space, ASCII)
    chain_hash   = SHA-256 of "<previous chain_hash>:<position>:<content_hash>", the first previous being 64 zeros

and that every kit is in one place: it appears once, and each later movement finds it where the one before left it. Exit 0 when all
hold, 1 with the first line that differs, 2 when the file cannot be read.
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from typing import Any

HASHED_FIELDS = (
    "study_id", "recorded_at", "actor", "role", "command", "subject_id", "site_id", "kit_numbers", "before_json", "after_json",
    "reason", "signature_json", "config_version", "idempotency_key", "request_sha256", "answer_json",
)  # fmt: skip


_STAYING = (
    "change_lot_expiry", "relabel_kits", "judge_lot", "record_excursion", "settle_excursion", "reissue_device",
)  # fmt: skip
"""Commands that change kits without moving them."""


class Broken(Exception):
    """The export does not hold what its hashes say, or moves a kit from where it is not."""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _end(after: dict[str, Any], which: str) -> str | None:
    """Such as `depot D2`, where the payload names both ends of a shipment; one from a depot to a site does not."""
    return " ".join(after[which]) if which in after else None


def follow_kits(entry: dict[str, Any], places: dict[str, str], shipments: dict[str, list[str]]) -> None:
    """Move the kits of one entry; raise Broken when one is not where the entry takes it from."""
    after = json.loads(entry["after_json"])

    def move(kits: Iterable[str], source: str | None, target: str) -> None:
        for kit in kits:
            if places.get(kit) != source:
                raise Broken(
                    f"kit {kit} is taken from {source or 'nowhere'} but was at {places.get(kit) or 'nowhere'}"
                )
            places[kit] = target

    command, site = entry["command"], f"site {entry['site_id']}"
    holders = {"depot": "depot ", "site": "site ", "transit": "shipment ", "subject": "subject "}
    holders["returned"] = "returned goods "
    if command in ("load_kits", "load_bulk"):
        move([row[0] for row in after["kits"]], None, f"depot {after['depot_id']}")
    elif command == "take_from_pool":
        move([row[0] for row in after["kits"]], None, f"{after['level']} {after['place']}")
    elif command == "lend_kits":
        for number, _, kind, place in after["kits"]:
            move([number], holders[kind] + place, f"study {after['to_study']}")
    elif command in ("order_shipment", "indent_stock", "transfer_kits"):
        source = _end(after, "from") or f"depot {after['depot_id']}"
        move(after["kits"], source, source)
        shipments[after["shipment_id"]] = [source, *sorted(after["kits"])]
    elif command == "dispatch_shipment":
        source, *ordered = shipments[after["shipment_id"]]
        if not set(after["kits"]) <= set(ordered):
            raise Broken(f"shipment {after['shipment_id']} left with kits that were not ordered")
        move(after["kits"], source, f"shipment {after['shipment_id']}")
        if "split_off" in after:
            shipments[after["split_off"]["shipment_id"]] = [source, *after["split_off"]["kits"]]
    elif command in ("refuse_order", "cancel_shipment", "pack_kits"):
        source, *_ = shipments[after["shipment_id"]]
        move(after["kits"], source, source)
    elif command == "exchange_kit":
        source, *_ = shipments[after["shipment_id"]]
        move([after["kit_number"]], source, "lost" if after["found"] == "lost" else source)
        if after["replacement"] is not None:
            move([after["replacement"]], source, source)
            shipments[after["shipment_id"]].append(after["replacement"])
    elif command == "lose_shipment":
        move([row[0] for row in after["kits"]], f"shipment {after['shipment_id']}", "lost")
    elif command == "receive_shipment":
        source = f"shipment {after['shipment_id']}"
        for number, _, kind, place in after.get("unlisted", ()):
            move([number], holders[kind] + place if kind in holders else kind, site)
        move([row[0] for row in after["kits"] if row[1] != "lost"], source, _end(after, "to") or site)
        move([row[0] for row in after["kits"] if row[1] == "lost"], source, "lost")
    elif command in (
        "quarantine_kits",
        "release_kits",
        "reject_kits",
        "report_kits_damaged",
        "recall_lot",
        *_STAYING,
    ):
        for number, _, kind, place, *_ in after["kits"]:
            move([number], holders[kind] + place, holders[kind] + place)
        for number, subject in after.get("asked_back", ()):
            move([number], f"subject {subject}", f"subject {subject}")
    elif command in ("report_kits_lost", "destroy_kits"):
        for number, _, kind, place in after["kits"]:
            move([number], holders[kind] + place, "lost" if command == "report_kits_lost" else "destroyed")
    elif command == "return_from_subject":
        for row in after["kits"]:
            move([row["kit_number"]], f"subject {entry['subject_id']}", site if row["came_back"] else "lost")
    elif command in ("declare_return", "withdraw_return"):
        move([row[0] for row in after.get("kits", ())] + after.get("taken_back", []), site, site)
    elif command == "dispatch_return":
        move([row[0] for row in after["kits"]], site, f"shipment {after['shipment_id']}")
    elif command in ("reconcile_return", "receive_return"):
        for number, _, kind, place in after["missing"]:
            move([number], holders[kind] + place, "lost")
        for number, _, kind, place, _ in after.get("received", ()):
            move([number], holders[kind] + place, f"returned goods {after['depot_id']}")
    elif command in ("reuse_returned_kits", "destroy_returned_kits"):
        target = "destroyed" if command == "destroy_returned_kits" else f"depot {after['depot_id']}"
        for number, _, kind, place in after["kits"]:
            move([number], holders[kind] + place, target)
    elif command in ("dispense", "replace_kit"):
        assigned, subject = after.get("awaits_confirmation"), f"subject {entry['subject_id']}"
        if command == "replace_kit":
            left = "lost" if after["found"] == "lost" else site
            move([after["replaced"]], site if assigned else subject, left)
        move([row["kit_number"] for row in after["kits"]], site, site if assigned else subject)
    elif command == "confirm_dispensing":
        move([row["kit_number"] for row in after["kits"]], site, f"subject {entry['subject_id']}")
        for number, _, to in after["not_dispensed"]:
            move([number], site, "lost" if to == "lost" else site)


def verify(lines: Iterable[str]) -> tuple[int, str]:
    """Check an export; gives (number of entries, chain head). Raises Broken naming the first line that differs."""
    iterator = iter(lines)
    header = json.loads(next(iterator, "{}"))
    wanted = {"format", "study_id", "entries", "chain_head"}
    if not isinstance(header, dict) or not wanted <= set(header) or header["format"] != "openrtsm-ledger/1":
        raise Broken("line 1 is not the header of an openrtsm-ledger/1 export")
    previous, position = "0" * 64, 0
    places: dict[str, str] = {}
    shipments: dict[str, list[str]] = {}
    for number, line in enumerate(iterator, start=2):
        position += 1
        try:
            entry = json.loads(line)
            content = _sha256(_canonical([entry[name] for name in HASHED_FIELDS]))
            if entry["position"] != position:
                raise Broken(
                    f"position {entry['position']} where {position} is due: an entry is missing or doubled"
                )
            if entry["study_id"] != header["study_id"]:
                raise Broken(f"an entry of study {entry['study_id']} in the ledger of {header['study_id']}")
            if content != entry["content_hash"]:
                raise Broken("the content does not give its content_hash: the entry was changed")
            previous = _sha256(f"{previous}:{position}:{content}")
            if previous != entry["chain_hash"]:
                raise Broken(
                    "the chain does not give this chain_hash: an earlier entry was changed or exchanged"
                )
            follow_kits(entry, places, shipments)
        except (KeyError, TypeError, ValueError) as error:
            raise Broken(f"line {number}: not a whole entry ({error!r})") from error
        except Broken as error:
            raise Broken(f"line {number} (position {position}): {error}") from None
    if position != header["entries"] or previous != header["chain_head"]:
        raise Broken(
            f"the file ends after {position} entries; its header says {header['entries']} and another chain head"
        )
    return position, previous


def main(arguments: list[str]) -> int:
    """Run from the command line; prints one line."""
    if len(arguments) != 1:
        print("usage: offline_verifier.py EXPORT.jsonl", file=sys.stderr)
        return 2
    try:
        with open(arguments[0], encoding="utf-8") as file:
            entries, head = verify(file)
    except (OSError, UnicodeDecodeError) as error:
        print(f"cannot read {arguments[0]}: {error}", file=sys.stderr)
        return 2
    except (Broken, json.JSONDecodeError) as error:
        print(f"BROKEN {arguments[0]}: {error}", file=sys.stderr)
        return 1
    print(f"intact: {entries} entries, chain head {head}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

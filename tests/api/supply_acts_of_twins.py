"""What blinded people do with supplies in the trials of twins (test_non_interference.py): every act, each also refused."""

from typing import Any

from allocation.rules.kit_authority import DESTROYED, DEVICE_INSPECTED, REJECTED, RELEASED, REUSED
from allocation.rules.return_process import APPROVED
from tests.api.transcript import Transcript
from tests.api.trial import BLINDED, PASSWORD, protocol


def handle_orders(out: Transcript) -> None:
    """Order by hand, approve, pack, exchange, split, correct, lose and receive in part, each also refused."""
    because = {"reason": "as agreed"}
    orders = []
    for who, site_id in (("coordinator", "S01"), ("supply", "S01"), ("other.site", "S02"), ("supply", "S01")):
        out.post(who, "/orders", {"site_id": site_id, "groups": {"VIAL": 1}})
        out.post(who, "/orders", {"site_id": site_id, "kit_types": {"K9": 1}})
        answer = out.post(who, "/orders", {"site_id": site_id, "groups": {"BOTTLE": 1}})
        out.post(who, "/orders", {"site_id": site_id, "seed": True})
        orders.append(answer.get("shipment_id", "S01-S001"))
    for name in orders:
        named = {"shipment_id": name}
        out.post("supply", "/order-approvals", named)
        out.post("supply", "/order-refusals", {**named, **because})
        detail = out.get("depot", f"/shipments/{name}")
        numbers = [kit["kit_number"] for kit in detail["contents"]]
        exchange = {**named, "kit_number": numbers[0], "found": "damaged"}
        out.post("depot", "/kit-exchanges", exchange)
        out.post("depot", "/kit-exchanges", {**exchange, **because})
        out.post("depot", "/packings", {**named, "scans": ["9999999"]})
        out.post("depot", "/packings", {**named, "scans": [numbers[0]]})
        out.post("depot", "/packings", {**named, "scans": numbers[1:3]})
        out.post("depot", "/packings", {**named, "scans": numbers[1:3]})
    for name in orders[:3]:
        sent = out.post("depot", "/dispatches", {"shipment_id": name, "split": True, "loggers": ["TT-1"]})
        late = {"shipment_id": name, "tracking_number": "T9"}
        out.post("depot", "/dispatch-corrections", late)
        out.post("depot", "/dispatch-corrections", {**late, **because})
        rest = {"shipment_id": sent.get("split_off") or name}
        out.post("supply", "/cancellations", {**rest, **because})
        out.post("supply", "/cancellations", {**rest, **because})
    out.post("supply", "/dispatches", {"shipment_id": orders[3]})
    out.post("supply", "/lost-shipments", {"shipment_id": orders[3], **because})
    for name in orders[:2]:
        detail = out.get("coordinator", f"/shipments/{name}")
        numbers = [kit["kit_number"] for kit in detail["contents"]]
        part = {"shipment_id": name, "dispositions": {numbers[0]: "not_arrived"}}
        strange = [kit["kit_number"] for kit in out.get("depot", f"/shipments/{orders[2]}")["contents"]]
        out.post("coordinator", "/receipts", {**part, "unlisted": [f"(10)ZZLOT1(21){strange[0]}"]})
        out.post("coordinator", "/receipts", {**part, "unlisted": strange[:1]})
        out.post("coordinator", "/receipts", {"shipment_id": name})
        out.post("coordinator", "/receipts", {"shipment_id": name})
    out.get("supply", "/shipments?late=true")


def act_on_kits(out: Transcript) -> None:
    """Kits are quarantined, released and found damaged, each also refused; a lot is recalled, and sites read what is theirs."""
    because, signature = {"reason": "alarm"}, {"password": PASSWORD, "meaning": RELEASED}
    stock = out.get("coordinator", "/sites/S01/stock")["kits"]
    here = [one["kit_number"] for one in stock if one["status"] == "site_available"]
    out.post("coordinator", "/quarantines", {"kit_numbers": ["9999999"], **because})
    out.post("coordinator", "/quarantines", {"lot_id": "L1", **because})  # refused: a lot tells what is alike
    for number in [
        one["kit_number"] for one in stock[:3]
    ]:  # what a label says is compared, and a wrong lot is refused without naming one
        for scan in (
            number,
            f"(10)ZZLOT1(21){number}",
            f"(17)261015(21){number}",
            f"(01)09520000000011(21){number}",
        ):
            out.get("coordinator", f"/scanned-kit?scan={scan}")
        out.get("coordinator", f"/kit-labels?kit={number}&expiry=true")
        out.get("coordinator", f"/kit-labels?kit={number}&lot=true")
        out.get("other.site", f"/scanned-kit?scan={number}")
    for number in here[:2]:
        named = {"kit_numbers": [number], **because}
        for path in ("/quarantines", "/quarantines", "/damaged-kits", "/lost-kits", "/kit-releases"):
            out.post("coordinator", path, named)
    out.post(
        "supply", "/transfers", {"from_site": "S01", "to_site": "S02", "groups": {"BOTTLE": 1}, **because}
    )
    out.post(
        "supply", "/transfers", {"from_site": "S01", "to_site": "S02", "kit_types": {"K9": 1}, **because}
    )
    out.post("supply", "/resupply-pauses", {"site_id": "S01", **because})
    out.post("supply", "/resupply-pauses", {"kit_type": "K9", **because})  # refused: names a kit type
    out.get("sponsor", "/resupply-schedule")
    out.post("supply", "/resupply-resumptions", {"site_id": "S01", **because})
    out.post("supply", "/quarantines", {"site_id": "S01", **because})
    out.post("supply", "/kit-releases", {"site_id": "S01", **because, "signature": signature})
    out.unblinded("open.supply", "/recalls", {"lot_id": "ZZLOT2"})
    out.post("supply", "/quarantines", {"site_id": "S02", **because})
    out.post("supply", "/kit-releases", {"site_id": "S02", **because, "signature": signature})
    for who in BLINDED:
        out.get(who, "/recalled-kits")
    out.get("coordinator", "/sites/S01/stock")


def twin_protocol(version: int = 1) -> dict[str, Any]:
    """The usual protocol with kits that look alike and hold and are taken otherwise by arm, which nobody blinded may learn by counting."""
    document = protocol(version)
    for index, kind in enumerate(document["kit_types"]):
        kind["units_per_kit"] = (35, 70, 50)[index]
    for index, entry in enumerate(document["dispensing"]):
        entry["kits"][0]["units_per_day"] = 1 + index
    document["supply"]["returns"] = {"reuse": True}
    return document


def return_kits(out: Transcript, subjects: list[str]) -> None:
    """Subjects bring kits back, counts are corrected, and a return passes its gates; each also refused."""
    for index, subject in enumerate(subjects[:6]):
        kits = out.get("pharmacist", f"/subjects/{subject}")["kits"]
        for kit in kits[:2]:
            count = {"kit_number": kit["kit_number"], "returned_units": str(index * 15)}
            named = {"subject_id": subject, "kits": [count]}
            wrong = {"subject_id": subject, "kits": [{**count, "returned_units": "71"}]}
            out.post("coordinator", "/subject-returns", wrong)  # refused: more than any of the look holds
            out.post("coordinator", "/subject-returns", named)
            out.post("coordinator", "/subject-returns", named)  # refused: it is back
            right = {"subject_id": subject, **count, "returned_units": "33", "reason": "counted again"}
            out.post("coordinator", "/kit-count-corrections", right)
            device = {"kit_number": kit["kit_number"], "outcome": "fit", "reason": "wiped"}
            inspected = {"password": PASSWORD, "meaning": DEVICE_INSPECTED}
            out.post(
                "coordinator", "/device-inspections", {**device, "signature": inspected}
            )  # refused: no device
        out.get("monitor", f"/subjects/{subject}/accountability")
    stock = out.get("coordinator", "/sites/S01/stock")["kits"]
    usable = [one["kit_number"] for one in stock if one["status"] == "site_available"]
    back = [one["kit_number"] for one in stock if one["status"] == "returned"]
    declared = {"site_id": "S01", "kit_numbers": [*back, *usable[:3]], "unused_as": "excess"}
    name = out.post("coordinator", "/returns", declared)["return_id"]
    named = {"return_id": name}
    out.post("coordinator", "/returns", declared)  # refused: in a return already
    sent = {**named, "carrier": "Carrier", "tracking_number": "T2"}
    out.post("coordinator", "/return-dispatches", sent)  # refused: not counted yet
    differs = {"kit_number": back[0], "units": "1", "reason": "spilled"}
    out.post("monitor", "/return-counts", {**named, "findings": [differs]})
    signature = {"password": PASSWORD, "meaning": APPROVED}
    read = out.get("project.manager", f"/returns/{name}")["content_hash"]
    approval = {**named, "content_hash": read, "signature": signature}
    out.post("monitor", "/return-approvals", approval)  # refused: not a project manager
    out.post("project.manager", "/return-approvals", approval)
    out.post("coordinator", "/return-dispatches", sent)
    missing = {"kit_number": usable[0], "found": "missing", "reason": "not in the box"}
    out.post("depot", "/return-receipts", {**named, "findings": [missing]})
    because = {"reason": "checked"}
    for numbers in ([usable[1]], [back[0]]):  # the second is refused: a subject had it
        signed = {"signature": {"password": PASSWORD, "meaning": REUSED}}
        out.post("supply", "/return-reuses", {**named, "kit_numbers": numbers, **because, **signed})
    certificate = {
        "number": "C1",
        "destroyed_on": out.trial.clock().date().isoformat(),
        "place": "Nord",
        "file_name": "c1.pdf",
        "file_sha256": "a" * 64,
    }
    signed = {"signature": {"password": PASSWORD, "meaning": DESTROYED}}
    out.post("depot", "/return-destructions", {**named, "certificate": certificate, **because, **signed})
    pages = [f"/returns/{name}", "/returns", "/reconciliation", "/sites/S01/accountability"]
    for who in BLINDED:
        for page in (*pages, f"/subjects/{subjects[0]}/accountability"):
            out.get(who, page)
        out.read(who, *(f"/kits/{number}/history" for number in (back[0], usable[0], usable[1])))


def act_on_lots(out: Transcript) -> None:
    """Unblinded people extend a lot, restrict another and withdraw the third; what blinded people see of it, and try after it."""
    because = {"reason": "certificate"}
    owner = "open.supply"

    def signed(meaning: str) -> dict[str, Any]:
        return {**because, "signature": {"password": PASSWORD, "meaning": meaning}}

    longer = {
        "lot_id": "ZZLOT1",
        "expiry_date": "2026-11-20",
        "countries": ["DEU"],
        **signed("expiry date changed"),
    }
    out.unblinded(owner, "/lot-expiries", longer)
    restricted = {"lot_id": "ZZLOT3", "decision": "restrict", **signed("lot restricted")}
    out.unblinded(owner, "/lot-decisions", restricted)
    withdrawn = {"lot_id": "ZZLOT3", "withdraw": ["DEU"], **signed("lot release by country changed")}
    out.unblinded(owner, "/lot-releases", withdrawn)
    for path in ("/lot-expiries", "/lot-decisions", "/lot-releases"):
        out.post("supply", path, {"lot_id": "ZZLOT1", **because})  # refused
    for who in BLINDED:
        for page in ("/sites/S01/stock", "/overview?events=20", "/run-out"):
            out.get(who, page)
    out.post("supply", "/resupply-runs", {})
    for subject in out.get("coordinator", "/subjects")["subjects"][:3]:
        again = {"subject_id": subject["subject_id"], "visit_number": "3.6", "accept_partial": True}
        out.post("pharmacist", "/dispensings", again)


def warm_up(out: Transcript) -> None:
    """A site's refrigerator is warm and cold: kits are held, some are released, others have spent their budget."""
    began = out.trial.clock.now
    out.trial.clock.move(hours=5)
    told = {"began_at": began.isoformat(), "lowest_celsius": "1", "highest_celsius": "12"}
    told["ended_at"] = out.trial.clock.now.isoformat()
    excursion = {"site_id": "S01", "reported": told, "reason": "refrigerator alarm"}
    found = out.post("coordinator", "/excursions", excursion)
    out.post("other.site", "/excursions", excursion)  # refused: another site
    signature = {"password": PASSWORD, "meaning": RELEASED}
    settled = {"excursion_id": found["excursion_id"], "decision": "release", "reason": "reviewed"}
    out.post("coordinator", "/excursion-settlements", {**settled, "signature": signature})  # refused
    out.post("supply", "/excursion-settlements", {**settled, "signature": signature})  # refused: spent
    rejected = {**settled, "decision": "reject", "signature": {**signature, "meaning": REJECTED}}
    out.post("supply", "/excursion-settlements", {**rejected, "kit_numbers": found["quarantined"][:1]})
    one = f"/excursions/{found['excursion_id']}"
    for who in BLINDED:
        out.read(who, "/excursions", one, f"{one}/curve")


def move_shipments(out: Transcript) -> None:
    """Send off what is requested and receive it; one kit is damaged, one lost. Each is tried twice."""
    found = out.get("supply", "/shipments?status=requested")["shipments"]
    for shipment in found:
        named = {"shipment_id": shipment["shipment_id"]}
        out.post("depot", "/dispatches", {**named, "carrier": "Carrier", "tracking_number": "T1"})
        out.post("depot", "/dispatches", named)
        detail = out.get("depot", f"/shipments/{shipment['shipment_id']}")
        numbers = [kit["kit_number"] for kit in detail["contents"]]
        found_bad = dict(zip(numbers, ("damaged", "lost"), strict=False)) if len(numbers) > 4 else {}
        who = "coordinator" if shipment["to_place"] == "S01" else "other.site"
        out.post(who, "/receipts", {**named, "dispositions": {"9999999": "damaged"}})
        out.post(who, "/receipts", {**named, "dispositions": found_bad})
        out.post(who, "/receipts", named)

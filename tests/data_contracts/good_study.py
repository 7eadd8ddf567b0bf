"""A small study, invented for these tests and correct in every rule: three randomized subjects, one screen failure.

`good_frames()` gives every dataset; a test breaks one cell and expects exactly one rule to notice.
"""

from datetime import UTC, date, datetime

import polars as pl

STUDY = "TINY01"


def _dm() -> pl.DataFrame:
    def subject(
        number: str, site: str, arm: str | None, first: str | None, last: str | None, consent: str
    ) -> dict[str, object]:
        name = {"ACT": "Active", "PBO": "Placebo", None: None}[arm]
        return {
            "STUDYID": STUDY, "DOMAIN": "DM", "USUBJID": f"{STUDY}-{number}", "SUBJID": number,
            "RFSTDTC": first, "RFENDTC": last, "RFXSTDTC": first, "RFXENDTC": last, "RFICDTC": consent,
            "RFPENDTC": last or consent, "DTHDTC": None, "DTHFL": None, "SITEID": site, "AGE": 61, "AGEU": "YEARS", "SEX": "F",
            "RACE": "ASIAN", "ARMCD": arm, "ARM": name, "ACTARMCD": arm, "ACTARM": name,
            "ARMNRS": None if arm else "SCREEN FAILURE", "ACTARMUD": None, "COUNTRY": "DEU",
        }  # fmt: skip

    return pl.DataFrame(
        [
            subject("001", "10", "ACT", "2026-01-12", "2026-02-10", "2026-01-05"),
            subject("002", "10", "PBO", "2026-01-14", "2026-02-12", "2026-01-06"),
            subject("003", "20", "ACT", "2026-01-20", "2026-02-16", "2026-01-12"),
            subject("004", "20", None, None, None, "2026-01-15"),
        ],
        infer_schema_length=None,
        schema_overrides=dict.fromkeys(("DTHDTC", "DTHFL", "ACTARMUD"), pl.String),
    )


RANDOMIZED = (("001", "2026-01-12"), ("002", "2026-01-14"), ("003", "2026-01-20"))
LAST = {"001": "2026-02-10", "002": "2026-02-12", "003": "2026-02-16"}
WEEK_2 = {"001": "2026-01-26", "002": "2026-01-28", "003": "2026-02-03"}
CONSENT = {"001": "2026-01-05", "002": "2026-01-06", "003": "2026-01-12", "004": "2026-01-15"}


def _day(of: str, reference: str | None) -> int | None:
    if reference is None:
        return None
    days = (date.fromisoformat(of) - date.fromisoformat(reference)).days
    return days + 1 if days >= 0 else days


def _ds() -> pl.DataFrame:
    rows: list[dict[str, object]] = []

    def row(number: str, seq: int, decod: str, category: str, epoch: str, on: str) -> None:
        reference = dict(RANDOMIZED).get(number)
        rows.append(
            {
                "STUDYID": STUDY, "DOMAIN": "DS", "USUBJID": f"{STUDY}-{number}", "DSSEQ": seq, "DSTERM": decod.capitalize(),
                "DSDECOD": decod, "DSCAT": category, "EPOCH": epoch, "DSDTC": on, "DSSTDTC": on, "DSSTDY": _day(on, reference),
            }
        )  # fmt: skip

    for number in CONSENT:
        row(number, 1, "INFORMED CONSENT OBTAINED", "PROTOCOL MILESTONE", "SCREENING", CONSENT[number])
    for number, on in RANDOMIZED:
        row(number, 2, "RANDOMIZED", "PROTOCOL MILESTONE", "TREATMENT", on)
        row(number, 3, "COMPLETED", "DISPOSITION EVENT", "TREATMENT", LAST[number])
    row("004", 2, "SCREEN FAILURE", "DISPOSITION EVENT", "SCREENING", "2026-01-15")
    return pl.DataFrame(rows, infer_schema_length=None)


def _sv() -> pl.DataFrame:
    rows: list[dict[str, object]] = []

    def visit(
        number: str, num: float, name: str, day: int | None, on: str | None, unplanned: str | None = None
    ) -> None:
        planned = unplanned is None
        reference = dict(RANDOMIZED).get(number)
        rows.append(
            {
                "STUDYID": STUDY, "DOMAIN": "SV", "USUBJID": f"{STUDY}-{number}", "VISITNUM": num, "VISIT": name,
                "SVPRESP": "Y" if planned else None, "SVOCCUR": ("Y" if on else "N") if planned else None,
                "VISITDY": day if planned else None, "SVSTDTC": on, "SVENDTC": on,
                "SVSTDY": _day(on, reference) if on else None, "SVUPDES": unplanned,
            }
        )  # fmt: skip

    for number, on in CONSENT.items():
        visit(number, 1.0, "SCREENING", -7, on)
    for number, on in RANDOMIZED:
        visit(number, 2.0, "BASELINE", 1, on)
        visit(number, 3.0, "WEEK 2", 15, WEEK_2[number])
    visit("001", 3.1, "UNSCHEDULED 3.1", None, "2026-02-01", "Rash")
    visit("002", 4.0, "WEEK 4", 29, None)
    return pl.DataFrame(rows, infer_schema_length=None)


def _ex() -> pl.DataFrame:
    rows = []
    for number, first in RANDOMIZED:
        active = number != "002"
        periods = ((1, first, WEEK_2[number], 10.0, 2.0), (2, WEEK_2[number], LAST[number], 20.0, 3.0))
        for seq, start, end, dose, visit in periods:
            rows.append(
                {
                    "STUDYID": STUDY, "DOMAIN": "EX", "USUBJID": f"{STUDY}-{number}", "EXSEQ": seq,
                    "EXTRT": "NEWDRUG" if active else "PLACEBO", "EXDOSE": dose if active else 0.0, "EXDOSU": "mg",
                    "EXDOSFRM": "TABLET", "VISITNUM": visit, "EPOCH": "TREATMENT", "EXSTDTC": start, "EXENDTC": end,
                    "EXSTDY": _day(start, first), "EXENDY": _day(end, first),
                }
            )  # fmt: skip
    return pl.DataFrame(rows)


def _da() -> pl.DataFrame:
    rows = []
    for position, (number, on) in enumerate(RANDOMIZED):
        for seq, code, name, amount, visit, when in (
            (1, "DISPAMT", "Dispensed Amount", 30, 2.0, on),
            (2, "RETAMT", "Returned Amount", 4, 3.0, WEEK_2[number]),
        ):
            rows.append(
                {
                    "STUDYID": STUDY, "DOMAIN": "DA", "USUBJID": f"{STUDY}-{number}", "DASEQ": seq,
                    "DAREFID": f"K{70 - 13 * position}", "DATESTCD": code, "DATEST": name, "DAORRES": str(amount),
                    "DAORRESU": "TABLET", "DASTRESC": str(amount), "DASTRESN": float(amount), "DASTAT": None, "VISITNUM": visit,
                    "DADTC": when, "DADY": _day(when, on),
                }
            )  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"DASTAT": pl.String})


def _se() -> pl.DataFrame:
    rows = []
    for number, consent in CONSENT.items():
        first = dict(RANDOMIZED).get(number)
        steps = [("SCRN", "Screening", "SCREENING", consent, first or consent)]
        if first:
            code, name = ("PBO", "Placebo") if number == "002" else ("ACT", "Active")
            steps.append((code, name, "TREATMENT", first, LAST[number]))
        for seq, (code, name, epoch, start, end) in enumerate(steps, start=1):
            rows.append(
                {
                    "STUDYID": STUDY, "DOMAIN": "SE", "USUBJID": f"{STUDY}-{number}", "SESEQ": seq, "ETCD": code,
                    "ELEMENT": name, "EPOCH": epoch, "SESTDTC": start, "SEENDTC": end, "SESTDY": _day(start, first),
                }
            )  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None)


def _design() -> dict[str, pl.DataFrame]:
    arms = [("ACT", "Active"), ("PBO", "Placebo")]
    ta = [
        {"STUDYID": STUDY, "DOMAIN": "TA", "ARMCD": code, "ARM": name, "TAETORD": order, "ETCD": etcd, "ELEMENT": element,
         "TABRANCH": branch, "TATRANS": None, "EPOCH": epoch}
        for code, name in arms
        for order, etcd, element, branch, epoch in (
            (1, "SCRN", "Screening", f"Randomized to {name}", "SCREENING"),
            (2, code, name, None, "TREATMENT"),
        )
    ]  # fmt: skip
    te = [("SCRN", "Screening", "Consent", "Randomization", None)] + [
        (code, name, "First dose", None, "P4W") for code, name in arms
    ]
    tv = [(1.0, "SCREENING", -7), (2.0, "BASELINE", 1), (3.0, "WEEK 2", 15), (4.0, "WEEK 4", 29)]
    ti = [("IN01", "Age 18 years or older", "INCLUSION"), ("EX01", "Pregnancy", "EXCLUSION")]
    ts = [
        ("TITLE", "Trial Title", "A small study", None, None),
        ("NARMS", "Planned Number of Arms", "2", None, None),
        ("PLANSUB", "Planned Number of Subjects", "4", None, None),
        ("RANDOM", "Trial is Randomized", "Y", "C49488", "CDISC CT"),
        ("TBLIND", "Trial Blinding Schema", "DOUBLE BLIND", "C15228", "CDISC CT"),
    ]
    return {
        "TA": pl.DataFrame(ta, infer_schema_length=None, schema_overrides={"TATRANS": pl.String}),
        "TE": pl.DataFrame(
            [
                {"STUDYID": STUDY, "DOMAIN": "TE", "ETCD": e, "ELEMENT": n, "TESTRL": s, "TEENRL": x, "TEDUR": d}
                for e, n, s, x, d in te
            ],
            infer_schema_length=None,
        ),
        "TV": pl.DataFrame(
            [
                {"STUDYID": STUDY, "DOMAIN": "TV", "VISITNUM": n, "VISIT": v, "VISITDY": d, "ARMCD": None, "TVSTRL": f"Day {d}"}
                for n, v, d in tv
            ],
            schema_overrides={"ARMCD": pl.String},
        ),
        "TI": pl.DataFrame([{"STUDYID": STUDY, "DOMAIN": "TI", "IETESTCD": c, "IETEST": t, "IECAT": k} for c, t, k in ti]),
        "TS": pl.DataFrame(
            [
                {"STUDYID": STUDY, "DOMAIN": "TS", "TSSEQ": 1, "TSPARMCD": c, "TSPARM": p, "TSVAL": v, "TSVALNF": None,
                 "TSVALCD": code, "TSVCDREF": ref, "TSVCDVER": None}
                for c, p, v, code, ref in ts
            ],
            infer_schema_length=None,
            schema_overrides={"TSVALNF": pl.String, "TSVCDVER": pl.String},
        ),
    }  # fmt: skip


def _others() -> dict[str, pl.DataFrame]:
    ie = {"STUDYID": STUDY, "DOMAIN": "IE", "USUBJID": f"{STUDY}-004", "IESEQ": 1, "IETESTCD": "EX01", "IETEST": "Pregnancy",
          "IECAT": "EXCLUSION", "IEORRES": "Y", "IESTRESC": "Y", "VISITNUM": 1.0, "IEDTC": "2026-01-15"}  # fmt: skip
    supp = [
        {"STUDYID": STUDY, "RDOMAIN": "DM", "USUBJID": f"{STUDY}-{number}", "IDVAR": None, "IDVARVAL": None, "QNAM": "RANDNO",
         "QLABEL": "Randomization Number", "QVAL": f"R{number}", "QORIG": "Assigned", "QEVAL": None}
        for number, _ in RANDOMIZED
    ]  # fmt: skip
    text = dict.fromkeys(("IDVAR", "IDVARVAL", "QEVAL"), pl.String)
    return {"IE": pl.DataFrame([ie]), "SUPPDM": pl.DataFrame(supp, schema_overrides=text)}


def _supply() -> dict[str, pl.DataFrame]:
    def moment(day: int) -> datetime:
        return datetime(2026, 1, day, 9, 30, tzinfo=UTC)

    def movement(
        position: int,
        kit: str,
        act: str,
        day: int,
        start: tuple[str, str, str] | None,
        end: tuple[str, str, str],
        **also: str,
    ) -> dict[str, object]:
        names = ("status", "place_kind", "place")
        return {
            "study_id": STUDY, "position": position, "kit_number": kit, "act": act, "moved_at": moment(day),
            "moved_on": date(2026, 1, day),
            **{f"from_{name}": value for name, value in zip(names, start or (None, None, None), strict=True)},
            **{f"to_{name}": value for name, value in zip(names, end, strict=True)},
            "shipment_id": also.get("shipment_id"), "subject_id": also.get("subject_id"), "visit_number": also.get("visit_number"),
            "lot": None, "quantity": 1,
        }  # fmt: skip

    depot, set_aside = ("depot_available", "depot", "D1"), ("requested", "depot", "D1")
    on_the_way, at_site, given = (
        ("in_transit", "transit", "S1"),
        ("site_available", "site", "10"),
        ("dispensed", "subject", "001"),
    )
    moves = [movement(1, kit, "load", 1, None, depot) for kit in ("K70", "K57")]
    moves += [
        movement(2, "K70", "request", 2, depot, set_aside, shipment_id="S1"),
        movement(3, "K70", "dispatch", 3, set_aside, on_the_way, shipment_id="S1"),
        movement(4, "K70", "receive", 6, on_the_way, at_site, shipment_id="S1"),
        movement(5, "K70", "dispense", 12, at_site, given, subject_id="001", visit_number="2"),
    ]
    windows = {"expiry_date": date(2026, 9, 30), "last_ship_date": date(2026, 7, 1), "last_count_date": date(2026, 7, 15),
               "last_dispense_date": date(2026, 8, 1)}  # fmt: skip
    kits = [
        {"study_id": STUDY, "kit_number": "K70", "kit_type": "ACT10", "lot_id": "L1", **windows, "status": "dispensed",
         "place_kind": "subject",
         "place": "001", "shipment_id": "S1", "subject_id": "001", "visit_number": "2", "dispensed_on": date(2026, 1, 12), "quantity": 1},
        {"study_id": STUDY, "kit_number": "K57", "kit_type": "ACT10", "lot_id": "L1", **windows, "status": "depot_available",
         "place_kind": "depot", "place": "D1", "shipment_id": None, "subject_id": None, "visit_number": None, "dispensed_on": None,
         "quantity": 1},
    ]  # fmt: skip
    shipment = {"study_id": STUDY, "shipment_id": "S1", "from_kind": "depot", "from_place": "D1", "to_kind": "site", "to_place": "10",
                "status": "received", "kit_count": 1,
                "requested_on": date(2026, 1, 2), "dispatched_on": date(2026, 1, 3), "expected_on": date(2026, 1, 6),
                "received_on": date(2026, 1, 6), "carrier": "TNT", "tracking_number": "1Z", "run_id": None}  # fmt: skip
    site = {"study_id": STUDY, "site_id": "10", "name": "Clinic North", "country": "DE", "depot_id": "D1",
            "timezone": "Europe/Berlin",
            "status": "open", "opened_on": date(2026, 1, 1)}  # fmt: skip
    return {
        "kit_movements": pl.DataFrame(moves, infer_schema_length=None),
        "kits": pl.DataFrame(kits, infer_schema_length=None),
        "shipments": pl.DataFrame([shipment], schema_overrides={"run_id": pl.String}),
        "sites": pl.DataFrame([site]),
        **_inventory(windows["expiry_date"]),
    }


def _inventory(expiry: date) -> dict[str, pl.DataFrame]:
    """The same two kits as the central view counts them: one at the depot, one handed out."""
    depot, subject = ("depot", "D1", "DE", "depot_available"), ("subject", None, None, "dispensed")
    stock = [
        {"study_id": STUDY, "place_kind": kind, "place": place, "country": country, "kit_type": "ACT10", "lot_id": "L1",
         "expiry_date": expiry, "status": status, "kits": 1}
        for kind, place, country, status in (depot, subject)
    ]  # fmt: skip
    course = [
        (1, "depot", "D1", "depot_available", 2, 2),
        (2, "depot", "D1", "depot_available", -1, 1),
        (2, "depot", "D1", "requested", 1, 1),
        (3, "depot", "D1", "requested", -1, 0),
        (3, "transit", None, "in_transit", 1, 1),
        (6, "transit", None, "in_transit", -1, 0),
        (6, "site", "10", "site_available", 1, 1),
        (12, "site", "10", "site_available", -1, 0),
        (12, "subject", None, "dispensed", 1, 1),
    ]
    days = [
        {"study_id": STUDY, "on_date": date(2026, 1, day), "place_kind": kind, "place": place, "kit_type": "ACT10",
         "status": status, "change": change, "kits": kits}
        for day, kind, place, status, change, kits in course
    ]  # fmt: skip
    return {"inventory": pl.DataFrame(stock), "stock_over_time": pl.DataFrame(days)}


def good_frames() -> dict[str, pl.DataFrame]:
    """Every dataset of the small study, by name."""
    return {
        "DM": _dm(), "DS": _ds(), "SV": _sv(), "EX": _ex(), "DA": _da(), "SE": _se(), **_design(), **_others(), **_supply(),
    }  # fmt: skip

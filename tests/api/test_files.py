"""CSV files over HTTP: loaded whole, or refused with every line at fault and nothing changed."""

import io
import uuid

import pytest
from openpyxl import Workbook

from tests.api.conftest import Trial, trial_at
from tests.api.trial import STUDY

PATH = f"/studies/{STUDY}/files"
LOTS = "lot_id,kit_type,expiry_date,released_for,status\nN1,ZZKITA,2027-05-31,DEU;FRA,released\nN2,ZZKITB,2027-06-30,*,\n"
KITS = "kit_number,kit_type,lot_id\n90001,ZZKITA,ZZLOT1\n90002,ZZKITB,ZZLOT2\n"


def workbook(rows: list[list[object]]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def send(trial: Trial, who: str, kind: str, content: bytes | str, **query: str):
    headers = {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": "text/csv"}
    return trial.clients[who].http.post(f"{PATH}/{kind}", content=content, headers=headers, params=query)


def test_files_of_lots_kits_and_a_list_are_loaded(trial):
    assert send(trial, "open.supply", "lots", LOTS).json() == {"lots": 2}
    rows = "".join(f"{90100 + n},ZZKITA,N1\n" for n in range(5000))
    loaded = send(trial, "open.supply", "kits", "kit_number,kit_type,lot_id\n" + rows, depot_id="D1")
    assert loaded.json() == {"depot_id": "D1", "kits": 5000}
    entries = "stratum,sequence,block,randomization_number,arm\n"
    for stratum in ("MILD", "SEVERE"):
        for n, arm in enumerate(("ZZARMA", "ZZARMB", "ZZARMC"), start=1):
            entries += f"SEVERITY={stratum},{n},1,F{stratum[0:2]}{n},{arm}\n"
    stored = send(trial, "statistician", "lists", entries, list_id="ZZFILE", event="RAND").json()
    assert (stored["state"], stored["entries"]) == ("validated", 6)


@pytest.mark.parametrize(
    ("kind", "content", "lines"),
    [
        ("kits", "", {"line 1"}),
        ("kits", "kit_number,kit_type,lot_id\n", {"line 2"}),
        ("kits", KITS.encode("utf-16"), {"byte 0"}),
        ("kits", KITS + "90003,ZZKITA\n", {"line 4"}),
        ("kits", KITS[:-8] + '"', {"line 3"}),
        ("kits", KITS + "90001,ZZKITA,ZZLOT1\n", {"line 4"}),
        ("kits", KITS.replace("kit_type", "type"), {"line 1"}),
        ("kits", KITS + "90004,ZZKITA,ZZLOT9\n90005,ZZKITX,ZZLOT1\n", {"line 4", "line 5"}),
        ("kits", KITS.replace("90001", "not a number?"), {"line 2"}),
        ("lots", "lot_id,kit_type,expiry_date\nX1,ZZKITA,2027-02-30\n", {"line 2"}),
        ("lots", "lot_id,kit_type,expiry_date\nZZLOT1,ZZKITA,2027-02-27\n", {"line 2"}),
        ("lots", "lot_id,kit_type,expiry_date,status\nX1,ZZKITA,2027-02-27,perhaps\n", {"line 2"}),
    ],
)
def test_a_file_at_fault_is_refused_by_line_and_nothing_is_loaded(trial, kind, content, lines):
    before = trial.state()
    query = {"depot_id": "D1"} if kind == "kits" else {}
    answer = send(trial, "open.supply", kind, content, **query)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "file-refused"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert {text.split(":")[0] for text in problem["problems"]} == lines, problem
    assert trial.state() == before


def test_a_list_whose_order_is_broken_is_refused_by_line(trial):
    rows = ["SEVERITY=MILD,1,1,Z1,ZZARMA", "SEVERITY=MILD,3,1,Z2,ZZARMB", "SEVERITY=MILD,2,1,Z3,ZZARMC"]
    content = "stratum,sequence,block,randomization_number,arm\n" + "\n".join(rows) + "\n"
    before = trial.state()
    answer = send(trial, "statistician", "lists", content, list_id="ZZB", event="RAND")
    assert (answer.status_code, answer.json()["code"]) == (422, "file-refused")
    assert any(text.startswith("line 3:") for text in answer.json()["problems"]), answer.text
    assert trial.state() == before


def test_a_list_as_a_workbook_is_loaded_or_kept_as_a_draft_with_its_faults(trial):
    header = ["stratum", "sequence", "block", "randomization_number", "arm"]
    rows = [
        [f"SEVERITY={level}", n, 1, f"00{level}{n}", arm]
        for level in ("MILD", "SEVERE")
        for n, arm in enumerate(("ZZARMA", "ZZARMB", "ZZARMC"), start=1)
    ]
    bad = [[*row[:3], 17, *row[4:]] if n == 2 else row for n, row in enumerate(rows)]
    before = trial.state()
    named = {"list_id": "ZZXLSX", "event": "RAND"}
    refused = send(trial, "statistician", "lists", workbook([header, *bad]), **named)
    assert (refused.status_code, refused.json()["code"]) == (422, "file-refused")
    assert [text.split(":")[0] for text in refused.json()["problems"]] == ["line 4"]
    assert trial.state() == before
    draft = send(trial, "statistician", "lists", workbook([header, *bad]), **named, keep_draft="true").json()
    assert (draft["state"], draft["faults"]) == ("draft", 1)
    lists = trial.clients["statistician"].get(f"/studies/{STUDY}/unblinded/lists").json()["lists"]
    (kept,) = [one for one in lists if one["list_id"] == "ZZXLSX"]
    assert "line 4: randomization_number: is the number 17" in kept["faults"][0]
    stored = send(trial, "statistician", "lists", workbook([header, *rows]), **named).json()
    assert (stored["state"], stored["entries"], stored["faults"]) == ("validated", 6, 0)
    assert len(stored["file_sha256"]) == len(stored["sha256"]) == 64


def test_a_file_is_read_from_those_who_may_load_it_only(trial):
    before = trial.state()
    assert send(trial, "supply", "kits", KITS, depot_id="D1").status_code == 403
    assert send(trial, "supply", "lots", "not,a,file").status_code == 403
    assert send(trial, "open.supply", "lists", "x", list_id="Z", event="RAND").status_code == 403
    unidentified = trial.anonymous.http.post(f"{PATH}/lots", content=LOTS, headers={"Idempotency-Key": "k"})
    assert unidentified.status_code == 401
    keyless = trial.clients["open.supply"].http.post(f"{PATH}/lots", content=LOTS)
    assert keyless.status_code == 400
    assert trial.state() == before
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("allocation.api.file_routes.LARGEST_FILE", 10)
        assert send(trial, "open.supply", "lots", LOTS).json()["problems"] == ["byte 10: too large; split it"]


def test_a_file_sent_again_with_its_key_is_loaded_once(tmp_path):
    with trial_at(f"sqlite:///{tmp_path / 'rtsm.db'}") as trial:
        headers = {"Idempotency-Key": "file-1", "Content-Type": "text/csv"}
        client = trial.clients["open.supply"].http
        first = client.post(f"{PATH}/lots", content=LOTS, headers=headers)
        state = trial.state()
        again = client.post(f"{PATH}/lots", content=LOTS, headers=headers)
        assert (
            (first.status_code, first.content) == (again.status_code, again.content) == (200, b'{"lots":2}')
        )
        assert trial.state() == state

"""A real export of an EDC (Viedoc): its inclusion criteria, visit dates and accountability form. ODM: test_odm_samples.py."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.edc_transfers import Arrival, take_transfer
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.service import Act
from allocation.edc.export_csv import read_export
from allocation.edc.known import known_facts, visit_dates
from allocation.errors import DomainRefusal
from allocation.study.edc import Edc
from allocation.study.protocol import Protocol
from allocation.views.blinded.edc import edc_readiness
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk, desk_at
from tests.edc.unified import unified_protocol

EXPORTED_AT = datetime(2024, 9, 3, 7, 29, 8, tzinfo=UTC)
VIEDOC = {
    "criteria": [{"form": "IE", "item": "IEORRESCD"}],
    "factors": [],
    "weight": None,
    "visit_dates": [{"visit": "V4", "form": "DA", "event": "V4", "item": "RETAMT_DADAT"}],
    "required_forms": [{"form": "IE", "event": "V1", "randomization": True, "status": "complete"}],
    # The export has no status of forms; one that was saved names the version of its design.
    "form_status": {"name": "DesignVersion", "complete": ["1.1"], "validated": []},
    "outgoing": None,
}


@pytest.fixture(scope="session")
def viedoc(shared_data: Path) -> Path:
    folder = shared_data / "edc" / "viedoc"
    if not folder.is_dir():
        pytest.skip(f"no EDC export at {folder}")
    return folder


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    document = unified_protocol(**VIEDOC)
    document["stratification"][0]["source"] = "entered"
    with desk_at(database_url) as empty:
        empty.set_up(document=Protocol.model_validate(document))
        empty.now = datetime(2024, 9, 4, 8, tzinfo=UTC) if empty.now < EXPORTED_AT else empty.now
        yield empty


def load(desk: Desk, folder: Path, form: str) -> dict[str, Any]:
    (file,) = folder.glob(f"*_{form}.csv")
    return take_transfer(
        desk.service,
        Act(SYSTEM_ACTOR),
        STUDY,
        Arrival(None),
        lambda edc: read_export(file.read_bytes(), form, file.name, edc, EXPORTED_AT),
    )


def test_a_real_export_clears_just_the_subjects_who_met_all_criteria(desk: Desk, viedoc: Path):
    for number in (1, 2, 3):
        desk.screened(subject_id=f"KIEM-0{number}")
    before = desk.state()
    answer = load(desk, viedoc, "IE")
    (file,) = viedoc.glob("*_IE.csv")
    _, columns, *rows = csv.reader(file.read_text("utf-8-sig").splitlines())
    told = [dict(zip(columns, row, strict=True)) for row in rows]
    assert answer["subjects"] == len({row["SubjectId"] for row in told}) == 3
    assert answer["unknown_subjects"] == []
    empty = {column for column in columns if not any(row[column] for row in told)}
    assert empty
    assert not empty & set(answer["unmapped"]), "an empty column is no news"
    for subject_id in ("KIEM-01", "KIEM-02", "KIEM-03"):
        met = {row["IEORRESCD"] for row in told if row["SubjectId"] == subject_id} == {"Y"}
        readiness = edc_readiness(desk.database, SYSTEM_ACTOR, STUDY, subject_id, now=desk.now)
        assert readiness.ready == met, readiness
        if met:
            randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=subject_id))
        else:
            with pytest.raises(DomainRefusal) as refused:
                randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=subject_id))
            assert "criterion IN01 is not met, criterion EX01 is not met" in refused.value.message
    assert desk.state() != before
    # The failed subject of the real trial is the second.
    assert {row["SubjectId"] for row in told if row["IEORRESCD"] == "N"} == {"KIEM-02"}


def test_a_second_load_of_the_export_changes_nothing(desk: Desk, viedoc: Path):
    desk.screened(subject_id="KIEM-01")
    load(desk, viedoc, "IE")
    before = desk.state()
    assert load(desk, viedoc, "IE")["repeated"] == 3
    assert desk.state() == before


def test_a_real_accountability_form_gives_visit_dates(desk: Desk, viedoc: Path):
    desk.screened(subject_id="KIEM-01")
    load(desk, viedoc, "DA")
    with desk.database.read() as connection:
        facts = known_facts(connection, STUDY, ["KIEM-01"])
    dates = visit_dates(Edc.model_validate(VIEDOC), facts)
    assert {code: day.isoformat() for code, day in dates.items()} == {"V4": "2023-08-31"}


def test_an_export_with_a_torn_line_is_refused_whole(viedoc: Path):
    (file,) = viedoc.glob("*_IE.csv")
    torn = file.read_bytes().rstrip()[:-3] + b"\nx,y"
    with pytest.raises(DomainRefusal, match="cells under"):
        read_export(torn, "IE", file.name, Edc.model_validate(VIEDOC), EXPORTED_AT)

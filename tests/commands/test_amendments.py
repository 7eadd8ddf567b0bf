"""A later protocol version counts from its moment on; what running kits would not follow is refused, not half applied."""

from typing import Any

import pytest
from sqlalchemy import select

from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    UploadListRequest,
    activate_list,
    activation_content,
    upload_list,
)
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.studies import (
    GO_LIVE,
    LoadStudyVersionRequest,
    load_study_version,
    version_content,
)
from allocation.errors import DomainRefusal, Unsupported
from allocation.ledger.schema import ledger_entry, list_entry
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from tests.api.trial import ARMS, AS_IS, STUDY, protocol, randomization_list
from tests.commands.desk import ACT, Desk


def amend(desk: Desk, document: dict[str, Any]) -> dict[str, Any]:
    version = Protocol.model_validate(document)
    act = desk.signed(GO_LIVE, version_content(version))
    return load_study_version(desk.service, act, LoadStudyVersionRequest(protocol=version))


def activate(desk: Desk, stored: dict[str, Any]) -> None:
    act = desk.signed(ACTIVATION, activation_content(stored["list_id"], stored["sha256"]))
    activate_list(desk.service, act, STUDY, ActivateListRequest(list_id=stored["list_id"]))


def test_an_amendment_cannot_move_the_last_dates_that_kits_carry(desk: Desk) -> None:
    document = protocol(2)
    document["kit_types"][1]["expiry"] = {"dns_days": 0, "dnc_days": 0, "dnd_days": 0}
    before = desk.state()
    with pytest.raises(Unsupported, match=r"kit_types\[1\].expiry"):
        amend(desk, document)
    assert desk.state() == before
    assert amend(desk, protocol(2))["version"] == 2


def test_a_new_ratio_waits_for_its_list_and_the_next_subject_falls_under_it_without_restart(
    desk: Desk,
) -> None:
    first = desk.randomized()
    waiting = desk.eligible()
    with desk.database.read() as connection:
        used = connection.execute(select(list_entry).where(list_entry.c.subject_id.is_not(None))).all()
    document = protocol(2)
    document["arms"][0]["open"] = False
    desk.move(hours=1)
    answer = amend(desk, document)
    assert answer["events_needing_lists"] == ["RAND"]
    before = desk.state()
    request = RandomizeRequest(subject_id=waiting)
    with pytest.raises(DomainRefusal) as caught:
        randomize(desk.service, ACT, STUDY, request)
    assert caught.value.code == "list-outdated"
    assert "activates a list for the present protocol version" in str(caught.value)
    assert desk.state() == before
    entries = [
        {
            "line": n,
            "stratum": f"SEVERITY={level}",
            "sequence": n,
            "randomization_number": f"{level}{n}",
            "arm": arm,
        }
        for level in ("MILD", "SEVERE")
        for n, arm in enumerate(ARMS[1:], start=1)
    ]
    upload = UploadListRequest(list_id="V2", event="RAND", entries=entries)
    stored = upload_list(desk.service, ACT, STUDY, upload)
    activate(desk, stored)
    randomize(desk.service, ACT, STUDY, request)
    assert desk.arm(waiting) == ARMS[1]
    assert desk.arm(first) is not None
    with desk.database.read() as connection:
        still = connection.execute(
            select(list_entry).where(list_entry.c.list_id == "ZZMRL", list_entry.c.subject_id.is_not(None))
        ).all()
        versions = connection.execute(
            select(ledger_entry.c.config_version)
            .where(ledger_entry.c.command == "randomize")
            .order_by(ledger_entry.c.entry_id)
        ).scalars()
        assert list(versions) == [1, 2]
    assert still == used
    assert verify_ledger(desk.database, STUDY).intact


def test_a_list_for_another_version_is_not_activated(desk: Desk) -> None:
    uploaded = randomization_list(AS_IS)
    for entry in uploaded["entries"]:
        entry["randomization_number"] = f"N{entry['line']}"
    stored = upload_list(desk.service, ACT, STUDY, UploadListRequest(**{**uploaded, "list_id": "LATE"}))
    document = protocol(2)
    document["randomization"][0]["held_by"] = "site"
    desk.move(hours=1)
    assert amend(desk, document)["events_needing_lists"] == ["RAND"]
    with pytest.raises(DomainRefusal) as caught:
        activate(desk, stored)
    assert caught.value.code == "list-outdated"


def test_a_new_stratum_leaves_the_others_going_on(desk: Desk) -> None:
    document = protocol(2)
    document["stratification"][0]["levels"].append({"code": "NEW", "label": "New"})
    desk.move(hours=1)
    assert amend(desk, document)["events_needing_lists"] == ["RAND"]
    assert desk.randomized()
    who = desk.eligible(factors={"SEVERITY": "NEW"})
    with pytest.raises(DomainRefusal) as caught:
        randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who))
    assert caught.value.code == "list-outdated"


def test_a_version_that_leaves_the_lists_as_they_were_made_needs_none(desk: Desk) -> None:
    document = protocol(2)
    document["visits"][3]["window_after"] = 9
    assert amend(desk, document)["events_needing_lists"] == []

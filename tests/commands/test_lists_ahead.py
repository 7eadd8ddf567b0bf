"""A list for a version that is loaded but not yet in force: stored and activated ahead, drawn from where and when its version is."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    GenerateListRequest,
    UploadListRequest,
    activate_list,
    activation_content,
    generate_randomization_list,
    upload_list,
)
from allocation.commands.randomization_methods import (
    METHOD_ACTIVATION,
    ActivateMethodRequest,
    activate_method,
    method_content,
)
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.service import Act
from allocation.errors import DomainRefusal, FileRefused, NotFound, SignatureRefused
from allocation.ledger.projections import project
from allocation.ledger.schema import list_entry, randomization_list, subject_randomization
from allocation.study.protocol import Protocol
from allocation.views.unblinded.allocations import allocation_history
from allocation.views.unblinded.draws import explain_randomization
from allocation.views.unblinded.lists import list_statuses
from simulation.randomization.monitor import quality_of
from tests.api.trial import ARMS, STUDY, protocol
from tests.commands.desk import ACT, Desk
from tests.commands.test_two_desks import at_once
from tests.commands.test_versions_by_country import DEU, FRA, amend, assert_replays, put


def version(number: int, *, closed: int = 0, **event: Any) -> dict[str, Any]:
    """The small trial in blocks of its ratio; the first `closed` arms are closed."""
    document = protocol(number)
    document["caps"] = []
    for arm in document["arms"][:closed]:
        arm["open"] = False
    sizes = [len(ARMS) - closed]
    document["randomization"][0] |= {"method": "permuted_block", "block_sizes": sizes, **event}
    return document


def generate(desk: Desk, list_id: str, protocol_version: int | None = None, **more: Any) -> dict[str, Any]:
    request = GenerateListRequest(
        list_id=list_id, event="RAND", protocol_version=protocol_version, **{"entries_per_stratum": 6, **more}
    )
    return generate_randomization_list(desk.service, ACT, STUDY, request)


def activate(
    desk: Desk, stored: dict[str, Any], protocol_version: int | None = None, key: str | None = None
) -> dict[str, Any]:
    content = activation_content(stored["list_id"], stored["sha256"], protocol_version)
    signature = desk.signed(ACTIVATION, content).signature
    request = ActivateListRequest(list_id=stored["list_id"], protocol_version=protocol_version)
    return activate_list(desk.service, Act(SYSTEM_ACTOR, key, signature=signature), STUDY, request)


def ahead(desk: Desk, list_id: str, protocol_version: int) -> dict[str, Any]:
    return activate(desk, generate(desk, list_id, protocol_version), protocol_version)


def running(desk: Desk, **event: Any) -> Desk:
    desk.set_up_without_list(Protocol.model_validate(version(1, **event)))
    activate(desk, generate(desk, "L1"))
    return desk


def drawn_from(desk: Desk, subject_id: str) -> str | None:
    with desk.database.read() as connection:
        used = subject_randomization.c
        found: str | None = connection.execute(
            select(used.list_id).where(used.subject_id == subject_id)
        ).scalar_one()
    return found


def states(desk: Desk) -> dict[str, str]:
    with desk.database.read() as connection:
        return {row.list_id: row.state for row in connection.execute(select(randomization_list))}


def used_entries(desk: Desk, list_id: str) -> list[Any]:
    query = select(list_entry).where(list_entry.c.list_id == list_id, list_entry.c.subject_id.is_not(None))
    with desk.database.read() as connection:
        return sorted(connection.execute(query), key=repr)


def where(desk: Desk) -> dict[str, tuple[str, ...]]:
    shown = list_statuses(desk.database, SYSTEM_ACTOR, STUDY, desk.now).lists
    return {one.list_id: one.drawn_from_in for one in shown}


@pytest.fixture
def trial(sqlite_desk: Desk) -> Desk:
    """The small trial under version 1, whose list L1 is in use."""
    return running(sqlite_desk)


def assert_derives(desk: Desk, *subjects: str) -> None:
    for subject_id in subjects:
        found = explain_randomization(desk.database, SYSTEM_ACTOR, STUDY, subject_id)
        assert all(one.derives_to_the_same for one in found.randomizations)
        assert found.randomizations[0].derived_again["list_id"] == drawn_from(desk, subject_id)
    assert_replays(desk, "randomize")


@pytest.mark.parametrize("blocks", [{}, {"block_assignment": "dynamic", "held_by": "site"}])
def test_at_the_effective_moment_the_next_subject_draws_from_the_new_list_with_no_gap(
    empty_desk: Desk, blocks: dict[str, Any]
) -> None:
    desk = running(empty_desk, **blocks)
    moment = desk.now + timedelta(days=2)
    assert amend(desk, version(2, closed=1, **blocks), at=moment)["events_needing_lists"] == ["RAND"]
    before = desk.randomized(DEU)
    assert ahead(desk, "L2", 2) == {
        "list_id": "L2",
        "state": "active",
        "protocol_version": 2,
        "retired": [],
    }
    between = desk.randomized(DEU)
    waiting = desk.eligible(DEU)
    used = used_entries(desk, "L1")
    assert [drawn_from(desk, who) for who in (before, between)] == ["L1", "L1"]
    assert where(desk) == {"L1": ("DEU", "FRA"), "L2": ()}
    desk.now = moment
    assert where(desk) == {"L1": (), "L2": ("DEU", "FRA")}
    randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=waiting))
    after = [waiting, *(desk.randomized(DEU) for _ in range(3))]
    assert {drawn_from(desk, who) for who in after} == {"L2"}
    assert {desk.arm(who) for who in after} == set(ARMS[1:])
    assert used_entries(desk, "L1") == used
    assert states(desk) == {"L1": "active", "L2": "active"}
    # The next list of that version retires both: no version draws from them any more.
    assert activate(desk, generate(desk, "L3"))["retired"] == ["L1", "L2"]
    last = desk.randomized(DEU)
    assert drawn_from(desk, last) == "L3"
    assert_derives(desk, before, between, *after, last)


def test_where_the_old_version_goes_on_so_does_its_list_and_the_monitor_keeps_them_apart(
    empty_desk: Desk,
) -> None:
    desk = running(empty_desk)
    document = version(2, closed=1)
    amend(desk, document, DEU=desk.now + timedelta(days=1))
    ahead(desk, "L2", 2)
    first = desk.randomized(DEU)
    desk.move(days=1)
    new = [desk.randomized(DEU) for _ in range(2)]
    old = [desk.randomized(FRA) for _ in range(2)]
    new += [desk.randomized(DEU), desk.randomized(DEU)]
    assert {drawn_from(desk, who) for who in new} == {"L2"}
    assert {drawn_from(desk, who) for who in (first, *old)} == {"L1"}
    assert where(desk) == {"L1": ("FRA",), "L2": ("DEU",)}
    report = quality_of(allocation_history(desk.database, SYSTEM_ACTOR, STUDY))
    assert (report.allocated, report.since, report.numbers) == (7, 2, (2, 3, 6, 7))
    assert report.ratio == dict.fromkeys(ARMS[1:], 1)
    assert report.groups[0].counts == dict.fromkeys(ARMS[1:], 2)
    put(desk, document, "FRA", desk.now + timedelta(days=1))
    desk.move(days=1)
    moved = desk.randomized(FRA)
    assert drawn_from(desk, moved) == "L2"
    assert_derives(desk, first, *new, *old, moved)


def test_the_old_version_gets_another_list_while_a_country_is_under_it(trial: Desk) -> None:
    desk = trial
    amend(desk, version(2, closed=1), DEU=desk.now)
    ahead(desk, "L2", 2)
    assert ahead(desk, "L1B", 1)["retired"] == ["L1"]
    assert states(desk) == {"L1": "retired", "L1B": "active", "L2": "active"}
    assert [drawn_from(desk, desk.randomized(site)) for site in (DEU, FRA)] == ["L2", "L1B"]


def test_a_list_that_waits_for_its_version_serves_nobody_before_it_not_even_a_stratum_that_it_fits(
    sqlite_desk: Desk,
) -> None:
    desk = sqlite_desk
    desk.set_up_without_list(Protocol.model_validate(version(1)))
    document = version(2)
    document["stratification"][0]["levels"].append({"code": "NEW", "label": "New"})
    moment = desk.now + timedelta(days=3)
    amend(desk, document, at=moment)
    ahead(desk, "L2", 2)
    who = desk.eligible(DEU)
    with pytest.raises(DomainRefusal) as caught:
        randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who))
    assert caught.value.code == "list-outdated"
    activate(desk, generate(desk, "L1"))
    randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=who))
    desk.now = moment
    other, added = desk.randomized(DEU), desk.randomized(DEU, factors={"SEVERITY": "NEW"})
    assert [drawn_from(desk, one) for one in (who, other, added)] == ["L1", "L2", "L2"]
    assert_derives(desk, who, other, added)


def test_what_is_wrong_with_the_version_of_a_list_is_refused_and_nothing_is_written(empty_desk: Desk) -> None:
    desk = running(empty_desk)
    moment = desk.now + timedelta(days=2)
    amend(desk, version(2, closed=1), at=moment)
    old, new = generate(desk, "OLD", 1), generate(desk, "NEW", 2)
    before = desk.state()

    def refused(kind: type[Exception], act: Any) -> Any:
        with pytest.raises(kind) as caught:
            act()
        assert desk.state() == before
        return caught.value

    for act in (lambda: generate(desk, "X", 3), lambda: activate(desk, new, 3)):
        assert refused(NotFound, act).field == "protocol_version"
    assert refused(DomainRefusal, lambda: activate(desk, old, 2)).code == "list-outdated"
    too_early = refused(DomainRefusal, lambda: activate(desk, new))
    assert "list NEW was made, for version 2, by other rules than version 1 has" in str(too_early)
    signed_for_none = desk.signed(ACTIVATION, activation_content("NEW", new["sha256"]))
    request = ActivateListRequest(list_id="NEW", protocol_version=2)
    refused(SignatureRefused, lambda: activate_list(desk.service, signed_for_none, STUDY, request))
    closed_arm = {"line": 2, "stratum": "SEVERITY=MILD", "sequence": 1, "block": 1}
    upload = UploadListRequest(
        list_id="X",
        event="RAND",
        protocol_version=2,
        entries=[{**closed_arm, "randomization_number": "N1", "arm": ARMS[0]}],
    )
    faults = refused(FileRefused, lambda: upload_list(desk.service, ACT, STUDY, upload))
    assert any("line 2: unknown arm" in one for one in faults.problems)
    desk.now = moment
    desk.service.list_bases.clear()
    gone = refused(DomainRefusal, lambda: activate(desk, old, 1))
    assert (gone.code, gone.field) == ("version-superseded", "protocol_version")


def test_a_list_activated_ahead_twice_with_one_key_is_activated_once(empty_desk: Desk) -> None:
    desk = running(empty_desk)
    amend(desk, version(2, closed=1), at=desk.now + timedelta(days=2))
    stored = generate(desk, "L2", 2)
    first = activate(desk, stored, 2, "once")
    state = desk.state()
    assert activate(desk, stored, 2, "once") == first
    assert desk.state() == state


@pytest.mark.parametrize(("sizes", "goes_on"), [([3, 6], True), ([6], False)])
def test_a_list_goes_on_only_while_the_protocol_allows_its_blocks(
    trial: Desk, sizes: list[int], goes_on: bool
) -> None:
    desk = trial
    amended = amend(desk, version(2, block_sizes=sizes), at=desk.now + timedelta(days=1))
    assert amended["events_needing_lists"] == ([] if goes_on else ["RAND"])
    desk.move(days=1)
    waiting = desk.eligible(DEU)
    request = RandomizeRequest(subject_id=waiting)
    if goes_on:
        randomize(desk.service, ACT, STUDY, request)
        assert drawn_from(desk, waiting) == "L1"
    else:
        with pytest.raises(DomainRefusal) as caught:
            randomize(desk.service, ACT, STUDY, request)
        assert caught.value.code == "list-outdated"
    assert activate(desk, generate(desk, "L2"))["retired"] == ["L1"]
    other = desk.randomized(DEU)
    assert drawn_from(desk, other) == "L2"
    assert_derives(desk, other)


def test_a_method_is_activated_ahead_for_an_event_that_will_draw_at_randomization(trial: Desk) -> None:
    desk = trial
    moment: datetime = desk.now + timedelta(days=1)
    amend(desk, version(2, method="wei_urn", drawn="at_randomization", block_sizes=[]), at=moment)
    with pytest.raises(DomainRefusal) as caught:
        activate_method(desk.service, ACT, STUDY, ActivateMethodRequest(event="RAND"))
    assert caught.value.code == "draws-from-list"
    signed = desk.signed(METHOD_ACTIVATION, method_content("RAND", "wei_urn", 2))
    request = ActivateMethodRequest(event="RAND", protocol_version=2, seed=7)
    assert activate_method(desk.service, signed, STUDY, request)["method"] == "wei_urn"
    assert drawn_from(desk, desk.randomized(DEU)) == "L1"
    desk.now = moment
    live = desk.randomized(DEU)
    assert drawn_from(desk, live) is None
    assert_replays(desk, "randomize")


def test_a_list_activated_while_desks_draw_leaves_no_desk_without_a_list_and_every_draw_derives(
    empty_desk: Desk,
) -> None:
    desk = running(empty_desk)
    subjects = [desk.eligible(site) for site in (DEU, FRA, DEU, FRA)]
    stored = generate(desk, "L2")
    content = activation_content("L2", stored["sha256"])
    signature = desk.signed(ACTIVATION, content).signature
    act = Act(SYSTEM_ACTOR, signature=signature)
    acts: list[Any] = [
        lambda service, who=who: randomize(service, ACT, STUDY, RandomizeRequest(subject_id=who))
        for who in subjects
    ]
    acts.insert(2, lambda service: activate_list(service, act, STUDY, ActivateListRequest(list_id="L2")))
    answers = at_once(desk, acts)
    assert [one for one in answers if isinstance(one, Exception)] == []
    assert states(desk) == {"L1": "retired", "L2": "active"}
    assert_derives(desk, *subjects)


def test_an_activation_from_before_several_lists_could_be_in_use_retires_the_one_before_it(
    trial: Desk,
) -> None:
    generate(trial, "L2")
    recorded = {"list_id": "L2", "event": "RAND", "activated_on": "2026-03-02"}
    with trial.database.write() as connection:
        project(connection, STUDY, "activate_list", None, None, recorded)
    assert states(trial) == {"L1": "retired", "L2": "active"}

"""Randomizing with the supply at hand: gates, FR0a to FR2 from lists and live, and a site that learns nothing of it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from allocation.access.actors import Actor, Grant
from allocation.commands.participation import EndRequest, discontinue
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.errors import DomainRefusal
from allocation.ledger.schema import list_entry
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.rules.restricted.methods import METHODS
from allocation.views.blinded.overview import study_overview
from allocation.views.blinded.subjects import list_subjects, subject_detail
from pipelines.datasets import derive
from pipelines.events.reading import read_events
from tests.api.trial import ARMS, KIT_TYPE_OF_ARM, STUDY, protocol
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk, desk_at
from tests.commands.live_trial import explained, live, running, with_arms, with_events
from tests.commands.live_trial import with_list as listed
from tests.commands.test_versions_by_country import amend

A, B, C = ARMS
KITS = {arm: KIT_TYPE_OF_ARM[arm] for arm in ARMS}
COORDINATOR = Actor("co", "Co", (Grant("site_coordinator", STUDY, "site", "S01"),))
NO_SUPPLY = (
    "site: the site cannot randomize a subject with the supply it has now (wait for the next shipment, or ask the unblinded supply "
    "manager; the subject was not randomized)"
)
SCREENING = {"screening": {"visit": "V1", "age_min": 18, "max_days_to_randomization": 60}}


def from_list(**more: Any) -> dict[str, Any]:
    return {"code": "RAND", "visit": "V2", "method": "list", "factors": ["SEVERITY"], **more}


def drawn(**more: Any) -> dict[str, Any]:
    return live("complete", **more)


def trial(desk: Desk, event: dict[str, Any], *stocked: str, of: tuple[str, ...] = ARMS) -> Desk:
    """A trial of some arms with that event, the sites stocked with the kits of some of them, and the list active if it has one."""
    desk = running(desk, with_arms(with_events(event, **SCREENING), *of))
    desk.stock([KITS[arm] for arm in stocked], 60)
    if event.get("drawn") != "at_randomization":
        listed(desk)
    return desk


def refused(desk: Desk, subject_id: str | None = None) -> str | None:
    """The words of the refusal, which leaves all as it was; None when the subject was randomized."""
    request = RandomizeRequest(subject_id=subject_id or desk.eligible())
    before = desk.state()
    try:
        randomize(desk.service, ACT, STUDY, request)
    except DomainRefusal as refusal:
        words = str(refusal)
    else:
        return None
    assert desk.state() == before
    return words


def mild_entries(desk: Desk) -> list[Any]:
    with desk.database.read() as connection:
        query = select(list_entry).where(list_entry.c.stratum == "SEVERITY=MILD")
        return list(connection.execute(query.order_by(list_entry.c.sequence)))


@pytest.mark.parametrize("how", [from_list, drawn])
@pytest.mark.parametrize(
    ("rules", "stocked", "lets"),
    [
        ({}, (), True),
        ({"supply_gate": "all_kit_types"}, (A, B, C), True),
        ({"supply_gate": "all_kit_types"}, (A, B), False),
        ({"supply_gate": "chosen_kit_types", "gate_kit_types": [KITS[A], KITS[B]]}, (A, B), True),
        ({"supply_gate": "chosen_kit_types", "gate_kit_types": [KITS[C]]}, (A, B), False),
        ({"forced": "FR0a"}, (A, B, C), True),
        ({"forced": "FR0a"}, (A, B), False),
        ({"forced": "FR0b"}, (), False),
        ({"forced": "FR1"}, (), False),
    ],
)
def test_a_gate_lets_nobody_through_without_what_it_asks_for_and_says_the_same_for_every_cause(
    sqlite_desk: Desk, how: Any, rules: dict[str, Any], stocked: tuple[str, ...], lets: bool
) -> None:
    desk = trial(sqlite_desk, how(**rules), *stocked)
    assert refused(desk) == (None if lets else NO_SUPPLY)


@pytest.mark.parametrize("how", [from_list, drawn])
@pytest.mark.parametrize(
    ("rules", "stocked", "lets"),
    [
        ({}, (), True),
        ({"supply_gate": "all_kit_types"}, (A, B), False),
        ({"supply_gate": "chosen_kit_types", "gate_kit_types": [KITS[C]]}, (A, B), False),
        ({"forced": "FR0a"}, (A, B), False),
        ({"forced": "FR0b"}, (A, B), False),
        ({"forced": "FR1"}, (A, B), False),
        ({"forced": "FR1"}, (C,), True),
    ],
)
def test_a_replacement_by_the_same_arm_waits_for_its_kits_in_the_words_of_any_randomization_and_is_never_forced(
    sqlite_desk: Desk, how: Any, rules: dict[str, Any], stocked: tuple[str, ...], lets: bool
) -> None:
    screening = {"screening": {**SCREENING["screening"], "replacement": "same_arm"}}
    desk = running(sqlite_desk, with_events(how(), **screening))
    if how is from_list:
        listed(desk)
    in_arms = {
        desk.arm(who): who for who in (desk.randomized() for _ in range(6 if how is from_list else 12))
    }
    left = in_arms[C]
    discontinue(desk.service, ACT, STUDY, EndRequest(subject_id=left, end_reason="ADVERSE EVENT"))
    replacement = desk.eligible(replaces=left)
    amend(desk, {**with_events(how(**rules), **screening), "study": {**protocol(2)["study"]}})
    desk.stock([KITS[arm] for arm in stocked], 60)
    assert refused(desk, replacement) == (None if lets else NO_SUPPLY)
    if not lets:
        desk.stock([KITS[C]], 60)
        assert refused(desk, replacement) is None
    (found,) = explained(desk, replacement)
    assert (found.arm, found.scheduled_arm, found.forced, found.derives_to_the_same) == (C, C, False, True)


def test_a_closed_gate_opens_when_the_kits_have_come(empty_desk: Desk) -> None:
    desk = trial(empty_desk, drawn(supply_gate="all_kit_types"), A, B)
    subject_id = desk.eligible()
    assert refused(desk, subject_id) is not None
    desk.stock([KITS[C]], 60)
    assert refused(desk, subject_id) is None


def test_fr0b_randomizes_while_the_scheduled_arm_is_there_and_forces_nobody(empty_desk: Desk) -> None:
    desk = trial(empty_desk, from_list(forced="FR0b"), A, C)
    assert refused(desk) is None  # the list says A
    blocked = desk.eligible()
    assert refused(desk, blocked) is not None  # then B, of which the site has nothing
    assert refused(desk, desk.eligible()) is not None
    desk.stock([KITS[B]], 60)
    assert refused(desk, blocked) is None
    (found,) = explained(desk, blocked)
    assert (found.arm, found.forced, found.derives_to_the_same) == (B, False, True)


@pytest.mark.parametrize("mode", ["FR1", "FR2"])
def test_a_forced_subject_keeps_both_arms_on_record_and_the_entries_passed_over_are_flagged(
    empty_desk: Desk, mode: str
) -> None:
    desk = trial(empty_desk, from_list(forced=mode), B, C)
    subjects = [desk.randomized() for _ in range(3)]  # the list of MILD: A B C, then C A B
    found = [explained(desk, one)[0] for one in subjects]
    assert (found[0].scheduled_arm, found[0].arm, found[0].forced) == (A, B, True)
    assert all(one.arm in (B, C) and one.derives_to_the_same for one in found)
    entries = mild_entries(desk)
    assert entries[0].skipped_for == subjects[0]
    assert entries[0].subject_id is None
    assert Counter(one.subject_id for one in entries if one.subject_id) == Counter(subjects)
    assert verify_ledger(desk.database, STUDY).difference is None


def test_fr1_loses_what_it_skipped_and_fr2_fills_it_when_the_kits_have_come(tmp_path: Path) -> None:
    arms = {}
    for mode in ("FR1", "FR2"):
        with desk_at(f"sqlite:///{tmp_path / mode}.db") as desk:
            trial(desk, from_list(forced=mode), B, C)
            forced = desk.randomized()
            desk.stock([KITS[A]], 60)
            later = desk.randomized()
            arms[mode] = [explained(desk, one)[0].list_use for one in (forced, later)]
            assert all(explained(desk, one)[0].derives_to_the_same for one in (forced, later))
            assert not explained(desk, later)[0].forced
    used = {mode: [one["sequence"] for one in both if one is not None] for mode, both in arms.items()}
    assert used == {"FR1": [2, 3], "FR2": [2, 1]}


@pytest.mark.parametrize("mode", ["FR1", "FR2"])
def test_no_entry_is_used_twice_and_each_is_used_passed_over_or_left(sqlite_desk: Desk, mode: str) -> None:
    """Conservation: stock comes and goes while a list of two blocks is used up."""
    desk = trial(sqlite_desk, from_list(forced=mode), B)
    outcomes = [refused(desk) for _ in range(2)]
    desk.stock([KITS[C]], 60)
    outcomes += [refused(desk) for _ in range(2)]
    desk.stock([KITS[A]], 60)
    outcomes += [refused(desk) for _ in range(6)]
    entries = mild_entries(desk)
    used = [one.subject_id for one in entries if one.subject_id is not None]
    assert len(used) == len(set(used)) == outcomes.count(None)
    passed = sum(one.subject_id is None and one.skipped_for is not None for one in entries)
    assert len(used) + passed == len(entries) == 6
    assert (passed == 0) == (mode == "FR2")
    assert "no unused entry is left" in str(outcomes[-1])
    assert Derivation(desk.database, STUDY).run()["randomize"] == len(used)


MANY_ARMS = {name for name, method in METHODS.items() if method.many_arms} | {"minimization", "hu_hu"}
LIVE_METHODS = [
    live("complete"),
    live("random_allocation_rule", parameters={"n": 6}),
    live("block_urn", parameters={"lambda": 1}),
    live("mass_weighted_urn", parameters={"alpha": 2}),
    live("wei_urn", parameters={"alpha": 1, "beta": 1}),
    live("minimization", parameters={"p": 0.8}),
    live("hu_hu", parameters={"p": 0.85, "whole": 0.3, "stratum": 0.5}),
    live("biased_coin", parameters={"p": 0.75}),
    live("big_stick", parameters={"b": 1}),
    live("biased_coin_imbalance_tolerance", parameters={"p": 0.7, "b": 2}),
    live("adjustable_biased_coin", parameters={"a": 2}),
    live("generalized_biased_coin", parameters={"gamma": 2}),
    live("ehrenfest_urn", parameters={"b": 2}),
    live("truncated_binomial", parameters={"n": 6}),
    live("maximal_procedure", parameters={"n": 6, "b": 1}),
]


@pytest.mark.parametrize("event", LIVE_METHODS, ids=lambda event: str(event["method"]))
def test_every_live_method_goes_on_however_many_it_was_forced_to_allocate(
    sqlite_desk: Desk, event: dict[str, Any]
) -> None:
    arms = ARMS if event["method"] in MANY_ARMS else ARMS[:2]
    desk = trial(sqlite_desk, {**event, "forced": "FR1"}, B, of=arms)
    forced = [explained(desk, desk.randomized())[0] for _ in range(9)]
    assert {one.arm for one in forced} == {B}
    assert {one.scheduled_arm for one in forced} - {B}
    assert all(one.forced == (one.scheduled_arm != B) for one in forced)
    assert all(one.derives_to_the_same for one in forced)
    desk.stock([KITS[arm] for arm in arms if arm != B], 60)
    later = [explained(desk, desk.randomized())[0] for _ in range(6)]
    assert not any(one.forced for one in later)
    assert all(one.derives_to_the_same for one in later)
    assert verify_ledger(desk.database, STUDY).difference is None


def what_the_site_sees(desk: Desk, subjects: list[str]) -> dict[str, Any]:
    """Everything that blinded people read of subjects and events, and the blinded datasets."""
    seal_pending(desk.database)
    overview = study_overview(desk.database, COORDINATOR, STUDY, now=desk.now).model_dump(mode="json")
    datasets = derive(read_events(desk.database, STUDY), "blinded")
    return {
        "subjects": list_subjects(desk.database, COORDINATOR, STUDY).model_dump(mode="json"),
        "details": [
            subject_detail(desk.database, COORDINATOR, STUDY, one).model_dump(mode="json") for one in subjects
        ],
        "events": [one for one in overview["events"] if "randomized" in str(one)],
        **{name: frame.write_json() for name, frame in datasets.items() if name.startswith("sdtm/")},
    }


def test_a_site_whose_subjects_are_forced_sees_what_it_would_see_with_full_supply(tmp_path: Path) -> None:
    seen = []
    arms = []
    for name, stocked in (("full", ARMS), ("short", (B,))):
        with desk_at(f"sqlite:///{tmp_path / name}.db") as desk:
            trial(desk, drawn(forced="FR1"), *stocked)
            subjects = [desk.eligible() for _ in range(6)]
            answers = [
                randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=one)) for one in subjects
            ]
            found = [explained(desk, one)[0] for one in subjects]
            arms.append([(one.scheduled_arm, one.arm, one.forced) for one in found])
            seen.append({"answers": answers, **what_the_site_sees(desk, subjects)})
    assert [one[0] for one in arms[0]] == [one[0] for one in arms[1]]
    assert not any(forced for *_, forced in arms[0])
    assert any(forced for *_, forced in arms[1])
    assert seen[0] == seen[1]
    for word in ("forced", "scheduled", "skipped", "suppliable", "ZZ"):
        assert word not in json.dumps(seen[1])

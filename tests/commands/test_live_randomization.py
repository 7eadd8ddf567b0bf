"""Arms drawn at the moment of randomization: by the rule, from a signed seed, in a stream that can be drawn again."""

import json
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import select

from allocation.commands.randomization_methods import ActivateMethodRequest, activate_method
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.errors import DomainRefusal, SignatureRefused
from allocation.ledger.schema import ledger_entry, subject_randomization
from allocation.ledger.verify import verify_ledger
from allocation.rules.draws import uniform_of_draw
from allocation.study.protocol import Protocol
from tests.api.trial import ARMS, STUDY
from tests.commands.desk import ACT, Desk, desk_at
from tests.commands.live_trial import SEED, amend, explained, live, running, with_events

THREE_ARMS = [
    live("complete"),
    live("block_urn", parameters={"lambda": 2}),
    live("mass_weighted_urn", parameters={"alpha": 4}),
    live("random_allocation_rule", parameters={"n": 12}),
    live("wei_urn", parameters={"alpha": 1, "beta": 1}),
    live("minimization", parameters={"p": 0.8}),
    live("minimization", parameters={"p": 0.8}, measure="variance", ratio_rule="biased_coin"),
    live("hu_hu", parameters={"p": 0.85, "whole": 0.3, "stratum": 0.5}),
]


def records(desk: Desk) -> list[dict[str, Any]]:
    with desk.database.read() as connection:
        query = select(ledger_entry.c.after_json).where(ledger_entry.c.command == "randomize")
        return [
            json.loads(text) for text in connection.execute(query.order_by(ledger_entry.c.entry_id)).scalars()
        ]


@pytest.mark.parametrize(
    "event", THREE_ARMS, ids=lambda event: f"{event['method']} {event.get('ratio_rule', '')}".strip()
)
def test_every_live_method_leaves_a_record_that_derives_to_the_same_arm(
    empty_desk: Desk, event: dict[str, Any]
) -> None:
    desk = running(empty_desk, with_events(event))
    subjects = [desk.randomized() for _ in range(7)]
    for index, subject_id in enumerate(subjects):
        (found,) = explained(desk, subject_id)
        assert found.derives_to_the_same
        assert found.arm in ARMS
        assert found.record["index"] == index
        assert found.record["uniform"] == uniform_of_draw(SEED, "RAND", index)
        assert sum(found.record["counts_before"]) == index
        assert sum(found.record["probabilities"]) == pytest.approx(1)
    assert verify_ledger(desk.database, STUDY).difference is None


def test_the_same_seed_gives_the_same_arms_and_another_seed_others(database_url: str, tmp_path: Any) -> None:
    document = with_events(live("minimization", parameters={"p": 0.8}))
    with desk_at(database_url) as one, desk_at(f"sqlite:///{tmp_path / 'other.db'}") as other:
        arms = [
            [explained(desk, desk.randomized())[0].arm for _ in range(8)]
            for desk in (running(one, document), running(other, document))
        ]
    assert arms[0] == arms[1]


def test_numbers_of_live_draws_are_unique_and_tell_nothing_of_order(empty_desk: Desk) -> None:
    desk = running(empty_desk, with_events(live("complete")))
    for _ in range(10):
        desk.randomized()
    numbers = [int(one["randomization_number"]) for one in records(desk)]
    assert len(set(numbers)) == len(numbers)
    assert numbers != sorted(numbers)
    assert numbers != sorted(numbers, reverse=True)


def test_nobody_is_randomized_before_the_method_is_activated_under_signature(empty_desk: Desk) -> None:
    desk = empty_desk
    document = Protocol.model_validate(with_events(live("complete")))
    desk.load(document)
    desk.service.protocols[STUDY, 1] = document
    with pytest.raises(SignatureRefused):
        activate_method(desk.service, ACT, STUDY, ActivateMethodRequest(event="RAND"))
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        activate_method(desk.service, ACT, STUDY, ActivateMethodRequest(event="NONE"))
    assert caught.value.field == "event"
    assert desk.state() == before


def test_two_desks_at_once_draw_one_after_the_other(database_url: str) -> None:
    with desk_at(database_url) as desk:
        running(desk, with_events(live("minimization", parameters={"p": 0.8})))
        subjects = [desk.eligible("S01") for _ in range(4)] + [desk.eligible("S02")]
        barrier = Barrier(len(subjects))
        refused: list[BaseException] = []

        def act(subject_id: str) -> None:
            barrier.wait()
            try:
                randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=subject_id))
            except DomainRefusal as refusal:
                refused.append(refusal)

        threads = [Thread(target=act, args=(subject_id,)) for subject_id in subjects]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused == []
        with desk.database.read() as connection:
            indexes = connection.execute(select(subject_randomization.c.draw_index)).scalars().all()
        assert sorted(indexes) == list(range(len(subjects)))
        assert all(explained(desk, subject_id)[0].derives_to_the_same for subject_id in subjects)


def test_a_changed_ratio_begins_its_balance_anew_and_leaves_what_was_drawn(empty_desk: Desk) -> None:
    desk = running(empty_desk, with_events(live("block_urn", parameters={"lambda": 1})))
    for _ in range(6):
        desk.randomized()
    arms = [{**arm, "ratio": 2 if arm["code"] == ARMS[0] else 1} for arm in with_events()["arms"]]
    changed = with_events(live("block_urn", parameters={"lambda": 1}), arms=arms)
    changed["study"]["version"] = 2
    amend(desk, changed)
    (found,) = explained(desk, desk.randomized())
    assert found.protocol_version == 2
    assert found.record["ratio"] == [2, 1, 1]
    assert found.record["counts_before"] == [0, 0, 0]
    assert found.record["index"] == 6
    assert found.derives_to_the_same

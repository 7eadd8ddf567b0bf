"""Messages come late, twice and out of order: whatever the order, the same facts end in the same state, and none is lost."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.edc_facts import ReceiveEdcRequest, receive_edc_facts
from allocation.commands.service import Act
from allocation.edc.facts import EdcMessage, Fact, SubjectFacts
from allocation.edc.known import known_facts
from allocation.ledger.schema import edc_fact, ledger_entry
from allocation.ledger.verify import verify_ledger
from tests.api.trial import STUDY
from tests.commands.desk import Desk

START = datetime(2026, 3, 1, tzinfo=UTC)
NUMBERS = itertools.count(1)

PLACES = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["E1", "E2"]),
        "form": st.sampled_from(["IE", "VS"]),
        "item_group": st.just("G"),
    }
)
ITEM = st.builds(
    lambda place, item, value, hours: Fact(
        kind="item", **place, item=item, value=value, at=START + timedelta(hours=hours)
    ),
    PLACES,
    st.sampled_from(["IT.IN01", "IT.EX01"]),
    st.sampled_from(["Y", "N", None]),
    st.integers(0, 3),
)
REMOVAL = st.builds(
    lambda place, hours: Fact(
        kind="removal", event=place["event"], form=place["form"], at=START + timedelta(hours=hours)
    ),
    PLACES,
    st.integers(0, 3),
)
FORM = st.builds(
    lambda place, state, hours: Fact(
        kind="form", event=place["event"], form=place["form"], value=state, at=START + timedelta(hours=hours)
    ),
    PLACES,
    st.sampled_from(["open", "complete", "validated"]),
    st.integers(0, 3),
)


@st.composite
def messages(draw: st.DrawFn) -> list[tuple[str, int, list[Fact]]]:
    """Messages by id, hour of their making, and facts in order; several may be of one hour, and say the opposite."""
    told = draw(st.lists(st.lists(ITEM | FORM | REMOVAL, min_size=1, max_size=3), min_size=1, max_size=5))
    return [
        (f"M{index}", draw(st.integers(0, 2)), [one.model_copy(update={"ordinal": at}) for at, one in enumerate(facts)])
        for index, facts in enumerate(told)
    ]  # fmt: skip


def receive(desk: Desk, subject_key: str, message: tuple[str, int, list[Fact]]) -> dict[str, Any]:
    name, hour, facts = message
    request = ReceiveEdcRequest(
        message=EdcMessage(
            message_id=name,
            source="odm-xml",
            file_type="Transactional",
            created_at=START + timedelta(hours=hour),
            sha256="0" * 64,
            subjects=(SubjectFacts(subject_key=subject_key, facts=tuple(facts)),),
        ),
        config_version=1,
    )
    return receive_edc_facts(desk.service, Act(SYSTEM_ACTOR), STUDY, request)


def state(desk: Desk, subject_key: str) -> tuple[set[Any], list[Any]]:
    """The rows, and what stands after removals."""
    with desk.database.read() as connection:
        rows = connection.execute(select(edc_fact).where(edc_fact.c.subject_key == subject_key)).all()
        standing = known_facts(connection, STUDY, [subject_key])
    return {tuple(row)[2:] for row in rows}, [tuple(row)[2:] for row in standing]


def subject() -> str:
    return f"S-{next(NUMBERS)}"


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_order_and_any_repetition_end_in_the_same_state(desk: Desk, data: st.DataObject):
    sent = data.draw(messages())
    in_order, shuffled = subject(), subject()
    for message in sent:
        receive(desk, in_order, message)
    again = data.draw(st.lists(st.sampled_from(sent), max_size=3))
    for message in data.draw(st.permutations(sent + again)):
        receive(desk, shuffled, message)
    assert state(desk, shuffled) == state(desk, in_order)


def test_an_older_fact_is_recorded_and_does_not_take_the_place_of_a_newer_one(desk: Desk):
    key = subject()

    def item(value: str, hours: int) -> Fact:
        return Fact(
            kind="item", event="E1", form="IE", item="IT.IN01", value=value, at=START + timedelta(hours=hours)
        )

    assert receive(desk, key, ("new", 2, [item("Y", 2)]))["superseded"] == 0
    late = receive(desk, key, ("old", 1, [item("N", 1)]))
    assert (late["facts"], late["superseded"]) == (1, 1)
    assert [row[8] for row in state(desk, key)[1]] == ["Y"]
    with desk.database.read() as connection:
        entries = connection.execute(
            select(ledger_entry.c.after_json).where(ledger_entry.c.command == "receive_edc_facts")
        ).scalars()
        assert sum('"N"' in entry for entry in entries) == 1
    assert verify_ledger(desk.database, STUDY).difference is None


@pytest.mark.parametrize(
    ("removed_at", "standing"), [(1, ["Y"]), (2, ["Y"]), (3, [])], ids=["earlier", "same moment", "later"]
)
def test_a_removal_takes_away_what_is_older_even_if_it_comes_afterwards(desk: Desk, removed_at, standing):
    item = Fact(
        kind="item",
        event="E1",
        form="IE",
        item="IT.IN01",
        value="Y",
        at=START + timedelta(hours=2),
        ordinal=1,
    )
    removal = Fact(kind="removal", event="E1", form="IE", at=START + timedelta(hours=removed_at))
    one, other = subject(), subject()
    for key, order in ((one, 1), (other, -1)):
        for message in [("A", 2, [removal]), ("B", 2, [item])][::order]:
            receive(desk, key, message)
        assert [row[8] for row in state(desk, key)[1]] == standing

"""Whatever the protocol's way of randomizing: no entry or number twice, caps hold, and every decision derives to the same again.

`RTSM_EXAMPLES` sets how many trials are tried (CI: the same few each time).
"""

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    GenerateListRequest,
    activate_list,
    activation_content,
    generate_randomization_list,
)
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.errors import DomainRefusal
from allocation.ledger.database import open_database
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.schema import list_entry, subject, subject_randomization
from allocation.ledger.verify import verify_ledger
from tests.api.trial import ARMS, KIT_TYPE_OF_ARM, STUDY
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk, desk_at
from tests.commands.live_trial import running, with_events

GIVEN = os.environ.get("RTSM_EXAMPLES")
CAP = 7
ENOUGH = 12
"""Trials that are enough to meet forced subjects and sites without supply."""
EXPECTED = {
    "cap-reached",
    "list-exhausted",
    "no-supply-to-randomize",
    "not-admitted",
    "already-randomized",
    "event-out-of-order",
}
"""Refusals that these trials may meet; any other one is a defect."""

LISTED = st.fixed_dictionaries(
    {
        "method": st.just("permuted_block"),
        "block_sizes": st.sampled_from(([3], [6], [3, 6])),
        "block_assignment": st.sampled_from(("static", "dynamic")),
        "held_by": st.sampled_from(("stratum", "site", "country")),
        "forced": st.sampled_from(("none", "FR0a", "FR0b", "FR1", "FR2")),
    }
)
DRAWN = st.builds(
    lambda method, forced, held_by: {
        **method,
        "drawn": "at_randomization",
        "forced": forced,
        # Minimization balances over all sites by its factors.
        "held_by": "stratum" if "p" in method.get("parameters", {}) else held_by,
    },
    st.sampled_from(
        (
            {"method": "complete"},
            {"method": "random_allocation_rule", "parameters": {"n": 6}},
            {"method": "block_urn", "parameters": {"lambda": 1}},
            {"method": "mass_weighted_urn", "parameters": {"alpha": 2}},
            {"method": "wei_urn", "parameters": {"alpha": 1, "beta": 1}},
            {"method": "minimization", "parameters": {"p": 0.8}},
            {"method": "minimization", "parameters": {"p": 0.7}, "ratio_rule": "biased_coin"},
            {"method": "hu_hu", "parameters": {"p": 0.85, "whole": 0.3, "stratum": 0.5}},
        )
    ),
    st.sampled_from(("none", "FR0a", "FR0b", "FR1")),
    st.sampled_from(("stratum", "site", "country")),
)
SHARES = st.dictionaries(st.sampled_from(ARMS), st.integers(1, 3), min_size=1, max_size=3)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A protocol of the small trial with one event or two, a ratio, and a cap that is refused at."""
    first = {
        "code": "RAND",
        "visit": "V2",
        "factors": draw(st.sampled_from(([], ["SEVERITY"]))),
        **draw(st.one_of(LISTED, DRAWN)),
        "supply_gate": draw(st.sampled_from(("none", "none", "all_kit_types"))),
    }
    minimized = first["method"] in ("minimization", "hu_hu")
    if minimized:
        first["factors"] = ["SEVERITY"]
    equal = {"hu_hu", "random_allocation_rule", "wei_urn"}
    whole = "block_sizes" in first or first["method"] in equal
    ratio = (1, 1, 1) if whole else draw(st.sampled_from(((1, 1, 1), (2, 1, 1), (3, 2, 1))))
    events = [first]
    if draw(st.booleans()):
        shares = {arm: draw(SHARES) for arm in draw(st.sets(st.sampled_from(ARMS), min_size=1))}
        events.append(
            {
                "code": "AGAIN",
                "visit": "V3",
                "method": "complete",
                "drawn": "at_randomization",
                "max_occurrences": draw(st.integers(1, 2)),
                "admission": {"after": "RAND"},
                "transitions": [
                    {"from_arm": arm, "to": [{"arm": to, "ratio": share} for to, share in sorted(of.items())]}
                    for arm, of in sorted(shares.items())
                ],
            }
        )
    document = with_events(*events)
    document["arms"] = [{**arm, "ratio": share} for arm, share in zip(document["arms"], ratio, strict=True)]
    document["caps"] = [{"kind": "randomization", "scope": "study", "limit": CAP, "at_cap": "refuse"}]
    return document


class Played:
    """A trial on its way: who is there, who was randomized how often, and what was refused."""

    def __init__(self, desk: Desk, document: dict[str, Any]) -> None:
        self.desk = running(desk, document)
        self.events = [one["code"] for one in document["randomization"]]
        self.people: list[str] = []
        self.refused: Counter[str] = Counter()
        self.numbers: list[str] = []
        if document["randomization"][0]["method"] == "permuted_block":
            request = GenerateListRequest(list_id="MRL", event="RAND", entries_per_stratum=6, seed=11)
            made = generate_randomization_list(desk.service, ACT, STUDY, request)
            act = desk.signed(ACTIVATION, activation_content("MRL", made["sha256"]))
            activate_list(desk.service, act, STUDY, ActivateListRequest(list_id="MRL"))

    def try_by(self, who: str, event: str) -> None:
        request = RandomizeRequest(subject_id=who, event=event)
        try:
            told = randomize(self.desk.service, ACT, STUDY, request)
        except DomainRefusal as refusal:
            told = {"refused": str(refusal)}
            self.refused[refusal.code] += 1
        else:
            self.numbers.append(told["randomization_number"])
        assert "ZZ" not in str(told)

    def act(self, site_id: str, deliver: str | None, which: int) -> None:
        """Perhaps kits come; somebody new is randomized, and somebody known comes to the later event."""
        if deliver is not None:
            self.desk.stock([KIT_TYPE_OF_ARM[deliver]], 60)
        try:
            self.people.append(self.desk.eligible(site_id))
        except DomainRefusal as refusal:
            self.refused[refusal.code] += 1
        else:
            self.try_by(self.people[-1], "RAND")
        for event in self.events[1:]:
            known = self.people[which % len(self.people)]
            if self.status(known) == "randomized":
                self.try_by(known, event)

    def status(self, who: str) -> str:
        return next(one.status for one in self.desk.rows(subject) if one.subject_id == who)


ACTS = st.lists(
    st.tuples(st.sampled_from(("S01", "S02")), st.sampled_from((None, None, *ARMS)), st.integers(0, 9)),
    min_size=6,
    max_size=9,
)


@pytest.mark.slow
def test_any_way_of_randomizing_leaves_a_true_trial(tmp_path: Path) -> None:
    template = tmp_path / "template.db"
    open_database(f"sqlite:///{template}").dispose()
    met: Counter[str] = Counter()

    @settings(
        max_examples=int(GIVEN) if GIVEN else ENOUGH,
        derandomize=GIVEN is None,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(documents(), ACTS)
    def try_one(document: dict[str, Any], acts: list[tuple[str, str | None, int]]) -> None:
        copy = tmp_path / f"trial-{met['trials']}.db"
        shutil.copyfile(template, copy)
        met["trials"] += 1
        with desk_at(f"sqlite:///{copy}") as desk:
            played = Played(desk, document)
            # Each arm's kits come once: their numbers cannot be loaded again.
            seen: set[str] = set()
            for site_id, deliver, which in acts:
                new = None if deliver in seen else deliver
                seen |= {deliver} if deliver else set()
                played.act(site_id, new, which)
            check(played, met)

    try_one()
    print(met)
    assert met["randomized"] > met["trials"]
    if met["trials"] >= ENOUGH:
        assert met["forced"]
        assert met["no-supply-to-randomize"]


def check(played: Played, met: Counter[str]) -> None:
    desk = played.desk
    with desk.database.read() as connection:
        entries = connection.execute(select(list_entry)).all()
        given_arms = connection.execute(select(subject_randomization)).all()
    assert set(played.refused) <= EXPECTED
    assert len(set(played.numbers)) == len(played.numbers) == len(given_arms)
    users = [one.subject_id for one in entries if one.subject_id is not None]
    assert len(users) == len(set(users))
    assert sum(one.event == "RAND" for one in given_arms) <= CAP
    before = desk.state()
    assert verify_ledger(desk.database, STUDY).difference is None
    rebuild_projections(desk.database, STUDY)
    assert desk.state() == before
    assert Derivation(desk.database, STUDY).run()["randomize"] == len(given_arms)
    met.update(played.refused)
    met["randomized"] += len(given_arms)
    met["forced"] += sum(one.forced for one in given_arms)

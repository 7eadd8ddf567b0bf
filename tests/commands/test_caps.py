"""Caps of every kind and scope: refused at the limit, what happens to those in screening, and never passed by desks that act at once."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from allocation.commands.caps import check_forced_cap
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.screening import ScreenRequest, screen
from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.schema import subject, subject_randomization
from allocation.rules.supply_gates import refused_for_supply
from allocation.study.protocol import Protocol
from tests.api.trial import ARMS, STUDY, protocol
from tests.commands.desk import ACT, Desk
from tests.commands.test_two_desks import at_once

SCOPES = {
    "study": "",
    "region": "NORTH",
    "country": "DEU",
    "site": "S01",
    "cohort": "ONE",
    "stratum": "SEVERITY=MILD",
    "dose_level": "ZZD1",
}


def with_caps(*caps: dict[str, Any], cohorts: bool = True) -> Protocol:
    document = protocol()
    document["caps"] = list(caps)
    for country, region in zip(document["countries"], ("NORTH", "SOUTH"), strict=True):
        country["region"] = region
    if cohorts:
        document["cohorts"] = [
            {"code": "ONE", "name": "One", "arms": list(ARMS), "dose_level": "ZZD1"},
            {"code": "TWO", "name": "Two", "arms": list(ARMS), "dose_level": "ZZD2"},
        ]
    return Protocol.model_validate(document)


def cap(kind: str, scope: str, limit: int = 1, at_cap: str = "refuse") -> dict[str, Any]:
    return {"kind": kind, "scope": scope, "key": SCOPES[scope], "limit": limit, "at_cap": at_cap}


def code_of(act: Any) -> str | None:
    try:
        act()
    except DomainRefusal as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize("scope", SCOPES)
def test_a_screening_cap_counts_what_is_in_its_scope_and_nothing_else(empty_desk: Desk, scope: str) -> None:
    desk = empty_desk.set_up_without_list(with_caps(cap("screening", scope)))
    desk.screened("S01", cohort="ONE")
    assert code_of(lambda: desk.screened("S01", cohort="ONE")) == "cap-reached"
    elsewhere = code_of(lambda: desk.screened("S02", cohort="TWO", factors={"SEVERITY": "SEVERE"}))
    assert elsewhere == ("cap-reached" if scope == "study" else None)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_randomization_cap_refuses_or_lets_those_in_screening_finish(empty_desk: Desk, scope: str) -> None:
    desk = empty_desk.set_up(document=with_caps(cap("randomization", scope)), stocked=False)
    waiting = desk.eligible(cohort="ONE")
    desk.randomized(cohort="ONE")
    request = RandomizeRequest(subject_id=waiting)
    assert code_of(lambda: randomize(desk.service, ACT, STUDY, request)) == "cap-reached"
    refused = code_of(lambda: desk.screened("S01", cohort="ONE"))
    assert refused == ("cohort-not-open" if scope in ("cohort", "dose_level") else "cap-reached")


def test_at_a_cap_that_lets_screening_finish_nobody_new_is_screened(empty_desk: Desk) -> None:
    caps = [cap("randomization", scope, at_cap="finish_screening") for scope in ("country", "stratum")]
    desk = empty_desk.set_up(document=with_caps(*caps, cohorts=False), stocked=False)
    waiting = desk.eligible()
    desk.randomized()
    assert code_of(lambda: desk.screened("S01", factors={"SEVERITY": "SEVERE"})) == "cap-reached"
    assert code_of(lambda: desk.screened("S02")) == "cap-reached"
    desk.screened("S02", factors={"SEVERITY": "SEVERE"})
    randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=waiting))


@pytest.mark.parametrize("scope", ["study", "region", "cohort", "stratum", "dose_level"])
def test_desks_that_screen_at_once_never_pass_a_cap(empty_desk: Desk, scope: str) -> None:
    desk = empty_desk.set_up_without_list(with_caps(cap("screening", scope, 3)))
    request = ScreenRequest(site_id="S01", sex="F", age=40, factors={"SEVERITY": "MILD"}, cohort="ONE")
    # Two sites, so that no lock on a site's row keeps the desks apart; a region has one here.
    other = request.model_copy(update={"site_id": "S01" if scope == "region" else "S02"})
    acts = [lambda service, one=one: screen(service, ACT, STUDY, one) for one in (request, other) * 3]
    answers = at_once(desk, acts)
    assert sum(isinstance(one, dict) for one in answers) == 3
    assert {one.code for one in answers if isinstance(one, DomainRefusal)} == {"cap-reached"}


@pytest.mark.parametrize("scope", ["study", "stratum", "dose_level"])
def test_desks_that_randomize_at_once_never_pass_a_cap_and_a_full_cohort_closes(
    empty_desk: Desk, scope: str
) -> None:
    desk = empty_desk.set_up(document=with_caps(cap("randomization", scope, 3)), stocked=False)
    waiting = [desk.eligible(site, cohort="ONE") for site in ("S01", "S02") * 3]
    acts = [
        lambda service, who=who: randomize(service, ACT, STUDY, RandomizeRequest(subject_id=who))
        for who in waiting
    ]
    answers = at_once(desk, acts)
    assert sum(isinstance(one, dict) for one in answers) == 3
    assert {one.code for one in answers if isinstance(one, DomainRefusal)} == {"cap-reached"}
    with desk.database.read() as connection:
        randomized = select(func.count()).select_from(subject).where(subject.c.randomized_on.is_not(None))
        assert connection.execute(randomized).scalar_one() == 3
    if scope == "dose_level":
        assert code_of(lambda: desk.screened(cohort="ONE")) == "cohort-not-open"


@pytest.mark.parametrize("scope", SCOPES)
def test_a_cap_on_forced_randomization_is_the_refusal_of_a_site_without_supplies(
    empty_desk: Desk, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allocation.commands.studies.unsupported_features", lambda _protocol: [])
    desk = empty_desk.set_up(document=with_caps(cap("forced_randomization", scope)), stocked=False)
    desk.randomized("S01", cohort="ONE")

    def forced_again(site_id: str, country: str, cohort: str, stratum: str) -> DomainRefusal | None:
        with desk.database.write() as connection:
            act = Transaction(connection, desk.service, ACT, STUDY, "randomize", "", desk.now)
            act.in_study()
            try:
                check_forced_cap(act, site_id, country, cohort, stratum)
            except DomainRefusal as refusal:
                return refusal
            return None

    here = ("S01", "DEU", "ONE", "SEVERITY=MILD")
    assert forced_again(*here) is None, "a draw that was not forced does not count"
    with desk.database.write() as connection:
        connection.execute(update(subject_randomization).values(forced=True))
    refusal = forced_again(*here)
    assert refusal is not None
    assert str(refusal) == str(refused_for_supply())
    assert "forc" not in str(refusal)
    assert refusal.code == refused_for_supply().code
    elsewhere = forced_again("S02", "FRA", "TWO", "SEVERITY=SEVERE")
    assert (elsewhere is not None) == (scope == "study")

"""A version takes effect country by country, and subjects on study follow it by its rule; retried, refused, replayed, re-derived."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.studies import GO_LIVE, LoadStudyVersionRequest, load_study_version, version_content
from allocation.commands.version_effects import (
    IN_EFFECT,
    PutVersionIntoEffectRequest,
    effect_content,
    put_version_into_effect,
)
from allocation.commands.visits import VisitRequest, record_visit
from allocation.errors import DomainRefusal, NotFound, SignatureRefused
from allocation.ledger.reader import SealedEntry, iter_sealed
from allocation.ledger.replay import replayed
from allocation.ledger.schema import PROJECTIONS, study_version
from allocation.ledger.sealing import seal_pending
from allocation.study.canonical import protocol_sha256
from allocation.study.protocol import Protocol
from allocation.views.blinded.subjects import subject_detail
from tests.api.trial import STUDY, protocol
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk

DEU, FRA = "S01", "S02"


def next_version(version: int = 2, *, quantity: int = 2, **more: Any) -> dict[str, Any]:
    """The trial with two kits instead of one at V3, and a visit more between V3 and V4."""
    document = protocol(version) | more
    document["visits"] = [
        *document["visits"][:3],
        {**document["visits"][3], "code": "V3A", "number": 3.5, "name": "WEEK 3", "target_day": 22},
        document["visits"][3],
    ]
    document["dispensing"] = [
        {**row, "visits": [visit], "kits": [{**row["kits"][0], "quantity": count}]}
        for row in document["dispensing"]
        for visit, count in (("V2", 1), ("V3", quantity))
    ]
    return document


def amend(
    desk: Desk, document: dict[str, Any], *, at: datetime | None = None, **countries: datetime
) -> dict[str, Any]:
    version = Protocol.model_validate(document)
    act = desk.signed(GO_LIVE, version_content(version))
    request = LoadStudyVersionRequest(protocol=version, effective_at=at, countries=countries)
    return load_study_version(desk.service, act, request)


def put(desk: Desk, document: dict[str, Any], country: str, at: datetime | None = None) -> dict[str, Any]:
    version = document["study"]["version"]
    sha256 = protocol_sha256(Protocol.model_validate(document))
    act = desk.signed(IN_EFFECT, effect_content(STUDY, version, sha256, country, at))
    request = PutVersionIntoEffectRequest(version=version, country=country, effective_at=at)
    return put_version_into_effect(desk.service, act, STUDY, request)


def dispense_at(desk: Desk, subject_id: str, visit: str) -> list[str]:
    request = DispenseRequest(subject_id=subject_id, visit_code=visit)
    numbers: list[str] = dispense(desk.service, ACT, STUDY, request)["kit_numbers"]
    return numbers


def versions_of(desk: Desk, command: str) -> list[int]:
    return [one.config_version for one in entries(desk) if one.command == command]


def entries(desk: Desk) -> list[SealedEntry]:
    """Every entry so far; on PostgreSQL they are sealed a moment later, by a sealer that no test waits for."""
    seal_pending(desk.database)
    return list(iter_sealed(desk.database, STUDY))


def two_on_study(desk: Desk) -> tuple[str, str]:
    """A subject in Germany and one in France, both with their kits of V2, and the sites supplied again on day 15."""
    german, french = desk.randomized(DEU), desk.randomized(FRA)
    for subject_id in (german, french):
        dispense_at(desk, subject_id, "V2")
    return german, french


def on_day(desk: Desk, day: int) -> None:
    """Move to a day of the subjects' study, in the morning; they were randomized on 4 March."""
    desk.now = datetime(2026, 3, 3, 9, tzinfo=UTC) + timedelta(days=day)


def as_projected(desk: Desk) -> dict[str, list[str]]:
    with desk.database.read() as connection:
        return {table.name: sorted(map(repr, connection.execute(select(table)))) for table in PROJECTIONS}


def assert_replays(desk: Desk, decision: str = "dispense") -> None:
    """The ledger gives the same state again, and every decision in it, some of that kind among them."""
    seal_pending(desk.database)
    with replayed(desk.database, STUDY) as connection:
        again = {table.name: sorted(map(repr, connection.execute(select(table)))) for table in PROJECTIONS}
    assert again == as_projected(desk)
    assert Derivation(desk.database, STUDY).run()[decision] > 0


def test_a_version_counts_in_each_country_from_its_own_moment(desk: Desk) -> None:
    german, french = two_on_study(desk)
    on_day(desk, 10)
    answer = amend(desk, next_version(), DEU=desk.now + timedelta(days=2))
    assert list(answer["countries"]) == ["DEU"]
    assert answer["effective_at"] == answer["countries"]["DEU"]
    on_day(desk, 15)
    desk.resupply()
    assert len(dispense_at(desk, german, "V3")) == 2
    assert len(dispense_at(desk, french, "V3")) == 1
    assert versions_of(desk, "dispense") == [1, 1, 2, 1]
    on_day(desk, 22)
    record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=german, visit_code="V3A"))
    with pytest.raises(NotFound) as refusal:
        record_visit(desk.service, ACT, STUDY, VisitRequest(subject_id=french, visit_code="V3A"))
    assert refusal.value.field == "visit_code"
    assert_replays(desk)


def test_a_country_gets_the_version_by_a_signed_act_when_its_approval_comes(desk: Desk) -> None:
    _, french = two_on_study(desk)
    on_day(desk, 5)
    document = next_version()
    amend(desk, document, DEU=desk.now)
    before = desk.state()
    request = PutVersionIntoEffectRequest(version=2, country="FRA")
    with pytest.raises(SignatureRefused):
        put_version_into_effect(desk.service, ACT, STUDY, request)
    assert desk.state() == before
    on_day(desk, 10)
    approved = put(desk, document, "FRA", datetime(2026, 3, 16, tzinfo=UTC))
    assert approved["effective_at"] == "2026-03-16T00:00:00.000000Z"
    desk.resupply()
    on_day(desk, 15)
    assert len(dispense_at(desk, french, "V3")) == 2
    assert_replays(desk)


def test_a_moment_that_has_not_come_may_be_moved_and_the_study_follows_the_first(desk: Desk) -> None:
    document = next_version()
    june, may, july = (datetime(2026, month, 1, tzinfo=UTC) for month in (6, 5, 7))
    amend(desk, document, DEU=june)
    for country, moment, first in (("FRA", may, may), ("FRA", july, june), ("DEU", july, july)):
        put(desk, document, country, moment)
        with desk.database.read() as connection:
            query = select(study_version.c.effective_at).where(study_version.c.version == 2)
            assert connection.execute(query).scalar_one() == first


def test_what_cannot_take_effect_is_refused_and_nothing_is_written(desk: Desk) -> None:
    document = next_version()
    hour = timedelta(hours=1)
    later = desk.now + timedelta(days=9)

    def refused(code: str, act: Any) -> None:
        before = desk.state()
        with pytest.raises(DomainRefusal) as refusal:
            act()
        assert refusal.value.code == code
        assert desk.state() == before

    refused("country-not-in-protocol", lambda: amend(desk, document, JPN=later))
    refused("effective-in-the-past", lambda: amend(desk, document, FRA=desk.now - hour))
    amend(desk, document, DEU=desk.now, FRA=later)
    refused("version-in-effect", lambda: put(desk, document, "DEU", later))
    refused("effective-in-the-past", lambda: put(desk, document, "FRA", desk.now - hour))
    third = next_version(3)
    refused("effective-before-earlier-version", lambda: amend(desk, third, FRA=later - hour))
    amend(desk, third, FRA=later)
    refused("version-superseded", lambda: put(desk, document, "FRA", later + hour))
    with pytest.raises(NotFound):
        put(desk, next_version(4), "FRA")


def test_by_the_rule_of_the_randomized_version_a_subject_stays_and_the_next_one_does_not(desk: Desk) -> None:
    stays, _ = two_on_study(desk)
    on_day(desk, 2)
    amend(desk, next_version(amendment_rule="at_randomization_version"))
    new = desk.randomized(DEU)
    dispense_at(desk, new, "V2")
    desk.resupply()
    on_day(desk, 15)
    assert len(dispense_at(desk, stays, "V3")) == 1
    on_day(desk, 17)
    assert len(dispense_at(desk, new, "V3")) == 2
    assert versions_of(desk, "dispense") == [1, 1, 2, 1, 2]
    ahead = {who: [one.visit_code for one in visits_ahead_of(desk, who)] for who in (stays, new)}
    assert ahead == {stays: ["V4"], new: ["V3A", "V4"]}
    # A later version takes along also those whom the one before it left.
    amend(desk, next_version(3))
    assert [one.visit_code for one in visits_ahead_of(desk, stays)] == ["V3A", "V4"]
    assert_replays(desk)


def visits_ahead_of(desk: Desk, subject_id: str) -> tuple[Any, ...]:
    return subject_detail(desk.database, SYSTEM_ACTOR, STUDY, subject_id).visits_ahead


@pytest.mark.parametrize(
    ("rule", "kits"), [("next_visit", {DEU: 5, FRA: 1}), ("at_randomization_version", {DEU: 1, FRA: 1})]
)
def test_resupply_projects_each_subject_by_the_version_that_it_follows(
    desk: Desk, rule: str, kits: dict[str, int]
) -> None:
    two_on_study(desk)
    on_day(desk, 10)
    amend(desk, next_version(quantity=5, amendment_rule=rule), DEU=desk.now)
    run_resupply(desk.service, Act(SYSTEM_ACTOR), STUDY, RunResupplyRequest())
    (run,) = [one for one in entries(desk) if one.command == "run_resupply"][-1:]
    # Of each kit type: name, on hand, pipeline, D(short), D(long), ...: one subject a site, one arm, V3 due.
    due = {site["site_id"]: sum(one[4] for one in site["kit_types"]) for site in run.after["sites"]}
    assert due == kits
    assert_replays(desk)


def test_a_version_put_into_effect_twice_with_one_key_is_put_once(desk: Desk) -> None:
    document = next_version()
    amend(desk, document, DEU=desk.now)
    sha256 = protocol_sha256(Protocol.model_validate(document))
    signed = desk.signed(IN_EFFECT, effect_content(STUDY, 2, sha256, "FRA", None))
    act = Act(SYSTEM_ACTOR, idempotency_key="approval", signature=signed.signature)
    request = PutVersionIntoEffectRequest(version=2, country="FRA")
    first = put_version_into_effect(desk.service, act, STUDY, request)
    state = desk.state()
    desk.move(hours=3)
    assert put_version_into_effect(desk.service, act, STUDY, request) == first
    assert desk.state() == state


def test_nothing_is_done_at_a_site_where_no_version_is_in_force_yet(empty_desk: Desk) -> None:
    desk = empty_desk
    first = Protocol.model_validate(protocol())
    request = LoadStudyVersionRequest(protocol=first, countries={"DEU": desk.now})
    load_study_version(desk.service, ACT, request)
    for site_id in (DEU, FRA):
        open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id=site_id))
    assert desk.screened(DEU)
    with pytest.raises(DomainRefusal) as refusal:
        desk.screened(FRA)
    assert refusal.value.code == "no-version-in-country"
    run = run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())
    assert run["sites"] == 1

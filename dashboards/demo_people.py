"""The people of the demo: an account for everybody who acts or reads in it, with a documented password, and the cast of its play.

Everyone is invented. Each account holds one role, scoped as in a real trial: a coordinator to the own site, a depot operator to the
own depot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from allocation.access.accounts import hash_password, insert_account
from allocation.access.actors import ALL, SYSTEM_ACTOR, Actor, Grant
from allocation.access.grants import actor_named, insert_grant
from allocation.access.signing import Signature, sign
from allocation.ledger.database import Database
from allocation.study.protocol import Protocol
from simulation.driver import Cast

DEMO_PASSWORD: Final = "only-for-the-demo"  # noqa: S105  (documented: the demo's accounts guard nothing)

STATISTICIAN: Final = "statistician"
PROJECT_MANAGER: Final = "project.manager"
SUPPLY_MANAGER: Final = "supply.manager"

# fmt: off
_GIVEN: Final = (
    "Ana", "Tomas", "Mei", "Jonas", "Chloe", "Rafael", "Ingrid", "Samuel", "Yuki", "Paulina", "Omar", "Lucia", "Erik",
)
_FAMILY: Final = (
    "Ribeiro", "Novak", "Tanaka", "Lindqvist", "Moreau", "Kowalska", "Okafor", "Brennan", "Vogel", "Castelli", "Andersen",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """An account of the demo and the one role that it holds."""

    username: str
    display_name: str
    grant: Grant
    sees: str


_PAGES = "the whole study, blinded"
"""What every team member sees in the browser; the planner's page has parts by kit type for those who may learn them."""


def demo_people(protocol: Protocol) -> tuple[DemoPerson, ...]:
    """Everybody in a study: its team, an operator a depot, a coordinator a site."""
    study_id = protocol.study.id
    wanted = [
        ("sponsor", Grant("sponsor_blinded", study_id), _PAGES),
        (PROJECT_MANAGER, Grant("project_manager", study_id), _PAGES),
        ("data.manager", Grant("data_manager", study_id), "the whole study and its datasets, blinded"),
        ("monitor", Grant("monitor", study_id), _PAGES),
        (
            SUPPLY_MANAGER,
            Grant("supply_manager_unblinded", study_id),
            f"{_PAGES}; the planner by kit type; by the API kit types in stock",
        ),
        (
            STATISTICIAN,
            Grant("unblinded_statistician", study_id),
            f"{_PAGES}; the planner by kit type; by the API and exports arms and lists",
        ),
        (
            "auditor",
            Grant("auditor", study_id),
            f"{_PAGES}; the planner by kit type; by the API and exports arms, lists and the ledger",
        ),
        ("administrator", Grant("administrator", ALL), "accounts and roles; studies blinded"),
    ]
    wanted += [
        (
            f"depot.{depot.code.lower()}",
            Grant("depot_operator", study_id, "depot", depot.code),
            f"{depot.name} and its shipments",
        )
        for depot in protocol.depots
    ]
    wanted += [
        (f"site.{site.code.lower()}", Grant("site_coordinator", study_id, "site", site.code), site.name)
        for site in protocol.sites
    ]
    return tuple(
        DemoPerson(username, _name(number), grant, sees)
        for number, (username, grant, sees) in enumerate(wanted)
    )


def _name(number: int) -> str:
    """A full name; the lengths of the two lists have no common factor, so 143 people have different names."""
    return f"{_GIVEN[number % len(_GIVEN)]} {_FAMILY[number % len(_FAMILY)]}"


def create_people(
    database: Database,
    people: tuple[DemoPerson, ...],
    clock: Callable[[], datetime],
) -> None:
    """Create the accounts with `DEMO_PASSWORD` and give each its role, in one transaction."""
    # It is one password, and no secret: to hash it anew for each of fifty accounts would only take time.
    hashed = hash_password(DEMO_PASSWORD)
    with database.write() as connection:
        for person in people:
            insert_account(
                connection,
                SYSTEM_ACTOR,
                person.username,
                person.display_name,
                DEMO_PASSWORD,
                clock,
                password_hash=hashed,
            )
            insert_grant(connection, SYSTEM_ACTOR, person.username, person.grant, clock)


def demo_cast(database: Database, people: tuple[DemoPerson, ...], clock: Callable[[], datetime]) -> Cast:
    """Who acts where when the demo is played: the accounts' own identities, who sign with their password."""
    actors = {person.username: actor_named(database, person.username) for person in people}

    def at(role: str) -> dict[str, Actor]:
        return {one.grant.scope_key: actors[one.username] for one in people if one.grant.role == role}

    def signed(actor: Actor, meaning: str, content: dict[str, Any]) -> Signature:
        role = actor.grants[0].role
        return sign(database, actor, DEMO_PASSWORD, meaning, content, clock, role=role)

    return Cast(
        project_manager=actors[PROJECT_MANAGER],
        statistician=actors[STATISTICIAN],
        supply_manager=actors[SUPPLY_MANAGER],
        depots=at("depot_operator"),
        sites=at("site_coordinator"),
        sign=signed,
    )

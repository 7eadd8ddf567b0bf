"""The people of a replay: an account for each duty and each site's desk, with no more rights than the duty needs.

They are real accounts, so that each entry of the ledger names one. Nobody knows their passwords: each is drawn at random when the
account is made, and the statistician's again when there is something to sign.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from typing import Any

from allocation.access.accounts import create_account, set_password
from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.access.grants import actor_named, grant_role
from allocation.access.permissions import COMMAND_PERMISSIONS, authorize
from allocation.access.signing import Signature, sign
from allocation.commands.service import Clock
from allocation.errors import NotFound
from allocation.ledger.database import Database
from simulation.replay.steps import PROJECT_MANAGER, STATISTICIAN, SUPPLY_MANAGER, Seat

ROLES = {
    STATISTICIAN.duty: "unblinded_statistician",
    PROJECT_MANAGER.duty: "project_manager",
    SUPPLY_MANAGER.duty: "supply_manager_unblinded",
    "site": "site_coordinator",
}
LONGEST_USERNAME = 64


class Cast:
    """The actors of one replay by their seats."""

    def __init__(self, database: Database, study_id: str, clock: Clock) -> None:
        """Nobody is there yet; `enrol` gives the seats their accounts, on the date that the replay's clock shows."""
        self._database = database
        self._study_id = study_id
        self._clock = clock
        self._actors: dict[Seat, Actor] = {}

    def enrol(self, seats: Iterable[Seat], *, signers_only: bool = False) -> None:
        """Make an account for each seat that has none yet, and give it its role.

        `signers_only`: for a rehearsal, where only who signs needs a password; the others act by their role alone.
        Raises DomainRefusal for an account that was disabled.
        """
        for seat in sorted(seats, key=lambda seat: (seat.site or "", seat.duty)):
            username = self.username(seat)
            if signers_only and seat != STATISTICIAN:
                self._actors[seat] = Actor(username, self._title(seat), (self._grant(seat),))
                continue
            try:
                actor_named(self._database, username)
            except NotFound:
                create_account(
                    self._database,
                    SYSTEM_ACTOR,
                    username,
                    self._title(seat),
                    secrets.token_urlsafe(32),
                    self._clock,
                )
            grant_role(self._database, SYSTEM_ACTOR, username, self._grant(seat), self._clock)
            self._actors[seat] = actor_named(self._database, username)

    def actor(self, seat: Seat) -> Actor:
        """Who sits there."""
        return self._actors[seat]

    def sign(self, seat: Seat, command: str, meaning: str, content: dict[str, Any]) -> Signature:
        """Sign `content` for `command` with the account's password, which is set anew for it."""
        actor = self._actors[seat]
        password = secrets.token_urlsafe(32)
        set_password(self._database, SYSTEM_ACTOR, actor.username, password, self._clock)
        role = authorize(actor, COMMAND_PERMISSIONS[command], self._study_id)
        return sign(self._database, actor, password, meaning, content, self._clock, role=role)

    def username(self, seat: Seat) -> str:
        """The login name of a seat: `replay.STUDY.DUTY`, or with the site in place of the duty; cut by a hash where too long."""
        name = f"replay.{self._study_id}.{seat.site or seat.duty}".lower()
        if len(name) <= LONGEST_USERNAME:
            return name
        return f"{name[:51]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"

    def _title(self, seat: Seat) -> str:
        desk = f"site {seat.site}" if seat.site else seat.duty.replace("-", " ")
        return f"Replay of {self._study_id}, {desk}"

    def _grant(self, seat: Seat) -> Grant:
        role = ROLES[seat.duty]
        if seat.site is None:
            return Grant(role, self._study_id)
        return Grant(role, self._study_id, "site", seat.site)

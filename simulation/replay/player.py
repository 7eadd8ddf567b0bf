"""Plays a recorded study through the real commands, each at its moment, and goes on where an earlier run was cut off.

Nothing is written but by commands. Each has an idempotency key made of the plan's fingerprint and the fact, so that a fact is
recorded once, whatever happens between two runs.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from allocation.access.signing import Signature
from allocation.commands.lists import ACTIVATION, ActivateListRequest, activate_list, activation_content
from allocation.commands.service import Act, Service
from allocation.commands.studies import GO_LIVE, version_content
from allocation.errors import DomainRefusal
from allocation.ledger.database import Database, open_database
from allocation.ledger.reader import iter_rows, studies, subject_arm
from allocation.ledger.sealing import seal_pending
from simulation.replay.cast import Cast
from simulation.replay.errors import PlayRefused
from simulation.replay.preparation import LIST, LIST_ID, STUDY_FILE
from simulation.replay.replay_plan import ReplayPlan
from simulation.replay.resupplying import RUN, dispatched, received
from simulation.replay.steps import STATISTICIAN, Step

ACTIVATE = "activate list"
_SECOND = timedelta(seconds=1)

Progress = Callable[[int, int, datetime], None]
"""Called after each fact with (facts done, facts in all, the replay's moment in UTC)."""


def no_progress(_done: int, _total: int, _moment: datetime) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Played:
    """What a run did: its acts by command, those that the ledger had `before`, and how often a reason overrode a rule."""

    study_id: str
    acts: Counter[str] = field(default_factory=Counter)
    before: Counter[str] = field(default_factory=Counter)
    overridden: int = 0

    @property
    def was_complete(self) -> bool:
        """True if an earlier run had played everything."""
        return not self.acts

    def in_all(self) -> Counter[str]:
        """The acts of the whole replay by command, whichever run did them."""
        return self.acts + self.before


def rehearse(plan: ReplayPlan, progress: Progress = no_progress) -> Played:
    """Play the whole plan in memory, so that a record which the service will refuse is found before anything is written.

    Raises PlayRefused as the player does.
    """
    database = open_database("sqlite://")
    try:
        return Player(database, plan, progress, is_rehearsal=True).play()
    finally:
        database.dispose()


def has_begun(database: Database, plan: ReplayPlan) -> bool:
    """Whether the study is in the database, from this replay or from elsewhere."""
    return plan.protocol.study.id in studies(database)


class Player:
    """One replay into one database. The service takes `moment` (UTC) for the present; it only moves forward."""

    def __init__(
        self,
        database: Database,
        plan: ReplayPlan,
        progress: Progress = no_progress,
        *,
        is_rehearsal: bool = False,
    ) -> None:
        """Nothing is read or written before `play`."""
        self.database = database
        self.plan = plan
        self.progress = progress
        self.is_rehearsal = is_rehearsal
        self.study_id = plan.protocol.study.id
        self.moment = plan.begins_at
        self.service = Service(database, lambda: self.moment)
        self.cast = Cast(database, self.study_id, self.service.clock)
        self.played = Played(self.study_id)
        self.known: dict[str, dict[str, Any]] = {}
        self._waiting: list[tuple[datetime, int, Step]] = []
        self._arrival = count()

    def play(self) -> Played:
        """Play all that has not been played yet; tells what was done.

        Raises PlayRefused where the service refuses a fact or draws another arm than the recorded one, or the database holds
        the study from another source. What was played until then stays, and the next run goes on from there.
        """
        self.known = self._answers()
        seats = {step.seat for step in (*self.plan.preparation, *self.plan.runs, *self.plan.facts)}
        self.cast.enrol(seats, signers_only=self.is_rehearsal)
        self._prepare()
        for step in (*self.plan.runs, *self.plan.facts):
            self._await(step)
        facts, done = set(map(id, self.plan.facts)), 0
        while self._waiting:
            _, _, step = heapq.heappop(self._waiting)
            self._follow(step, self._perform(step))
            if id(step) in facts:
                done += 1
                self.progress(done, len(facts), self.moment)
        seal_pending(self.database)
        return self.played

    def _key(self, name: str) -> str:
        return f"replay:{self.plan.fingerprint}:{name}"

    def _answers(self) -> dict[str, dict[str, Any]]:
        """The answers of the acts that earlier runs of this replay have played, by idempotency key."""
        seal_pending(self.database)
        ours = self._key("")
        found = {
            row["idempotency_key"]: json.loads(row["answer_json"])
            for row in iter_rows(self.database, self.study_id)
            if (row["idempotency_key"] or "").startswith(ours)
        }
        if not found and self.study_id in studies(self.database):
            raise PlayRefused(
                f"the database holds study {self.study_id} already, and not from these datasets and this study file",
                code="replay-other-source",
                field="--db",
                fix="name another database, or give the datasets and the study file that it was played from",
            )
        return found

    def _prepare(self) -> None:
        """Set the study up; the study file and the list are signed by the statistician."""
        for step in self.plan.preparation:
            if step.name == STUDY_FILE:
                self._perform(step, (GO_LIVE, version_content(self.plan.protocol)))
                continue
            answer = self._perform(step)
            if step.name == LIST:
                request = ActivateListRequest(list_id=LIST_ID)
                activation = Step(ACTIVATE, self.moment, STATISTICIAN, activate_list, request)
                self._perform(activation, (ACTIVATION, activation_content(LIST_ID, answer["sha256"])))

    def _await(self, step: Step) -> None:
        heapq.heappush(self._waiting, (step.at, next(self._arrival), step))

    def _follow(self, step: Step, answer: dict[str, Any]) -> None:
        """What comes of an act: orders are dispatched, and what was dispatched arrives."""
        if step.name.startswith(RUN):
            for shipment_id in self._ordered(step, answer):
                self._await(dispatched(shipment_id, self.moment))
        elif step.name.startswith("dispatch "):
            site = answer["shipment_id"].rpartition("-")[0]
            self._await(received(answer["shipment_id"], site, self.plan.places[site].timezone, answer))

    def _ordered(self, run: Step, answer: dict[str, Any]) -> list[str]:
        """The shipments of a run. One that was cut off answers only the orders that it made when it was begun again."""
        own = self._key(run.name) + ":"
        before = [
            one["shipment_id"]
            for key, one in self.known.items()
            if key.startswith(own) and "shipment_id" in one
        ]
        return sorted({*before, *(order["shipment_id"] for order in answer["orders"])})

    def _perform(self, step: Step, signs: tuple[str, dict[str, Any]] | None = None) -> dict[str, Any]:
        """Carry out a step at its moment, unless an earlier run did; gives the service's answer either way."""
        self.moment = max(step.at, self.moment + _SECOND)
        key = self._key(step.name)
        if getattr(step.request, "override_reason", ""):
            self.played.overridden += 1
        if key in self.known:
            self.played.before[step.kind] += 1
            return self.known[key]
        act = Act(self.cast.actor(step.seat), idempotency_key=key)
        try:
            if signs is not None:
                act = replace(act, signature=self._signature(step, *signs))
            answer = step.command(self.service, act, self.study_id, step.request)
        except DomainRefusal as refusal:
            stands = "nothing was written" if self.is_rehearsal else "what was played before stands"
            raise PlayRefused(
                f"{refusal.message}; {stands}", code=refusal.code, field=step.name, fix=refusal.fix
            ) from refusal
        self._check_draw(step, answer)
        self.played.acts[step.kind] += 1
        return answer

    def _signature(self, step: Step, meaning: str, content: dict[str, Any]) -> Signature:
        return self.cast.sign(step.seat, step.kind, meaning, content)

    def _check_draw(self, step: Step, answer: dict[str, Any]) -> None:
        """A randomization must draw the subject's own entry of the rebuilt list, and so the recorded arm."""
        if step.number is None:
            return
        subject_id, number = answer["subject_id"], answer["randomization_number"]
        arm = subject_arm(self.database, self.study_id, subject_id)
        if (number, arm) != (step.number, step.arm):
            raise PlayRefused(
                f"drew {number} ({arm}), and {step.number} ({step.arm}) is recorded",
                code="replay-other-arm",
                field=step.name,
                fix="play into a database in which nobody else randomizes",
            )

"""The people of a return, each with the role of the step, and the acts that they sign."""

from typing import Any

from allocation.access.actors import Actor, Grant
from allocation.access.signing import Signature, content_hash_of
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.service import Act
from allocation.commands.signed_requests import asked_content
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY, protocol
from tests.commands.desk import ACT, Desk

SITE = Actor("anna", "Anna", (Grant("site_coordinator", STUDY, "site", "S01"),))
MONITOR = Actor("mo", "Mo", (Grant("monitor", STUDY, "country", "DEU"),))
MANAGER = Actor("pia", "Pia", (Grant("project_manager", STUDY),))
DEPOT = Actor("dan", "Dan", (Grant("depot_operator", STUDY, "depot", "D1"),))
SUPPLY = Actor("sue", "Sue", (Grant("supply_manager_blinded", STUDY),))


def policy(**returns: Any) -> Protocol:
    """The small blinded protocol with this policy of returns; 1 tablet a day of every kit."""
    document = protocol()
    document["supply"]["returns"] = returns
    for entry in document["dispensing"]:
        entry["kits"][0]["units_per_day"] = 1
    return Protocol.model_validate(document)


def signed(desk: Desk, who: Actor, command: str, request: Any, meaning: str, reason: str = "") -> Act:
    """The act of `who`, signed; that signatures need a password is shown in tests/access."""
    content = asked_content(STUDY, command, request, reason)
    signature = Signature(
        who.username, who.display_name, who.grants[0].role, desk.now, meaning, content_hash_of(content)
    )
    return Act(who, reason=reason, signature=signature)


def given(desk: Desk) -> tuple[str, str]:
    """A subject of S01 and the kit that it was handed out at V2."""
    who = desk.randomized()
    answer = dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    (number,) = answer["kit_numbers"]
    return who, number

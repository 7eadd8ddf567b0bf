"""Running a signed act from the command line: the account's password is asked for once to log in and once more to sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allocation.access.permissions import COMMAND_PERMISSIONS, reach
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.signed_requests import asked_content
from allocation.ledger.database import Database
from allocation.terminal import acting, require_person, signed_as


def run_signed(
    database: Database,
    study_id: str,
    command: str,
    run: Callable[..., dict[str, Any]],
    request: CommandRequest,
    meaning: str,
    reason: str,
    username: str | None,
) -> dict[str, Any]:
    """Do the act of `command` as the account of --as, signed with this meaning; gives its answer. Raises NotPermitted without one."""
    service = Service(database)
    who = acting(database, require_person(username))
    role = reach(who, COMMAND_PERMISSIONS[command], study_id).role
    content = asked_content(study_id, command, request, reason)
    signature = signed_as(service, who, role, meaning, content)
    return run(service, Act(who, reason=reason, signature=signature), study_id, request)

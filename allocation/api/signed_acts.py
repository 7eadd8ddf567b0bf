"""How a signed act is put together from a request: the password again, its meaning, and what is signed."""

from __future__ import annotations

from typing import Any

from allocation.access.actors import Actor
from allocation.access.signing import sign
from allocation.api.bodies import SignatureBody
from allocation.commands.service import Act, Service


def signed_act(
    service: Service,
    actor: Actor,
    role: str,
    key: str,
    reason: str,
    signature: SignatureBody | None,
    content: dict[str, Any],
) -> Act:
    """The act of `actor` under `role`, with the signature of `content`; `key` is its idempotency key. Raises SignatureRefused.

    Without a `signature` the act has none; the command refuses it where one is needed.
    """
    if signature is None:
        return Act(actor, key, reason)
    signed = sign(
        service.database,
        actor,
        signature.password.get_secret_value(),
        signature.meaning,
        content,
        service.clock,
        role=role,
    )
    return Act(actor, key, reason, signed)

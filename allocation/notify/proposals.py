"""What is said of proposed supply parameters: that one waits, and how it was decided. What is proposed is by kit type, and in no mail."""

from __future__ import annotations

from allocation.notify.acts import Blinded
from allocation.notify.blinded import BlindedNotice
from allocation.notify.happening import Happening, Told


def proposal_filed(happening: Happening) -> list[Blinded]:
    """A proposal waits for somebody who did not file it; one that it supersedes waits no longer."""
    name = happening.after["proposal_id"]
    advice = f"Read it beside today's settings (`rtsm resupply proposal compare {name}`), then sign or reject it. Who filed it cannot."
    if replaced := happening.after["supersedes"]:
        advice += f" It stands in the place of {replaced}."
    return [Told(BlindedNotice("Supply parameters wait for a signature", proposal_id=name, advice=advice))]


def proposal_decided(happening: Happening) -> list[Blinded]:
    """A proposal was signed, and is in effect as a protocol version from its moment on, or was rejected."""
    after = happening.after
    name, version = after["proposal_id"], after.get("version")
    effect = "Nothing changes." if version is None else f"They are those of protocol version {version}."
    advice = f"{effect} `rtsm resupply proposal show {name}` says who decided, and why."
    title = f"Proposed supply parameters {after['state']}"
    return [Told(BlindedNotice(title, proposal_id=name, advice=advice))]

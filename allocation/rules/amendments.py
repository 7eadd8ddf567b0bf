"""Which protocol version a subject's own visits follow, once the protocol was amended while the subject is on study."""

from __future__ import annotations

from typing import Final

RULE_VERSION: Final = "amendment/1"


def followed_version(in_force: int, randomized_under: int | None, moves_to: int | None) -> int:
    """The version that the subject's next visit is decided under.

    `in_force` is the version in force in the subject's country, `randomized_under` that of the subject's latest randomization
    (None: not randomized, or on no version of its own), `moves_to` the latest version in force there that moves subjects on study
    (None: there is none). Whoever is not randomized goes by the version in force. Others stay on their version until a later one moves
    them; from then on a version that moves nobody leaves them on the one they moved to.
    """
    if randomized_under is None:
        return in_force
    return max(randomized_under, moves_to or 0)

"""Who acts: an identity with the grants that it holds, as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

ScopeKind = Literal["study", "country", "site", "depot"]

SCOPE_KINDS: Final[tuple[str, ...]] = get_args(ScopeKind)

ALL: Final = "*"
"""As a study: every study. As the key of a scope of kind `study`: the whole study."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role held in a study (`study_id` "*": in every study) for a part of it.

    `scope_kind` study covers everything in the study; country, site and depot cover what lies at the place `scope_key` (an ISO
    3166-1 alpha-3 code, a site id, a depot id).
    """

    role: str
    study_id: str = ALL
    scope_kind: ScopeKind = "study"
    scope_key: str = ALL

    def holds_in(self, study_id: str) -> bool:
        """Whether the grant is for this study."""
        return self.study_id in (ALL, study_id)

    def covers(
        self,
        study_id: str,
        *,
        site_id: str | None = None,
        country: str | None = None,
        depot_id: str | None = None,
    ) -> bool:
        """Whether an act in this study at these places lies inside the grant.

        An act that names no place concerns the whole study: only a grant for the whole study covers it.
        """
        if not self.holds_in(study_id):
            return False
        if self.scope_kind == "study":
            return True
        place = {"country": country, "site": site_id, "depot": depot_id}[self.scope_kind]
        return place is not None and place == self.scope_key


@dataclass(frozen=True, slots=True)
class Actor:
    """An identity and its grants. `username` goes into the ledger, `display_name` onto signatures."""

    username: str
    display_name: str
    grants: tuple[Grant, ...] = ()

    def roles_in(self, study_id: str) -> tuple[str, ...]:
        """The roles that the actor holds somewhere in the study, each once, in the order of the grants."""
        return tuple(dict.fromkeys(grant.role for grant in self.grants if grant.holds_in(study_id)))

    def role_for(
        self,
        allowed: frozenset[str],
        study_id: str,
        *,
        site_id: str | None = None,
        country: str | None = None,
        depot_id: str | None = None,
    ) -> str | None:
        """The role, one of `allowed`, under which the actor acts there: that of the first grant that covers it, or None."""
        for grant in self.grants:
            if grant.role in allowed and grant.covers(
                study_id, site_id=site_id, country=country, depot_id=depot_id
            ):
                return grant.role
        return None


SYSTEM_ACTOR: Final = Actor("system", "OpenRTSM", (Grant("system"),))
"""The scheduler, and the operator at the command line of the machine that holds the database. Never given to a login."""

"""Supply parameters that are proposed: values for a place and a kit type, as a tune report names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import Field, model_validator

from allocation.study.model import Code
from allocation.study.parameters import PARAMETER_NAMES
from allocation.study.supply import CountryCode, ResupplyParameters

PLACES: Final = ("country", "profile", "site", "depot")
"""The fields that name a place, the nearer to a site the later."""

NOT_PROPOSED: Final = ("paused", "valid_from")
"""Fields of a parameter set that no proposal sets: a pause is an act of its own, and the moment is that of the signature."""

_TOGETHER: Final = (["country", "profile"],)
"""Places that are one when both are named: the sites of a profile in a country."""


class ProposedSet(ResupplyParameters):
    """Values proposed for one kit type, or every one, at a place: a site, a refilled depot, a country, the sites of a profile, or those of
    a profile in a country; none of them: all sites of the study.

    The values are those of a parameter set of the protocol: buffers and `seed_quantity` in kits, windows in days. What is left out stays.
    """

    country: CountryCode | None = None
    profile: Code | None = Field(default=None, description="a profile of sites, such as high recruiting ones")
    site: Code | None = None
    depot: Code | None = Field(default=None, description="a depot that another one refills")
    kit_type: Code | None = None

    @model_validator(mode="after")
    def _says_something(self) -> ProposedSet:
        named = list(self.place)
        if len(named) > 1 and named not in _TOGETHER:
            raise ValueError(f"names {' and '.join(named)}; give one place, or none for the whole study")
        for name in NOT_PROPOSED:
            if getattr(self, name) is not None:
                raise ValueError(f"sets {name}; leave it out: a proposal cannot set it")
        if not self.values:
            raise ValueError("sets no parameter; give at least one, such as min_buffer")
        return self

    @property
    def place(self) -> dict[str, str]:
        """The fields that name its place; none: all sites."""
        return {name: getattr(self, name) for name in PLACES if getattr(self, name) is not None}

    @property
    def values(self) -> dict[str, Any]:
        """The parameters that it sets, by name."""
        found = {name: getattr(self, name) for name in PARAMETER_NAMES if name not in NOT_PROPOSED}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def where(self) -> str:
        """Such as `country DEU, kit type K10`."""
        parts = [f"{name} {key}" for name, key in self.place.items()] or ["the study"]
        return ", ".join(parts if self.kit_type is None else [*parts, f"kit type {self.kit_type}"])

    @property
    def nearness(self) -> tuple[int, bool]:
        """How near it is to one site and kit type; of two that reach both, the nearer decides, as in the hierarchy of the protocol."""
        ranks = [PLACES.index(name) for name in self.place]
        return max(ranks, default=-1) * 2 + len(ranks), self.kit_type is not None

    def reaches(self, keys: Mapping[str, str | None], kit_type: str) -> bool:
        """Whether it is for this kit type at the place with these keys by level (country, profile and site of a site, or a depot)."""
        at_depot = keys.get("depot") is not None
        return (
            self.kit_type in (None, kit_type)
            and at_depot == (self.depot is not None)
            and all(keys.get(name) == key for name, key in self.place.items())
        )


def deciding(
    proposed: Sequence[ProposedSet], keys: Mapping[str, str | None], kit_type: str, name: str
) -> ProposedSet | None:
    """The set that decides the parameter `name` there, None where none does."""
    reaching = [one for one in proposed if name in one.values and one.reaches(keys, kit_type)]
    return max(reaching, key=lambda one: one.nearness, default=None)

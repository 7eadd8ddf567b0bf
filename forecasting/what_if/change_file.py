"""A file of named changes to a scenario and its protocol: what may be changed, in the words of the two documents.

A change is a name and one or more of the kinds below; all kinds of a change are made together. Days are calendar days, dates those of the
scenario. What is left out is as in the scenario; a change with nothing but a name changes nothing.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import Field, JsonValue, model_validator

from allocation.study.model import Code, ProtocolPart, Text
from allocation.study.supply import CountryCode, ParameterSet, TimeZone
from simulation.scenario import RateChange

LONGEST_NAME: Final = 60


class SitesAdded(ProtocolPart):
    """Sites more in a country: planned to open on `opens` (left out: the scenario's first day), each `every_days` after the one before.

    The scenario's delay of activation comes on top. A country that the protocol lacks needs its `depot` and `lead_time_days`.
    """

    country: CountryCode
    count: int = Field(ge=1, le=1_000)
    opens: date | None = None
    every_days: int = Field(default=0, ge=0, le=365)
    profile: Code | None = None
    depot: Code | None = Field(default=None, description="of a new country; or of these sites")
    lead_time_days: int | None = Field(
        default=None, ge=0, le=365, description="of a new country, from its depot"
    )
    shipment_cost: float | None = Field(default=None, ge=0, description="of a new country")
    timezone: TimeZone | None = Field(default=None, description="of a new country; left out: its depot's")


class RatioChange(ProtocolPart):
    """Another ratio: `arms` not named keep theirs. `block_sizes` left out: as many rounds of the ratio in a block as before."""

    arms: dict[Code, Annotated[int, Field(ge=1, le=1000)]] = Field(min_length=1)
    block_sizes: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = ()


class ArmDropped(ProtocolPart):
    """An arm that nobody is randomized to from the day `on`, or from the beginning; those in it go on. Its share goes to the other arms.

    Its entries of the list are passed over. Where there is no list, it can be dropped from the beginning only: the protocol closes it.
    """

    arm: Code
    on: date | None = None


class DepotLost(ProtocolPart):
    """A depot from which nothing leaves and at which nothing arrives for so many `days`; orders to it wait, as in a scenario's outages."""

    depot: Code
    first_day: date
    days: int = Field(ge=1, le=3650)


class ShelfLifeChange(ProtocolPart):
    """Lots and campaigns of a kit type (left out: of all) expire `days` earlier (below 0: later), or after `factor` of their shelf life."""

    kit_type: Code | None = None
    days: int | None = Field(default=None, ge=-3650, le=3650)
    factor: float | None = Field(default=None, gt=0, le=10)

    @model_validator(mode="after")
    def _one(self) -> ShelfLifeChange:
        if (self.days is None) == (self.factor is None):
            raise ValueError("has neither days nor a factor, or both; give one of days and factor")
        return self


class ThresholdChange(ParameterSet):
    """Parameters as a protocol's `supply.parameters` has them, put over those of that level, key and kit type.

    `everywhere`: the same fields are taken out of every lower level, so that they hold at all sites.
    """

    everywhere: bool = False


class LeadTimeChange(ProtocolPart):
    """Lanes take `add_days` more (below 0: fewer), or `factor` times as long (rounded up), or exactly `days`.

    All lanes, or those from `depot`, to `country`, to `site`, to `to_depot`.
    """

    depot: Code | None = None
    country: CountryCode | None = None
    site: Code | None = None
    to_depot: Code | None = None
    add_days: int | None = Field(default=None, ge=-365, le=365)
    factor: float | None = Field(default=None, ge=0, le=100)
    days: int | None = Field(default=None, ge=0, le=365)

    @model_validator(mode="after")
    def _one(self) -> LeadTimeChange:
        if sum(one is not None for one in (self.add_days, self.factor, self.days)) != 1:
            raise ValueError("does not say how long lanes take; give one of add_days, factor and days")
        return self


class Override(ProtocolPart):
    """Any field of the two documents, by its path: `scenario.screening.failure_probability`, `protocol.kit_types[K10].cost`.

    An item of a list is named by its place from 0, or by its code.
    """

    path: Text
    value: JsonValue

    @property
    def document(self) -> Literal["scenario", "protocol"] | None:
        """Which document the path begins with; None: neither."""
        first = re.split(r"[.\[]", self.path, maxsplit=1)[0]
        return "scenario" if first == "scenario" else "protocol" if first == "protocol" else None


class Change(ProtocolPart):
    """What is changed together, and the name that it is compared under."""

    name: Annotated[Text, Field(max_length=LONGEST_NAME)]
    description: str = ""
    sites: tuple[SitesAdded, ...] = ()
    recruitment: tuple[RateChange, ...] = Field(default=(), description="as a scenario's rate_changes")
    ratio: RatioChange | None = None
    drop_arm: ArmDropped | None = None
    thresholds: tuple[ThresholdChange, ...] = ()
    lead_times: tuple[LeadTimeChange, ...] = ()
    shelf_life: tuple[ShelfLifeChange, ...] = ()
    depots_lost: tuple[DepotLost, ...] = ()
    set: tuple[Override, ...] = ()

    @property
    def slug(self) -> str:
        """The name as a file's: small letters, digits and hyphens."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.casefold()).strip("-") or "change"

    def told(self) -> dict[str, Any]:
        """What it changes, in the words of the file."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"name", "description"})


class ChangeFile(ProtocolPart):
    """The named changes of a file."""

    schema_version: Literal[1]
    changes: tuple[Change, ...] = Field(min_length=1)

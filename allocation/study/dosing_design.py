"""How doses are calculated and handed out: bands, calculated doses, measurements, and what dispensing is allowed to do."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from allocation.study.model import Code, ProtocolPart, Text


class MeasureBand(ProtocolPart):
    """A range of body weight (kg), body surface area (m2) or age (years at screening): `at_least` is in it, `below` is not."""

    measure: Literal["weight", "bsa", "age"]
    at_least: Decimal | None = Field(default=None, ge=0)
    below: Decimal | None = Field(default=None, gt=0)


class Strength(ProtocolPart):
    """A kit type that a dose is made up of; `amount` is what one kit holds, in the dose's unit."""

    kit_type: Code
    amount: Decimal = Field(gt=0)


class DoseToMakeUp(ProtocolPart):
    """A dose that kits of several strengths make up exactly, with the fewest kits (allocation/rules/dose_kits.py).

    `amount` is for one dose, a kilogram or a square metre (`per`). The weight or surface area is capped at `measure_cap`, multiplied,
    rounded to a multiple of `round_to`, then raised to `minimum` or lowered to `maximum`. `strengths`: in order of preference among
    equally few kits.
    """

    amount: Decimal = Field(gt=0)
    unit: Text
    per: Literal["dose", "kg", "m2"] = "dose"
    measure_cap: Decimal | None = Field(default=None, gt=0, description="kg or m2")
    round_to: Decimal | None = Field(default=None, gt=0)
    rounding: Literal["nearest", "up", "down"] = Field(
        default="nearest", description="nearest: a half goes up"
    )
    minimum: Decimal | None = Field(default=None, gt=0)
    maximum: Decimal | None = Field(default=None, gt=0)
    strengths: tuple[Strength, ...] = Field(min_length=1)


class Measurements(ProtocolPart):
    """How measurements are used: how old they may be at dispensing (days; 0: of the same day; none: any age), and what is plausible.

    A value outside the plausible range is refused as a slip. `planning_*`: what supply counts with for a subject who has not been measured.
    """

    weight_max_age_days: int | None = Field(default=None, ge=0)
    height_max_age_days: int | None = Field(default=None, ge=0)
    weight_min_kg: Decimal = Field(default=Decimal(1), gt=0)
    weight_max_kg: Decimal = Field(default=Decimal(300), gt=0)
    height_min_cm: Decimal = Field(default=Decimal(30), gt=0)
    height_max_cm: Decimal = Field(default=Decimal(250), gt=0)
    bsa_formula: Literal["mosteller", "du_bois"] = "mosteller"
    planning_weight_kg: Decimal | None = Field(default=None, gt=0)
    planning_height_cm: Decimal | None = Field(default=None, gt=0)


class Dosing(ProtocolPart):
    """What dispensing is allowed to do.

    `valid_until_next_visit` (dynamic DND): a kit that is handed out must stay valid until the subject's next dispensing visit plus its late
    window, on top of the kit type's DND days; on unless it is switched off, here or by kit type. `same_lot`: the kits of a type that are
    handed out together come from one lot. `partial`: with the site's consent, what there is may be handed out where kits are short.
    `confirmation`: kits are assigned, and handed out only when the site confirms it; `not_dispensed_to` says where the others go.
    `home_delivery`: with `confirmation`, assigned kits may be sent to the subject's home, and are confirmed when the subject has them.
    `unscheduled`: the kits of the last dispensing visit may be handed out again at an unscheduled visit. `replacement`: a lost or
    damaged kit may be replaced.
    """

    valid_until_next_visit: bool = True
    same_lot: Literal["off", "where_possible", "required"] = "off"
    partial: bool = False
    confirmation: bool = False
    not_dispensed_to: Literal["stock", "quarantine"] = "stock"
    home_delivery: bool = False
    unscheduled: bool = False
    replacement: bool = True
    measurements: Measurements = Measurements()

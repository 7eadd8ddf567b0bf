"""What a request says of a visit that took place, with or without kits."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, model_validator

from allocation.commands.service import CommandRequest
from allocation.plain_values import Day
from allocation.study.model import Code


class VisitDetails(CommandRequest):
    """A visit. Planned: its `visit_code`. Unscheduled: `visit_number`, `name` and `epoch` instead.

    Dates are the site's: `visit_date` None is today; `end_date` and `measured_on` (of weight and height) None are the visit date.
    """

    subject_id: Code
    visit_code: Code | None = None
    visit_number: Decimal | None = Field(default=None, ge=0, max_digits=6, decimal_places=2)
    name: str | None = Field(default=None, max_length=40)
    epoch: Code | None = None
    contact: Literal["clinic", "phone", "home"] = "clinic"
    visit_date: Day | None = None
    end_date: Day | None = None
    weight_kg: Decimal | None = Field(default=None, gt=0, max_digits=6, decimal_places=3)
    height_cm: Decimal | None = Field(default=None, gt=0, max_digits=5, decimal_places=2)
    measured_on: Day | None = None
    override_reason: str = ""

    @model_validator(mode="after")
    def _planned_or_not(self) -> Self:
        if (self.visit_code is None) == (self.visit_number is None):
            raise ValueError("give visit_code for a planned visit, or visit_number for an unscheduled one")
        return self

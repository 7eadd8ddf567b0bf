"""What may go wrong, or be stopped, in the course of a trial: depots that are lost for a time, arms that close on a date."""

from __future__ import annotations

from datetime import date

from pydantic import model_validator

from allocation.study.model import Code, ProtocolPart


class DepotOutage(ProtocolPart):
    """A depot is lost from `first_day` to `last_day`, both included: nothing leaves it and nothing arrives there.

    Orders to it are made, and wait: their kits leave on the first day after. Lots and shipments that were to arrive come on that day, too.
    What it has in stock keeps, and expires as ever. Only in the simulator's engines.
    """

    depot: Code
    first_day: date
    last_day: date

    @model_validator(mode="after")
    def _ordered(self) -> DepotOutage:
        if self.last_day < self.first_day:
            raise ValueError(f"ends {self.last_day}, before it begins {self.first_day}; swap the two days")
        return self


class ArmClosing(ProtocolPart):
    """From the day `on` nobody is randomized to an arm: its entries of the list are passed over. Who is in it goes on.

    Only in the simulator's engines.
    """

    arm: Code
    on: date

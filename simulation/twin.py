"""The SimPy twin: sites, subjects, lots, resupply runs and shipments as processes that act on a `Trial`.

Simulation time is in days (floating point) since 00:00 UTC of the scenario's first day, so that it gives the moment of each
act directly. A site acts in its working hours, 09:00 to 17:00 at the site; the resupply run starts at the protocol's hour in
UTC; lots arrive at 02:00 UTC. What the protocol decides (windows, doses, what is due) is asked of allocation.study and
allocation.rules; what a trial decides (kits, arms, orders) of the `Trial`; only what people and lorries do is drawn here, from
addressed streams.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import simpy

from allocation.study.protocol import Protocol
from allocation.study.supply import Site
from simulation.errors import NotSimulated
from simulation.recruiting import recruiting_site
from simulation.scenario import DayLaw, Scenario
from simulation.streams import Streams
from simulation.supplying import lot_arrivals, resupply_runs
from simulation.trial import Tally, Trial
from simulation.twin_refusals import refuse_what_nobody_does

Progress = Callable[[int, int, Tally], None]
"""Called once a simulated day with (days done, days in all, tally)."""


class Twin:
    """One replicate of a scenario. `clock` gives the moment (UTC) that the simulation has reached."""

    trial: Trial

    def __init__(self, protocol: Protocol, scenario: Scenario, replicate: int = 0) -> None:
        for field, used in (
            ("drop_out.per_visit_probability", scenario.drop_out.per_visit_probability > 0),
            (
                "drop_out.after_missed_dispensing_probability",
                scenario.drop_out.after_missed_dispensing_probability > 0,
            ),
            ("excursions.shipment_probability", scenario.excursions.shipment_probability > 0),
            ("excursions.per_site_month", scenario.excursions.per_site_month > 0),
            ("screening.supply_wait_days", scenario.screening.supply_wait_days > 0),
            ("replacement.probability", scenario.replacement.probability > 0),
            ("visits.kit_replaced_probability", scenario.visits.kit_replaced_probability > 0),
            ("campaigns", bool(scenario.campaigns)),
            *(
                (f"lots[{index}].release_delay_days", lot.release_delay_days is not None)
                for index, lot in enumerate(scenario.lots)
            ),
            ("site_stock_at_start", scenario.site_stock_at_start != "none"),
            ("shipping.approval_days", scenario.shipping.approval_days != DayLaw()),
            ("shipping.outages", bool(scenario.shipping.outages)),
            ("arm_closings", bool(scenario.arm_closings)),
        ):
            if used:
                raise NotSimulated(
                    "is not played through the service",
                    field=field,
                    fix="leave it out, or use rtsm simulate",
                )
        refuse_what_nobody_does(protocol)
        self.protocol = protocol
        self.scenario = scenario
        self.streams = Streams(scenario.seed, replicate)
        self.tally = Tally()
        self.environment = simpy.Environment()
        self._start = datetime.combine(scenario.starts_on, time(), UTC)
        self._zones = {country.code: ZoneInfo(country.timezone) for country in protocol.countries}

    def clock(self) -> datetime:
        """The moment that the simulation has reached, to the second."""
        return self._start + timedelta(seconds=round(self.environment.now * 86400))

    def zone(self, site: Site) -> ZoneInfo:
        """The time zone of a site."""
        return ZoneInfo(site.timezone) if site.timezone else self._zones[site.country]

    def today(self, site: Site) -> date:
        """The date at a site."""
        return self.clock().astimezone(self.zone(site)).date()

    def until(self, site: Site, day: date, minute: int = 0) -> simpy.events.Timeout:
        """Wait until `minute` minutes after 09:00 at the site on `day`; at once when that has passed."""
        moment = datetime.combine(day, time(9), self.zone(site)) + timedelta(minutes=minute)
        return self.wait_for(moment)

    def wait_for(self, moment: datetime) -> simpy.events.Timeout:
        """Wait until a moment; at once when it has passed."""
        at = (moment - self._start).total_seconds() / 86400
        return self.environment.timeout(max(at - self.environment.now, 0.0))

    def run(
        self, trial: Trial, progress: Progress | None = None, pace: Callable[[], None] | None = None
    ) -> Tally:
        """Play the scenario on `trial` to its end; gives the tally. `pace` is called after each simulated day, to slow a show down.

        The trial comes last because it may need this twin's clock. A twin runs once.
        """
        self.trial = trial
        environment = self.environment
        environment.process(lot_arrivals(self))
        environment.process(resupply_runs(self))
        for site in self.protocol.sites:
            environment.process(recruiting_site(self, site))
        for day in range(1, self.scenario.duration_days + 1):
            environment.run(until=float(day))
            if progress is not None:
                progress(day, self.scenario.duration_days, self.tally)
            if pace is not None:
                pace()
        return self.tally

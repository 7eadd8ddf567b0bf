"""What happens in the kernel to the kits that sites have when the trial is over."""

from __future__ import annotations

from simulation.engines import events, outcomes, phases
from simulation.engines.compiled.memory import AT_SITES
from simulation.engines.compiled.parts import part
from simulation.engines.compiled.recording import record


@part
def return_unused(at, ints, day):
    """Every site returns what it has, in quarantine too, to be destroyed."""
    for site in range(at.site_count):
        for lot in range(at.lots_size):
            kits = ints[at.stock + site * at.lots_size + lot]
            if at.excursions_on:
                kits += ints[at.quarantine + site * at.lots_size + lot]
                ints[at.quarantine + site * at.lots_size + lot] = 0
            if kits == 0:
                continue
            ints[at.stock + site * at.lots_size + lot] = 0
            ints[at.level + AT_SITES] -= kits
            ints[at.tally + outcomes.KITS_RETURNED_UNUSED] += kits
            if at.trace_room > 0:
                kit_type = ints[at.lots_kit_type + lot]
                record(at, ints, day, phases.RETURNS, events.RETURNED, site, -1, kit_type, lot, kits)

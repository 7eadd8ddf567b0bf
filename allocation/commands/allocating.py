"""From an admitted subject to an arm: by the protocol alone, from the list in use, or by a draw of the event's method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from allocation.commands.arm_supply import ArmSupply, arm_supply
from allocation.commands.caps import check_forced_cap
from allocation.commands.list_draws import CENTRAL, open_run
from allocation.commands.live_draws import LiveStream, live_stream
from allocation.commands.randomization_admission import Passage
from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.allocation_history import DrawPlace, draw_after_history, plain_record, unit_of
from allocation.rules.forced import ForcedMode, UnusedEntry, forced_list_entry, forced_live_draw
from allocation.rules.supply_gates import SupplyGate, check_supply_gate, refused_for_supply
from allocation.study.allocation_scheme import Ratio, event_ratio, run_key
from allocation.study.randomization_design import RandomizationEvent
from allocation.study.strata import stratum_key

KEPT, MOVED = "keep", "move"
"""The methods of a later event that draws nothing: the subject stays in its arm, or goes to the one that the protocol names."""
TRANSITION_VERSION = "transition/1"


@dataclass(frozen=True, slots=True)
class Allocated:
    """What was allocated and how. `list_use` names the entry, the entries passed over and the block handed out.

    `run` is the key of the run drawn from. `scheme`, `draw_index`, `unit` and `activation` are of live draws alone.
    """

    method: str
    arm: str
    scheduled_arm: str
    forced: bool
    number: str
    holder: str
    run: str
    record: dict[str, Any]
    list_use: dict[str, Any] | None = None
    scheme: str | None = None
    draw_index: int | None = None
    unit: int | None = None
    activation: int | None = None


def allocate(transaction: Transaction, row: Row[Any], passage: Passage, factors: dict[str, str]) -> Allocated:
    """Allocate the subject. Raises DomainRefusal (nothing active, no arm open, no supply), ListExhausted."""
    event, protocol = passage.event, transaction.protocol
    ratio = event_ratio(protocol, event, row.cohort, passage.from_arm)
    if not ratio:
        raise no_open_arm()
    holder = holder_of(transaction, row, event)
    run = run_key(protocol, event, factors, row.cohort, passage.from_arm)
    supply = gated_supply(transaction, row, event, passage.from_arm)
    if not event.draws_live:
        allocated = _from_list(transaction, event, ratio, holder, run, supply)
    else:
        stream = live_stream(transaction, event)
        if passage.from_arm is not None and event.transitions and len(ratio) == 1:
            return _by_protocol(event, passage.from_arm, ratio[0][0], holder, run, stream, supply)
        place = DrawPlace(
            transaction.study_id, protocol, event, ratio, run, holder, factors, stream.seed, stream.index
        )
        allocated = _live(transaction, place, stream, supply)
    if allocated.forced:
        stratum = stratum_key(factors, event.factors)
        check_forced_cap(transaction, row.site_id, row.site_country, row.cohort, stratum)
    return allocated


def no_open_arm() -> DomainRefusal:
    """The refusal where the protocol allocates this subject to no arm any more; it names none."""
    return DomainRefusal(
        "the protocol has no arm open for this subject",
        code="no-open-arm",
        field="subject_id",
        fix="call the sponsor: the protocol must be amended",
    )


def holder_of(transaction: Transaction, row: Row[Any], event: RandomizationEvent) -> str:
    """Who holds the run that the subject draws from: its site, country or region, or nobody (empty) beside the stratum."""
    if event.held_by == "region":
        country = transaction.protocol.country(row.site_country)
        return "" if country is None or country.region is None else country.region
    return {"site": str(row.site_id), "country": str(row.site_country)}.get(event.held_by, "")


def gated_supply(
    transaction: Transaction, row: Row[Any], event: RandomizationEvent, from_arm: str | None
) -> ArmSupply | None:
    """What the site could supply, looked at only where a gate or forced randomization asks; refuses where the gate is closed.

    FR0a asks for the kits of every arm of the event, also of those that this subject cannot come to: else a refusal would tell which.
    """
    if event.supply_gate == "none" and event.forced == "none":
        return None
    supply = arm_supply(transaction, row, event, from_arm)
    check_supply_gate(SupplyGate(event.supply_gate), supply.on_site(), event.gate_kit_types)
    if event.forced == "FR0a":
        check_supply_gate(SupplyGate.ALL_KIT_TYPES, supply.on_site())
    return supply


def require_arm_supply(event: RandomizationEvent, supply: ArmSupply | None, arm: str) -> None:
    """Where nothing is drawn nobody can be forced: without the kits of its one arm the subject waits. Raises DomainRefusal.

    It is asked where the event forces at all, in the words of a draw that leaves no other arm.
    """
    if supply is not None and event.forced != "none" and not supply.suppliable(arm):
        raise refused_for_supply()


def _suppliable(supply: ArmSupply | None, ratio: Ratio) -> dict[str, bool]:
    return {arm: supply is None or supply.suppliable(arm) for arm, _ in ratio}


def _by_protocol(
    event: RandomizationEvent,
    from_arm: str,
    to_arm: str,
    holder: str,
    run: str,
    stream: LiveStream,
    supply: ArmSupply | None,
) -> Allocated:
    require_arm_supply(event, supply, to_arm)
    return Allocated(
        KEPT if to_arm == from_arm else MOVED,
        to_arm,
        to_arm,
        False,
        stream.number,
        holder,
        run,
        {
            "rule_version": TRANSITION_VERSION,
            "from_arm": from_arm,
            "to_arm": to_arm,
            "supply": None if supply is None else supply.record(),
        },
        draw_index=stream.index,
        activation=stream.activation,
    )


def _from_list(
    transaction: Transaction,
    event: RandomizationEvent,
    ratio: Ratio,
    holder: str,
    run: str,
    supply: ArmSupply | None,
) -> Allocated:
    mode = ForcedMode(event.forced)
    suppliable = _suppliable(supply, ratio)
    arms = None
    if mode in (ForcedMode.FR1, ForcedMode.FR2):
        arms = frozenset(arm for arm, there in suppliable.items() if there)
    found = open_run(transaction, event, holder, run, arms=arms)
    unused = [UnusedEntry(entry, skipped) for entry, skipped in found.entries]
    decision = forced_list_entry(mode, f"{run} {holder}".strip(), unused, suppliable)
    entry = decision.assigned
    record: dict[str, Any] = {
        "rule_version": decision.rule_version,
        "run": [holder, run],
        "entries_before": entry.sequence - 1,
        "ratio": dict(ratio),
        "mode": str(mode),
        "scheduled": {"sequence": decision.scheduled.sequence, "arm": decision.scheduled.arm},
        "skipped_before": [one.sequence for one, skipped in found.entries if skipped],
        "suppliable": suppliable,
        "supply": None if supply is None else supply.record(),
    }
    list_use = {
        "list_id": found.list_id,
        "holder": CENTRAL if event.block_assignment == "dynamic" else holder,
        "stratum": entry.stratum,
        "sequence": entry.sequence,
        "block": entry.block,
        "skipped": [one.sequence for one in decision.newly_skipped],
        "new_block": found.new_block,
    }
    return Allocated(
        "list",
        entry.arm,
        decision.scheduled.arm,
        decision.forced,
        entry.number,
        holder,
        run,
        record,
        list_use,
    )


def _live(
    transaction: Transaction, place: DrawPlace, stream: LiveStream, supply: ArmSupply | None
) -> Allocated:
    drawn = draw_after_history(transaction.connection, place)
    decision = forced_live_draw(
        ForcedMode(place.event.forced),
        drawn.arms,
        drawn.probabilities,
        drawn.uniform,
        _suppliable(supply, place.ratio),
        drawn.ratio,
    )
    record = plain_record(drawn)
    if supply is not None:
        record |= {
            "mode": str(decision.mode),
            "suppliable": dict(zip(drawn.arms, decision.suppliable, strict=True)),
            "restricted": list(decision.restricted),
            "second_uniform": decision.second_uniform,
            "supply": supply.record(),
        }
    return Allocated(
        place.event.method,
        decision.assigned,
        decision.scheduled,
        decision.forced,
        stream.number,
        place.holder,
        place.run,
        record,
        scheme=place.scheme,
        draw_index=place.index,
        # A forced subject is not in the unit arm that was drawn; later draws put it into one of its own arm.
        unit=None if decision.forced else unit_of(drawn),
        activation=stream.activation,
    )

"""What a site is to be sent on a twin's state: the decisions are those of allocation.rules, with the protocol's own parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date

import numpy as np

from allocation.rules.demand import (
    DemandPolicy,
    EligibleSubjects,
    PlannedDispensing,
    SubjectDemandFacts,
    SubjectState,
    due_visits,
)
from allocation.rules.dosing import DispensingRow
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.fair_share import share_kit_type
from allocation.rules.lot_status import may_be_used
from allocation.rules.order_timing import Timing, TimingPolicy, decide_timing
from allocation.rules.orders import (
    Consolidation,
    KitTypeSupply,
    LotChoice,
    OrderLine,
    OrderPolicy,
    fill_order,
    limit_to_shares,
    plan_order,
    plan_seeding,
)
from allocation.rules.picking import KitCandidate, SameLot
from allocation.rules.resupply import countable_on_hand, decide_resupply
from allocation.study.buffers import provided_buffers
from allocation.study.dose_paths import dispensing_rows
from allocation.study.newcomers import newcomers
from allocation.study.parameters import EffectiveParameters, effective_parameters
from allocation.study.protocol import Protocol
from allocation.study.subject_schedule import SubjectPath, planned_dispensings, visits_ahead
from simulation.order_replay.twin_state import TwinLot, TwinSite, TwinState


class Deciding:
    """The resupply decisions of one protocol; what never changes is worked out once."""

    def __init__(self, protocol: Protocol) -> None:
        """Ask the protocol for its policies."""
        supply = protocol.supply
        self.protocol = protocol
        self.rows: tuple[DispensingRow, ...] = dispensing_rows(protocol)
        self.demand = DemandPolicy(
            EligibleSubjects(supply.eligible_subjects),
            supply.ignore_if_last_dispensing_skipped,
            supply.ignore_if_overdue_days,
        )
        self.policy = OrderPolicy(
            Consolidation(supply.consolidation),
            LotChoice(supply.lot_choice),
            supply.single_kit_protection,
            supply.single_type_protection,
            supply.withhold_exposed,
            SameLot(supply.same_lot_shipments),
        )
        self.supplies = {
            one.code: KitTypeSupply(
                one.code, one.blinding_group, ExpiryWindows(**one.expiry.model_dump()), one.block_size
            )
            for one in protocol.kit_types
        }

    def needs(self, state: TwinState, site: TwinSite, today: date) -> tuple[OrderLine, ...]:
        """The lines that the site's thresholds ask for on its date; none where nothing is to be ordered."""
        parameters = {
            code: effective_parameters(
                self.protocol, code, today, country=site.country, site=site.code, profile=site.profile
            )
            for code in self.supplies
        }
        active = {code: found for code, found in parameters.items() if not found.paused}
        if not active:
            return ()
        if self.protocol.supply.seeding != "none" and site.last_ordered_on is None:
            return self._seeding(site, active)
        paths = state.paths(site.code)
        facts, planned = self._demand(paths)
        pipeline = state.pipeline(site.code)
        computed = any(found.buffer_from == "computed" for found in active.values())
        coming = newcomers(self.protocol) if computed else None
        decisions = tuple(
            decide_resupply(
                code,
                self._on_hand(state, site, code, today),
                pipeline[code],
                due_visits(planned, facts, code, today, self.demand),
                provided_buffers(self.protocol, code, found, len(paths), coming).parameters,
            )
            for code, found in active.items()
        )
        lines = plan_order(decisions, self.supplies, self.policy)
        supply = self.protocol.supply
        timing = decide_timing(
            decisions,
            sum(line.ordered for line in lines),
            None if site.last_ordered_on is None else (today - site.last_ordered_on).days,
            TimingPolicy(supply.min_shipment_kits, supply.days_between_orders),
        )
        return lines if lines and timing.timing == Timing.GOES else ()

    def _seeding(self, site: TwinSite, active: Mapping[str, EffectiveParameters]) -> tuple[OrderLine, ...]:
        if self.protocol.supply.seeding == "on_first_screening" and not site.screened:
            return ()
        quantities = {code: found.seed_quantity for code, found in active.items()}
        windows = {code: found.long_window for code, found in active.items()}
        return plan_seeding(quantities, windows, self.supplies, self.policy)

    def _on_hand(self, state: TwinState, site: TwinSite, kit_type: str, today: date) -> int:
        here = [(lot, kits) for _, lot, kits in state.stock("site", site.code) if lot.kit_type == kit_type]
        counts = np.array(
            [kits if _usable(lot, site.country, shipping=False) else 0 for lot, kits in here], dtype=np.int64
        )
        expiries = np.array([lot.expiry.toordinal() for lot, _ in here], dtype=np.int64)
        windows = self.supplies[kit_type].windows
        return int(countable_on_hand(counts, expiries, windows.dnc_days, today.toordinal()))

    def _demand(
        self, paths: Iterable[SubjectPath]
    ) -> tuple[list[SubjectDemandFacts], list[PlannedDispensing]]:
        facts: list[SubjectDemandFacts] = []
        planned: list[PlannedDispensing] = []
        for path in paths:
            ahead = visits_ahead(self.protocol, path)
            facts.append(
                SubjectDemandFacts(
                    path.subject_id,
                    SubjectState.RANDOMIZED,
                    skipped_last_dispensing=self._skipped_latest(path),
                    oldest_open_window_closes=ahead[0][1].closes if ahead else None,
                )
            )
            planned += planned_dispensings(self.protocol, self.rows, path, ahead)
        return facts, planned

    def _skipped_latest(self, path: SubjectPath) -> bool:
        on_record = [
            visit
            for visit in self.protocol.visits
            if visit.dispensing and (visit.code in path.done or visit.code in path.missed)
        ]
        return bool(on_record) and max(on_record, key=lambda visit: visit.number).code in path.missed

    def shares(
        self, state: TwinState, asked: Mapping[str, tuple[OrderLine, ...]], depot_days: Mapping[str, date]
    ) -> dict[str, dict[str, int]]:
        """Site -> kit type -> its share, where several sites of the run ask one depot for more of a kit type than it has."""
        found: dict[str, dict[str, int]] = {site_id: {} for site_id in asked}
        if self.protocol.supply.depot_shortage != "fair_share":
            return found
        wanted: dict[tuple[str, str], dict[str, int]] = {}
        for site_id, lines in asked.items():
            for line in lines:
                wanted.setdefault((state.sites[site_id].depot, line.kit_type), {})[site_id] = line.ordered
        for (depot, kit_type), by_site in wanted.items():
            if len(by_site) < 2:
                continue
            country = {site_id: state.sites[site_id].country for site_id in by_site}
            today, windows = depot_days[depot], self.supplies[kit_type].windows
            here = [
                (lot, kits)
                for _, lot, kits in state.stock("depot", depot)
                if lot.kit_type == kit_type and (lot.expiry - today).days > windows.dns_days
            ]
            usable = {
                place: sum(kits for lot, kits in here if _usable(lot, place, shipping=True))
                for place in sorted(set(country.values()))
            }
            available = sum(
                kits for lot, kits in here if any(_usable(lot, place, shipping=True) for place in usable)
            )
            shared = share_kit_type(
                kit_type, by_site, country, usable, available, self.supplies[kit_type].block_size
            )
            if shared.shares != shared.wanted:
                for site_id in by_site:
                    found[site_id][kit_type] = shared.shares[site_id]
        return found

    def order(
        self,
        state: TwinState,
        site: TwinSite,
        lines: tuple[OrderLine, ...],
        shares: Mapping[str, int],
        depot_today: date,
    ) -> Counter[tuple[str, str]]:
        """What the depot ships for these lines on its date: kits by kit type and lot."""
        limited = limit_to_shares(lines, shares)
        whole = self.policy.same_lot != SameLot.OFF or self.policy.lot_choice != LotChoice.MIN_WASTAGE
        most = {line.kit_type: line.ordered for line in limited}
        candidates = [
            KitCandidate(
                number,
                lot.kit_type,
                True,
                _usable(lot, site.country, shipping=True),
                lot.expiry,
                state.sequence[number],
                code,
            )
            for code, lot, kits in state.stock("depot", site.depot)
            if lot.kit_type in most
            for number in state.in_picking_order("depot", site.depot, code)[
                : kits if whole else most[lot.kit_type]
            ]
        ]
        proposal = fill_order(limited, candidates, self.supplies, depot_today, self.policy)
        return Counter((candidates[index].kit_type, candidates[index].lot) for index in proposal.shipped)


def _usable(lot: TwinLot, country: str, *, shipping: bool) -> bool:
    return may_be_used(lot.status, lot.released_for, country, shipping=shipping)

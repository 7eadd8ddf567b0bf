"""Deriving the decisions of a ledger again: its entries are folded one by one into an empty database, and before each is folded,
the rules are asked what they decide in that state, at that moment."""

import json
from collections import Counter
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, create_engine, select
from sqlalchemy.pool import StaticPool

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.measuring import chosen_measurements, measures_of
from allocation.commands.order_record import decision_record
from allocation.commands.satellite_supply import supplied_situations
from allocation.commands.site_supply import (
    SiteAt,
    kit_type_supplies,
    order_policy,
    site_need,
)
from allocation.ledger.database import Database
from allocation.ledger.projections import project
from allocation.ledger.reader import SealedEntry, iter_sealed, protocol_at
from allocation.ledger.schema import (
    PROJECTIONS,
    depot,
    kit,
    list_block,
    list_entry,
    metadata,
    shipment,
    site,
    subject,
    subject_measurement,
)
from allocation.ledger.subject_paths import path_of, visits_of
from allocation.ledger.versions import (
    moving_version_in_country,
    version_from_a_visit_in_country,
    version_in_country,
    versions_of_subject,
)
from allocation.rules.amendments import version_at
from allocation.rules.dosing import DoseMove, kits_due, measures_needed
from allocation.rules.expiry import ExpiryWindows, is_expired, may_count
from allocation.rules.fair_share import SharedKitType, share_kit_type
from allocation.rules.measures import Measure, Measurement, MeasurementUse, Measures
from allocation.rules.orders import fill_order, limit_to_shares
from allocation.rules.picking import KitCandidate, SameLot, choose_kits_at_site
from allocation.study.dose_paths import dispensing_rows
from allocation.study.followed_schedule import followed_schedule
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import RandomizationEvent
from allocation.study.strata import stratum_key
from allocation.study.subject_schedule import (
    SubjectPath,
    dose_level_at,
    dose_level_before,
    is_first_titration,
    needed_until,
    scheduled_dose_level,
)
from allocation.study.supply import stays_valid
from allocation.views.unblinded.draws import explain_randomization
from tests.commands.depot_derivation import derive_depot_order
from tests.commands.derivation_of_orders import derive_exchange, derive_indent
from tests.commands.derivation_of_stock import kits_as_candidates
from tests.commands.pool_derivation import derive_lending, derive_taking
from tests.commands.proposal_derivation import derive_filing, derive_signing
from tests.commands.transfer_derivation import derive_transfer, origin_stock


class Derivation:
    """A ledger on its way from empty to its end; `derived` counts the decisions that came out as they are recorded."""

    def __init__(self, database: Database, study_id: str) -> None:
        self.database = database
        self.study_id = study_id
        self.derived: Counter[str] = Counter()
        self.protocols: dict[int, Protocol] = {}

    def run(self) -> Counter[str]:
        engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(engine, tables=list(PROJECTIONS))
        checks = {
            "randomize": self.randomize,
            "dispense": self.dispense,
            "replace_kit": self.replace_kit,
            "order_shipment": self.order_shipment,
            "transfer_kits": partial(derive_transfer, self),
            "lend_kits": partial(derive_lending, self),
            "take_from_pool": partial(derive_taking, self),
            "expire_kits": self.expire_kits,
            "indent_stock": partial(derive_indent, self),
            "exchange_kit": partial(derive_exchange, self),
            "file_supply_proposal": partial(derive_filing, self),
            "sign_supply_proposal": partial(derive_signing, self),
        }
        with engine.connect() as state:
            for entry in iter_sealed(self.database, self.study_id):
                if entry.command in checks:
                    checks[entry.command](state, entry)
                    self.derived[entry.command] += 1
                project(state, self.study_id, entry.command, entry.subject_id, entry.site_id, entry.after)
        engine.dispose()
        return self.derived

    def protocol(self, entry: SealedEntry) -> Protocol:
        version = entry.config_version
        if version not in self.protocols:
            self.protocols[version] = protocol_at(self.database, self.study_id, version)
        return self.protocols[version]

    def schedule(self, state: Connection, entry: SealedEntry) -> Protocol:
        """The protocol of the entry's version with the schedule of its subject: visits before one may follow an earlier version."""
        country = subject.c.country
        query = select(
            country,
            subject.c.protocol_version,
            version_in_country(country),
            moving_version_in_country(country),
            version_from_a_visit_in_country(country),
        ).where(subject.c.subject_id == entry.subject_id)
        row = state.execute(query, {"study": self.study_id, "now": entry.recorded_at}).one()
        versions = versions_of_subject(
            state,
            self.study_id,
            entry.recorded_at,
            row.country,
            row.version,
            row.protocol_version,
            row.moves_to,
            row.moves_from,
        )
        visits = visits_of(state, self.study_id, entry.subject_id or "")
        numbers = [Decimal(one.visit_number) for one in visits if one.visit_code and one.status == "done"]
        if "visit" in entry.after and entry.after["visit"]["visit_code"] is not None:
            numbers.append(Decimal(entry.after["visit"]["visit_number"]))
        assert entry.config_version == version_at(versions, max(numbers, default=None))
        protocols = {version: protocol_at(self.database, self.study_id, version) for _, version in versions}
        return followed_schedule(versions, protocols, entry.config_version)

    def site(self, state: Connection, site_id: str | None) -> Any:
        return state.execute(select(site).where(site.c.site_id == site_id)).one()

    def candidates(
        self, state: Connection, status: str, place: str, *countries: str, shipping: bool = True
    ) -> list[KitCandidate]:
        """Every kit in that status at that place, for use or shipping in one of these countries."""
        return kits_as_candidates(state, status, place, countries, shipping=shipping)

    def randomize(self, state: Connection, entry: SealedEntry) -> None:
        """The record derives to the same again; and what a list gave is the entry in turn, found here without the rule."""
        after = entry.after
        event = self.protocol(entry).event(after["event"])
        assert event is not None
        assert entry.subject_id is not None
        assert after["stratum"] == stratum_key(after["factors"], event.factors)
        known = explain_randomization(self.database, SYSTEM_ACTOR, self.study_id, entry.subject_id)
        (found,) = [
            one
            for one in known.randomizations
            if (one.event, one.occurrence) == (after["event"], after["occurrence"])
        ]
        assert found.derives_to_the_same, found
        assert after["forced"] == (after["arm"] != after["scheduled_arm"]) or after["list"] is not None
        if after["list"] is not None:
            self.list_entry(state, event, after)

    def list_entry(self, state: Connection, event: RandomizationEvent, after: dict[str, Any]) -> None:
        used = after["list"]
        columns = list_entry.c
        query = select(list_entry).where(
            columns.list_id == used["list_id"],
            columns.holder == used["holder"],
            columns.stratum == used["stratum"],
            columns.subject_id.is_(None),
        )
        rows = state.execute(query.order_by(columns.sequence)).all()
        if event.block_assignment == "dynamic":
            ours = {used["new_block"]}
            others = set()
            for row in state.execute(select(list_block).where(list_block.c.list_id == used["list_id"])):
                mine = [row.holder, row.stratum] == after["record"]["run"]
                (ours if mine else others).add(row.block)
            assert used["new_block"] not in others, "a block is never in two runs"
            rows = [row for row in rows if row.block in ours]
        in_turn = [row for row in rows if row.skipped_for is None or event.forced == "FR2"]
        suppliable = after["record"]["suppliable"]
        skips = event.forced in ("FR1", "FR2")
        chosen = next(row for row in in_turn if not skips or suppliable[row.arm])
        assert (chosen.sequence, chosen.randomization_number, chosen.arm) == (
            used["sequence"],
            after["randomization_number"],
            after["arm"],
        )
        assert (after["scheduled_arm"], after["forced"]) == (in_turn[0].arm, chosen is not in_turn[0])
        before = [row for row in in_turn if row.sequence < chosen.sequence and row.skipped_for is None]
        assert used["skipped"] == [row.sequence for row in before]

    def dispense(self, state: Connection, entry: SealedEntry) -> None:
        """Level, kits due and the kits chosen are what the rules say of that stock on the site's date."""
        after, protocol = entry.after, self.schedule(state, entry)
        who = state.execute(select(subject).where(subject.c.subject_id == entry.subject_id)).one()
        today = self.today(state, entry)
        assert who.dose_held_on is None
        assert after["dispensed_on"] == today.isoformat() == after["visit"]["recorded_on"]
        code = after["visit"]["visit_code"]
        path = path_of(who, visits_of(state, self.study_id, who.subject_id))
        level, like, visit = path.dose_level, after.get("kits_of", code), None
        if code is None:
            assert like == max(path.dispensed, key=lambda one: (path.done[one], one))
        else:
            assert code not in path.missed
            visit = protocol.visit(code)
            level = self.level(protocol, path, after)
        assert level == after["dose_level"]
        rows = dispensing_rows(protocol)
        measures = self.measures(state, protocol, entry, measures_needed(rows, like), who.age)
        due = kits_due(rows, like, who.arm, level, measures)
        until = needed_until(protocol, path, visit, date.fromisoformat(after["visit"]["visit_date"]))
        assert after["record"]["needed_until"] == (None if until is None else until.isoformat())
        self.chosen(state, entry, due.kits, until)
        assert entry.kit_numbers == tuple(one["kit_number"] for one in after["kits"])
        assert bool(after.get("awaits_confirmation")) == protocol.dosing.confirmation

    def replace_kit(self, state: Connection, entry: SealedEntry) -> None:
        """The new kit is of the old one's type, and the one that the picking rule takes."""
        after, protocol = entry.after, self.schedule(state, entry)
        who = state.execute(select(subject).where(subject.c.subject_id == entry.subject_id)).one()
        old = state.execute(select(kit).where(kit.c.kit_number == after["replaced"])).one()
        assert (old.subject_id, old.visit_number) == (who.subject_id, after["visit_number"])
        path = path_of(who, visits_of(state, self.study_id, who.subject_id))
        until = needed_until(protocol, path, None, self.today(state, entry))
        self.chosen(state, entry, ((old.kit_type, 1),), until)

    def today(self, state: Connection, entry: SealedEntry) -> date:
        return entry.recorded_at.astimezone(self.zone(state, entry.site_id)).date()

    def zone(self, state: Connection, site_id: str | None) -> ZoneInfo:
        return ZoneInfo(self.site(state, site_id).timezone)

    def level(self, protocol: Protocol, path: SubjectPath, after: dict[str, Any]) -> str | None:
        """The level after the move that was asked for, by steps or by the blinded label."""
        code = after["visit"]["visit_code"]
        before = dose_level_before(protocol, path, code)
        move = None if after["titration"] is None else DoseMove(after["titration"])
        asked = after.get("asked", {"steps": 1, "dose_label": None})
        steps = asked["steps"]
        if asked["dose_label"] is not None:
            order = [one.code for one in sorted(protocol.dose_levels, key=lambda one: one.order)]
            labels = {one.label: one.code for one in protocol.dose_levels}
            now = scheduled_dose_level(protocol, path.arm or "", before, code)
            steps = max(1, abs(order.index(labels[asked["dose_label"]]) - order.index(now or "")))
        first = is_first_titration(protocol, path)
        level, moved = dose_level_at(protocol, path.arm or "", before, code, move, steps=steps, first=first)
        assert moved == move
        return level

    def measures(
        self,
        state: Connection,
        protocol: Protocol,
        entry: SealedEntry,
        needed: frozenset[Measure],
        age: int | None,
    ) -> Measures | None:
        """What was measured up to that day, this entry's own measurements last."""
        if not needed:
            return None
        known = state.execute(
            select(subject_measurement).where(subject_measurement.c.subject_id == entry.subject_id)
        )
        taken = [(one.measure, one.value, one.measured_on.isoformat()) for one in known]
        taken += [tuple(one) for one in entry.after.get("measurements", ())]
        measurements = [
            Measurement(Measure(measure), Decimal(value), date.fromisoformat(on))
            for measure, value, on in taken
        ]
        choices = chosen_measurements(protocol, needed, measurements, self.today(state, entry))
        assert all(choice.use == MeasurementUse.USABLE for choice in choices)
        measured = [(one.chosen.measure, one.chosen.value, one.days_old) for one in choices if one.chosen]
        assert measured == [
            (measure, Decimal(value), days) for measure, value, _, days in entry.after["record"]["measured"]
        ]
        return measures_of(protocol, choices, age)

    def chosen(
        self, state: Connection, entry: SealedEntry, due: tuple[tuple[str, int], ...], until: date | None
    ) -> None:
        """The entry's kits are those that the picking rule takes of what is due, and what is short is recorded."""
        protocol, at = self.protocol(entry), self.site(state, entry.site_id)
        stock = self.candidates(state, "site_available", at.site_id, at.country, shipping=False)
        chosen, short = [], {}
        for kit_type, quantity in due:
            defined = protocol.kit_type(kit_type)
            assert defined is not None
            windows = ExpiryWindows(**defined.expiry.model_dump())
            needed = until if stays_valid(protocol, defined) else None
            same_lot = SameLot(protocol.dosing.same_lot)
            decision = choose_kits_at_site(
                stock, kit_type, quantity, self.today(state, entry), windows, needed, same_lot
            )
            assert not decision.shortfall or protocol.dosing.partial
            if decision.shortfall:
                short[kit_type] = decision.shortfall
            chosen += [(stock[index].key, kit_type) for index in decision.chosen]
        assert chosen == [(one["kit_number"], one["kit_type"]) for one in entry.after["kits"]]
        assert short == entry.after.get("short", {})

    def order_shipment(self, state: Connection, entry: SealedEntry) -> None:
        """What is on hand and on its way is counted by hand; the rules make of it the record, quantities and kits of the order."""
        after, protocol = entry.after, self.protocol(entry)
        if entry.site_id is None:
            derive_depot_order(self, state, entry)
            return
        row = self.site(state, entry.site_id)
        today = entry.recorded_at.astimezone(ZoneInfo(row.timezone)).date()
        at = SiteAt(row.site_id, row.country, row.depot_id, row.profile, today, entry.config_version)
        for decided in after["record"]["decisions"]:
            kit_type = decided["kit_type"]
            assert decided["on_hand"] == self.on_hand(state, protocol, at, kit_type)
            assert decided["pipeline"] == self.pipeline(state, protocol, at.site_id, kit_type)
        known = {(self.study_id, protocol.study.version): protocol}
        (situation,) = supplied_situations(state, self.study_id, [at], entry.recorded_at, known)
        need = site_need(situation)
        stock, depot_today = origin_stock(self, state, entry, at)
        shared = {one["kit_type"]: self.shared(one) for one in after["record"]["fair_share"]}
        own = {kit_type: one.shares[at.site_id] for kit_type, one in shared.items()}
        lines = limit_to_shares(need.lines, own)
        proposal = fill_order(lines, stock, kit_type_supplies(protocol), depot_today, order_policy(protocol))
        assert [stock[index].key for index in proposal.shipped] == after["kits"]
        quantities = Counter(stock[index].kit_type for index in proposal.shipped)
        assert dict(quantities) == after["quantities"]
        assert json.loads(json.dumps(decision_record(need, proposal, shared), default=str)) == after["record"]

    def shared(self, recorded: dict[str, Any]) -> SharedKitType:
        """How a run shared a kit type out, decided again from what it counted."""
        names = ("kit_type", "wanted", "country", "usable", "available", "block_size")
        shared = share_kit_type(*(recorded[name] for name in names))
        assert asdict(shared) == recorded
        return shared

    def on_hand(self, state: Connection, protocol: Protocol, at: SiteAt, kit_type: str) -> int:
        defined = protocol.kit_type(kit_type)
        assert defined is not None
        windows = ExpiryWindows(**defined.expiry.model_dump())
        here = self.candidates(state, "site_available", at.site_id, at.country, shipping=False)
        return sum(
            one.kit_type == kit_type and one.released and may_count(at.today, one.expiry, windows)
            for one in here
        )

    def pipeline(self, state: Connection, protocol: Protocol, site_id: str, kit_type: str) -> int:
        counted = set(protocol.supply.pipeline_statuses)
        statuses = {
            row.shipment_id: row.status
            for row in state.execute(select(shipment).where(shipment.c.to_place == site_id))
        }
        return sum(
            row.kit_type == kit_type
            and row.status in ("requested", "in_transit")
            and {"proposed": "requested"}.get(found := statuses.get(row.shipment_id), found) in counted
            for row in state.execute(select(kit))
        )

    def expire_kits(self, state: Connection, entry: SealedEntry) -> None:
        """Just the kits at a depot or site whose expiry date has come there were turned over."""
        zones = {row.depot_id: row.timezone for row in state.execute(select(depot))}
        zones |= {row.site_id: row.timezone for row in state.execute(select(site))}
        expiring = ("depot_available", "requested", "site_available", "quarantined")
        expected = []
        for row in state.execute(_standing(expiring)):
            today: date = entry.recorded_at.astimezone(ZoneInfo(zones[row.place])).date()
            if is_expired(today, row.expiry_date):
                expected.append(row.kit_number)
        assert expected == [one[0] for one in entry.after["kits"]] == list(entry.kit_numbers)


def _standing(statuses: tuple[str, ...]) -> Select[Any]:
    """The kits of these statuses that are at a depot or a site."""
    query = select(kit).where(kit.c.status.in_(statuses), kit.c.place_kind.in_(("depot", "site")))
    return query.order_by(kit.c.kit_number)

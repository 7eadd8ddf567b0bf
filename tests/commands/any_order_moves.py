"""Stock that changes its owner, in any order: from one site to another, and out of a pool into another study."""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlalchemy import select

from allocation.commands.pooling import TakeFromPoolRequest, take_from_pool
from allocation.commands.transfers import TransferKitsRequest, transfer_kits
from allocation.ledger.schema import kit
from tests.api.trial import KIT_TYPE_OF_ARM, STUDY
from tests.commands.any_order_supply import SupplyActs
from tests.commands.any_order_trial import OTHER, PLACES

TYPES = tuple(KIT_TYPE_OF_ARM.values())
NEEDED_THERE = "needed there"


class MoveActs(SupplyActs):
    """Transfers and pools."""

    @rule(
        from_site=st.sampled_from(sorted(PLACES)),
        to_site=st.sampled_from(sorted(PLACES)),
        kits=st.integers(1, 2),
    )
    def kits_are_moved_between_sites(self, from_site: str, to_site: str, kits: int) -> None:
        free = [one for one in self.model.kits.values() if self.may_ship(one, from_site, to_site)]
        stock = Counter(one.kit_type for one in free)
        asked = -(-kits // self.variant.block_size) * self.variant.block_size
        request = TransferKitsRequest(from_site=from_site, to_site=to_site, groups={"BOTTLE": kits})
        answer = self.attempt(transfer_kits, request, reason=NEEDED_THERE)
        enough = all(stock[kit_type] >= asked for kit_type in TYPES)
        assert (answer is not None) == (from_site != to_site and enough)
        if answer is None:
            return
        numbers = self.listed(answer["shipment_id"])
        took = Counter(self.model.kits[number].kit_type for number in numbers)
        assert took == dict.fromkeys(TYPES, asked)
        self.sets_aside(answer["shipment_id"], numbers, from_site, to_site, by_hand=True)

    @rule(
        place=st.sampled_from(("D1", "D1", *sorted(PLACES))),
        kit_type=st.sampled_from(TYPES),
        kits=st.integers(1, 2),
        meant=st.sampled_from((True, False)),
    )
    def another_study_takes_kits(self, place: str, kit_type: str, kits: int, meant: bool) -> None:
        """They stay where they are and leave our books for good; nothing but what we could still ship may go."""
        if not meant:
            return
        at_depot = place == "D1"
        free = {
            number: one
            for number, one in self.model.kits.items()
            if self.may_ship(one, place, "CENTRAL" if at_depot else place)
        }
        request = TakeFromPoolRequest.model_validate(
            {
                "pool": "DEPOT" if at_depot else "SITE",
                "from_study": STUDY,
                "depot_id" if at_depot else "site_id": place,
                "kit_types": {kit_type: kits},
            }
        )
        answer = self.attempt(take_from_pool, request, reason=NEEDED_THERE, study=OTHER)
        if answer is None:
            # What the other study's own books say of a lot, since it first had kits of it, may bar more.
            plain = [
                one for one in free.values() if self.known_there.get(one.lot_id) in (None, repr(one.lot))
            ]
            stock = Counter(one.kit_type for one in plain)
            if at_depot:
                assert stock[kit_type] < kits
            else:
                most = max(kits, 2) * self.variant.block_size
                assert any(stock[one] < most for one in TYPES)
            return
        with self.desk.database.read() as connection:
            query = select(kit.c.kit_number).where(kit.c.study_id == OTHER)
            theirs = set(connection.execute(query).scalars())
        taken = {n for n in theirs if self.model.kits[n].status != "transferred"}
        assert len(taken) == answer["kits"]
        assert Counter(self.model.kits[n].kit_type for n in taken) == answer["kit_types"]
        assert taken <= free.keys()
        for number in taken:
            one = self.model.kits[number]
            self.known_there.setdefault(one.lot_id, repr(one.lot))
            one.status, one.place_kind, one.place = "transferred", "other_study", OTHER

"""What is decided about lots, in any order: quality, release by country, expiry later or earlier by country, new labels."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from allocation.commands.expiry_change import (
    ChangeLotExpiryRequest,
    RelabelKitsRequest,
    change_lot_expiry,
    relabel_kits,
)
from allocation.commands.lot_release import (
    ChangeLotReleaseRequest,
    JudgeLotRequest,
    change_lot_release,
    judge_lot,
)
from allocation.commands.signed_requests import asked_content
from tests.api.trial import STUDY
from tests.commands.any_order_kits import NEVER_AGAIN, OURS, KitActs
from tests.commands.any_order_model import Lot
from tests.commands.any_order_trial import DEPOTS, LOTS, PLACES

WHY = "the quality unit says so"
MOVES = {
    "release": ("released", ("pending", "restricted", "quarantined")),
    "restrict": ("restricted", ("released",)),
    "reject": ("rejected", ("pending", "released", "restricted", "quarantined")),
}
"""Decision -> what a lot becomes, and from what: the model's own word."""
MEANING = {"release": "lot released", "restrict": "lot restricted", "reject": "lot rejected"}
COUNTRIES = {country for country, _ in PLACES.values()}
WHICH_LOT = st.sampled_from([str(one["lot_id"]) for one in LOTS])


class LotActs(KitActs):
    """Acts that name a lot; they are for those who may learn kit types."""

    def decides(
        self, command: Callable[..., dict[str, Any]], request: Any, meaning: str
    ) -> dict[str, Any] | None:
        """A signed act with a reason."""
        content = asked_content(STUDY, command.__name__, request, WHY)
        signature = self.desk.signed(meaning, content).signature
        return self.attempt(command, request, reason=WHY, signature=signature, unblinded=True)

    def of_lot(self, lot: Lot) -> dict[str, Any]:
        return {number: one for number, one in sorted(self.model.kits.items()) if one.lot is lot}

    @rule(
        lot_id=WHICH_LOT,
        decision=st.sampled_from(("release", "release", "restrict", "release", "reject")),
        meant=st.sampled_from((True, False, False)),
    )
    def a_lot_is_judged(self, lot_id: str, decision: str, meant: bool) -> None:
        if decision == "reject" and not meant:
            return  # rare: there is no way back
        lot = self.model.lots[lot_id]
        becomes, possible = MOVES[decision]
        request = JudgeLotRequest.model_validate({"lot_id": lot_id, "decision": decision})
        answer = self.decides(judge_lot, request, MEANING[decision])
        assert (answer is not None) == (lot.status in possible)
        if answer is None:
            return
        lot.status = becomes
        taken = [n for n, one in self.of_lot(lot).items() if decision == "reject" and one.status in OURS]
        assert answer["quarantined"] == taken
        for number in taken:
            self.becomes(number, "quarantined")

    @rule(
        lot_id=WHICH_LOT,
        release=st.sampled_from((("*",), ("FRA",), ("DEU", "FRA"), ())),
        withdraw=st.sampled_from(((), (), ("DEU",), ("FRA",), ("*",))),
    )
    def a_lot_is_released_or_withdrawn(
        self, lot_id: str, release: tuple[str, ...], withdraw: tuple[str, ...]
    ) -> None:
        if not release and not withdraw:
            return
        lot = self.model.lots[lot_id]
        everywhere = "*" in release or ("*" in lot.released_for)
        less = COUNTRIES if "*" in withdraw else set(withdraw)
        named = COUNTRIES if everywhere else lot.released_for | set(release)
        after = {"*"} if everywhere and not less else named - less
        contradicts = bool((set(release) - {"*"}) & less)
        request = ChangeLotReleaseRequest(lot_id=lot_id, release=release, withdraw=withdraw)
        answer = self.decides(change_lot_release, request, "lot release by country changed")
        assert (answer is not None) == (not contradicts and after != lot.released_for)
        if answer is None:
            return
        lot.released_for = after
        assert answer["released_for"] == sorted(after)
        assert answer["held"] == Counter(
            one.place
            for one in self.of_lot(lot).values()
            if (one.place_kind, one.status) in (("site", "site_available"), ("site", "assigned"))
            and not {"*", PLACES[one.place][0]} & after
        )

    @rule(
        lot_id=WHICH_LOT,
        days=st.sampled_from((30, 90, 200, -10, -30, 0)),
        countries=st.sampled_from(((), ("DEU",), ("FRA",), ("DEU", "FRA"))),
    )
    def a_lot_gets_another_expiry(self, lot_id: str, days: int, countries: tuple[str, ...]) -> None:
        lot = self.model.lots[lot_id]
        expiry = lot.expiry + timedelta(days=days)
        named = {**lot.by_country, **dict.fromkeys(countries, expiry)} if countries else {}
        own = lot.expiry if countries else expiry
        by_country = {key: day for key, day in named.items() if day != own}
        request = ChangeLotExpiryRequest(lot_id=lot_id, expiry_date=expiry, countries=countries)
        answer = self.decides(change_lot_expiry, request, "expiry date changed")
        changes = (own, by_country) != (lot.expiry, lot.by_country)
        assert (answer is not None) == (changes and lot.status not in NEVER_AGAIN)
        if answer is None:
            return
        lot.expiry, lot.by_country = own, by_country
        taken_up = [
            number
            for number, one in self.of_lot(lot).items()
            if one.status == "expired" and self.today(one.place) < one.expiry
        ]
        assert answer["quarantined"] == taken_up
        for number in taken_up:
            self.becomes(number, "quarantined")
        dispensed = [n for n, one in self.of_lot(lot).items() if one.status == "dispensed"]
        assert [one["kit_number"] for one in answer["dispensed"]] == dispensed

    @rule(lot_id=WHICH_LOT, place=st.sampled_from((*DEPOTS, *PLACES)), beyond=st.sampled_from((0, 0, -5, 30)))
    def kits_are_relabelled(self, lot_id: str, place: str, beyond: int) -> None:
        lot = self.model.lots[lot_id]
        dates = lot.by_country
        here = (
            dates.get(PLACES[place][0], lot.expiry) if place in PLACES else max([lot.expiry, *dates.values()])
        )
        label = here + timedelta(days=beyond)
        where = {"site_id" if place in PLACES else "depot_id": place}
        request = RelabelKitsRequest.model_validate(
            {"lot_id": lot_id, "printed_expiry": label.isoformat(), **where}
        )
        answer = self.decides(relabel_kits, request, "kits relabelled")
        kits = [
            number
            for number, one in self.of_lot(lot).items()
            if one.place == place and one.status in ("quarantined", "expired")
        ]
        possible = lot.printed and label <= here and lot.status not in NEVER_AGAIN
        assert (answer is not None) == (possible and bool(kits))
        if answer is None:
            return
        assert answer["kits"] == kits
        for number in kits:
            self.model.kits[number].printed = label
            self.becomes(number, "quarantined")

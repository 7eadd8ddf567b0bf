"""The stock that decisions are derived from again, read from the tables and judged here, apart from the service's own reading."""

import json
from collections import defaultdict
from datetime import date

from sqlalchemy import Connection, select

from allocation.ledger.schema import kit, lot, lot_country
from allocation.rules.picking import KitCandidate


def kits_as_candidates(
    state: Connection, status: str, place: str, countries: tuple[str, ...], *, shipping: bool
) -> list[KitCandidate]:
    """Every kit in that status at that place, in the order of their numbers: the rule alone puts them in order.

    Its lot must be good, for `shipping` or for use, in one of the countries, and its date is the latest of those that bind there.
    """
    lots = {row.lot_id: row for row in state.execute(select(lot))}
    dates: dict[str, dict[str, date]] = defaultdict(dict)
    for row in state.execute(select(lot_country)):
        dates[row.lot_id][row.country] = row.expiry_date
    good = ("released",) if shipping else ("released", "restricted")
    found = []
    query = select(kit).where(kit.c.status == status, kit.c.place == place).order_by(kit.c.kit_number)
    for row in state.execute(query):
        of = lots[row.lot_id]
        released = of.status in good and bool({*countries, "*"} & set(json.loads(of.released_for)))
        expiry = max(dates[row.lot_id].get(country, of.expiry_date) for country in countries)
        if row.printed_expiry is not None:
            expiry = min(expiry, row.printed_expiry)
        facts = (released, expiry, row.pick_sequence, row.lot_id)
        found.append(KitCandidate(row.kit_number, row.kit_type, True, *facts))
    return found

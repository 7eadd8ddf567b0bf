"""What is printed on kits' labels, from the blinded view of the kits and, where their lots are to be named, the unblinded one."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.access.actors import Actor
from allocation.kit_labels import PrintedLabel
from allocation.ledger.database import Database
from allocation.rules.scanned_kits import KitLabel
from allocation.views.blinded.labelled_kits import labelled_kits
from allocation.views.unblinded.lots_of_kits import lots_of_kits


def printed_labels(
    database: Database,
    actor: Actor,
    study_id: str,
    numbers: Sequence[str],
    *,
    expiry: bool = False,
    lot: bool = False,
) -> tuple[PrintedLabel, ...]:
    """The labels of these kits, in this order. Without a GTIN the bars hold the kit number alone, whatever else is asked for.

    Raises NotFound for a kit that the actor may not see, NotPermitted (also for `lot`, where lots may not be seen).
    """
    kits = labelled_kits(database, actor, study_id, numbers)
    lots = lots_of_kits(database, actor, study_id, numbers) if lot else {}
    labels = []
    for one in kits:
        date = one.expiry_date if expiry else None
        said = f"Kit {one.kit_number}"
        said += "" if date is None else f"   expires {date}"
        said += f"   lot {lots[one.kit_number]}" if lot else ""
        label = KitLabel(one.kit_number, one.gtin, date, lots.get(one.kit_number))
        labels.append(PrintedLabel(label, (f"{study_id}   {one.kit_group}", said)))
    return tuple(labels)

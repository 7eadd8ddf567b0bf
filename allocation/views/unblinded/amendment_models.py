"""What an amendment would change, for whoever may load it: subjects, visits, kits by type, demand, randomization."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from allocation.views.shape import View


class ProtocolChange(View):
    """One change of the document (study/diff.py): at `path`, of `kind`, from `old` to `new` as JSON values; `text` in one line."""

    path: str
    kind: str
    old: Any
    new: Any
    text: str


class Window(View):
    """A visit's window: calendar dates at the site, both ends inside."""

    target: date
    opens: date
    closes: date


class ChangedVisit(View):
    """A coming visit that is added, dropped or moved."""

    visit_code: str
    change: str
    old: Window | None
    new: Window | None


class KitCount(View):
    """How many kits of a type are handed out."""

    kit_type: str
    quantity: int


class ChangedKits(View):
    """A coming visit that dispenses something else."""

    visit_code: str
    old: tuple[KitCount, ...]
    new: tuple[KitCount, ...]


class ChangedSubject(View):
    """A subject on study for whom something changes. `version`: the one that its visits would follow from then on without the new one.

    `hole`: the new version does not say what this subject is due; loaded like this, its dispensing would be refused.
    """

    subject_id: str
    site_id: str
    country: str
    version: int
    visits: tuple[ChangedVisit, ...]
    kits: tuple[ChangedKits, ...]
    hole: bool


class LastDays(View):
    """The last day for a subject's first randomization, by the version without and with the amendment; None: no such day."""

    old: date | None
    new: date | None


class ChangedInScreening(View):
    """A subject in screening for whom something changes; it will be randomized under the new version.

    `version`: the one that it would be randomized under otherwise. `randomize_by`: null where that day stays. `factors`: those that
    randomization newly asks for and nobody has stated. `age_refused`: the new version would not screen a subject of this age.
    """

    subject_id: str
    site_id: str
    country: str
    version: int
    visits: tuple[ChangedVisit, ...]
    randomize_by: LastDays | None
    factors: tuple[str, ...]
    age_refused: bool


class DemandChange(View):
    """Kits of a type due in a country in the week from Monday `week`, where before and after differ."""

    country: str
    week: date
    kit_type: str
    before: int
    after: int


class DemandTotal(View):
    """Kits of a type due to the subjects on study in a country, over all their coming visits."""

    country: str
    kit_type: str
    before: int
    after: int


class ChangedEvent(View):
    """A randomization event that changes, what of it, and what it needs before that is in force (study/amendment_of_randomization.py)."""

    event: str
    change: str
    differs: tuple[str, ...]
    needs: str
    balance_begins_anew: bool


class AmendmentPreview(View):
    """What loading this version would change, as of `moment` (UTC). Nothing has been signed or loaded.

    `amendment_visit`: with the rule from_visit, the visit from which on subjects on study follow it. `screening` lists subjects
    in screening for whom something of their own changes; `randomization` says what changes for all who come to it.
    `countries`: from when it counts in each country of the protocol; None: it waits for its approval. `obstacles`: why it would be refused.
    """

    study_id: str
    moment: datetime
    from_version: int
    to_version: int
    sha256: str
    amendment_rule: str
    amendment_visit: str | None
    countries: dict[str, datetime | None]
    obstacles: tuple[str, ...]
    changes: tuple[ProtocolChange, ...]
    randomization: tuple[ChangedEvent, ...]
    subjects_on_study: int
    subjects_staying: int
    subjects_waiting: int
    subjects_in_screening: int
    subjects: tuple[ChangedSubject, ...]
    screening: tuple[ChangedInScreening, ...]
    demand: tuple[DemandChange, ...]
    demand_totals: tuple[DemandTotal, ...]

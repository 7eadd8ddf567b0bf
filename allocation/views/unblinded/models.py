"""What unblinded people may read: arms, kit types, lots, doses, and the state of the randomization lists."""

from __future__ import annotations

from datetime import date
from typing import Any

from allocation.views.shape import View


class UnblindedSubject(View):
    """A subject with its allocation: arm, dose level, and the list entry that it took.

    `true_factors`: the levels that were found later to be true, beside the `stratum` that it was randomized in.
    """

    subject_id: str
    site_id: str
    country: str
    status: str
    stratum: str | None
    true_factors: dict[str, str]
    replaces: str | None
    replaced_by: str | None
    arm: str | None
    dose_level: str | None
    dose_held_on: date | None
    randomized_on: date | None
    randomization_number: str | None
    list_id: str | None
    holder: str | None
    sequence: int | None
    block: int | None
    ended_on: date | None
    end_reason: str | None


class UnblindedSubjectList(View):
    """Subjects by their ids; `total` counts all that match, of which this is a page."""

    study_id: str
    total: int
    subjects: tuple[UnblindedSubject, ...]


class TypeStock(View):
    """Kits of a type and lot at a place by status. `place` is empty for kits that are at no depot or site."""

    place_kind: str
    place: str
    kit_type: str
    lot_id: str
    expiry_date: date
    status: str
    kits: int


class UnblindedStock(View):
    """Stock by kit type and lot."""

    study_id: str
    stock: tuple[TypeStock, ...]


class ListRun(View):
    """A run of a list: the entries of one stratum (and holder). `next_sequence` is None when the run is used up."""

    holder: str
    stratum: str
    entries: int
    used: int
    left: int
    next_sequence: int | None


class ListStatus(View):
    """A randomization list and how far it is used; `allocated` counts used entries by arm.

    `file_sha256` is that of the uploaded file, `faults` what is wrong with a draft. `protocol_version` is the one that the list was made
    for, None where that was not kept; `drawn_from_in` names the countries whose version in force draws from it, in some stratum at least.
    An active list that no country draws from waits for its version, or is of one that is in force nowhere any more.
    """

    list_id: str
    event: str
    state: str
    method: str
    sha256: str
    file_sha256: str | None
    protocol_version: int | None
    drawn_from_in: tuple[str, ...]
    faults: tuple[str, ...]
    activated_on: date | None
    entries: int
    used: int
    allocated: dict[str, int]
    runs: tuple[ListRun, ...]


class ListStatusList(View):
    """Every randomization list of a study."""

    study_id: str
    lists: tuple[ListStatus, ...]


class ProtocolDocument(View):
    """A protocol version as it was loaded, with the hash of the document."""

    study_id: str
    version: int
    sha256: str
    protocol: dict[str, Any]


class LedgerEntryView(View):
    """A sealed entry, whole. `recorded_at` is UTC text with microseconds, as it is hashed."""

    position: int
    recorded_at: str
    actor: str
    role: str
    command: str
    subject_id: str | None
    site_id: str | None
    kit_numbers: tuple[str, ...]
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str
    signature: dict[str, Any] | None
    config_version: int
    content_hash: str
    chain_hash: str


class LedgerPage(View):
    """Sealed entries in order; ask again with `after` = `last_position` for the next ones."""

    study_id: str
    last_position: int
    entries: tuple[LedgerEntryView, ...]

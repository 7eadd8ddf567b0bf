"""The routes of lots after they were loaded, with their bodies and answers: status, release, expiry, relabelling. They unblind."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from pydantic import BaseModel

from allocation.api.answers import Answer, KitsAnswer, OtherStudyKits
from allocation.api.bodies import REASON, SignatureBody
from allocation.api.command_route import SUPPLY, CommandRoute
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
from allocation.commands.service import CommandRequest


class ChangeLotExpiryBody(ChangeLotExpiryRequest):
    """A lot's new expiry date, everywhere or in some countries; signed, with a reason."""

    reason: str = REASON
    signature: SignatureBody | None = None


class RelabelKitsBody(RelabelKitsRequest):
    """Kits of a lot that got new labels at a site or depot; signed, with a reason."""

    reason: str = REASON
    signature: SignatureBody | None = None


class JudgeLotBody(JudgeLotRequest):
    """A decision on the quality of a lot; signed, with a reason."""

    reason: str = REASON
    signature: SignatureBody | None = None


class ChangeLotReleaseBody(ChangeLotReleaseRequest):
    """Where a lot is released, and where it is withdrawn; signed, with a reason."""

    reason: str = REASON
    signature: SignatureBody | None = None


class JudgeLotAnswer(KitsAnswer):
    """A lot's quality status, and the kits that went into quarantine with it."""

    lot_id: str
    status: str
    quarantined: tuple[str, ...]
    other_studies: tuple[OtherStudyKits, ...] = ()


class WithdrawnInStudy(BaseModel):
    """A study that has kits of the lot from this one: where the lot may be used there now, and kits held where it may not."""

    study_id: str
    released_for: tuple[str, ...]
    held: int


class ChangeLotReleaseAnswer(KitsAnswer):
    """Where a lot may be used now; `held`: by site, its kits where it may not be used any more."""

    lot_id: str
    released_for: tuple[str, ...]
    held: dict[str, int]
    other_studies: tuple[WithdrawnInStudy, ...] = ()


class DispensedKit(Answer):
    """A kit that a subject has."""

    kit_number: str
    subject_id: str


class ExpiryInStudy(BaseModel):
    """The same in a study that has kits of the lot from this one. `dispensed` is empty unless `subjects_shown`: by the rights there."""

    study_id: str
    dated: int
    quarantined: tuple[str, ...]
    to_relabel: dict[str, int]
    dispensed: tuple[DispensedKit, ...]
    subjects_shown: bool


class ChangeLotExpiryAnswer(KitsAnswer):
    """A lot's dates now, and what came of them: `dated` kits have other dates, `quarantined` are those of them that had expired,
    `to_relabel` counts by place the kits whose labels say an earlier date, `dispensed` ones keep theirs."""

    lot_id: str
    expiry_date: date
    by_country: dict[str, date]
    dated: int
    quarantined: tuple[str, ...]
    to_relabel: dict[str, int]
    dispensed: tuple[DispensedKit, ...]
    other_studies: tuple[ExpiryInStudy, ...] = ()


class RelabelKitsAnswer(KitsAnswer):
    """The kits that were relabelled, in quarantine now, and the expiry date that binds them."""

    kits: tuple[str, ...]
    expiry_date: date


SIGNED_LOT_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "judge_lot",
        "lot-decisions",
        SUPPLY,
        "Release, restrict or reject a lot (signed)",
        judge_lot,
        JudgeLotRequest,
        JudgeLotBody,
        JudgeLotAnswer,
    ),
    CommandRoute(
        "change_lot_release",
        "lot-releases",
        SUPPLY,
        "Release a lot for countries, or withdraw it (signed)",
        change_lot_release,
        ChangeLotReleaseRequest,
        ChangeLotReleaseBody,
        ChangeLotReleaseAnswer,
    ),
    CommandRoute(
        "change_lot_expiry",
        "lot-expiries",
        SUPPLY,
        "Change a lot's expiry date (signed)",
        change_lot_expiry,
        ChangeLotExpiryRequest,
        ChangeLotExpiryBody,
        ChangeLotExpiryAnswer,
    ),
    CommandRoute(
        "relabel_kits",
        "kit-relabellings",
        SUPPLY,
        "Record that kits were relabelled (signed)",
        relabel_kits,
        RelabelKitsRequest,
        RelabelKitsBody,
        RelabelKitsAnswer,
    ),
)

_SIGNED: Final = {"password": "correct horse battery"}

LOT_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    JudgeLotBody: {
        "lot_id": "L2601",
        "decision": "release",
        "reason": "certificate of the qualified person",
        "signature": {**_SIGNED, "meaning": "lot released"},
    },
    ChangeLotReleaseBody: {
        "lot_id": "L2601",
        "release": ["FRA"],
        "withdraw": [],
        "reason": "approved by ANSM",
        "signature": {**_SIGNED, "meaning": "lot release by country changed"},
    },
    ChangeLotExpiryBody: {
        "lot_id": "L2601",
        "expiry_date": "2028-12-31",
        "countries": ["DEU"],
        "reason": "stability data to 36 months",
        "signature": {**_SIGNED, "meaning": "expiry date changed"},
    },
    RelabelKitsBody: {
        "lot_id": "L2601",
        "printed_expiry": "2028-12-31",
        "site_id": "DE01",
        "reason": "relabelled by the pharmacy",
        "signature": {**_SIGNED, "meaning": "kits relabelled"},
    },
}
"""One example for each body, for the OpenAPI description."""

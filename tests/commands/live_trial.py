"""The small trial of tests/api/trial.py with other ways of randomizing, and the acts that its tests share."""

from typing import Any

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    UploadListRequest,
    activate_list,
    activation_content,
    upload_list,
)
from allocation.commands.randomization_methods import (
    METHOD_ACTIVATION,
    ActivateMethodRequest,
    activate_method,
    method_content,
)
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.studies import (
    GO_LIVE,
    LoadStudyVersionRequest,
    load_study_version,
    version_content,
)
from allocation.study.protocol import Protocol
from allocation.views.unblinded.draws import ExplainedRandomization, explain_randomization
from tests.api.trial import AS_IS, KIT_TYPE_OF_ARM, SITES, STUDY, kits, lots, protocol, randomization_list
from tests.commands.desk import ACT, Desk
from tests.played_once import played_once

SEED = 20260302


def with_events(*events: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The trial's protocol document with these randomization events."""
    return protocol() | {"randomization": list(events)} | more


def with_arms(document: dict[str, Any], *arms: str) -> dict[str, Any]:
    """The protocol document with these of its arms only."""
    kits = {KIT_TYPE_OF_ARM[arm] for arm in arms}
    document["arms"] = [one for one in document["arms"] if one["code"] in arms]
    document["dispensing"] = [one for one in document["dispensing"] if one["arm"] in arms]
    document["kit_types"] = [one for one in document["kit_types"] if one["code"] in kits]
    document["titration"] = [{**one, "arms": list(arms)} for one in document["titration"]]
    return document


def live(method: str = "biased_coin", **more: Any) -> dict[str, Any]:
    """A first event that draws at randomization, in strata of severity."""
    return {
        "code": "RAND",
        "visit": "V2",
        "method": method,
        "drawn": "at_randomization",
        "factors": ["SEVERITY"],
        **more,
    }


def activate(desk: Desk, event: str = "RAND", seed: int | None = SEED) -> dict[str, Any]:
    """Activate an event's method under a signature."""
    document = desk.service.protocols[STUDY, max(version for _, version in desk.service.protocols)]
    found = document.event(event)
    assert found is not None
    act = desk.signed(METHOD_ACTIVATION, method_content(event, found.method, document.study.version))
    return activate_method(desk.service, act, STUDY, ActivateMethodRequest(event=event, seed=seed))


def running(desk: Desk, document: dict[str, Any], *, kit_count: int = 0) -> Desk:
    """The study loaded with open sites, its live methods activated, and kits at the depot if asked for."""
    whole = Protocol.model_validate(document)
    desk.service.protocols[STUDY, whole.study.version] = whole
    key = ("live", whole.model_dump_json(), kit_count, desk.now)
    played_once(desk.database, key, lambda: _begin(desk, whole, kit_count))
    return desk


def _begin(desk: Desk, whole: Protocol, kit_count: int) -> None:
    desk.load(whole)
    for site_id in SITES:
        open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id=site_id))
    for event in whole.randomization:
        if event.draws_live:
            activate(desk, event.code)
    if kit_count:
        load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate(lots(AS_IS)))
        load_kits(desk.service, ACT, STUDY, LoadKitsRequest.model_validate(kits(AS_IS, kit_count)))


def with_list(desk: Desk, list_id: str = "ZZMRL") -> None:
    """The statistician's list of the trial (two blocks of three in each stratum), uploaded and activated."""
    made = upload_list(desk.service, ACT, STUDY, UploadListRequest.model_validate(randomization_list(AS_IS)))
    act = desk.signed(ACTIVATION, activation_content(list_id, made["sha256"]))
    activate_list(desk.service, act, STUDY, ActivateListRequest(list_id=list_id))


def amend(desk: Desk, document: dict[str, Any]) -> None:
    """Load a later version under a signature; it counts from now on."""
    version = Protocol.model_validate(document)
    act = desk.signed(GO_LIVE, version_content(version))
    load_study_version(desk.service, act, LoadStudyVersionRequest(protocol=version))


def again(desk: Desk, subject_id: str, event: str, **more: Any) -> dict[str, Any]:
    """Randomize a subject by a later event."""
    request = RandomizeRequest(subject_id=subject_id, event=event, **more)
    return randomize(desk.service, ACT, STUDY, request)


def explained(desk: Desk, subject_id: str) -> tuple[ExplainedRandomization, ...]:
    """How the subject's arms came about."""
    return explain_randomization(desk.database, SYSTEM_ACTOR, STUDY, subject_id).randomizations

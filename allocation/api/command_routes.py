"""The routes that change a study: a table of commands, and the one function that turns a row of it into a route."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter

from allocation.api import answers, bodies
from allocation.api.identity import IdempotencyKey, RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.cohorts import SetCohortRequest, set_cohort
from allocation.commands.confirming import ConfirmDispensingRequest, confirm_dispensing
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.dose_hold import HoldDosingRequest, ResumeDosingRequest, hold_dosing, resume_dosing
from allocation.commands.expiry import ExpireKitsRequest, expire_kits
from allocation.commands.kit_acts import quarantine_kits, report_kits_damaged, report_kits_lost
from allocation.commands.kit_numbering import NumberKitsRequest, number_kits_of_lots
from allocation.commands.kit_replacement import ReplaceKitRequest, replace_kit
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.lists import (
    GenerateListRequest,
    UploadListRequest,
    generate_randomization_list,
    upload_list,
)
from allocation.commands.participation import CompleteRequest, EndRequest, complete, discontinue
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.screening import EligibilityRequest, ScreenRequest, record_eligibility, screen
from allocation.commands.service import Act, CommandRequest
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.stratum_correction import (
    CorrectStratumRequest,
    RemoveSubjectRequest,
    correct_stratum,
    remove_subject,
)
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit

SITE_DESK: Final = "Site desk"
SUPPLY: Final = "Supply"
STATISTICIAN: Final = "Statistician"
STUDY: Final = "Study set-up"


@dataclass(frozen=True, slots=True)
class CommandRoute:
    """A POST route under /studies/{study_id}. `command` is the ledger's name; the function's docstring is the description."""

    command: str
    path: str
    tag: str
    summary: str
    run: Callable[..., dict[str, Any]]
    request: type[CommandRequest]
    body: type[CommandRequest]
    answer: type[answers.Answer]


COMMAND_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "screen",
        "subjects",
        SITE_DESK,
        "Screen a subject",
        screen,
        ScreenRequest,
        bodies.ScreenBody,
        answers.ScreenAnswer,
    ),
    CommandRoute(
        "record_eligibility",
        "eligibility",
        SITE_DESK,
        "Record whether a subject is eligible",
        record_eligibility,
        EligibilityRequest,
        bodies.EligibilityBody,
        answers.StatusAnswer,
    ),
    CommandRoute(
        "randomize",
        "randomizations",
        SITE_DESK,
        "Randomize a subject",
        randomize,
        RandomizeRequest,
        bodies.RandomizeBody,
        answers.RandomizeAnswer,
    ),
    CommandRoute(
        "correct_stratum",
        "stratum-corrections",
        SITE_DESK,
        "Record the true factor levels of a subject",
        correct_stratum,
        CorrectStratumRequest,
        bodies.CorrectStratumBody,
        answers.CorrectStratumAnswer,
    ),
    CommandRoute(
        "dispense",
        "dispensings",
        SITE_DESK,
        "Dispense kits at a visit",
        dispense,
        DispenseRequest,
        bodies.DispenseBody,
        answers.DispenseAnswer,
    ),
    CommandRoute(
        "confirm_dispensing",
        "dispensing-confirmations",
        SITE_DESK,
        "Confirm which kits were handed out",
        confirm_dispensing,
        ConfirmDispensingRequest,
        bodies.ConfirmDispensingBody,
        answers.ConfirmDispensingAnswer,
    ),
    CommandRoute(
        "replace_kit",
        "kit-replacements",
        SITE_DESK,
        "Replace a lost or damaged kit of a subject",
        replace_kit,
        ReplaceKitRequest,
        bodies.ReplaceKitBody,
        answers.ReplaceKitAnswer,
    ),
    CommandRoute(
        "hold_dosing",
        "dose-holds",
        SITE_DESK,
        "Put a subject's dosing on hold",
        hold_dosing,
        HoldDosingRequest,
        bodies.HoldDosingBody,
        answers.DoseHoldAnswer,
    ),
    CommandRoute(
        "resume_dosing",
        "dose-resumptions",
        SITE_DESK,
        "Let a subject's dosing go on",
        resume_dosing,
        ResumeDosingRequest,
        bodies.ResumeDosingBody,
        answers.DoseHoldAnswer,
    ),
    CommandRoute(
        "record_visit",
        "visits",
        SITE_DESK,
        "Record a visit without dispensing",
        record_visit,
        VisitRequest,
        bodies.VisitBody,
        answers.VisitAnswer,
    ),
    CommandRoute(
        "miss_visit",
        "missed-visits",
        SITE_DESK,
        "Mark a planned visit missed",
        miss_visit,
        MissVisitRequest,
        bodies.MissVisitBody,
        answers.MissVisitAnswer,
    ),
    CommandRoute(
        "discontinue",
        "discontinuations",
        SITE_DESK,
        "Record that a subject left early",
        discontinue,
        EndRequest,
        bodies.DiscontinueBody,
        answers.EndAnswer,
    ),
    CommandRoute(
        "complete",
        "completions",
        SITE_DESK,
        "Record that a subject completed the study",
        complete,
        CompleteRequest,
        bodies.CompleteBody,
        answers.EndAnswer,
    ),
    CommandRoute(
        "receive_shipment",
        "receipts",
        SITE_DESK,
        "Receive a shipment",
        receive_shipment,
        ReceiveRequest,
        bodies.ReceiveBody,
        answers.ReceiveAnswer,
    ),
    CommandRoute(
        "dispatch_shipment",
        "dispatches",
        SUPPLY,
        "Send a shipment off",
        dispatch_shipment,
        DispatchRequest,
        bodies.DispatchBody,
        answers.DispatchAnswer,
    ),
    CommandRoute(
        "run_resupply",
        "resupply-runs",
        SUPPLY,
        "Run resupply",
        run_resupply,
        RunResupplyRequest,
        bodies.RunResupplyBody,
        answers.RunResupplyAnswer,
    ),
    CommandRoute(
        "expire_kits",
        "expiries",
        SUPPLY,
        "Turn expired kits over",
        expire_kits,
        ExpireKitsRequest,
        bodies.ExpireKitsBody,
        answers.ExpireKitsAnswer,
    ),
    CommandRoute(
        "quarantine_kits",
        "quarantines",
        SUPPLY,
        "Put kits into quarantine",
        quarantine_kits,
        KitScopeRequest,
        bodies.KitScopeBody,
        answers.KitActAnswer,
    ),
    CommandRoute(
        "report_kits_damaged",
        "damaged-kits",
        SUPPLY,
        "Record that kits are damaged",
        report_kits_damaged,
        KitScopeRequest,
        bodies.KitScopeBody,
        answers.KitActAnswer,
    ),
    CommandRoute(
        "report_kits_lost",
        "lost-kits",
        SUPPLY,
        "Record that kits are lost",
        report_kits_lost,
        KitScopeRequest,
        bodies.KitScopeBody,
        answers.KitActAnswer,
    ),
    CommandRoute(
        "recall_lot",
        "recalls",
        SUPPLY,
        "Recall a lot",
        recall_lot,
        RecallLotRequest,
        bodies.RecallLotBody,
        answers.RecallLotAnswer,
    ),
    CommandRoute(
        "load_lots",
        "lots",
        SUPPLY,
        "Load lots",
        load_lots,
        LoadLotsRequest,
        bodies.LoadLotsBody,
        answers.LoadLotsAnswer,
    ),
    CommandRoute(
        "number_kits",
        "kit-lists",
        SUPPLY,
        "Number kits for the packager",
        number_kits_of_lots,
        NumberKitsRequest,
        bodies.NumberKitsBody,
        answers.NumberKitsAnswer,
    ),
    CommandRoute(
        "load_kits",
        "kits",
        SUPPLY,
        "Load kits into a depot",
        load_kits,
        LoadKitsRequest,
        bodies.LoadKitsBody,
        answers.LoadKitsAnswer,
    ),
    CommandRoute(
        "open_site",
        "sites",
        STUDY,
        "Open a site",
        open_site,
        OpenSiteRequest,
        bodies.OpenSiteBody,
        answers.OpenSiteAnswer,
    ),
    CommandRoute(
        "set_cohort",
        "cohorts",
        STUDY,
        "Open or close a cohort",
        set_cohort,
        SetCohortRequest,
        bodies.SetCohortBody,
        answers.SetCohortAnswer,
    ),
    CommandRoute(
        "upload_list",
        "lists",
        STATISTICIAN,
        "Store a randomization list",
        upload_list,
        UploadListRequest,
        bodies.UploadListBody,
        answers.ListAnswer,
    ),
    CommandRoute(
        "generate_list",
        "generated-lists",
        STATISTICIAN,
        "Generate a randomization list",
        generate_randomization_list,
        GenerateListRequest,
        bodies.GenerateListBody,
        answers.ListAnswer,
    ),
)
"""Every command but the signed ones, which are in signed_routes.py, amendment_routes.py and signed_kit_routes.py."""


def command_router() -> APIRouter:
    """The routes of `COMMAND_ROUTES`."""
    router = APIRouter(prefix="/studies/{study_id}")
    for row in COMMAND_ROUTES:
        router.add_api_route(
            f"/{row.path}",
            _endpoint(row),
            methods=["POST"],
            status_code=200,
            response_model=row.answer,
            tags=[row.tag],
            summary=row.summary,
            description=row.run.__doc__,
            operation_id=row.command,
            responses=responses(400, 401, 403, 404, 409, 422),
        )
    return router


def removal_router() -> APIRouter:
    """The route that answers whoever wants a subject removed: never."""
    router = APIRouter(prefix="/studies/{study_id}")

    @router.delete(
        "/subjects/{subject_id}",
        tags=[SITE_DESK],
        summary="Refused, always: no subject is ever removed",
        responses=responses(401, 403, 404, 409),
        status_code=204,
    )
    def remove(study_id: str, subject_id: str, service: RunningService, actor: WhoAsks) -> None:
        """Answers with the reason (`subject-never-removed`) and with what to do instead. Nothing is recorded."""
        remove_subject(service, Act(actor), study_id, RemoveSubjectRequest(subject_id=subject_id))

    return router


def _endpoint(row: CommandRoute) -> Callable[..., dict[str, Any]]:
    def endpoint(
        study_id: str, body: Any, service: RunningService, actor: WhoAsks, idempotency_key: IdempotencyKey
    ) -> dict[str, Any]:
        act = Act(actor, idempotency_key, body.reason)
        return row.run(service, act, study_id, bodies.request_of(body, row.request))

    endpoint.__annotations__["body"] = row.body  # FastAPI reads the body's type from here
    endpoint.__name__ = row.command
    return endpoint

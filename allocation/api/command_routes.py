"""The routes of the commands of the site desk, of the study's set-up and of the statistician."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from allocation.api import answers, bodies
from allocation.api.command_route import SITE_DESK, STATISTICIAN, STUDY, CommandRoute
from allocation.api.identity import RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.cohorts import SetCohortRequest, set_cohort
from allocation.commands.confirming import ConfirmDispensingRequest, confirm_dispensing
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.dose_hold import HoldDosingRequest, ResumeDosingRequest, hold_dosing, resume_dosing
from allocation.commands.kit_replacement import ReplaceKitRequest, replace_kit
from allocation.commands.lists import (
    GenerateListRequest,
    UploadListRequest,
    generate_randomization_list,
    upload_list,
)
from allocation.commands.participation import CompleteRequest, EndRequest, complete, discontinue
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.screening import EligibilityRequest, ScreenRequest, record_eligibility, screen
from allocation.commands.service import Act
from allocation.commands.shipments import ReceiveRequest, receive_shipment
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.stratum_correction import (
    CorrectStratumRequest,
    RemoveSubjectRequest,
    correct_stratum,
    remove_subject,
)
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit

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
"""Every command but those of supplies (supply_routes.py) and the signed ones (signed_routes.py, amendment_routes.py)."""


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

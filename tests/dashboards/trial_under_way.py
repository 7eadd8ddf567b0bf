"""A small trial some weeks on: people in every state, kits in most, a late shipment; and what the ledger says of it."""

from collections import Counter

from streamlit.testing.v1 import AppTest

from allocation.ledger.reader import sealed_entries
from tests.api.conftest import Trial
from tests.api.trial import PASSWORD, STUDY

PATH = f"/studies/{STUDY}"


def screen(trial: Trial, index: int = 0) -> str:
    """Screen one more subject at site S01, by its coordinator through the API."""
    body = {
        "site_id": "S01",
        "sex": "F",
        "age": 30 + index,
        "factors": {"SEVERITY": ("MILD", "SEVERE")[index % 2]},
    }
    subject_id: str = trial.clients["coordinator"].done(f"{PATH}/subjects", body)["subject_id"]
    return subject_id


def go_on(trial: Trial) -> None:
    """Screen 8, fail 2, randomize 5, dispense to 4, end 2, resupply, and let the shipment that leaves become late."""
    desk = trial.clients["investigator"]
    subjects = [screen(trial, index) for index in range(8)]
    for subject in subjects[:2]:
        failed = {"subject_id": subject, "eligible": False, "failed_criteria": ["IN01"]}
        desk.done(f"{PATH}/eligibility", failed)
    for subject in subjects[2:7]:
        desk.done(f"{PATH}/eligibility", {"subject_id": subject, "eligible": True})
        desk.done(f"{PATH}/randomizations", {"subject_id": subject})
    trial.clock.move(days=1)
    for subject in subjects[2:6]:
        dispensing = {"subject_id": subject, "visit_code": "V2"}
        trial.clients["pharmacist"].done(f"{PATH}/dispensings", dispensing)
    trial.clients["supply"].done(f"{PATH}/resupply-runs", {})
    requested = trial.clients["supply"].get(f"{PATH}/shipments", status="requested").json()["shipments"]
    named = {"shipment_id": requested[0]["shipment_id"], "carrier": "Carrier & <sons>", "tracking_number": ""}
    trial.clients["depot"].done(f"{PATH}/dispatches", named)
    trial.clock.move(days=12)
    coordinator = trial.clients["coordinator"]
    coordinator.done(f"{PATH}/discontinuations", {"subject_id": subjects[2], "end_reason": "ADVERSE EVENT"})
    coordinator.done(f"{PATH}/completions", {"subject_id": subjects[3]})


def counted(trial: Trial) -> Counter[str]:
    """How often each command stands in the study's ledger."""
    return Counter(entry.command for entry in sealed_entries(trial.database, STUDY))


def url_of(trial: Trial) -> str:
    """The address of the trial's database."""
    return trial.database.engine.url.render_as_string(hide_password=False)


def logged_in(page: AppTest, username: str, password: str = PASSWORD) -> AppTest:
    """Fill in the login form and send it."""
    page.text_input[0].set_value(username)
    page.text_input[1].set_value(password)
    page.button[0].click()
    return page.run()


def figures(page: AppTest) -> dict[str, tuple[str, str]]:
    """The key figures on the page: label -> (value, note)."""
    return {metric.label: (metric.value, metric.delta) for metric in page.metric}


def shown_text(page: AppTest) -> str:
    """All HTML, captions and messages of the page."""
    parts = [element.proto.body for element in page.get("html")]
    parts += [
        element.value for kind in ("caption", "markdown", "error", "info") for element in page.get(kind)
    ]
    return "\n".join(parts)

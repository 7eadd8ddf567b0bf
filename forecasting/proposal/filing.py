"""Filing a tune report as a proposal of supply parameters, through the service's API, under the account of whoever tuned.

Without an address the API runs in this process on the database of RTSM_DATABASE_URL or RTSM_HOME: the same routes, the same checks. The
account logs in with its password and out again, so that the proposal bears a name: somebody else has to sign it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from allocation.api.app import create_app
from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.database import open_database
from allocation.study.canonical import plain_document
from allocation.study.tuning_report import faults_of_document
from forecasting.proposal.errors import ProposalRefused, ServiceSilent
from simulation.scenario import Scenario

TIMEOUT_SECONDS = 60.0
_IN_PROCESS = "http://in-process"


@dataclass(frozen=True, slots=True)
class Filed:
    """A proposal as the service took it: its number, the hash of its report, and the protocol version that it is for."""

    study_id: str
    proposal_id: str
    report_sha256: str
    protocol_version: int
    state: str
    superseded: str | None


def scenario_document(scenario: Scenario) -> dict[str, Any]:
    """A scenario with its defaults as JSON values; the hash of its canonical JSON is the `scenario_hash` of a report."""
    return plain_document(scenario)


def file_proposal(
    report: dict[str, Any],
    scenario: Scenario | dict[str, Any],
    *,
    username: str,
    password: str,
    url: str | None = None,
    reason: str = "",
    supersedes: str | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Filed:
    """File the report with its scenario under an account; `url`: the address of a running service (None: in this process, where
    `clock` gives the moment, aware and in UTC, for a trial that is played by its own clock).

    The same report filed again by the account, for the same reason, gives the first answer. Raises ProposalRefused with the
    service's field and fix, ServiceSilent.
    """
    document = scenario_document(scenario) if isinstance(scenario, Scenario) else scenario
    for name, value in (("report", report), ("scenario", document)):
        for path, fault in faults_of_document(value):
            raise ProposalRefused(f"at {path or 'its top'}, {fault}", field=name)
    body = {"report": report, "scenario": document, "supersedes": supersedes, "reason": reason}
    who = {"username": username, "password": password}
    try:
        answer = asyncio.run(_filed(url, who, str(report.get("study")), body, clock))
    except httpx.HTTPError as failure:
        raise ServiceSilent(
            f"does not answer ({type(failure).__name__})",
            field=url,
            fix="start it with `rtsm serve`, or leave the address out to file it in this machine's database",
        ) from failure
    names = Filed.__dataclass_fields__
    return Filed(**{name: answer[name] for name in names if name != "study_id"}, study_id=report["study"])


async def _filed(
    url: str | None,
    who: dict[str, str],
    study_id: str,
    body: dict[str, Any],
    clock: Callable[[], datetime] | None,
) -> dict[str, Any]:
    if url is not None:
        async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS) as client:
            return await _file(client, who, study_id, body)
    database = open_database(create=False)
    try:
        app = create_app(database) if clock is None else create_app(database, clock)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=_IN_PROCESS) as client:
            return await _file(client, who, study_id, body)
    finally:
        database.dispose()


async def _file(
    client: httpx.AsyncClient, who: dict[str, str], study_id: str, body: dict[str, Any]
) -> dict[str, Any]:
    token = _answered(await client.post("/login", json=who))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    try:
        key = f"tune-{sha256_hex(canonical_json(body))}"
        path = f"/studies/{quote(study_id, safe='')}/supply-proposals"
        return _answered(await client.post(path, json=body, headers={**headers, "Idempotency-Key": key}))
    finally:
        await client.post("/logout", headers=headers)


def _answered(response: httpx.Response) -> dict[str, Any]:
    """The answer of the service. Raises ProposalRefused for a refusal, ServiceSilent for what is none of the service's words."""
    try:
        said: dict[str, Any] = response.json()
        if response.is_success:
            return said
        detail, code = str(said["detail"]), str(said["code"])
    except (ValueError, KeyError, TypeError) as error:
        raise ServiceSilent(
            f"answered {response.status_code} without the service's words",
            field=str(response.url),
            fix="give the address of the service itself, such as http://127.0.0.1:8000",
        ) from error
    raise ProposalRefused(detail, code=code, field=said.get("field"), fix=said.get("fix"))

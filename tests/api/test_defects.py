"""A defect is answered and logged by its places: no secret, no arm and no values reach the log, and the connection goes on."""

import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from sqlalchemy import text

from allocation.errors import RuleError
from allocation.ledger.database import open_database
from allocation.service_log import places
from tests.api.conftest import trial_at
from tests.api.trial import PASSWORD, STUDY


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_defect_logs_no_token_password_or_arm_and_is_short(database_url):
    with trial_at(database_url, stocked=False) as trial:
        token = trial.clients["statistician"].http.headers["Authorization"].removeprefix("Bearer ")
    port = free_port()
    # At the trial's own date: its tokens are of 2026-03.
    code = (
        "from datetime import UTC, datetime\n"
        "from allocation.api import server\n"
        "from allocation.api.app import create_app\n"
        "server.create_app = lambda database, **_: create_app(database, lambda: datetime(2026, 3, 5, tzinfo=UTC))\n"
        f"server.serve({database_url!r}, '127.0.0.1', {port})\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_for(client, process)
            break_tables(database_url)
            answers = [
                client.get(
                    f"/studies/{STUDY}/unblinded/subjects", headers={"Authorization": f"Bearer {token}"}
                ),
                client.post("/login", json={"username": "statistician", "password": PASSWORD}),
            ]
            assert client.get("/health").status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=30)
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
        assert answer.headers.get("connection") != "close", "the connection goes on"
    assert log.count("request failed") == 2
    assert log.count("Traceback (most recent call last)") == 0, "the server does not write it again"
    assert "accounts.py" in log, "it says where"
    for secret in (token, PASSWORD, "ZZARM", "$argon2"):
        assert secret not in log
    assert len(log) < 20_000


def wait_for(client: httpx.Client, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            assert client.get("/health").status_code == 200
            return
        except httpx.TransportError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)


def break_tables(url: str) -> None:
    """A defect with real values in hand: the tables that subjects and failed logins are written to are gone or changed."""
    database = open_database(url)
    with database.write() as connection:
        connection.execute(text("ALTER TABLE subject RENAME TO subject_gone"))
        connection.execute(text("ALTER TABLE account RENAME COLUMN failed_attempts TO attempts_gone"))
    database.dispose()


def test_the_places_of_an_error_tell_types_and_codes_and_no_message():
    def inner(arm: str) -> None:
        raise RuleError(f"arm {arm} has no kit", field="arm", code="hole")

    def outer() -> None:
        try:
            inner("ZZARMA")
        except RuleError as hole:
            raise OSError(28, "no space on the disk of ZZARMB") from hole

    with pytest.raises(OSError, match="disk") as raised:
        outer()
    shown = places(raised.value)
    assert re.search(r"RuleError \(code hole\)\nwhich led to:\n", shown)
    assert shown.endswith("OSError (errno 28)")
    assert "in inner" in shown
    assert "ZZARM" not in shown


def test_an_error_that_leads_to_itself_is_told_once():
    one, other = ValueError("a"), ValueError("b")
    one.__cause__, other.__cause__ = other, one
    assert places(one).count("ValueError") == 2

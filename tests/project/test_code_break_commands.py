"""`rtsm code-break` on a database, as people type it."""

import json

import pytest
from typer.testing import CliRunner

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR
from allocation.access.grants import grant_role
from allocation.cli import app
from tests.api.trial import PASSWORD, PEOPLE
from tests.commands.code_break_people import with_policy
from tests.commands.desk import desk_at

TYPED = f"{PASSWORD}\n{PASSWORD}\n"


def test_a_code_is_broken_read_again_and_listed(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk_at(sqlite_url) as desk:
        desk.set_up(stocked=False, document=with_policy(approval_by="project_manager"))
        who = desk.randomized()
        arm = str(desk.arm(who))
        for name in ("investigator", "project.manager"):
            create_account(desk.database, SYSTEM_ACTOR, name, name, PASSWORD, lambda: desk.now)
            grant_role(desk.database, SYSTEM_ACTOR, name, PEOPLE[name][0], lambda: desk.now)
    monkeypatch.setenv("RTSM_DATABASE_URL", sqlite_url)

    def run(*words: str, typed: str = TYPED) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["code-break", *words], input=typed)
        return result.exit_code, result.output + str(result.exception or "")

    def as_(name: str) -> tuple[str, str]:
        return "--as", name

    why = ("--category", "medical_emergency", "--reason", "anaphylaxis")
    assert run("list", typed="")[1].strip() == "no code was broken"
    assert run("reads", typed="")[1].strip() == "nobody was shown a treatment"
    nobody = run("break", who, "--emergency", *why, typed="")
    assert (nobody[0], "--as" in nobody[1], arm in nobody[1]) == (1, True, False)
    unknown = run("break", who, "--category", "curiosity", *as_("investigator"))
    assert (unknown[0], "curiosity" in unknown[1]) == (2, True)
    wrong = run("break", who, "--emergency", *why, *as_("investigator"), typed=f"{PASSWORD}\nwrong\n")
    assert (wrong[0], arm in wrong[1]) == (1, False)
    waits = run("break", who, *why, *as_("investigator"))
    assert (waits[0], "approved by the project manager first" in waits[1]) == (1, True)
    asked = run("request", who, *why, *as_("investigator"))
    assert (asked[0], f"{who}-U1" in asked[1]) == (0, True)
    refused = run("refuse", f"{who}-U1", "--reason", "no need", *as_("project.manager"))
    assert (refused[0], "is refused" in refused[1]) == (0, True)
    run("request", who, *why, *as_("investigator"))
    approved = run("approve", f"{who}-U2", *as_("project.manager"))
    assert (approved[0], "is approved" in approved[1], arm in approved[1]) == (0, True, False)
    broken = run("break", who, *why, *as_("investigator"))
    assert (broken[0], f"{who}: {arm} ({arm} name)" in broken[1]) == (0, True)
    again = run("read", who, "--reason", "hand-over", *as_("investigator"))
    assert (again[0], arm in again[1], "reading 2, recorded" in again[1]) == (0, True, True)
    listed = run("list", typed="")[1]
    assert ("shown 2 x" in listed, f"{who}-U2 of investigator: used" in listed, "ZZ" in listed) == (
        True,
        True,
        False,
    )
    opened = run("list", "--unblinded", typed="")[1]
    assert (arm in opened, "anaphylaxis" in opened) == (True, True)
    reads = json.loads(run("reads", "--json", typed="")[1])["readings"]
    assert [(one["act"], one["person"]) for one in reads] == [
        ("read", "investigator"),
        ("break", "investigator"),
    ]

"""Signatures: the password again, bound to content and meaning; failures count toward the lock-out."""

import pytest

from allocation.access.accounts import MAX_FAILED_ATTEMPTS, create_account, verify_password
from allocation.access.actors import SYSTEM_ACTOR
from allocation.access.grants import actor_named
from allocation.access.signing import require_signature, sign
from allocation.errors import LoginRefused, SignatureRefused

PASSWORD = "correct horse battery"
CONTENT = {"list_id": "L1", "entries": 300, "sha256": "ab"}


@pytest.fixture
def anna(database, clock):
    create_account(database, SYSTEM_ACTOR, "anna", "Anna Smith", PASSWORD, clock)
    return actor_named(database, "anna")


def test_a_signature_states_who_when_and_what_it_means(database, clock, anna):
    signature = sign(database, anna, PASSWORD, "approval", CONTENT, clock, role="unblinded_statistician")
    assert signature.manifest() == {
        "username": "anna",
        "printed_name": "Anna Smith",
        "role": "unblinded_statistician",
        "signed_at": "2026-03-02T09:00:00.000000Z",
        "meaning": "approval",
        # sha256 of {"entries":300,"list_id":"L1","sha256":"ab"}, by sha256sum
        "content_sha256": "77e8cfe1f255d2954c0e668058fba000d6dfa2ecac5bd9a9d05331ba98ebebf7",
    }
    assert require_signature(signature, "approval", CONTENT, username="anna") is signature


def test_a_wrong_password_is_refused_and_locks_the_account_in_the_end(database, clock, anna):
    for _ in range(MAX_FAILED_ATTEMPTS):
        with pytest.raises(SignatureRefused):
            sign(database, anna, "wrong password here", "approval", CONTENT, clock, role="x")
    with pytest.raises(LoginRefused):
        verify_password(database, "anna", PASSWORD, clock)


def test_a_signature_needs_a_meaning(database, clock, anna):
    with pytest.raises(SignatureRefused):
        sign(database, anna, PASSWORD, " ", CONTENT, clock, role="x")


def test_the_system_cannot_sign(database, clock):
    with pytest.raises(SignatureRefused):
        sign(database, SYSTEM_ACTOR, PASSWORD, "approval", CONTENT, clock, role="system")


def test_a_signature_holds_for_its_content_meaning_and_identity_only(database, clock, anna):
    signature = sign(database, anna, PASSWORD, "approval", CONTENT, clock, role="x")
    for wrong in (
        {"signature": None},
        {"meaning": "review"},
        {"content": {**CONTENT, "entries": 301}},
        {"username": "berta"},
    ):
        asked = {
            "signature": signature,
            "meaning": "approval",
            "content": CONTENT,
            "username": "anna",
            **wrong,
        }
        with pytest.raises(SignatureRefused):
            require_signature(
                asked["signature"], asked["meaning"], asked["content"], username=asked["username"]
            )

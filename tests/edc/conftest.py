"""A unified trial with an EDC beside it, on each database: over HTTP, and at the command level."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from allocation.access.actors import SYSTEM_ACTOR
from allocation.edc.settings import SECRET
from allocation.edc.signing import issue_key
from allocation.study.protocol import Protocol
from tests.api.conftest import Trial, module_url, trial_at
from tests.api.trial import STUDY
from tests.commands.desk import Desk, desk_at
from tests.edc.unified import SENDER, EdcSystem, unified_protocol

__all__ = ["module_url"]

SECRET_OF_TESTS = "a secret of the tests, long enough to be one"


@dataclass
class UnifiedTrial:
    """The served trial and its EDC."""

    trial: Trial
    edc: EdcSystem


@pytest.fixture(scope="module")
def secret() -> Iterator[bytes]:
    """The installation's secret, as the service reads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET, SECRET_OF_TESTS)
        yield SECRET_OF_TESTS.encode()


def edc_of(trial: Trial, secret: bytes) -> EdcSystem:
    """The trial's EDC, with a key of its own."""
    key_id, key = issue_key(trial.database, SYSTEM_ACTOR, STUDY, SENDER, secret, trial.clock)
    return EdcSystem(trial.anonymous.http, trial.clock, key_id, key)


@pytest.fixture(scope="module")
def unified(module_url: str, secret: bytes) -> Iterator[UnifiedTrial]:
    """A unified trial over HTTP, shared by the tests of a module."""
    with trial_at(module_url, document=unified_protocol()) as trial:
        yield UnifiedTrial(trial, edc_of(trial, secret))


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """A unified trial at the command level."""
    with desk_at(database_url) as empty:
        yield empty.set_up(document=Protocol.model_validate(unified_protocol()))

"""A later protocol version counts from its moment on; what running kits would not follow is refused, not half applied."""

from typing import Any

import pytest

from allocation.commands.studies import (
    GO_LIVE,
    LoadStudyVersionRequest,
    load_study_version,
    version_content,
)
from allocation.errors import Unsupported
from allocation.study.protocol import Protocol
from tests.api.trial import protocol
from tests.commands.desk import Desk


def amend(desk: Desk, document: dict[str, Any]) -> dict[str, Any]:
    version = Protocol.model_validate(document)
    act = desk.signed(GO_LIVE, version_content(version))
    return load_study_version(desk.service, act, LoadStudyVersionRequest(protocol=version))


def test_an_amendment_cannot_move_the_last_dates_that_kits_carry(desk: Desk) -> None:
    document = protocol(2)
    document["kit_types"][1]["expiry"] = {"dns_days": 0, "dnc_days": 0, "dnd_days": 0}
    before = desk.state()
    with pytest.raises(Unsupported, match=r"kit_types\[1\].expiry"):
        amend(desk, document)
    assert desk.state() == before
    assert amend(desk, protocol(2))["version"] == 2

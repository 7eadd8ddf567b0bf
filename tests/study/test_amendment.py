"""A protocol version follows another only where nothing that the ledger may name goes away."""

from typing import Any

import pytest

from allocation.study.amendment import version_errors
from allocation.study.protocol import Protocol
from tests.study.small_protocol import REMOVE, SMALL, with_changes


def errors(changes: dict[str, Any]) -> list[str]:
    new = Protocol.model_validate(with_changes({"study.version": 2, **changes}))
    return [str(error) for error in version_errors(Protocol.model_validate(SMALL), new)]


def test_the_next_version_with_more_in_it_may_follow() -> None:
    more = {
        "visits[2].window_after": 7,
        "sites[3]": {"code": "G2", "name": "Bonn", "country": "DEU"},
        "arms[0].ratio": 1,
        "randomization[0].block_sizes": [2, 4],
    }
    assert errors(more) == []


@pytest.mark.parametrize("version", [1, 3])
def test_a_version_that_does_not_count_up_by_one_is_refused(version: int) -> None:
    (error,) = errors({"study.version": version})
    assert error == f"study.version: {version} does not follow version 1; set it to 2"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"study.id": "S2"}, "study.id"),
        ({"study.mode": "production"}, "study.mode"),
        ({"subject_identifier.template": "{subject}"}, "subject_identifier.template"),
        ({"sites[1]": REMOVE}, "sites"),
        ({"visits[4]": REMOVE}, "visits"),
        ({"visits[3].number": 4.5}, "visits[3].number"),
        ({"cohorts[1]": REMOVE}, "cohorts"),
        (
            {
                "stratification[0].levels": [{"code": "F", "label": "F"}, {"code": "X", "label": "X"}],
                "visits[3].strata": [],
            },
            "stratification[0].levels",
        ),
    ],
)
def test_what_the_ledger_may_name_does_not_go_away(changes: dict[str, Any], path: str) -> None:
    (error,) = errors(changes)
    assert error.startswith(f"{path}: ")


def test_every_reason_is_told_at_once() -> None:
    assert len(errors({"study.version": 5, "sites[1]": REMOVE, "visits[4]": REMOVE})) == 3

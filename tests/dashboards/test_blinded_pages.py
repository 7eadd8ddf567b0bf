"""Blinding of the pages: where only the treatment labels are permuted, a blinded reader is shown the same bytes."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from allocation.access.grants import actor_named
from allocation.access.tokens import issue_token
from allocation.views.unblinded.stock import unblinded_stock
from dashboards.session import utc_now
from tests.api.conftest import Trial, trial_at
from tests.api.trial import AS_IS, BLINDED, PERMUTED, STUDY
from tests.dashboards.conftest import pages_of
from tests.dashboards.planner_pages import shown
from tests.dashboards.trial_under_way import go_on, url_of


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Trial, Trial]]:
    """Two trials by the same steps at the same moments; in the second each arm has another label, and its kits another type."""
    folder = tmp_path_factory.mktemp("twins")
    with ExitStack() as stack:
        both = [
            stack.enter_context(trial_at(f"sqlite:///{folder / name}.db", labels))
            for name, labels in (("one", AS_IS), ("two", PERMUTED))
        ]
        for trial in both:
            go_on(trial)
        yield both[0], both[1]


def content_of(page: AppTest) -> list[tuple[str, bytes]]:
    """Everything that the server sends for the page, element by element, in order."""
    found: list[tuple[str, bytes]] = []

    def walk(node: Any) -> None:
        proto = getattr(node, "proto", None)
        if proto is not None:
            found.append((type(node).__name__, proto.SerializeToString(deterministic=True)))
        for child in getattr(node, "children", {}).values():
            walk(child)

    walk(page.main)
    walk(page.sidebar)
    return found


def page_as(trial: Trial, name: str) -> AppTest:
    """The overview as somebody who is logged in."""
    token = issue_token(
        trial.database, actor_named(trial.database, name), utc_now, lasts=timedelta(hours=1)
    ).token
    with pages_of(url_of(trial)) as new_visit:
        page = new_visit()
        page.session_state["token"] = token
        page.session_state["logged_out"] = False
        return page.run()


@pytest.mark.slow
@pytest.mark.parametrize("name", BLINDED)
def test_permuted_treatments_change_no_byte_of_a_blinded_readers_page(
    name: str, twins: tuple[Trial, Trial], home: Path
) -> None:
    first, second = (page_as(trial, name) for trial in twins)
    assert not first.exception
    assert not second.exception
    mine, theirs = content_of(first), content_of(second)
    assert mine == theirs
    assert not [kind for kind, content in mine if b"ZZ" in content]
    assert len(mine) > 12 or name == "stranger"


@pytest.mark.slow
def test_permuted_treatments_change_no_byte_of_a_blinded_readers_planner(
    twins: tuple[Trial, Trial], home: Path
) -> None:
    mine, theirs = (content_of(shown(one, "supply")) for one in twins)
    assert mine == theirs
    assert len(mine) > 10


def test_the_twins_do_differ_for_those_who_may_know(twins: tuple[Trial, Trial]) -> None:
    stocks = [
        unblinded_stock(trial.database, actor_named(trial.database, "auditor"), STUDY) for trial in twins
    ]
    assert stocks[0] != stocks[1]

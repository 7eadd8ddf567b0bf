"""docs/kit-status.md is what the table of kit states says."""

from pathlib import Path

from allocation.kit_status_page import kit_status_page
from allocation.rules.kit_status import TRANSITIONS, KitStatus

PAGE = Path(__file__).parents[2] / "docs" / "kit-status.md"


def test_the_page_in_the_docs_is_drawn_from_the_table() -> None:
    assert PAGE.read_text() == kit_status_page(), "run: rtsm kit states > docs/kit-status.md"


def test_the_page_shows_each_transition_and_each_status() -> None:
    page = kit_status_page()
    assert page.count("\n| ") == len(TRANSITIONS) + 1
    diagram = page.split("```mermaid")[1].split("```")[0]
    for row in TRANSITIONS:
        assert row.act in diagram
    for status in KitStatus:
        assert status in diagram

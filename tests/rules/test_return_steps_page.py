"""docs/return-steps.md is what the table of steps says."""

from pathlib import Path

from allocation.return_steps_page import return_steps_page
from allocation.rules.return_process import STEPS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "return-steps.md"


def test_the_page_is_drawn_from_the_table_as_it_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == return_steps_page()
    assert len([line for line in PAGE.read_text().splitlines() if line.startswith("| ")]) == len(STEPS) + 1

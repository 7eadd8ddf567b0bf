"""Colours: enough contrast to the ground (WCAG 2.2), told apart without hue, and the same in the app's settings."""

import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from dashboards import look
from dashboards.blinded.charts import luminance

SETTINGS = Path(look.__file__).with_name(".streamlit") / "config.toml"


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2: (L1 + 0.05) / (L2 + 0.05)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_is_that_of_the_standards_own_examples() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("ground", [look.PAPER, look.SHADE])
@pytest.mark.parametrize("colour", [look.INK, look.MUTED, look.ALERT])
def test_text_can_be_read(colour: str, ground: str) -> None:
    assert contrast(colour, ground) >= 4.5


@pytest.mark.parametrize("colour", [look.RANDOMIZED, look.SCREENED, look.PLAN])
def test_lines_can_be_seen(colour: str) -> None:
    assert contrast(colour, look.PAPER) >= 3


def test_the_lines_of_enrolment_differ_in_lightness() -> None:
    assert contrast(look.RANDOMIZED, look.SCREENED) >= 2


def test_statuses_that_stand_side_by_side_differ_in_lightness() -> None:
    shown = list(look.STATUS_COLOURS.values())
    for one, other in pairwise(shown):
        assert contrast(one, other) >= 1.3, (one, other)


def test_the_settings_of_the_app_use_these_colours_and_send_nothing_out() -> None:
    settings = tomllib.loads(SETTINGS.read_text())
    theme = settings["theme"]
    assert (theme["textColor"], theme["backgroundColor"], theme["secondaryBackgroundColor"]) == (
        look.INK,
        look.PAPER,
        look.SHADE,
    )
    assert (theme["primaryColor"], theme["borderColor"]) == (look.RANDOMIZED, look.RULE)
    assert settings["browser"]["gatherUsageStats"] is False
    assert settings["client"]["showErrorDetails"] == "none"

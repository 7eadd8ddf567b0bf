"""`rtsm randomization compare`: from a protocol and from a comparison file, as table, JSON and plot, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rtsm
from simulation.randomization.comparison_file import wanted_comparison

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "studies" / "demo.yaml"
EXAMPLE = ROOT / "studies" / "randomization-comparison.yaml"

SMALL = """\
schema_version: 1
name: Small
arms: {A: 1, B: 1}
subjects: 20
replicates: 200
methods:
  - {method: complete}
  - {method: big_stick, parameters: {b: 3}}
  - {method: permuted_block, block_sizes: [4, 6], label: blocks}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL, encoding="utf-8")
    return file


def run(*arguments: object) -> object:
    return CliRunner().invoke(rtsm.app, ["randomization", "compare", *map(str, arguments)])


def test_a_comparison_without_strata_is_exact_and_says_so(small: Path) -> None:
    result = run(small)
    assert result.exit_code == 0, result.output
    assert "All figures are exact." in result.stdout
    assert "±" not in result.stdout
    for label in ("CRD", "BSD(3)", "blocks"):
        assert label in result.stdout


def test_json_has_every_figure_with_whether_it_is_exact(small: Path) -> None:
    small.write_text(SMALL + "factors:\n  - {code: SEX, levels: {F: 0.7, M: 0.3}}\n", encoding="utf-8")
    answer = json.loads(run(small, "--json").stdout)
    assert [design["label"] for design in answer["designs"]] == ["CRD", "BSD(3)", "blocks"]
    assert answer["factors"] == {"SEX": {"F": 0.7, "M": 0.3}}
    figures = answer["designs"][1]["figures"]
    assert set(figures) == {
        *("overall", "margin", "stratum", "largest", "loss", "correct", "excess", "determined", "forcing")
    }
    assert figures["stratum"]["exact"]
    assert not figures["overall"]["exact"]
    assert figures["overall"]["standard_error"] > 0


def test_the_same_seed_gives_the_same_figures_and_another_does_not(small: Path) -> None:
    small.write_text(SMALL + "factors:\n  - {code: SEX, levels: {F: 0.7, M: 0.3}}\n", encoding="utf-8")
    first, again, other = (run(small, "--json", "--seed", seed).stdout for seed in (1, 1, 2))
    assert first == again
    assert json.loads(first)["designs"] != json.loads(other)["designs"]


def test_the_demo_protocols_method_is_compared_with_those_that_suit_its_ratio() -> None:
    wanted = wanted_comparison(DEMO)
    own = [(method, contender.label) for method, contender, own in wanted.contenders if own]
    assert own == [("permuted_block", "PBD(5, 10)")]
    methods = {method for method, _, _ in wanted.contenders}
    assert {"complete", "block_urn", "mass_weighted_urn", "random_allocation_rule"} <= methods
    assert "big_stick" not in methods
    assert (wanted.plan.subjects, wanted.plan.ratio, len(wanted.plan.prevalences)) == (500, (2, 2, 1), 4)
    result = run(DEMO, "--replicates", 100)
    assert result.exit_code == 0, result.output
    assert "PBD(5, 10) *" in result.stdout
    assert "SEVERITY: levels taken as equally common" in result.stdout


def test_the_example_comparison_has_every_method_for_two_arms() -> None:
    wanted = wanted_comparison(EXAMPLE)
    assert len(wanted.contenders) == 18
    assert len({method for method, _, _ in wanted.contenders}) == 13
    assert wanted.plan.prevalences == pytest.approx([0.42, 0.18, 0.28, 0.12])


def test_false_positives_under_a_trend_and_under_guessing_are_shown_when_asked_for(small: Path) -> None:
    options = ("--trend", 5, "--guessing", 0.5)
    answer = json.loads(run(small, *options, "--json").stdout)
    assert (answer["trend"], answer["guessing"]) == (5, 0.5)
    by_label = {design["label"]: design["figures"] for design in answer["designs"]}
    assert by_label["BSD(3)"]["trend"]["value"] < 0.05 < by_label["blocks"]["guessing"]["value"]
    assert not by_label["CRD"]["trend"]["exact"]
    shown = " ".join(run(small, *options).stdout.split())
    assert "responses drift by 5 SD from the first to the last subject; or who is guessed into A" in shown
    small.write_text(SMALL.replace("replicates: 200", "replicates: 200\ntrend: 5"), encoding="utf-8")
    in_file = json.loads(run(small, "--json").stdout)
    assert in_file["designs"][1]["figures"]["trend"] == by_label["BSD(3)"]["trend"]
    assert "guessing" not in in_file["designs"][1]["figures"]


def test_a_bias_that_cannot_be_simulated_is_refused(small: Path) -> None:
    result = run(DEMO, "--guessing", 1)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "guessing: it is defined for two arms 1:1 (leave it out)" in result.stderr
    assert run(EXAMPLE, "--trend", "nan").exit_code == 2
    small.write_text(SMALL.replace("replicates: 200", "trend: .nan"), encoding="utf-8")
    result = run(small)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "trend" in result.stderr


def test_the_plot_is_an_svg_with_every_label_or_a_png(small: Path, tmp_path: Path) -> None:
    assert run(small, "--plot", tmp_path / "plot.svg").exit_code == 0
    drawn = (tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    for text in (
        "CRD",
        "BSD(3)",
        "blocks",
        "Right guesses of the next allocation, %",
        "All points are exact.",
    ):
        assert f">{text}<" in drawn
    assert run(small, "--plot", tmp_path / "plot.png", "--balance", "loss").exit_code == 0
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("method: big_stick", "method: big_stik", "methods[1].method: big_stik"),
        ("{b: 3}", "{b: 2.5}", "methods[1].parameters.b: 2.5 is not a whole number"),
        ("{b: 3}", "{p: 3}", "methods[1].parameters.p: p is no parameter of the method big_stick"),
        ("[4, 6]", "[4, 5]", "methods[2].block_sizes[1]: 5 is not a multiple of 2"),
        ("{A: 1, B: 1}", "{A: 2, B: 1}", "is defined for equal allocation, not for 2:1; use one of"),
        ("subjects: 20", "subjects: many", "subjects: many is not a whole number"),
        ("subjects: 20", "subject: 20", "subject is not a key here"),
        ("label: blocks", "label: CRD", "label"),
        ("{method: complete}", "{method: biased_coin, parameters: {p: 1}}", "ICH E9 2.3.2"),
    ],
)
def test_a_wrong_comparison_names_place_value_and_fix_and_exits_1(small, before, after, words) -> None:
    small.write_text(SMALL.replace(before, after), encoding="utf-8")
    result = run(small)
    assert (result.exit_code, result.stdout) == (1, "")
    assert words in result.stderr
    assert f"{small}:" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--plot", "plot.pdf"), "--plot: plot.pdf is neither .svg nor .png"),
        (("--plot", "plot.svg", "--balance", "beauty"), "--balance: beauty is no measure of balance"),
        (("--plot", "nowhere/plot.svg"), "--plot: there is no folder nowhere"),
    ],
)
def test_a_plot_that_cannot_be_drawn_is_refused_before_the_work(small, options, words) -> None:
    result = run(small, *options)
    assert result.exit_code == 1
    assert words in result.stderr


def test_an_unknown_event_or_file_is_refused() -> None:
    missing = run(DEMO, "--event", "RAN")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "did you mean RAND?" in missing.stderr
    assert "cannot be read" in run("no-such-file.yaml").stderr


def test_listing_the_group_imports_neither_numba_nor_the_service() -> None:
    code = (
        "import sys, rtsm\n"
        "try: rtsm.app(['randomization', '--help'])\n"
        "except SystemExit as end: code = end.code\n"
        "print('HEAVY', [name for name in ('numba', 'altair', 'sqlalchemy', 'simulation') if name in sys.modules], code)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("HEAVY [] 0\n")
    assert "compare" in shown

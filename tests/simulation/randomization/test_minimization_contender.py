"""Minimization in the comparison is the service's own rule, subject for subject."""

import numpy as np
import pytest

from allocation.rules.draws import draw_arm
from allocation.rules.minimization import EarlierSubject, column_chances, count_subjects
from simulation.randomization.contenders import Entry
from simulation.randomization.families import FAMILIES
from simulation.randomization.minimization_contender import MinimizationContender
from simulation.randomization.plan import PlannedFactor, TrialPlan

PLAN = TrialPlan(
    "trial",
    (("A", 2), ("B", 1)),
    30,
    (
        PlannedFactor("SEX", (("F", 0.5), ("M", 0.5))),
        PlannedFactor("AGE", (("Y", 0.3), ("O", 0.7))),
    ),
    2,
    5,
)
ENTRIES = (
    Entry("minimization", {"p": 0.8}),
    Entry("minimization", {"p": 0.8, "simple_first": 4}, measure="variance", ratio_rule="biased_coin"),
    Entry("minimization", {"q": 0.5}),
    Entry("hu_hu", {"p": 0.85, "whole": 0.2, "stratum": 0.3}, weights={"SEX": 0.25, "AGE": 0.25}),
)


@pytest.mark.parametrize("entry", ENTRIES, ids=["minimization", "biased coin", "rank", "hu_hu"])
def test_a_simulated_trial_is_drawn_as_the_service_draws(entry: Entry) -> None:
    assert FAMILIES[entry.method].problems(entry, PLAN) == []
    contender = FAMILIES[entry.method].contender(entry, PLAN)
    assert isinstance(contender, MinimizationContender)
    design = contender.design
    strata, uniforms = next(PLAN.arrivals())
    arms = np.empty(strata.shape, dtype=np.int64)
    chances = np.empty((*strata.shape, 2))
    contender.allocate(PLAN, strata, uniforms, arms, chances)
    for replicate in range(PLAN.replicates):
        earlier: list[EarlierSubject] = []
        for place in range(PLAN.subjects):
            levels = tuple(str(level) for level in PLAN.margins[strata[replicate, place]])
            columns = column_chances(design, count_subjects(design, earlier, levels))
            unit = draw_arm(columns.tolist(), float(uniforms[replicate, place]))
            arm = design.arm_of_unit[unit]
            assert arms[replicate, place] == arm
            assert chances[replicate, place].sum() == pytest.approx(1)
            assert chances[replicate, place, arm] >= columns[unit]
            earlier.append(EarlierSubject(levels, design.arms[arm], unit))


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        (Entry("minimization", {"p": 1}), ("parameters", "p")),
        (Entry("minimization", {"p": 0.8, "b": 3}), ("parameters", "b")),
        (Entry("hu_hu", {"p": 0.8, "whole": -1}), ("parameters", "whole")),
        (Entry("minimization", {"p": 0.8}, (4,)), ("block_sizes",)),
    ],
    ids=["p of 1", "unknown parameter", "negative weight", "block sizes"],
)
def test_a_wrong_minimization_is_refused_with_its_place(entry: Entry, path: tuple[str, ...]) -> None:
    assert [problem.path for problem in FAMILIES[entry.method].problems(entry, PLAN)] == [path]

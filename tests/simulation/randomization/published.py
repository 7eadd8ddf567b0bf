"""Published and exact operating characteristics, by design, and the designs by a short name.

Two arms 1:1, n = 50. Sources: Berger et al. 2021 ("A roadmap to using randomization in clinical trials") with its repository;
Ryeznik & Sverdlov 2018 for several arms. `exact` was computed by dynamic programming in rational arithmetic, `published` are
Monte Carlo estimates from the papers.
"""

from __future__ import annotations

from typing import NamedTuple

from allocation.rules.restricted.design import RestrictedDesign

EVEN = (1, 1)
METHOD_OF = {
    "CRD": ("complete", ()),
    "RAND": ("random_allocation_rule", ("n",)),
    "TBD": ("truncated_binomial", ("n",)),
    "EBCD": ("biased_coin", ("p",)),
    "BSD": ("big_stick", ("b",)),
    "BCDWIT": ("biased_coin_imbalance_tolerance", ("p", "b")),
    "ABCD": ("adjustable_biased_coin", ("a",)),
    "GBCD": ("generalized_biased_coin", ("gamma",)),
    "UD": ("wei_urn", ("alpha", "beta")),
    "BUD": ("block_urn", ("lambda",)),
    "EUD": ("ehrenfest_urn", ("b",)),
    "MP": ("maximal_procedure", ("n", "b")),
    "MWUD": ("mass_weighted_urn", ("alpha",)),
}


def design(short: str, *values: float, ratio: tuple[int, ...] = EVEN) -> RestrictedDesign:
    """`design("BSD", 3)`; PBD takes block sizes."""
    if short == "PBD":
        return RestrictedDesign("permuted_block", ratio, block_sizes=tuple(int(value) for value in values))
    method, names = METHOD_OF[short]
    return RestrictedDesign(method, ratio, dict(zip(names, values, strict=True)))


class TwoArms(NamedTuple):
    """E|D|, Var D, loss, forcing index, proportion of right guesses, of certain assignments, E max|D|; None: not given."""

    imbalance: float
    variance: float | None
    loss: float | None
    forcing: float
    correct: float
    determined: float
    largest: float


EXACT_50: dict[tuple[str | float, ...], TwoArms] = {
    ("CRD",): TwoArms(5.613759, 50, 1, 0, 0.5, 0, 8.39180),
    ("RAND", 50): TwoArms(0, 0, 0, 0.316268, 0.579067, 0.038462, 5.67367),
    ("TBD", 50): TwoArms(0, 0, 0, 0.224550, 0.556138, 0.112275, 7.57411),
    ("PBD", 2): TwoArms(0, 0, 0, 1, 0.75, 0.5, 1),
    ("PBD", 4): TwoArms(0.666667, 1.333333, 0.026667, 0.813333, 0.703333, 0.32, 1.99486),
    ("PBD", 6): TwoArms(0.8, 1.6, None, 0.712, 0.678, 0.24, 2.56914),
    ("PBD", 8): TwoArms(0.857143, 1.714286, None, 0.643429, 0.660857, 0.192, 2.94881),
    ("BSD", 3): TwoArms(1.333333, 2.666667, 0.053333, 0.315556, 0.578889, 0.157778, 2.99900),
    ("BSD", 2): TwoArms(1, 2, 0.04, 0.48, 0.62, 0.24, 2),
    ("BCDWIT", 2 / 3, 3): TwoArms(0.857143, 1.714286, 0.034286, 0.559184, 0.639796, 0.067755, 2.94076),
    ("EBCD", 2 / 3): TwoArms(1.328842, 4.405311, 0.088106, 0.486712, 0.621678, 0, 4.27626),
    ("ABCD", 2): TwoArms(1.148667, 2.401662, 0.048033, 0.418206, 0.604552, 0, 3.16935),
    ("GBCD", 1): TwoArms(3.194876, 50 / 3, 0.333333, 0.239502, 0.559876, 0.02, 5.83827),
    ("UD", 0, 1): TwoArms(3.194876, 50 / 3, 0.333333, 0.239502, 0.559876, 0.02, 5.83827),
    ("GBCD", 2): TwoArms(2.455101, 10.119637, 0.202393, 0.344599, 0.586150, 0.02, 4.93960),
    ("GBCD", 5): TwoArms(1.611528, 4.743163, 0.094863, 0.522073, 0.630518, 0.02, 3.76928),
    ("UD", 1, 1): TwoArms(3.260620, 52 / 3, None, 0.204667, 0.551167, 0, 5.96339),
    ("UD", 1, 3): TwoArms(3.216936, 16.888848, None, 0.223687, 0.555922, 0, 5.880175),
    ("BUD", 2): TwoArms(0.666667, 1.333333, None, 0.653333, 0.663333, 0.16, 1.99996),
    ("BUD", 3): TwoArms(0.941176, 1.882353, None, 0.513910, 0.628478, 0.056055, 2.92023),
    ("EUD", 4): TwoArms(0.9375, 2, 0.04, 0.531667, 0.632917, 0.007083, 3.18439),
    ("MP", 50, 2): TwoArms(0, 0, 0, 0.68, 0.67, 0.18, 1.99994),
    ("MP", 50, 3): TwoArms(0, 0, 0, 0.528284, 0.632071, 0.094437, 2.94743),
    ("MP", 50, 4): TwoArms(0, 0, 0, 0.443777, 0.610944, 0.064085, 3.69125),
}
"""The largest imbalances of MP are ours: the notes give none."""

PUBLISHED_50: dict[tuple[str | float, ...], tuple[float, float, float]] = {
    ("CRD",): (5.605, 0, 0.4993),
    ("RAND", 50): (0, 0.3149, 0.5794),
    ("TBD", 50): (0, 0.2265, 0.5560),
    ("PBD", 2): (0, 1, 0.7511),
    ("PBD", 4): (0.6658, 0.8134, 0.7032),
    ("BSD", 3): (1.3328, 0.3151, 0.5785),
    ("BCDWIT", 2 / 3, 3): (0.8638, 0.5593, 0.6397),
    ("EBCD", 2 / 3): (1.320, 0.4866, 0.6212),
    ("ABCD", 2): (1.1544, 0.4172, 0.6050),
    ("GBCD", 1): (3.2162, 0.2393, 0.5597),
    ("GBCD", 2): (2.456, 0.3445, 0.5867),
    ("GBCD", 5): (1.6154, 0.5226, 0.6301),
}
"""E|D|, forcing index, proportion of right guesses: means of 10,000 simulated trials."""

ERRORS_50: dict[tuple[str | float, ...], tuple[float, float]] = {
    ("CRD",): (0.0503, 0.0534),
    ("RAND", 50): (0.0490, 0.0754),
    ("TBD", 50): (0.2011, 0.0595),
    ("PBD", 2): (0.0007, 0.3901),
    ("PBD", 4): (0.0021, 0.2685),
    ("BSD", 3): (0.0059, 0.0697),
    ("BCDWIT", 2 / 3, 3): (0.0016, 0.1439),
    ("EBCD", 2 / 3): (0.0107, 0.1234),
    ("ABCD", 2): (0.0032, 0.0918),
    ("GBCD", 1): (0.0189, 0.0746),
    ("GBCD", 2): (0.0107, 0.0892),
    ("GBCD", 5): (0.0046, 0.1294),
}
"""Type I error of the t-test at 5 % under a linear trend, and under selection bias: rates of 10,000 simulated trials (the roadmap's
repository, yevgenryeznik/restricted-two-arm, case-study01-example1-inference)."""

SEVERAL_ARMS: dict[tuple[tuple[int, ...], int, str, tuple[float, ...]], tuple[float, float, float | None]] = {
    ((4, 3, 2, 1), 50, "PBD", (10,)): (0, 0.294805, 0),
    ((4, 3, 2, 1), 50, "PBD", (20,)): (1.737058, 0.198108, 0.271448),
    ((4, 3, 2, 1), 50, "PBD", (50,)): (0, 0.151623, None),
    ((4, 3, 2, 1), 50, "BUD", (2,)): (1.762076, 0.148291, 0.275799),
    ((4, 3, 2, 1), 50, "BUD", (3,)): (2.323666, 0.106453, 0.358073),
    ((4, 3, 2, 1), 50, "MWUD", (4,)): (0.986508, 0.256918, 0.173489),
    ((4, 3, 2, 1), 50, "CRD", ()): (5.409478, 0, 0.836660),
    ((2, 1), 40, "PBD", (3,)): (0.628539, 0.306413, None),
    ((2, 1), 40, "PBD", (6,)): (0.754247, 0.238845, None),
    ((2, 1), 40, "BUD", (2,)): (0.756211, 0.183564, None),
    ((1, 1, 1), 40, "PBD", (6,)): (0.979796, 0.316900, None),
    ((1, 1, 1), 40, "BUD", (2,)): (0.974528, 0.257513, None),
}
"""(ratio, n, design) -> E Euclidean distance, forcing index, ASD. The papers count blocks in sets of the ratio, here in subjects."""

PUBLISHED_SEVERAL: dict[
    tuple[tuple[int, ...], int, str, tuple[float, ...]], tuple[float, float, float | None]
] = {
    ((4, 3, 2, 1), 50, "PBD", (10,)): (0, 0.294746, None),
    ((4, 3, 2, 1), 50, "PBD", (20,)): (1.746, 0.1986, 0.2726),
    ((4, 3, 2, 1), 50, "PBD", (50,)): (0, 0.151624, None),
    ((4, 3, 2, 1), 50, "BUD", (2,)): (1.773, 0.1486, 0.2766),
    ((4, 3, 2, 1), 50, "BUD", (3,)): (2.323, 0.1068, 0.3579),
    ((4, 3, 2, 1), 50, "MWUD", (4,)): (1.002, 0.2573, 0.1747),
    ((4, 3, 2, 1), 50, "CRD", ()): (5.410, 0, 0.8359),
}
"""The same from 10,000 simulated trials (Ryeznik & Sverdlov 2018, repository yevgenryeznik/restricted-multi-arm)."""

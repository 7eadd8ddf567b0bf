"""Screening and who comes, as they were seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize
from scipy.stats import chi2_contingency, norm

from simulation.fitting.day_laws import Days, FittedDays, fit_days, moved_to_monday
from simulation.fitting.estimate import FEW, Estimate, basis_of, probability, shares
from simulation.fitting.observed import Observed, SeenSubject
from simulation.fitting.site_rates import standard_errors
from simulation.fitting.supplying import law_document, law_rows
from simulation.scenario import DayLaw

PRIOR_FAILURE: Final = 0.25
_DEFAULT_AGE: Final = (50.0, 15.0)
_CONVINCING: Final = 0.01


def screening_days(found: Observed) -> list[Days]:
    """How long each screening took that ended well, or has taken so far, in days that may have been moved by a weekend or the limit.

    Failures are left out: they are often known on the first day, and no kit waits for them.
    """
    longest = found.protocol.screening.max_days_to_randomization
    days: list[Days] = []
    for subject in found.subjects.values():
        if subject.decided_on is None:
            days.append(((found.as_of - subject.screened_on).days + 1, None))
            continue
        if not subject.eligible:
            continue
        low, high = moved_to_monday((subject.decided_on - subject.screened_on).days, subject.decided_on)
        # What would take longer than the protocol allows is decided on the last day, or on the weekday before it.
        near = (
            longest is not None
            and high is not None
            and (high >= longest or (subject.decided_on.weekday() == 4 and high >= longest - 2))
        )
        days.append((max(low, 0), None if near else high))
    return days


def fit_screening(found: Observed) -> tuple[dict[str, Any], list[Estimate], FittedDays | None]:
    """The part `screening` of a scenario; its estimates; the law of its duration, None without a decision."""
    law = fit_days(screening_days(found), lowest=0)
    decided = [one for one in found.subjects.values() if one.eligible is not None]
    failures = [one for one in decided if not one.eligible]
    failure = probability(
        "screening.failure_probability", len(failures), len(decided), PRIOR_FAILURE, "per subject screened"
    )
    known = [criterion.code for criterion in found.protocol.criteria]
    reasons = Counter(one.failed[0] for one in failures if one.failed and one.failed[0] in known)
    counted = (
        {code: reasons[code] for code in known}
        if not reasons
        else dict(sorted(reasons.items(), key=lambda one: -one[1]))
    )
    failed, rows = shares("screening.failed_criteria", counted, "the first criterion of each failure")
    if not reasons:
        why = "no failure with its criterion: each criterion alike"
        rows = [Estimate("screening.failed_criteria", "alike", "share", 0, "prior", note=why)]
    longest = found.protocol.screening.max_days_to_randomization
    default = DayLaw(min_days=min(14, longest) if longest is not None else 14)
    document = {
        "duration_days": law_document(law.law if law else default),
        "failure_probability": round(float(failure.value), 6),
        "failed_criteria": failed,
    }
    return (
        document,
        [*law_rows("screening.duration_days", law, default, "of those who did not fail"), failure, *rows],
        law,
    )


def fit_population(found: Observed) -> tuple[dict[str, Any], list[Estimate]]:
    """The part `population` of a scenario and its estimates."""
    subjects = list(found.subjects.values())
    age, age_rows = _age(found, subjects)
    sex, sex_rows = shares("population.sex", _counted((one.sex for one in subjects), ("F", "M")))
    race, race_rows = shares("population.race", _counted((one.race for one in subjects), ("UNKNOWN",)))
    ethnicity, ethnic_rows = shares(
        "population.ethnicity", _counted((one.ethnic for one in subjects), ("NOT REPORTED",))
    )
    by_country, country_rows = _race_by_country(subjects)
    strata: dict[str, dict[str, float]] = {}
    strata_rows: list[Estimate] = []
    for factor in found.protocol.stratification:
        if factor.source not in ("entered", "edc"):
            continue
        seen = Counter(one.factors.get(factor.code) for one in subjects)
        counts = {level.code: seen[level.code] for level in factor.levels}
        strata[factor.code], rows = shares(f"population.strata.{factor.code}", counts)
        strata_rows += rows
    document = age | {
        "sex": sex,
        "race": race,
        "race_by_country": by_country,
        "ethnicity": ethnicity,
        "strata": strata,
    }
    return document, [*age_rows, *sex_rows, *race_rows, *country_rows, *ethnic_rows, *strata_rows]


def _counted(values: Iterable[str | None], default: tuple[str, ...]) -> dict[str, int]:
    """The values that occur, the most frequent first; `default`, each with none, where none is known."""
    counts = Counter(value for value in values if value)
    return dict(counts.most_common()) or dict.fromkeys(default, 0)


def _age(found: Observed, subjects: list[SeenSubject]) -> tuple[dict[str, float], list[Estimate]]:
    """A normal law by maximum likelihood of whole years; at a limit of the protocol stands whoever the law has beyond it."""
    ages = np.array([one.age for one in subjects if one.age is not None], dtype=np.float64)
    if len(ages) < 3 or ages.std() == 0:
        mean, sd = _DEFAULT_AGE if not len(ages) else (float(ages.mean()), _DEFAULT_AGE[1])
        note = "fewer than three different ages: standard deviation left at 15 years"
        rows = [
            Estimate(f"population.age_{name}_years", value, "years", len(ages), "prior", note=note)
            for name, value in (("mean", mean), ("sd", sd))
        ]
        return {"age_mean_years": mean, "age_sd_years": sd}, rows
    limits = found.protocol.screening
    low = np.where(ages <= (limits.age_min if limits.age_min is not None else -1), -np.inf, ages - 0.5)
    high = np.where(ages >= (limits.age_max if limits.age_max is not None else 999), np.inf, ages + 0.5)

    def loss(x: Any) -> float:
        sd = np.exp(x[1])
        inside = norm.cdf((high - x[0]) / sd) - norm.cdf((low - x[0]) / sd)
        return -float(np.log(np.maximum(inside, 1e-12)).sum())

    best = minimize(loss, [ages.mean(), np.log(ages.std())], method="Nelder-Mead")
    mean, sd = float(best.x[0]), float(np.exp(best.x[1]))
    errors = 1.96 * standard_errors(loss, best.x, step=1e-3)
    n = len(ages)
    note = f"{int(np.isinf(low).sum() + np.isinf(high).sum())} at a limit of the protocol"
    rows = [
        Estimate(
            "population.age_mean_years",
            mean,
            "years",
            n,
            basis_of(n),
            mean - float(errors[0]),
            mean + float(errors[0]),
            note,
        ),
        Estimate(
            "population.age_sd_years",
            sd,
            "years",
            n,
            basis_of(n),
            sd * float(np.exp(-errors[1])),
            sd * float(np.exp(errors[1])),
            note,
        ),
    ]
    return {"age_mean_years": round(mean, 3), "age_sd_years": round(min(sd, 50.0), 3)}, rows


def _race_by_country(subjects: list[SeenSubject]) -> tuple[dict[str, dict[str, float]], list[Estimate]]:
    """Shares of its own for each country with enough subjects whose shares differ convincingly from those of the others."""
    found: dict[str, dict[str, float]] = {}
    rows: list[Estimate] = []
    races = [(one.country, one.race) for one in subjects if one.race]
    for country in sorted({country for country, _ in races}):
        here = Counter(race for of, race in races if of == country)
        others = Counter(race for of, race in races if of != country)
        names = sorted({*here, *others})
        if here.total() < FEW or others.total() < FEW or len(names) < 2:
            continue
        p = chi2_contingency([[here[name] for name in names], [others[name] for name in names]]).pvalue
        if p < _CONVINCING:
            note = f"differs from the other countries (chi-square, p {p:.1g})"
            counts = dict(here.most_common())
            found[country], of_country = shares(f"population.race_by_country.{country}", counts, note)
            rows += of_country
    return found, rows

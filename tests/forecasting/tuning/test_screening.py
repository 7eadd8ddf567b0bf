"""The closed forms that a search begins with have the reference numbers."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.tuning.candidates import Setting, candidate_of
from forecasting.tuning.risk import parse_risk
from forecasting.tuning.screening import Screening, nodes_of
from forecasting.tuning.site_groups import groups_by
from forecasting.tuning.trial import Trial
from tests.forecasting.tuning.small_tuning import small_trial


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return small_trial(tmp_path_factory.mktemp("closed"))


def expecting(trial: Trial, kits_a_day: float, lead_days: float, shape: float) -> Screening:
    plan = trial.plan._replace(sites=trial.plan.sites._replace(gamma_shape=shape))
    cells = 3, 2
    run = trial.run.__class__(**{**trial.run.__dict__, "plan": plan})
    return Screening(Trial(run), np.full(cells, lead_days), np.full(cells, kits_a_day), 100.0)


@pytest.mark.parametrize(
    ("rate", "lead", "reached", "ordered", "fill"),
    [
        (0.3, 7, 2, 3, 0.83285413),
        (0.2, 5, 1, 3, 0.89076823),
        (0.5, 10, 6, 8, 0.94191920),
        (1.0, 5, 6, 10, 0.95298928),
    ],
)
def test_without_a_spread_of_rates_the_share_is_that_of_lost_sales(
    trial: Trial, rate: float, lead: float, reached: int, ordered: int, fill: float
) -> None:
    """Reference numbers of (r, Q) with lost sales and one order under way."""
    screening = expecting(trial, rate, lead, 0.0)
    one = candidate_of(trial, groups_by(trial.run, ()), (Setting(reached, reached + ordered),))
    assert screening.missed_share(one) == pytest.approx(1 - fill, abs=1e-8)


@pytest.mark.parametrize(
    ("service", "mean", "kits"), [(0.95, 0.12, 1), (0.99, 0.12, 2), (0.95, 3, 9), (0.99, 3, 14), (0.0, 3, 0)]
)
def test_a_groups_min_is_a_quantile_of_negative_binomial_demand(
    trial: Trial, service: float, mean: float, kits: int
) -> None:
    screening = expecting(trial, mean / 7, 7, 1.2)
    assert screening.lead_quantile(service, np.ones((3, 2), dtype=np.bool_)) == kits


def test_without_a_spread_it_is_poisson(trial: Trial) -> None:
    screening = expecting(trial, 3 / 7, 7, 0.0)
    cells = np.ones((3, 2), dtype=np.bool_)
    assert (screening.lead_quantile(0.95, cells), screening.lead_quantile(0.99, cells)) == (6, 8)


def test_the_nodes_have_the_mean_1_and_more_stock_less_risk(trial: Trial) -> None:
    assert nodes_of(2.0).mean() == pytest.approx(1, abs=0.01)
    screening, groups = expecting(trial, 0.1, 7, 1.2), groups_by(trial.run, ())
    for text in ("missed_share<=0.01", "any_missed<=0.1"):
        risks = [
            screening.risk(candidate_of(trial, groups, (Setting(least, least + 4),)), parse_risk(text))
            for least in range(9)
        ]
        assert risks == sorted(risks, reverse=True)
        assert 0 <= risks[-1] < risks[0] <= 1

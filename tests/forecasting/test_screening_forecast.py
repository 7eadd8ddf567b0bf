"""Screening apart, and recruitment that has stopped: laws against exact ones, records of files and ledgers, and what is refused."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner, Result

import rtsm
from allocation.ledger.sealing import seal_pending
from allocation.study.design import Cap
from forecasting.errors import ForecastError
from forecasting.recruitment.count_law import CountLaw, SiteLaws
from forecasting.recruitment.fit import fit
from forecasting.recruitment.forecast import Question, forecast
from forecasting.recruitment.from_study import observed_record, observed_screening
from forecasting.recruitment.patterns import constant
from forecasting.recruitment.record import AccrualRecord
from forecasting.recruitment.screening import FailureShare, ScreeningRecord, forecast_screening, thinned
from forecasting.recruitment.stopping import stopping_of
from simulation.fitting.observed import Observed, SeenSite, SeenSubject
from tests.api.trial import STUDY
from tests.commands.desk import desk_at

BEGIN = date(2026, 1, 5)


def asked(*words: object) -> Result:
    return CliRunner().invoke(rtsm.app, ["forecast", "recruitment", *map(str, words)])


def test_a_posterior_rate_gives_the_published_demand_of_a_lead_time() -> None:
    """Field note simulation.md 2.4 B: prior Gamma(1.2, 60), k in tau days, then a lead time; and R3 of section 1.2."""
    for k, tau, lead, mean, q95, q99, above in (
        (0, 10, 7, 0.12, 1, 2, 0.01077309),
        (3, 30, 14, 0.653333, 2, 3, 0.14709713),
        (10, 60, 14, 1.306667, 4, 5, 0.36941183),
    ):
        law = SiteLaws(np.array([(1.2 + k) / (60 + tau)]), np.array([1 / (1.2 + k)]), np.zeros(1)).count(
            np.array([float(lead)])
        )
        assert law.mean == pytest.approx(mean, abs=5e-7)
        assert (law.quantile(0.95), law.quantile(0.99)) == (q95, q99)
        assert law.at_least(2) == pytest.approx(above, abs=5e-9)


def test_those_who_wait_are_beta_binomial() -> None:
    share = FailureShare(50, 12)
    fails, passes = share.parameters
    exact = stats.betabinom(17, passes, fails)
    law = thinned(CountLaw(0.0, 0.0), 17, share)
    assert (law.mean, law.variance) == pytest.approx((exact.mean(), exact.var()))
    # Spread less than Poisson's law: the quantiles are those of a binomial one.
    assert law.variance < law.mean
    for level in (0.05, 0.5, 0.95):
        assert abs(law.quantile(level) - exact.ppf(level)) <= 1
    assert law.at_least(18) < 0.01


def test_a_known_share_of_a_negative_binomial_is_negative_binomial_of_the_same_size() -> None:
    """Field note 1.2 R3 (mean 432, variance 3024, size 72), thinned to a third."""
    screened = SiteLaws.of_design(60, 1.2, 4.0).count(np.full(60, 24.0))
    assert (screened.mean, screened.variance) == pytest.approx((432, 3024))
    law = thinned(screened, 0, FailureShare(3 * 10**12, 2 * 10**12))
    exact = stats.nbinom(72, 72 / (72 + 144))
    assert (law.mean, law.variance) == pytest.approx((exact.mean(), exact.var()), rel=1e-6)
    assert [law.quantile(one) for one in (0.05, 0.5, 0.95)] == exact.ppf([0.05, 0.5, 0.95]).tolist()


def test_the_law_of_those_randomized_is_that_of_a_beta_binomial_of_a_random_number() -> None:
    share = FailureShare(40, 10)
    fails, passes = share.parameters
    number = stats.nbinom(8, 0.2)
    n = np.arange(200)
    counts = np.arange(200)
    exact = (number.pmf(n)[:, None] * stats.betabinom.pmf(counts[None, :], n[:, None], passes, fails)).sum(
        axis=0
    )
    law = thinned(CountLaw(number.mean(), number.var()), 0, share)
    mean = float(exact @ counts)
    assert law.mean == pytest.approx(mean, rel=1e-6)
    assert law.variance == pytest.approx(float(exact @ (counts - mean) ** 2), rel=1e-5)
    below = np.cumsum(exact)
    for level in (0.05, 0.5, 0.95):
        assert abs(law.quantile(level) - int(np.searchsorted(below, level))) <= 1


def test_the_interval_of_those_randomized_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    covered, trials = 0, 120
    for _ in range(trials):
        rates, fails = random.gamma(2.0, 0.5, 25), random.beta(5, 15)
        counts = random.poisson(rates, (20, 25))
        seen = int(counts.sum())
        record = AccrualRecord(
            "made", tuple(map(str, range(25))), counts.astype(float), np.ones((20, 25), dtype=bool)
        )
        law = thinned(
            fit(record, constant(record)).count(10), 0, FailureShare(seen, int(random.binomial(seen, fails)))
        )
        came = random.binomial(random.poisson(10 * rates.sum()), 1 - fails)
        covered += law.quantile(0.05) <= came <= law.quantile(0.95)
    # Three standard errors of 0.9 are 0.082.
    assert 0.82 < covered / trials < 0.98


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    random = np.random.default_rng(1)
    screened = random.poisson(3.0, (12, 4))
    randomized = random.binomial(screened, 0.7)
    found = []
    for name, rows in (("randomized", randomized), ("screened", screened)):
        found.append(tmp_path / f"{name}.csv")
        found[-1].write_text(
            "\n".join(["A,B,C,D", *(",".join(map(str, row)) for row in rows)]), encoding="utf-8"
        )
    return found[0], found[1]


def test_two_files_give_both_forecasts(files: tuple[Path, Path]) -> None:
    randomized, screened = files
    words = (randomized, "--screened", screened, "--target", 200, "--periods", 10)
    answer = json.loads(asked(*words, "--json").stdout)
    through = answer["screening"]
    assert through["randomized"] == answer["subjects"]
    assert through["failure"]["decided"] == through["screened"]
    seen = through["failure"]["failed"] / through["screened"]
    assert seen == 1 - through["randomized"] / through["screened"]
    assert through["failure"]["low"] < seen < through["failure"]["high"]
    ahead = through["randomized_ahead"]
    assert ahead["mean"] == pytest.approx(
        through["screened_ahead"]["mean"] * (1 - through["failure"]["mean"])
    )
    assert ahead["q05"] < answer["count"]["mean"] < ahead["q95"]
    assert 0 < through["completion_periods"]["q05"] < through["completion_periods"]["q95"]
    waiting = json.loads(asked(*words, "--screening-days", 14, "--json").stdout)["screening"]
    assert waiting["lag_periods"] == 2
    assert waiting["failure"]["decided"] + waiting["waiting"] == through["screened"]
    shown = asked(*words).stdout
    assert "Through screening" in shown
    assert "200 randomized: after" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--screening-days", -1), "--screening-days"),
        (("--screening-days", 70), "are randomized: correct the files, or --screening-days"),
        (("--closed-site", "E"), "--closed-site: site E is not open in"),
        (("--paused-until", "2026-01-01"), "--paused-until"),
    ],
)
def test_bad_words_are_refused(files: tuple[Path, Path], words: tuple[object, ...], told: str) -> None:
    result = asked(files[0], "--screened", files[1], *words)
    assert result.exit_code == 1
    assert told in result.stderr


def test_files_that_do_not_belong_together_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("A,B,C,E\n9,9,9,9\n", encoding="utf-8")
    result = asked(files[0], "--screened", other)
    assert result.exit_code == 1
    assert "other centres" in result.stderr
    assert "has 1 periods" in result.stderr
    assert asked("--study", "X", "--screened", other).stderr.startswith("rtsm: --screened: ")


def study(days: list[int], as_of: int, sites: int = 4, **of: Any) -> Observed:
    """A study in which subject i is screened on the day `days[i]` at one site after the other; one in five fails, the others are randomized
    a week later."""
    protocol: Any = type("Caps", (), {"caps": tuple(of.get("caps", ()))})()
    found = Observed("S1", protocol, BEGIN, BEGIN + timedelta(days=as_of))
    found.sites = {f"S{at}": SeenSite(f"S{at}", "DEU" if at else "FRA", "", BEGIN) for at in range(sites)}
    for at, day in enumerate(days):
        one = SeenSubject(
            f"{at}", f"S{at % sites}", "DEU", BEGIN + timedelta(days=day), None, None, None, None, {}
        )
        if day + 7 <= as_of:
            one.eligible, one.decided_on = at % 5 != 3, one.screened_on + timedelta(days=7)
            one.randomized_on = one.decided_on if one.eligible else None
        found.subjects[one.code] = one
    return found


STEADY = list(range(140))


def test_a_pause_of_the_study_is_no_exposure() -> None:
    steady = study(STEADY, 139)
    paused = study([*range(70), *range(126, 196)], 195)
    stopping = stopping_of(paused)
    assert [(first - BEGIN).days for first, _ in stopping.pauses] == [70]
    assert "Paused from" in stopping.notes[0]
    records = [observed_screening(found, 7, stopping_of(found)).record for found in (steady, paused)]
    assert [record.periods for record in records] == [20, 20]
    assert [forecast(record, Question(10)).count.mean for record in records] == pytest.approx(
        [70, 70], rel=0.05
    )
    # Without it the rate would be a third lower.
    assert forecast(observed_screening(paused, 7).record, Question(10)).record.periods == 28


def test_nobody_is_expected_where_recruitment_has_stopped_but_those_who_wait() -> None:
    found = study(STEADY, 200)
    stopping = stopping_of(found)
    # The last screening but for one in a hundred.
    assert stopping.stopped_on == BEGIN + timedelta(days=138)
    assert stopping.sites == ("S0", "S1", "S2", "S3")
    assert "RECRUITMENT HAS STOPPED" in stopping.notes[0]
    source = observed_screening(found, 7, stopping)
    through = forecast_screening(source, Question(10, target=200))
    assert (through.screened.count.mean, through.randomized(10).mean) == (0, 0)
    assert through.completion == (np.inf,) * 5
    left = study(STEADY, 141)
    waiting = observed_screening(left, 7, stopping_of(left, [*left.sites]))
    assert waiting.waiting == 5
    ahead = forecast_screening(waiting, Question(10)).randomized(10)
    assert ahead.mean == pytest.approx(5 * (1 - waiting.failure.mean))
    assert forecast(observed_record(left, 7, stopping_of(left, [*left.sites])), Question(10)).count.mean == 0


def test_a_pause_that_ends_puts_everything_off() -> None:
    found = study(STEADY, 200)
    until = BEGIN + timedelta(days=214)
    stopping = stopping_of(found, paused_until=until)
    assert stopping.sites == ()
    record = observed_screening(found, 7, stopping).record
    assert (record.periods, record.subjects) == (21, 140)
    later = forecast(record, Question(12, delay=2.0))
    assert later.law(2.0).mean == 0
    assert later.count.mean == pytest.approx(forecast(record, Question(10)).count.mean)
    with pytest.raises(ForecastError, match="is past"):
        stopping_of(found, paused_until=BEGIN)


@pytest.mark.parametrize(
    ("cap", "stopped"),
    [
        (Cap(kind="randomization", limit=107), 4),
        (Cap(kind="randomization", limit=108), 0),
        (Cap(kind="screening", scope="country", key="DEU", limit=105), 3),
        (Cap(kind="screening", scope="site", key="S0", limit=35), 1),
        (Cap(kind="screening", scope="site", key="S0", limit=36), 0),
    ],
)
def test_a_cap_that_is_reached_stops_the_sites_that_it_holds_for(cap: Cap, stopped: int) -> None:
    found = study(STEADY, 139, caps=[cap])
    assert sum(1 for _ in found.randomized()) == 107
    stopping = stopping_of(found)
    assert len(stopping.sites) == stopped
    assert len(stopping.notes) == (1 if stopped else 0)
    whole = forecast(observed_record(found, 7), Question(10)).count.mean
    left = forecast(observed_record(found, 7, stopping), Question(10)).count.mean
    assert left == pytest.approx(whole * (4 - stopped) / 4, rel=0.1)


def test_too_little_is_the_prior_and_says_so() -> None:
    found = study([], 10)
    through = forecast_screening(observed_screening(found, 7), Question(10))
    assert through.source.failure.as_json()["basis"] == through.screened.choice.fit.basis == "prior"
    assert through.source.failure.mean == 0.25
    # Two periods in which nobody came weigh against a prior that is worth one subject.
    rate = Question().prior_rate / 0.75
    assert 0 < through.screened.count.mean < 4 * 70 * rate


def test_a_ledger_tells_both_and_a_closed_site_recruits_no_more(database_url: str) -> None:
    with desk_at(database_url) as desk:
        desk.set_up()
        desk.randomized()
        desk.randomized()
        seal_pending(desk.database)
        words = ("--study", STUDY, "--target", 10, "--db", database_url)
        answer = json.loads(asked(*words, "--json").stdout)
        through = answer["screening"]
        assert (through["screened"], through["randomized"], through["waiting"]) == (2, 2, 0)
        assert through["failure"]["basis"] == "few data"
        assert through["randomized_ahead"]["mean"] > 0
        shown = asked(*words)
        assert "FEW DATA" in shown.stdout
        assert "Through screening: 2 screened" in shown.stdout
        sites = [word for site in study_sites(desk) for word in ("--closed-site", site)]
        closed = json.loads(asked(*words, *sites, "--json").stdout)
        assert closed["count"]["mean"] == closed["screening"]["screened_ahead"]["mean"] == 0
        assert closed["completion_periods"]["q50"] is None
        assert closed["notes"][0].startswith("Closed, as was said")
        assert asked(*words, "--closed-site", "NONE").stderr.startswith(
            "rtsm: --closed-site: site NONE is not open"
        )


def study_sites(desk: Any) -> list[str]:
    from allocation.ledger.reader import sealed_entries

    return [one.site_id for one in sealed_entries(desk.database, STUDY) if one.command == "open_site"]


def test_a_source_says_what_it_is() -> None:
    source = observed_screening(study(STEADY, 139), 7)
    assert isinstance(source, ScreeningRecord)
    assert (source.record.subjects, source.randomized, source.waiting, source.lag) == (140, 107, 7, 1.0)
    assert (source.failure.decided, source.failure.failed) == (133, 26)

"""A trial that begins with what is there: both engines play it alike, and cut at any day it goes on as if it had not been cut."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from allocation.study.protocol import Protocol
from simulation.engines import compiled, simpy_twin
from simulation.engines import outcomes as out
from simulation.engines.outcomes import OUTCOMES
from simulation.engines.plan import TrialPlan
from simulation.scenario import Scenario
from tests.simulation.engines.cut_trials import Cut, cut, cuttable
from tests.simulation.engines.small_trials import trials
from tests.simulation.engines.test_trace_equality import check_conserved, check_equal

FEW = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def cut_at(plan: TrialPlan, seed: int, share: float, loose: int = 0) -> Cut:
    """The trial cut after a share of its days; the example is given up where it has ended before."""
    day = int(share * plan.calendar.days)
    assume(day > 0)
    found = cut(plan, seed, 3, day, loose)
    assume(found is not None)
    assert found is not None
    return found


@FEW
@given(trials(), st.integers(0, 2**64 - 1), st.floats(0.05, 0.95))
def test_the_rest_of_a_trial_goes_on_as_the_whole_one_did(
    trial: tuple[Protocol, Scenario], seed: int, share: float
) -> None:
    one = cut_at(cuttable(*trial), seed, share)
    rest = simpy_twin.play(one.plan, seed, 3, trace=True)
    check_equal(compiled.play(one.plan, seed, 3), rest)
    check_conserved(rest)
    later = one.whole.trace[one.whole.trace[:, 0] >= one.day].copy()
    later[:, 0] -= one.day
    again = rest.trace.copy()
    known = again[:, 4] >= 0
    again[known, 4] = np.array(one.subjects, dtype=np.int64)[again[known, 4]]
    np.testing.assert_array_equal(again, later)
    for column, (whole, after) in enumerate(zip(one.whole.outcomes, rest.outcomes, strict=True)):
        if column in (out.DAY_LAST_RANDOMIZED, out.DAY_LAST_VISIT):
            assert after == max(whole - one.day, -1), OUTCOMES[column].name
        else:
            np.testing.assert_allclose(after, whole, rtol=1e-9, err_msg=OUTCOMES[column].name)
    if one.day % 7 == 0:
        np.testing.assert_array_equal(rest.weekly, one.whole.weekly[one.day // 7 :])


@FEW
@given(trials(), st.integers(0, 2**64 - 1), st.floats(0.05, 0.95), st.integers(1, 30))
def test_both_engines_play_a_present_state_with_open_laws_alike(
    trial: tuple[Protocol, Scenario], seed: int, share: float, loose: int
) -> None:
    one = cut_at(cuttable(*trial), seed, share, loose)
    played = compiled.play(one.plan, seed, 3)
    check_equal(played, simpy_twin.play(one.plan, seed, 3, trace=True))
    check_conserved(played)
    np.testing.assert_array_equal(
        compiled.play_batch(one.plan._replace(subjects_expected=1), seed, 3, 1).outcomes[0], played.outcomes
    )

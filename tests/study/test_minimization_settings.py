"""The words of the protocol for minimization are words of the rule."""

from typing import get_args

from allocation.rules.imbalance import ImbalanceMeasure
from allocation.study.minimization_settings import MinimizationSettings
from allocation.study.randomization_design import RandomizationEvent


def test_every_measure_that_a_protocol_may_name_is_one_of_the_rule() -> None:
    names = get_args(RandomizationEvent.model_fields["measure"].annotation)
    measures = [
        MinimizationSettings("minimization", (("A", 1), ("B", 1)), (("SEX", 1.0),), {"p": 0.8}, name)
        .design()
        .measure
        for name in names
    ]
    assert measures == [
        ImbalanceMeasure.RANGE,
        ImbalanceMeasure.VARIANCE,
        ImbalanceMeasure.STANDARD_DEVIATION,
    ]

"""What of a study's recruitment forecast is kept for a scorecard: subjects randomized, or screened, by the end of some periods after
the census."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from forecasting.calibration.kept import ALL_TYPES, KeptNumber, Measure, keep
from forecasting.calibration.scores import LEVELS
from forecasting.census import Census
from forecasting.recruitment.forecast import RecruitmentForecast
from forecasting.recruitment.patterns import spread_out

_MOST: Final = 12
"""Periods by whose end a number is kept; in a longer fan they are spread out, the last among them."""


def keep_recruitment(
    found: RecruitmentForecast, screened: RecruitmentForecast | None, census: Census
) -> Path:
    """Keep a study's forecast of those randomized at a census, and that of those screened. Raises ForecastError as `keep`."""
    asked = asdict(replace(found.question, periods=found.periods, target=None))
    asked |= {"period_days": found.record.days, "stopped": found.record.stopped}
    numbers = kept_numbers(found, "randomized", census)
    if screened is not None:
        numbers += kept_numbers(screened, "screened", census)
    return keep(census, "recruitment", asked, numbers)


def kept_numbers(found: RecruitmentForecast, measure: Measure, census: Census) -> list[KeptNumber]:
    """The numbers of a forecast of that measure: of the sites open at the census, or of all where sites that open later are asked for."""
    fan = list(found.fan)
    ends = [fan[at] for at in spread_out(range(len(fan)), _MOST)]
    begins_on = census.at + timedelta(days=1)
    least = [0] * len(LEVELS)
    numbers = []
    for end in ends:
        law = found.fan[end]
        # As in `RecruitmentForecast.quantile`: never fewer than by an earlier period.
        least = [max(before, law.quantile(level)) for before, level in zip(least, LEVELS, strict=True)]
        numbers.append(
            KeptNumber(
                measure,
                "study",
                census.study_id,
                ALL_TYPES,
                begins_on,
                begins_on + timedelta(days=round(end * found.record.days)),
                law.mean,
                tuple(float(one) for one in least),
                law.at_least(1),
                "all" if found.question.openings else "open",
            )
        )
    return numbers

"""What the choice is held against: the protocol's own thresholds, or fixed ones that are enough for so many subjects."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from forecasting.tuning.candidates import Candidate, Setting, candidate_of, own_candidate
from forecasting.tuning.errors import BadTuning
from forecasting.tuning.site_groups import groups_by
from forecasting.tuning.trial import Trial

PROTOCOL: Final = "protocol"
_ENOUGH: Final = re.compile(r"\s*enough\s+for\s+(\d+)(?:\s+to\s+(\d+))?\s+subjects?\s*", re.IGNORECASE)
_FIX: Final = "write 'protocol', 'enough for 3 subjects' or 'enough for 2 to 5 subjects'"


def baseline_of(trial: Trial, text: str) -> Candidate:
    """The baseline that `--baseline` names. Raises BadTuning.

    Enough for N subjects: of each kit type N times the most kits that a subject receives at one visit as min, twice that (or M times) as
    max, and no window: the study is supplied by a count on the shelf, as it is where no system foresees visits.
    """
    if text.strip().lower() == PROTOCOL:
        return own_candidate(trial)
    found = _ENOUGH.fullmatch(text)
    if found is None:
        raise BadTuning(f"{text!r} is no baseline", field="--baseline", fix=_FIX)
    least = int(found.group(1))
    most = int(found.group(2) or 2 * least)
    if not 1 <= least <= most <= 1_000:
        raise BadTuning(f"{text!r} is no range of subjects", field="--baseline", fix=_FIX)
    visits = trial.plan.visits
    needed = np.zeros(trial.plan.kits.size, dtype=np.int64)
    np.maximum.at(needed, visits.line_kit_type, visits.line_quantity)
    settings = tuple(
        Setting(int(kits) * least, int(kits) * most, 0, 0, int(kits) * most if trial.seeds else None)
        for kits in needed
    )
    by_type = groups_by(trial.run, ("kit_type",))
    order = {group.kit_type: group for group in by_type}
    groups = tuple(order[code] for code in trial.run.names.kit_types)
    return candidate_of(trial, groups, settings, label=" ".join(text.split()).lower())

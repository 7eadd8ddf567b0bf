"""Every method that can be compared, by name: the one table that comparison files and protocols are checked against."""

from __future__ import annotations

from simulation.randomization.contenders import RESTRICTED_FAMILIES, Family
from simulation.randomization.minimization_contender import MINIMIZATION_FAMILIES

FAMILIES: dict[str, Family] = {**RESTRICTED_FAMILIES, **MINIMIZATION_FAMILIES}
"""Method name -> its family."""

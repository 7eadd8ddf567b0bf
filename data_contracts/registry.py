"""The contract of every dataset, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import polars as pl

from data_contracts import inventory, standard, supply
from data_contracts.errors import UnknownDatasetError
from data_contracts.rule import Rule
from data_contracts.sdtm import demographics, design, disposition, exposure
from data_contracts.sdtm.common import prepared

_SDTM: Mapping[str, Callable[[], list[Rule]]] = {
    "DM": demographics.demographics,
    "DS": disposition.disposition,
    "SV": exposure.subject_visits,
    "EX": exposure.exposure,
    "DA": exposure.product_accountability,
    "SE": exposure.subject_elements,
    "TA": design.trial_arms,
    "TE": design.trial_elements,
    "TV": design.trial_visits,
    "TI": design.trial_criteria,
    "TS": design.trial_summary,
    "IE": disposition.criteria_not_met,
    "SUPPDM": disposition.supplemental_qualifiers,
}

_SUPPLY: Mapping[str, Callable[[], list[Rule]]] = {
    "sites": supply.sites,
    "kits": supply.kits,
    "kit_movements": supply.kit_movements,
    "shipments": supply.shipments,
    "inventory": inventory.inventory,
    "stock_over_time": inventory.stock_over_time,
}


@dataclass(frozen=True, slots=True)
class Contract:
    """What a dataset must keep. `keys` name a row; `prepare(dataset, frame)` brings a frame into the form that rules read."""

    dataset: str
    keys: tuple[str, ...]
    rules: tuple[Rule, ...]
    prepare: Callable[[str, pl.DataFrame], pl.DataFrame]

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the other datasets that its rules compare with."""
        return tuple(sorted({name for rule in self.rules for name, _ in rule.needs}))


def datasets() -> tuple[str, ...]:
    """The names of all datasets that have a contract."""
    return (*_SDTM, *_SUPPLY)


@cache
def contract(dataset: str) -> Contract:
    """Return the contract of a dataset; raises UnknownDatasetError where there is none."""
    if dataset in _SUPPLY:
        return Contract(dataset, supply.KEYS[dataset], tuple(_SUPPLY[dataset]()), prepared)
    if dataset not in _SDTM:
        raise UnknownDatasetError(f"no contract for {dataset!r}: there is one for {', '.join(datasets())}")
    return Contract(dataset, standard.dataset(dataset).keys, tuple(_SDTM[dataset]()), prepared)

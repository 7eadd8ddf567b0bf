"""A scenario and its protocol as plain data that changes are made in, and read back with every check that a file goes through."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from allocation.study.errors import Problem
from allocation.study.inconsistency import Inconsistency, Path
from allocation.study.protocol import Protocol
from allocation.study.shape_problems import shape_problems
from allocation.study.yaml_positions import PositionedDocument
from simulation.scenario import Scenario
from simulation.scenario_checks import scenario_inconsistencies

Document = TypeVar("Document", bound=BaseModel)


@dataclass(frozen=True)
class Trial:
    """A scenario and the protocol that it is played with. `going_on`: from a present state, whose stock is in no arrival."""

    scenario: Scenario
    protocol: Protocol
    going_on: bool = False

    @cached_property
    def inconsistencies(self) -> list[Inconsistency]:
        """What stops the scenario from being played with the protocol."""
        found = scenario_inconsistencies(self.scenario, self.protocol)
        return [one for one in found if not self.going_on or one.path != ("lots",)]


@dataclass(frozen=True)
class Documents:
    """The two documents as dictionaries and lists, keys as in their files; dates are ISO texts."""

    scenario: dict[str, Any]
    protocol: dict[str, Any]

    @staticmethod
    def of(trial: Trial) -> Documents:
        """The documents of a trial, to be changed without touching it."""
        return Documents(trial.scenario.model_dump(mode="json"), trial.protocol.model_dump(mode="json"))

    def read(self, base: Trial) -> tuple[Trial | None, list[str]]:
        """The trial that they make, or what is wrong with it, each with field, value and fix; never what `base` has too."""
        protocol, wrong = _read(Protocol, self.protocol, "protocol")
        scenario, wrong_too = _read(Scenario, self._with_arrivals(), "scenario")
        if protocol is None or scenario is None:
            return None, [*wrong, *wrong_too]
        trial = Trial(self._without_them(scenario), protocol, base.going_on)
        known = {str(one) for one in base.inconsistencies}
        found = [one for one in trial.inconsistencies if str(one) not in known]
        return (None, [f"scenario.{one}" for one in found]) if found else (trial, [])

    def _with_arrivals(self) -> dict[str, Any]:
        """The scenario, in which lots without arrivals (of which everything is at hand already) have one that can be read."""
        depot = self.protocol["depots"][0]["code"] if self.protocol["depots"] else "DEPOT"
        lots = [
            {
                **lot,
                "arrivals": lot["arrivals"] or [{"depot": depot, "on": lot["manufactured_on"], "kits": 1}],
            }
            for lot in self.scenario["lots"]
        ]
        return {**self.scenario, "lots": lots}

    def _without_them(self, scenario: Scenario) -> Scenario:
        lots = [
            read if written["arrivals"] else read.model_copy(update={"arrivals": ()})
            for read, written in zip(scenario.lots, self.scenario["lots"], strict=True)
        ]
        return scenario.model_copy(update={"lots": tuple(lots)})


def _read(model: type[Document], data: Any, name: str) -> tuple[Document | None, list[str]]:
    # As a file is read: strict, as JSON (allocation/study/yaml_files.py).
    try:
        return model.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as invalid:
        document = PositionedDocument(data=data, raw=dict(_scalars(data, ())))
        return None, [_told(name, one) for one in shape_problems(model, invalid, document)]


def _told(name: str, problem: Problem) -> str:
    return f"{name}.{problem.text}" if problem.path else f"{name}: {problem.text}"


def _scalars(data: Any, path: Path) -> list[tuple[Path, str]]:
    if isinstance(data, dict):
        return [one for key, value in data.items() for one in _scalars(value, (*path, key))]
    if isinstance(data, list):
        return [one for index, value in enumerate(data) for one in _scalars(value, (*path, index))]
    return [] if data is None else [(path, str(data).lower() if isinstance(data, bool) else str(data))]

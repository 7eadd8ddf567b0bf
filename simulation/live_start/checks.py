"""What keeps a scenario from going on from a study's present state, each with the field and the fix."""

from __future__ import annotations

from datetime import date, timedelta

from allocation.rules.forced import NONE
from allocation.rules.restricted.probabilities import PERMUTED_BLOCK
from allocation.study.protocol import Protocol
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_visits import levels_of
from simulation.errors import NotSimulated
from simulation.live_start.errors import LiveStartError
from simulation.live_start.study_state import StudyState
from simulation.scenario import Scenario


def check_days(scenario: Scenario, at: date, days: int | None) -> int:
    """The days from the day after `at` on: `days`, else to the scenario's end. Raises LiveStartError where none is left."""
    if days is not None:
        return days
    left = (scenario.starts_on + timedelta(days=scenario.duration_days - 1) - at).days
    if left < 1:
        raise LiveStartError(
            f"the scenario ends on {at + timedelta(days=left)}, and the study has come to {at}",
            field="duration_days",
            fix="say with --days how many days are to be simulated",
        )
    return left


def check_goes_on(plan: TrialPlan) -> None:
    """Raise NotSimulated for what a trial can be simulated with from its beginning, but not from a present state."""
    allocation = plan.allocation
    for field, used, fix in (
        (
            "randomization[0].method",
            allocation.method != PERMUTED_BLOCK or allocation.live,
            "simulate it from its beginning, or a protocol with permuted blocks from a list",
        ),
        (
            "randomization[0].block_assignment",
            allocation.central,
            "simulate it from its beginning, or with static blocks",
        ),
        (
            "randomization[0].forced",
            plan.arm_supply.forced != NONE,
            "simulate it from its beginning, or without forced randomization",
        ),
        ("depots", plan.refills.order > 0, "simulate it from its beginning, or without parameters of depots"),
        ("replacement.probability", plan.replacing.replaces, "set it to 0"),
    ):
        if used:
            raise NotSimulated(
                f"{field} is not played from a study's present state: the engines do not take up what it has counted so far",
                field=field,
                fix=fix,
            )


def check_match(state: StudyState, protocol: Protocol, scenario: Scenario) -> None:
    """Raise LiveStartError where the scenario or its protocol lacks or contradicts what the study has."""
    places = {
        "sites": ({site.code for site in protocol.sites}, set(state.sites)),
        "depots": (
            {depot.code for depot in protocol.depots},
            {place for kind, place in state.stock if kind == "depot"}
            | {one.depot for one in state.shipments},
        ),
        "kit_types": (
            {one.code for one in protocol.kit_types},
            {one.kit_type for one in state.lots.values()},
        ),
        "arms": (
            {arm.code for arm in protocol.arms},
            {one.arm for one in state.subjects if one.arm is not None},
        ),
        "dose_levels": (
            {level for level in levels_of(protocol) if level is not None},
            {one.dose_level for one in state.subjects if one.dose_level is not None},
        ),
    }
    for name, (known, seen) in places.items():
        lacking = sorted(str(one) for one in seen - known)
        if lacking:
            raise LiveStartError(
                f"{state.study_id} has {_listed(lacking)}, which the scenario's protocol does not have",
                code="other-protocol",
                field=name,
                fix=f"name the protocol of {state.study_id} in the scenario, or add to its {name} what the study has",
            )
    _check_lots(state, scenario)
    for index, campaign in enumerate(scenario.campaigns):
        if campaign.starts_on <= state.at:
            raise LiveStartError(
                f"campaign {campaign.code} begins on {campaign.starts_on}, and the study has come to {state.at}",
                code="other-lots",
                field=f"campaigns[{index}].starts_on",
                fix=f"let it begin after {state.at}; give what is being made now as lots with the days of their arrival",
            )


def _check_lots(state: StudyState, scenario: Scenario) -> None:
    for index, planned in enumerate(scenario.lots):
        there = state.lots.get(planned.code)
        field = f"lots[{index}]"
        if there is None:
            late = [one for one in planned.arrivals if one.on <= state.at]
            if late:
                raise LiveStartError(
                    f"lot {planned.code} should have arrived on {late[0].on}, and {state.study_id} has no such lot",
                    code="other-lots",
                    field=f"{field}.arrivals",
                    fix=f"let it arrive after {state.at}, or leave it out",
                )
        elif there.kit_type != planned.kit_type:
            raise LiveStartError(
                f"lot {planned.code} is of kit type {planned.kit_type} in the scenario and {there.kit_type} in {state.study_id}",
                code="other-lots",
                field=f"{field}.kit_type",
                fix="correct it, or give the scenario's lot another code",
            )
        elif there.expires_on != planned.expires_on:
            raise LiveStartError(
                f"lot {planned.code} expires on {planned.expires_on} in the scenario and on {there.expires_on} in {state.study_id}",
                code="other-lots",
                field=f"{field}.expires_on",
                fix=f"set it to {there.expires_on}, as the study has it",
            )


def _listed(codes: list[str]) -> str:
    return ", ".join(codes[:5]) + (f" and {len(codes) - 5} more" if len(codes) > 5 else "")

"""How subjects are allocated: randomization events with their method, their blocks, their gates, and what becomes of later events."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from allocation.study.model import LONGEST, Code, ProtocolPart

Method = Literal[
    "list",
    "permuted_block",
    "complete",
    "random_allocation_rule",
    "truncated_binomial",
    "biased_coin",
    "big_stick",
    "biased_coin_imbalance_tolerance",
    "adjustable_biased_coin",
    "generalized_biased_coin",
    "wei_urn",
    "block_urn",
    "ehrenfest_urn",
    "maximal_procedure",
    "mass_weighted_urn",
    "minimization",
    "hu_hu",
]
"""How an event allocates. `list` is the statistician's own list; the others are rules of allocation/rules."""

COVARIATE_ADAPTIVE: frozenset[str] = frozenset({"minimization", "hu_hu"})
"""Methods that look at the subject's factors, and so can only be drawn when the subject is randomized."""

LIST_ONLY: frozenset[str] = frozenset({"list", "permuted_block"})
"""Methods that are always drawn from a list made beforehand."""


class ArmShare(ProtocolPart):
    """An arm and its share of an allocation (integer, relative to the others)."""

    arm: Code
    ratio: int = Field(ge=1, le=1000)


class Transition(ProtocolPart):
    """What a later event does with a subject who is in `from_arm`.

    `to` names that arm itself: keep; one other arm: move; several: split, drawn in that ratio by the event's method.
    """

    from_arm: Code
    to: tuple[ArmShare, ...] = Field(min_length=1)


class Admission(ProtocolPart):
    """Who may pass a later event. `after`: the event that the subject has passed; `visits_done`: visits that took place.

    `min_days_after` and `max_days_after` count from the date of `after`. `require_eligibility`: an eligibility record for this event.
    """

    after: Code
    from_arms: tuple[Code, ...] = Field(default=(), description="empty: whatever the arm")
    visits_done: tuple[Code, ...] = ()
    min_days_after: int = Field(default=0, ge=0, le=LONGEST)
    max_days_after: int | None = Field(default=None, ge=0, le=LONGEST)
    require_eligibility: bool = False


class RandomizationEvent(ProtocolPart):
    """One randomization that a subject passes: at which visit, by which method, within which strata.

    `drawn`: from a list made beforehand, or at the moment of randomization (then the method is activated under signature, with a
    seed). `block_sizes` are readable by the unblinded statistician only. `held_by` says what owns a run of entries or counts beside the
    stratum. `block_assignment` dynamic: one central run of blocks, the next free one goes to the stratum and holder that needs it.
    The first event is the one that takes subjects in; every other has an `admission`.
    """

    code: Code
    visit: Code
    method: Method = "permuted_block"
    drawn: Literal["from_list", "at_randomization"] = "from_list"
    block_sizes: tuple[int, ...] = ()
    block_assignment: Literal["static", "dynamic"] = "static"
    factors: tuple[Code, ...] = ()
    by_cohort: bool = Field(default=False, description="each cohort has its own run of entries, or counts")
    held_by: Literal["stratum", "site", "country", "region"] = "stratum"
    arms: tuple[Code, ...] = Field(default=(), description="empty: all open arms of the study")
    ratio: tuple[ArmShare, ...] = Field(default=(), description="empty: the arms' own ratio")
    measure: Literal["range", "variance", "sd"] = Field(
        default="range", description="imbalance in minimization"
    )
    ratio_rule: Literal["unit_arms", "biased_coin"] = Field(
        default="unit_arms",
        description="how minimization keeps an unequal ratio (rules/minimization_design.py)",
    )
    admission: Admission | None = None
    transitions: tuple[Transition, ...] = ()
    max_occurrences: int = Field(
        default=1, ge=1, le=20, description="re-treatment: how often it may be passed"
    )
    supply_gate: Literal["none", "all_kit_types", "chosen_kit_types"] = "none"
    gate_kit_types: tuple[Code, ...] = ()
    forced: Literal["none", "FR0a", "FR0b", "FR1", "FR2"] = "none"
    parameters: dict[str, float] = Field(default_factory=dict, description="parameters of the method")

    @property
    def draws_live(self) -> bool:
        """Whether the arm is drawn when the subject is randomized, not taken from a list."""
        return self.drawn == "at_randomization"

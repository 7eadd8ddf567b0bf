"""A proposal is decided on once, not by whoever filed it, and only while the version that it was made for is in effect."""

import pytest

from allocation.errors import DomainRefusal
from allocation.rules.supply_proposal import (
    STEPS,
    ProposalState,
    ProposalStep,
    check_decider,
    check_made_for,
    check_withdrawer,
    next_state,
)


@pytest.mark.parametrize("state", list(ProposalState))
@pytest.mark.parametrize("step", list(ProposalStep))
def test_every_step_leads_out_of_filed_and_out_of_no_other_state(
    state: ProposalState, step: ProposalStep
) -> None:
    if state is ProposalState.FILED:
        assert next_state("P1", state, step) is STEPS[step]
        assert next_state("P1", state, step) is not ProposalState.FILED
        return
    with pytest.raises(DomainRefusal, match=f"P1 is {state}") as caught:
        next_state("P1", state, step)
    assert caught.value.code == "proposal-closed"


def test_who_filed_it_withdraws_it_and_somebody_else_decides() -> None:
    check_decider("P1", "anna", "ben")
    check_withdrawer("P1", "anna", "anna")
    with pytest.raises(DomainRefusal, match="anna filed proposal P1"):
        check_decider("P1", "anna", "anna")
    with pytest.raises(DomainRefusal, match="was filed by anna"):
        check_withdrawer("P1", "anna", "ben")


@pytest.mark.parametrize(
    ("loaded", "latest", "in_force", "field", "says"),
    [
        (None, 1, 1, "report.protocol_version", "is not loaded; the latest is 1"),
        ("b", 2, 2, "report.protocol_hash", "is not the hash of protocol version 2"),
        ("a", 3, 2, "report.protocol_version", "version 3 is loaded"),
        ("a", 2, 1, "report.protocol_version", "not in effect anywhere yet"),
    ],
)
def test_it_is_made_for_the_version_in_effect_by_number_and_hash(
    loaded: str | None, latest: int, in_force: int, field: str, says: str
) -> None:
    check_made_for(2, "a", loaded_sha256="a", latest=2, in_force=2)
    with pytest.raises(DomainRefusal, match=says) as caught:
        check_made_for(2, "a", loaded_sha256=loaded, latest=latest, in_force=in_force)
    assert caught.value.field == field
    assert caught.value.fix

"""The protocol's policy of code breaks: checked, shown, and at rest in protocols that say nothing of it."""

import pytest
from pydantic import ValidationError
from rich.console import Console

from allocation.study.diff import diff_protocols
from allocation.study.protocol import Protocol, Unblinding
from allocation.study.show import show_protocol
from tests.api.trial import protocol


def with_policy(**unblinding: object) -> Protocol:
    return Protocol.model_validate({**protocol(), "unblinding": unblinding})


@pytest.mark.parametrize(
    ("policy", "path", "fix"),
    [
        ({"emergency_by": ["medical_monitor"]}, "unblinding.emergency_by: ", "add investigator"),
        ({"emergency_by": []}, "unblinding.emergency_by: (empty)", "add investigator"),
        (
            {"emergency_by": ["investigator", "investigater"]},
            "unblinding.emergency_by[1]: investigater",
            "did you mean investigator?",
        ),
        (
            {"emergency_by": ["investigator", "investigator"]},
            "unblinding.emergency_by[1]: investigator",
            "give each its own",
        ),
        (
            {"approval_by": "projectmanager"},
            "unblinding.approval_by: projectmanager",
            "did you mean project_manager?",
        ),
        ({"approval_by": "sponsor_blinded"}, "unblinding.approval_by: sponsor_blinded", "null"),
    ],
)
def test_a_policy_that_would_stop_an_emergency_or_that_nobody_can_fulfil_is_refused(
    policy: dict[str, object], path: str, fix: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        with_policy(**policy)
    assert path in str(caught.value)
    assert fix in str(caught.value)


def test_a_protocol_that_says_nothing_lets_the_investigator_break_at_once_and_ends_nobodys_participation() -> (
    None
):
    policy = Protocol.model_validate(protocol()).unblinding
    assert policy == Unblinding(
        emergency_by=("investigator",),
        approval_by=None,
        site_notified=True,
        discontinue_after_code_break=False,
    )


def test_the_policy_is_shown_and_its_change_named() -> None:
    console = Console(width=200, record=True, file=None, quiet=False)
    changed = with_policy(approval_by="medical_monitor", discontinue_after_code_break=True)
    with console.capture() as shown:
        show_protocol(changed, console)
    assert "approved by medical_monitor; the subject is discontinued" in shown.get()
    changes = {str(one) for one in diff_protocols(with_policy(), changed)}
    assert "~ unblinding.discontinue_after_code_break: false -> true" in changes

"""Mail of code breaks: at once, to the responsible, without the arm for the blinded; approvals are asked for by mail, too."""

from allocation.access.actors import SYSTEM_ACTOR
from allocation.notify.preferences import Preference, set_preference
from tests.commands.code_break_people import ELSEWHERE, INVESTIGATOR, MANAGER, break_for, do, with_policy
from tests.commands.desk import Desk, desk_at
from tests.notify.people import give_addresses, mail, told

UNBLINDED = {"statistician", "auditor", "open.pharmacist"}


def test_a_break_is_told_at_once_and_its_arm_to_those_who_may_learn_arms(desk: Desk) -> None:
    digest = Preference("coordinator", None, digest_hour=7)
    set_preference(desk.database, SYSTEM_ACTOR, digest, lambda: desk.now)
    who = desk.randomized()
    break_for(desk, INVESTIGATOR, who, reason="looks like ZZARMB")
    people = told(desk, "code_break")
    assert {name for name, variant in people.items() if variant == "unblinded"} == UNBLINDED
    assert set(people) - UNBLINDED == {
        "coordinator",
        "investigator",
        "pharmacist",
        "monitor",
        "project.manager",
        "medical.monitor",
        "data.manager",
        "sponsor",
    }
    for row in mail(desk, "code_break"):
        assert not row.for_digest
        for words in (who, "site S01", "emergency, medical emergency"):
            assert words in row.body
        unblinding = [word for word in (str(desk.arm(who)), "looks like", "ZZ") if word in row.body]
        assert bool(unblinding) == (row.variant == "unblinded"), row.body
        assert row.variant == "blinded" or str(desk.arm(who)) in row.body
        assert "ZZ" not in row.subject
    do(desk, INVESTIGATOR, "read_broken_code", subject_id=who)
    assert len(mail(desk, "code_break")) == len(people)


def test_another_site_is_told_of_its_own_breaks_alone_and_no_site_where_the_protocol_says_so(
    sqlite_url: str,
) -> None:
    policy = {"site_notified": False, "approval_by": "project_manager"}
    with desk_at(sqlite_url) as empty:
        desk = give_addresses(empty.set_up(stocked=False, document=with_policy(**policy)))
        who = desk.randomized("S02")
        asked = do(desk, ELSEWHERE, "request_code_break", subject_id=who, category="other")
        assert set(told(desk, "code_break_request")) == {"project.manager", "medical.monitor"}
        do(desk, MANAGER, "approve_code_break", request_id=asked["request_id"])
        assert set(told(desk, "code_break_decision")) == {"medical.monitor"}
        break_for(desk, ELSEWHERE, who, kind="planned")
        people = told(desk, "code_break")
        assert "project.manager" in people
        assert not {"coordinator", "other.site", "investigator", "open.pharmacist"} & set(people)
        assert "ZZ" not in "".join(row.body for row in mail(desk) if row.variant == "blinded")

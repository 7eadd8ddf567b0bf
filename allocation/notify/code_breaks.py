"""What is said of code breaks: that there was one, of whom and why in a word; the arm in the unblinded variant of the break alone."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from allocation.ledger.schema import subject
from allocation.notify.acts import Blinded, Unblinded
from allocation.notify.blinded import BlindedNotice
from allocation.notify.happening import Happening, Told
from allocation.notify.places import NoticePlace
from allocation.notify.unblinded import UnblindedNotice

_BLIND = "Everybody else stays blinded: do not ask for the treatment, and do not tell it."


def of_code_break(title: str, advice: str = _BLIND) -> Callable[[Happening], list[Blinded]]:
    """The notice for people of the subject's site and of the study; where the protocol tells no site, for those of the study alone."""

    def build(happening: Happening) -> list[Blinded]:
        after, site = happening.after, NoticePlace("site", happening.site_id or "")
        kind = f"{after['kind']}, " if "kind" in after else ""
        said = BlindedNotice(
            title,
            place=str(site),
            subject_id=after["subject_id"],
            category=kind + after["category"].replace("_", " "),
            advice=advice,
        )
        return [Told(said, (site,) if after["site_notified"] else ())]

    return build


def with_arm(blinded: Callable[[Happening], list[Blinded]]) -> Callable[[Happening], list[Unblinded]]:
    """The unblinded variant: the same notices with the subject's arm and the reason that was written."""

    def build(happening: Happening) -> list[Unblinded]:
        arm = happening.connection.execute(
            select(subject.c.arm).where(
                subject.c.study_id == happening.study_id,
                subject.c.subject_id == happening.after["subject_id"],
            )
        ).scalar_one()
        return [
            Told(UnblindedNotice(one.notice, reason=happening.reason, arm=arm), one.places, one.local)
            for one in blinded(happening)
        ]

    return build

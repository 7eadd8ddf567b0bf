"""The reasons for which a replayed study may differ from the original: each one narrow, named and documented.

A reason is a question about one difference: the original row, the exported row, and the original subject. It checks the value
that came back, not only that there is a difference, so no reason ever excuses a wrong fact. What no reason covers is a
difference, and the comparison fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OriginalSubject:
    """The original records of one subject, for reasons that look across datasets; empty lists for datasets without rows."""

    dm: Row
    ex: tuple[Row, ...] = ()
    se: tuple[Row, ...] = ()
    treatment_elements: frozenset[str] = frozenset()

    @property
    def is_screen_failure(self) -> bool:
        """True if the original says that the subject was not randomized: no reference start date."""
        return self.dm["RFSTDTC"] is None

    @property
    def last_exposure(self) -> Row | None:
        """The exposure record that starts last."""
        return max(self.ex, key=lambda row: row["EXSTDTC"] or "", default=None)

    def element(self, code: str) -> Row | None:
        """The subject's element of that code."""
        return next((row for row in self.se if row["ETCD"] == code), None)

    def without_exposure(self, element: Row) -> bool:
        """True if the element is a treatment element, and no exposure record starts on or after its first day."""
        return element["ETCD"] in self.treatment_elements and not any(
            (row["EXSTDTC"] or "") >= (element["SESTDTC"] or "") for row in self.ex
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: a value (`variable` set), a missing row (`exported` None) or a row too many (`original` None)."""

    dataset: str
    variable: str | None
    original: Row | None
    exported: Row | None
    subject: OriginalSubject | None

    @property
    def before(self) -> Any:
        """The original value."""
        return None if self.original is None or self.variable is None else self.original[self.variable]

    @property
    def after(self) -> Any:
        """The value that came back."""
        return None if self.exported is None or self.variable is None else self.exported[self.variable]


@dataclass(frozen=True, slots=True)
class ListedReason:
    """A named reason. `where` are the places (dataset, variable or None for whole rows) at which it may apply."""

    code: str
    text: str
    where: frozenset[tuple[str, str | None]]
    holds: Callable[[Difference], bool] = field(repr=False)


def _screen_failure_without_arm(difference: Difference) -> bool:
    exported = difference.exported or {}
    return (
        difference.subject is not None
        and difference.subject.is_screen_failure
        and str(difference.before).upper() in {"SCRNFAIL", "SCREEN FAILURE"}
        and difference.after is None
        and exported.get("ARMNRS") == "SCREEN FAILURE"
    )


def _time_of_day(difference: Difference) -> bool:
    before, after = str(difference.before or ""), str(difference.after or "")
    return before[10:11] == "T" and len(after) == 10 and before[:10] == after


def _last_dose_before_last_record(difference: Difference) -> bool:
    last = difference.subject.last_exposure if difference.subject else None
    if last is None or last["EXENDTC"] is not None or difference.after != last["EXSTDTC"]:
        return False
    day_before = date.fromisoformat(last["EXSTDTC"][:10]) - timedelta(days=1)
    return bool(difference.before == day_before.isoformat())


def _last_dose_unknown(difference: Difference) -> bool:
    last = difference.subject.last_exposure if difference.subject else None
    return (
        last is not None
        and last["EXENDTC"] is None
        and difference.before is None
        and difference.after == last["EXSTDTC"]
    )


def _end_after_death(difference: Difference) -> bool:
    died = difference.subject.dm["DTHDTC"] if difference.subject else None
    return died is not None and str(difference.before) > died and difference.after == died


def _not_a_disposition(difference: Difference) -> bool:
    original = difference.original
    return (
        original is not None
        and original["DSCAT"] == "OTHER EVENT"
        and original["DSDECOD"] in {"FINAL LAB VISIT", "FINAL RETRIEVAL VISIT"}
    )


def _milestone_added(difference: Difference) -> bool:
    exported, subject = difference.exported, difference.subject
    if exported is None or subject is None or exported["DSCAT"] != "PROTOCOL MILESTONE":
        return False
    expected = {
        "RANDOMIZED": subject.dm["RFSTDTC"],
        "INFORMED CONSENT OBTAINED": subject.dm["RFICDTC"] or subject.dm["DMDTC"],
    }.get(exported["DSDECOD"])
    return expected is not None and exported["DSSTDTC"] == expected


def _screening_element_start(difference: Difference) -> bool:
    subject, original = difference.subject, difference.original
    return (
        subject is not None
        and original is not None
        and original["ETCD"] == "SCRN"
        and subject.dm["DMDTC"] is not None
        and str(difference.before) < subject.dm["DMDTC"]
        and difference.after == subject.dm["DMDTC"]
    )


def _element_without_exposure(difference: Difference) -> bool:
    subject, original = difference.subject, difference.original
    if subject is None or original is None:
        return False
    if difference.variable is None:
        return subject.without_exposure(original)
    follower = next(
        (row for row in subject.se if row["SESTDTC"] == difference.before and row is not original), None
    )
    return (
        follower is not None
        and subject.without_exposure(follower)
        and difference.after == follower["SEENDTC"]
    )


def _unplanned_element(difference: Difference) -> bool:
    original, subject = difference.original, difference.subject
    return (
        original is not None
        and subject is not None
        and subject.is_screen_failure
        and original["ETCD"] == "UNPLAN"
        and original["SESTDTC"] == original["SEENDTC"]
    )


def _follow_up_of_screen_failure(difference: Difference) -> bool:
    subject, original = difference.subject, difference.original
    if subject is None or original is None or not subject.is_screen_failure:
        return False
    if difference.variable is None:
        return bool(original["ETCD"] == "FOLO")
    follow_up = subject.element("FOLO")
    return (
        original["ETCD"] == "SCRN"
        and follow_up is not None
        and difference.before == follow_up["SESTDTC"]
        and difference.after == follow_up["SEENDTC"]
    )


def _disposition_on_the_last_day_of_treatment(difference: Difference) -> bool:
    original, subject = difference.original, difference.subject
    if original is None or subject is None or not subject.se or original["DSCAT"] != "DISPOSITION EVENT":
        return False
    follow_up = [row["SESTDTC"] or "" for row in subject.se if _epoch(row) == "FOLLOW-UP"]
    return (
        difference.before == "FOLLOW-UP"
        and difference.after == "TREATMENT"
        and not subject.is_screen_failure
        # By the original's own elements the subject was still in treatment, on the day on which follow-up starts at the latest.
        and all(original["DSSTDTC"] <= start for start in follow_up)
    )


def _epoch(row: Row) -> str:
    return str(row["EPOCH"] or "").upper()


def _consent_on_first_visit(difference: Difference) -> bool:
    subject = difference.subject
    return (
        subject is not None
        and difference.before is None
        and subject.dm["DMDTC"] is not None
        and difference.after == subject.dm["DMDTC"]
    )


def _unplanned_visit_in_other_words(difference: Difference) -> bool:
    original, exported = difference.original, difference.exported
    return (
        original is not None
        and exported is not None
        and difference.after == original["VISIT"] == exported["VISIT"]
        and exported["SVPRESP"] is None
        and exported["VISITDY"] is None
    )


def _screen_failure_written_down_later(difference: Difference) -> bool:
    """The exported day of collection is the day of the original's last contact, after the original's own."""
    subject, original, exported = difference.subject, difference.original or {}, difference.exported or {}
    if subject is None or not subject.is_screen_failure:
        return False
    last_contact = (subject.dm["RFPENDTC"] or "")[:10]
    return bool(exported.get("DSDTC") == last_contact and (original.get("DSDTC") or "")[:10] < last_contact)


def _places(dataset: str, *variables: str | None) -> frozenset[tuple[str, str | None]]:
    return frozenset((dataset, variable) for variable in variables)


LISTED_REASONS: tuple[ListedReason, ...] = (
    ListedReason(
        "SCREEN_FAILURE_HAS_NO_ARM",
        "SDTMIG 3.4 leaves the arms of a screen failure null and fills ARMNRS; the original has the arm 'Screen Failure'",
        _places("DM", "ARMCD", "ARM", "ACTARMCD", "ACTARM"),
        _screen_failure_without_arm,
    ),
    ListedReason(
        "TIME_OF_DAY_NOT_RECORDED",
        "the original has a time of day (of a laboratory sample) that the service never sees; the day is the same",
        _places("DM", "RFPENDTC"),
        _time_of_day,
    ),
    ListedReason(
        "LAST_DOSE_BEFORE_LAST_RECORD",
        "the last exposure record has no end, and the original says that exposure ended the day before that record starts; "
        "the export takes the start of the record (the latest exposure date that is known)",
        _places("DM", "RFXENDTC"),
        _last_dose_before_last_record,
    ),
    ListedReason(
        "LAST_DOSE_UNKNOWN",
        "the original has neither an end of exposure nor RFXENDTC; the export takes the start of the last exposure record",
        _places("DM", "RFXENDTC"),
        _last_dose_unknown,
    ),
    ListedReason(
        "END_DATE_AFTER_DEATH",
        "the original's RFENDTC is after the death; the export ends participation on the day of death",
        _places("DM", "RFENDTC"),
        _end_after_death,
    ),
    ListedReason(
        "CONSENT_ON_FIRST_VISIT",
        "the original has no date of consent; the replay has the site record it at the subject's first visit",
        _places("DM", "RFICDTC"),
        _consent_on_first_visit,
    ),
    ListedReason(
        "DISPOSITION_ENDS_TREATMENT",
        "the original has the disposition in follow-up, which by its own SE had not begun before that day; the export has it in the "
        "epoch that it ended",
        _places("DS", "EPOCH"),
        _disposition_on_the_last_day_of_treatment,
    ),
    ListedReason(
        "SCREEN_FAILURE_WRITTEN_DOWN_LATER",
        "the replay records a screen failure at its last contact, since the service takes no last contact that is still to come; the "
        "original has an earlier day of collection",
        _places("DS", "DSDTC", "DSDY"),
        _screen_failure_written_down_later,
    ),
    ListedReason(
        "UNPLANNED_VISIT_IN_OTHER_WORDS",
        "the original describes an unplanned visit by a standing phrase or not at all; the export by the name under which it was recorded",
        _places("SV", "SVUPDES"),
        _unplanned_visit_in_other_words,
    ),
    ListedReason(
        "NOT_A_DISPOSITION",
        "final laboratory and retrieval visits stand in the original's DS; they are visits (SV), not dispositions",
        _places("DS", None),
        _not_a_disposition,
    ),
    ListedReason(
        "MILESTONE_ADDED",
        "the export adds RANDOMIZED and INFORMED CONSENT OBTAINED, on the original's randomization and consent (first visit) dates",
        _places("DS", None),
        _milestone_added,
    ),
    ListedReason(
        "SCREENING_ELEMENT_BEFORE_FIRST_VISIT",
        "the original's screening element starts before the subject's first visit; the export starts it on the visit",
        _places("SE", "SESTDTC"),
        _screening_element_start,
    ),
    ListedReason(
        "ELEMENT_WITHOUT_EXPOSURE",
        "the original has a treatment element in which no exposure starts: its patches were never dispensed nor worn; the "
        "export lets the element before it go on",
        _places("SE", None, "SEENDTC"),
        _element_without_exposure,
    ),
    ListedReason(
        "UNPLANNED_ELEMENT_OF_SCREEN_FAILURE",
        "the original has an unplanned element of zero length for a screen failure that never came to another visit",
        _places("SE", None),
        _unplanned_element,
    ),
    ListedReason(
        "FOLLOW_UP_OF_SCREEN_FAILURE",
        "the original has a follow-up element for a screen failure; the export lets screening go on to the last contact",
        _places("SE", None, "SEENDTC"),
        _follow_up_of_screen_failure,
    ),
)


def reason_for(difference: Difference) -> ListedReason | None:
    """The first listed reason that holds for a difference, or None."""
    place = (difference.dataset, difference.variable)
    return next(
        (reason for reason in LISTED_REASONS if place in reason.where and reason.holds(difference)), None
    )

"""Event frames written by hand, for the builders: what happened to a few subjects of the small trial's protocol, line by line."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pipelines.datasets import Product, derive
from pipelines.events.frames import EVENT_SCHEMAS, EventFrames, event_frame
from tests.pipelines.small_trial import protocol_document

KITS_A_VISIT = 2


def day(text: str) -> date:
    """`03-10` is 10 March 2026."""
    return date.fromisoformat(f"2026-{text}")


class Story:
    """Collects events; each method is one ledger entry. Dates are written like `03-10` (the year is 2026)."""

    def __init__(self, cut_off: str = "06-30", document: dict[str, Any] | None = None) -> None:
        self.document = document or protocol_document()
        self.rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in EVENT_SCHEMAS}
        self.position = 0
        self.site_of: dict[str, str] = {}
        self.now = datetime.combine(day(cut_off), datetime.min.time(), UTC)
        self.version(self.document)

    def _entry(self, command: str, subject: str | None = None) -> None:
        self.position += 1
        row = (
            self.position,
            0,
            self.position,
            self.now,
            command,
            "desk",
            "site",
            subject,
            None,
            1,
            f"h{self.position}",
        )
        self.rows["entries"].append(row)

    def _add(self, frame: str, *values: Any) -> None:
        line = sum(row[0] == self.position for row in self.rows[frame])
        self.rows[frame].append((self.position, line, *values))

    def version(self, document: dict[str, Any]) -> "Story":
        self._entry("load_study_version")
        text = json.dumps(document)
        self._add("protocol_versions", document["study"]["version"], self.now, "sha", text, None)
        return self

    def screened(self, subject: str, on: str, site: str = "S1", **known: Any) -> "Story":
        self._entry("screen", subject)
        self.site_of[subject] = site
        person = {"sex": "F", "age": 40, "race": "WHITE", "ethnic": None, "consented_on": on, **known}
        self._add(
            "subjects",
            subject,
            site,
            "DEU",
            day(on),
            day(person["consented_on"]),
            person["sex"],
            person["age"],
            "YEARS",
            person["race"],
            person["ethnic"],
            None,
            self.now,
        )
        self._visit(subject, "V1", "1", "SCREENING", on, done=True)
        return self

    def eligible(self, subject: str, on: str) -> "Story":
        self._entry("record_eligibility", subject)
        self._add("eligibility", subject, self.site_of[subject], True, day(on), [], self.now)
        return self

    def failed(self, subject: str, on: str, last_contact: str | None = None) -> "Story":
        self._entry("record_eligibility", subject)
        site = self.site_of[subject]
        self._add("eligibility", subject, site, False, day(on), ["IN01"], self.now)
        contact = day(last_contact or on)
        failure = "SCREEN FAILURE"
        self._add(
            "dispositions",
            subject,
            site,
            "screen_failed",
            day(on),
            failure,
            failure,
            None,
            contact,
            None,
            None,
            self.now,
        )
        return self

    def randomized(self, subject: str, on: str, arm: str, number: str = "R1") -> "Story":
        self._entry("randomize", subject)
        self._add(
            "randomizations",
            subject,
            self.site_of[subject],
            "RAND",
            day(on),
            "ALL",
            number,
            arm,
            "L1",
            self.now,
        )
        return self

    def _visit(
        self,
        subject: str,
        code: str | None,
        number: str,
        name: str,
        on: str | None,
        *,
        done: bool,
        level: str | None = None,
    ) -> None:
        when = day(on) if on else None
        status = "done" if done else "missed"
        occurrence = 1 + sum(row[2] == subject and row[5] == Decimal(number) for row in self.rows["visits"])
        self._add(
            "visits",
            subject,
            self.site_of[subject],
            code,
            Decimal(number),
            occurrence,
            name,
            status,
            when,
            when,
            "clinic",
            None if done else "not reached",
            level is not None,
            level,
            self.now,
        )

    def visited(self, subject: str, code: str, on: str, level: str | None = None) -> "Story":
        """A planned visit; with a dose `level` two kits are handed out at it."""
        visit = next(one for one in self.document["visits"] if one["code"] == code)
        self._entry("dispense" if level else "record_visit", subject)
        self._visit(subject, code, visit["number"], visit["name"], on, done=True, level=level)
        arm = next((row[8] for row in self.rows["randomizations"] if row[2] == subject), None)
        for index in range(KITS_A_VISIT if level else 0):
            self._add(
                "dispensings",
                subject,
                self.site_of[subject],
                code,
                Decimal(visit["number"]),
                1,
                level,
                day(on),
                f"{9000 - 2 * self.position + index}",
                f"K{arm}",
                "LOT",
                Decimal("17.5"),
                "mL",
                self.now,
            )
        return self

    def counted(
        self, kit: str, on: str, returned: str, lost: str = "0", *, came_back: bool = True
    ) -> "Story":
        """A kit comes back from the subject that has it; counted again, the later count takes the place of the earlier."""
        given = next(row for row in self.rows["dispensings"] if row[9] == kit)
        before = sum(row[4] == kit for row in self.rows["kit_counts"])
        self._entry("correct_kit_count" if before else "return_from_subject", given[2])
        self._add(
            "kit_counts",
            given[2],
            given[3],
            kit,
            before,
            day(on),
            came_back,
            Decimal(returned),
            Decimal(lost),
            self.now,
        )
        return self

    def unscheduled(self, subject: str, number: str, on: str) -> "Story":
        self._entry("record_visit", subject)
        self._visit(subject, None, number, f"UNSCHEDULED {number}", on, done=True)
        return self

    def missed(self, subject: str, code: str) -> "Story":
        self._entry("miss_visit", subject)
        visit = next(one for one in self.document["visits"] if one["code"] == code)
        self._visit(subject, code, visit["number"], visit["name"], None, done=False)
        return self

    def held(self, subject: str, on: str | None, recorded: str, reason: str | None = None) -> "Story":
        """Dosing is on hold since `on`; None: it goes on from the day `recorded`."""
        self._entry("resume_dosing" if on is None else "hold_dosing", subject)
        held_on = None if on is None else day(on)
        self._add("dose_holds", subject, self.site_of[subject], held_on, day(recorded), reason, self.now)
        return self

    def code_broken(self, subject: str, on: str) -> "Story":
        self._entry("break_code", subject)
        self._add("code_breaks", subject, self.site_of[subject], day(on), self.now)
        return self

    def ended(self, subject: str, on: str, reason: str = "COMPLETED", **known: str | None) -> "Story":
        """`last_dose`, `last_contact`, `died` and `at` (the visit) may be given."""
        self._entry("complete" if reason == "COMPLETED" else "discontinue", subject)
        status = "completed" if reason == "COMPLETED" else "discontinued"
        dates = [
            day(text) if (text := known.get(name)) else None for name in ("last_dose", "last_contact", "died")
        ]
        self._add(
            "dispositions",
            subject,
            self.site_of[subject],
            status,
            day(on),
            reason,
            reason.capitalize(),
            *dates,
            known.get("at"),
            self.now,
        )
        return self

    def events(self) -> EventFrames:
        """The frames."""
        return {name: event_frame(name, rows) for name, rows in self.rows.items()}

    def dataset(self, name: str, product: Product = "unblinded") -> list[dict[str, Any]]:
        """The rows of a dataset such as "sdtm/dm"."""
        return derive(self.events(), product)[name].to_dicts()

    def column(self, name: str, column: str, product: Product = "unblinded") -> list[Any]:
        """A column of a dataset."""
        return [row[column] for row in self.dataset(name, product)]


def only(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of rows, as tuples."""
    return [tuple(row[column] for column in columns) for row in rows]

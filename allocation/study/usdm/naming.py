"""Codes for the study file from the names of a USDM document: allowed characters, not too long, each only once."""

from __future__ import annotations

import re


class CodeMaker:
    """Makes the codes of one kind of thing; two things never get the same code (a second one gets `_2`)."""

    def __init__(self, longest: int = 40) -> None:
        self.longest = longest
        self._given: set[str] = set()

    def code(self, *candidates: str) -> str:
        """A code from the first candidate that has a letter or digit; upper case.

        >>> CodeMaker(20).code("", "Xanomeline High Dose (81 mg)")
        'XANOMELINE_HIGH_DOSE'
        """
        for candidate in candidates:
            cleaned = re.sub(r"[^A-Za-z0-9.]+", "_", candidate.replace("-", "_")).strip("_.").upper()
            if cleaned:
                return self._unique(cleaned)
        return self._unique("X")

    def _unique(self, cleaned: str) -> str:
        code = cleaned[: self.longest].rstrip("_.")
        number = 2
        while code in self._given:
            tail = f"_{number}"
            code = cleaned[: self.longest - len(tail)].rstrip("_.") + tail
            number += 1
        self._given.add(code)
        return code


def shortened(words: str, longest: int) -> str:
    """`words` cut at the last blank before `longest` characters, with `...` in place of the rest."""
    if len(words) <= longest:
        return words
    kept = words[: longest - 3]
    return (kept.rsplit(" ", 1)[0] if " " in kept else kept).rstrip(" ,;:") + "..."

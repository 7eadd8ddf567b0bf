"""Text of a protocol in the form that a SAS transport file can hold: printable ASCII, 200 bytes.

People write protocols in word processors, whose typographic characters have ASCII forms that say the same. A character
without one is left as it is, so that the export names it instead of losing it.
"""

TYPOGRAPHY = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2013": "-",
        "\u2014": "-",
        "\u2212": "-",
        "\u2022": "-",
        "\u2026": "...",
        "\u2264": "<=",
        "\u2265": ">=",
        "\u00b1": "+/-",
        "\u00d7": "x",
        "\u00b0": " deg ",
        "\u00b5": "u",
        "\u03bc": "u",
        "\u00b2": "2",
        "\u00b3": "3",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2122": "(TM)",
        "\u00ae": "(R)",
    }
)
LONGEST = 200
CUT_MARK = "..."


def plain(text: str) -> str | None:
    """One line of text with typographic characters in ASCII; None for an empty text."""
    return " ".join(text.translate(TYPOGRAPHY).split()) or None


def shortened(text: str) -> str | None:
    """As `plain`, cut at a word's end to at most 200 characters, with ... at the cut."""
    line = plain(text)
    if line is None or len(line) <= LONGEST:
        return line
    room = line[: LONGEST - len(CUT_MARK) + 1]
    cut = room.rfind(" ")
    return line[: cut if cut > 0 else LONGEST - len(CUT_MARK)].rstrip() + CUT_MARK


def pieces(text: str) -> list[str]:
    """As `plain`, in pieces of at most 200 characters that break between words; their join by a blank is the whole text."""
    line = plain(text) or ""
    found: list[str] = []
    while len(line) > LONGEST:
        cut = line.rfind(" ", 0, LONGEST + 1)
        cut = cut if cut > 0 else LONGEST
        found.append(line[:cut].rstrip())
        line = line[cut:].lstrip()
    return [*found, line] if line else found

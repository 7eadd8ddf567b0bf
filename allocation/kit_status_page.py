"""docs/kit-status.md, drawn from the table of kit states: a state diagram, and a row for each transition."""

from __future__ import annotations

from allocation.rules.kit_status import TRANSITIONS, KitStatus, Place, Transition

_HEAD = """\
# The states of a kit

Drawn from `allocation/rules/kit_status.py` by `rtsm kit states > docs/kit-status.md`; a test holds the two equal. Change the table, not
this page.

A kit has one status and is in one place. Every command that touches a kit follows a row of this table; what has no row is refused. The
last three columns are enforced from the table: the permission table takes its roles from them, and the commands ask for the reason and
for a signature of that meaning. In quarantine a kit has no row towards a subject, and a trigger of the database refuses one, too.
"""


def kit_status_page() -> str:
    """The page as Markdown, with a Mermaid diagram."""
    return "\n".join([_HEAD, "```mermaid", *_diagram(), "```", "", *_table(), ""])


def _name(status: KitStatus | None, place: Place | None) -> str:
    if status is None or place is None:
        return "[*]"
    several = len({row.to_place for row in TRANSITIONS if row.to_status == status}) > 1
    return f"{status}_at_{place}" if several else str(status)


def _diagram() -> list[str]:
    """An arrow for each two states, with all acts that lead from the one to the other."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in TRANSITIONS:
        ends = (_name(row.from_status, row.from_place), _name(row.to_status, row.to_place))
        arrows.setdefault(ends, []).append(row.act)
    final = {end for _, end in arrows} - {start for start, _ in arrows}
    lines = ["stateDiagram-v2"]
    lines += [f"    {start} --> {end}: {', '.join(acts)}" for (start, end), acts in arrows.items()]
    return lines + [f"    {name} --> [*]" for name in sorted(final)]


def _table() -> list[str]:
    lines = [
        "| act | from | place | to | place | roles | reason | signature |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return lines + [_row(row) for row in TRANSITIONS]


def _row(row: Transition) -> str:
    cells = [
        row.act,
        row.from_status or "(new)",
        row.from_place or "",
        row.to_status,
        row.to_place,
        ", ".join(sorted(row.by.roles)),
        "yes" if row.by.reason else "",
        row.by.signature or "",
    ]
    return f"| {' | '.join(cells)} |"

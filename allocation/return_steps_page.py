"""docs/return-steps.md, drawn from the table of the steps of a return: a state diagram, and a row for each step."""

from __future__ import annotations

from allocation.rules.return_process import STEPS, ReturnState, StepRow

_HEAD = """\
# The steps of a return

Drawn from `allocation/rules/return_process.py` by `rtsm returns steps > docs/return-steps.md`; a test holds the two equal. Change the
table, not this page. What the kits of a return are meanwhile is in `kit-status.md`.

`supply.returns` of the protocol says which gates a study needs: without `reconciliation` a declared return is as good as a reconciled
one, without `approval` a reconciled one as good as an approved one. A return is destroyed while it is approved only with
`destruction_at_site`, and kits are used again only with `reuse`. Whoever declared a return does not reconcile it; whoever did either does
not approve it. With its last kit settled (reused, destroyed or missing) a return is closed.
"""


def return_steps_page() -> str:
    """The page as Markdown, with a Mermaid diagram."""
    return "\n".join([_HEAD, "```mermaid", *_diagram(), "```", "", *_table(), ""])


def _diagram() -> list[str]:
    lines = ["stateDiagram-v2"]
    lines += [f"    {row.from_state or '[*]'} --> {row.to_state}: {row.step}" for row in STEPS]
    settling = dict.fromkeys(row.from_state for row in STEPS if row.from_state == row.to_state)
    lines += [f"    {state} --> {ReturnState.CLOSED}: last kit settled" for state in settling]
    return lines + [f"    {state} --> [*]" for state in (ReturnState.CLOSED, ReturnState.WITHDRAWN)]


def _table() -> list[str]:
    lines = ["| step | from | to | roles | reason | signature |", "|---|---|---|---|---|---|"]
    return lines + [_row(row) for row in STEPS]


def _row(row: StepRow) -> str:
    cells = [
        row.step,
        row.from_state or "(new)",
        row.to_state,
        ", ".join(sorted(row.by.roles)),
        "yes" if row.by.reason else "",
        row.by.signature or "",
    ]
    return f"| {' | '.join(cells)} |"

"""The YAML of a drafted study: what is known, `TO FILL IN` with a comment at each open place, and the doubts at the top."""

from __future__ import annotations

import io
import textwrap
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from allocation.study.inconsistency import Path
from allocation.study.model import PLACEHOLDER
from allocation.study.protocol import Protocol
from allocation.study.usdm.findings import Finding, ImportedProtocol

_WIDTH = 110
_SHORT = 20
_COMMENT_COLUMN = 36
_MAY_ALSO_BE_NEEDED = "cohorts, caps, dose_levels, titration, exposure, unblinding, edc"


def draft_yaml(imported: ImportedProtocol, source: str) -> str:
    """The study file as text; `source` names the document that it was drafted from. Equal input gives equal text."""
    document = _commented(imported.protocol_data)
    for finding in imported.of_kind("to_fill_in"):
        _put_placeholder(document, finding.place, finding.message)
    ordered = CommentedMap((key, document[key]) for key in Protocol.model_fields if key in document)
    for key in ordered:
        ordered.ca.items.update({key: document.ca.items[key]} if key in document.ca.items else {})
    for key in list(ordered)[1:]:
        if isinstance(ordered[key], CommentedMap | CommentedSeq):
            ordered.yaml_set_comment_before_after_key(key, before="\n")
    ordered.yaml_set_start_comment(_head(imported, source))
    writer = YAML()
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.width = _WIDTH
    stream = io.StringIO()
    writer.dump(ordered, stream)
    return stream.getvalue()


def _commented(value: Any) -> Any:
    if isinstance(value, dict):
        return CommentedMap((key, _commented(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        sequence = CommentedSeq(_commented(item) for item in value)
        if all(isinstance(item, str) and len(item) <= _SHORT for item in value):
            sequence.fa.set_flow_style()
        return sequence
    return value


def _put_placeholder(document: CommentedMap, place: Path, message: str) -> None:
    """Set PLACEHOLDER at `place` with `message` as its comment; maps that are missing on the way are made."""
    owner: Any = document
    for step in place[:-1]:
        if isinstance(step, str) and step not in owner:
            owner[step] = CommentedMap()
        owner = owner[step]
    owner[place[-1]] = PLACEHOLDER
    owner.yaml_add_eol_comment(message, place[-1], column=_COMMENT_COLUMN)


def _head(imported: ImportedProtocol, source: str) -> str:
    lines = [
        f"Drafted from {source}, a CDISC USDM document.",
        f"Every place with the value {PLACEHOLDER} is still to be decided; the file is not valid before.",
        f"A study may also need: {_MAY_ALSO_BE_NEEDED}.",
    ]
    for kind, title in (
        ("doubtful", "Doubtful, please check:"),
        ("ignored", "In the document, but without a place here:"),
    ):
        found = imported.of_kind(kind)  # type: ignore[arg-type]
        if found:
            lines += ["", title, *(line for finding in found for line in _wrapped(finding))]
    return "\n".join(lines) + "\n"


def _wrapped(finding: Finding) -> list[str]:
    return textwrap.wrap(
        f"{finding.path}: {finding.message}",
        _WIDTH - 2,
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
    )

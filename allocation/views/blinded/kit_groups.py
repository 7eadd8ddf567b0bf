"""Naming kits by what they look like: the blinding group's label takes the place of the kit type inside the query."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Text, case, literal

from allocation.ledger.schema import kit
from allocation.study.protocol import Protocol

UNKNOWN_GROUP = "Other kits"
"""For kits of a type that the protocol in force no more has."""


def kit_group(protocol: Protocol, kit_type: ColumnElement[Any] = kit.c.kit_type) -> ColumnElement[Any]:
    """The label of the kit's blinding group, as a column: the kit type itself does not leave the database."""
    labels = {group.code: group.label for group in protocol.blinding_groups}
    of_type = {one.code: labels.get(one.blinding_group, one.blinding_group) for one in protocol.kit_types}
    if not of_type:
        return literal(UNKNOWN_GROUP, Text).label("kit_group")
    whens = [(kit_type == code, literal(label, Text)) for code, label in of_type.items()]
    return case(*whens, else_=literal(UNKNOWN_GROUP, Text)).label("kit_group")

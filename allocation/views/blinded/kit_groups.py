"""Naming kits by what they look like: the blinding group's label takes the place of the kit type inside the query."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Text, case, literal

from allocation.ledger.schema import kit
from allocation.study.protocol import Protocol

UNKNOWN_GROUP = "Other kits"
"""For kits of a type that the protocol in force no more has."""


def kit_group(protocol: Protocol) -> ColumnElement[Any]:
    """The label of the kit's blinding group, as a column: the kit type itself does not leave the database."""
    labels = {group.code: group.label for group in protocol.blinding_groups}
    of_type = {
        kit_type.code: labels.get(kit_type.blinding_group, kit_type.blinding_group)
        for kit_type in protocol.kit_types
    }
    if not of_type:
        return literal(UNKNOWN_GROUP, Text).label("kit_group")
    whens = [(kit.c.kit_type == code, literal(label, Text)) for code, label in of_type.items()]
    return case(*whens, else_=literal(UNKNOWN_GROUP, Text)).label("kit_group")

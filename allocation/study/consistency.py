"""Checks between the parts of a protocol: every name that one part uses is one that another part defines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


def cross_reference_errors(protocol: Protocol) -> list[str]:
    """Every broken reference of `protocol`, each as `path: what is wrong; how to mend it`. Empty when all hold."""
    return []

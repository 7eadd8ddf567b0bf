"""Checks between the parts of a protocol: every name that one part uses is one that another part defines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.study.design_checks import check_design
from allocation.study.edc_checks import check_edc
from allocation.study.inconsistency import Findings, Inconsistency
from allocation.study.schedule_checks import check_schedule
from allocation.study.supply_checks import check_supply
from allocation.study.unblinding_checks import check_unblinding

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


def inconsistencies(protocol: Protocol) -> list[Inconsistency]:
    """Everything that does not fit between the parts of `protocol`, in the order of the document. Empty when all fits."""
    findings = Findings()
    check_design(protocol, findings)
    check_schedule(protocol, findings)
    check_supply(protocol, findings)
    check_unblinding(protocol, findings)
    check_edc(protocol, findings)
    return findings.found

"""Central pharmacies with satellites: sites that are supplied from the stock of another site, and not from a depot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.study.inconsistency import Findings

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.supply import Site


def pharmacy_of(protocol: Protocol, site_id: str) -> str | None:
    """The site that supplies this one, where the protocol makes it a satellite; None for a site that a depot supplies."""
    return next((one.supplied_by_site for one in protocol.sites if one.code == site_id), None)


def satellites_of(protocol: Protocol, site_id: str) -> tuple[Site, ...]:
    """The sites that this one supplies, in the protocol's order."""
    return tuple(one for one in protocol.sites if one.supplied_by_site == site_id)


def days_from_pharmacy(protocol: Protocol, site_id: str) -> int:
    """Calendar days that a shipment takes to a satellite from its pharmacy."""
    return next(one.days_from_pharmacy for one in protocol.sites if one.code == site_id)


def check_satellites(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` satellites of a site that is not there, is the satellite itself, or is a satellite, too."""
    supplied_by = {one.code: one.supplied_by_site for one in protocol.sites}
    for index, one in enumerate(protocol.sites):
        path = ("sites", index, "supplied_by_site")
        findings.name(path, one.supplied_by_site, list(supplied_by), "site")
        if one.supplied_by_site is None or one.supplied_by_site not in supplied_by:
            continue
        if one.supplied_by_site == one.code or supplied_by[one.supplied_by_site] is not None:
            findings.add(
                path,
                one.supplied_by_site,
                "is supplied by a site itself, so that it is no central pharmacy",
                "name a site that a depot supplies",
            )

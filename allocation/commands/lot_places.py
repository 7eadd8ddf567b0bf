"""Where a lot is meant: countries, named one by one or by their label group."""

from __future__ import annotations

from collections.abc import Iterable

from allocation.errors import DomainRefusal
from allocation.study.protocol import Protocol


def countries_named(protocol: Protocol, names: Iterable[str], field: str) -> tuple[str, ...]:
    """The countries of these country codes and label groups, sorted. Raises DomainRefusal for a name that is neither."""
    found: set[str] = set()
    for name in names:
        of_name = {one.code for one in protocol.countries if name in (one.code, one.label_group)}
        if not of_name:
            groups = sorted({one.label_group for one in protocol.countries if one.label_group})
            raise DomainRefusal(
                f"{name!r} is neither a country nor a label group of the protocol",
                code="unknown-country",
                field=field,
                fix=f"name some of {', '.join([*(one.code for one in protocol.countries), *groups])}",
            )
        found |= of_name
    return tuple(sorted(found))

"""The address of a request: its path and query values are held to the same text as the bodies."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Depends, Request

from allocation.errors import DomainRefusal
from allocation.plain_values import fault_in_text


async def plain_address(request: Request) -> None:
    """Raise DomainRefusal (invalid-request) for a control character in a value of the path or query, before anything is asked."""
    for name, value in (*request.path_params.items(), *request.query_params.multi_items()):
        for text in (name, str(value)):
            fault = fault_in_text(text)
            if fault is not None:
                message, _, fix = fault.partition("; ")
                raise DomainRefusal(
                    message, code="invalid-request", field="query" if text == name else name, fix=fix
                )


PLAIN_ADDRESS: Final[Any] = Depends(plain_address)
"""The dependency of every route."""

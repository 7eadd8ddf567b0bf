"""Which certificates are trusted when an EDC is called."""

import ssl
from functools import cache

import httpx


@cache
def trusted_certificates() -> ssl.SSLContext:
    """The authorities that httpx trusts, for all calls of this process: to read them takes longer than most calls do."""
    return httpx.create_ssl_context()

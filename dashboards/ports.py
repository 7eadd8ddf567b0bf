"""Ports on this machine: whether one is free, and who has it when it is not."""

from __future__ import annotations

import socket

import psutil

from dashboards.errors import PortTaken

LOOPBACK = "127.0.0.1"
"""Nothing of the system listens anywhere else unless its operator puts a proxy before it."""


def require_free(port: int, what: str, option: str, host: str = LOOPBACK) -> None:
    """Raises PortTaken when `what` could not listen on `port` of `host`; `option` chooses another port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"port {port} for {what} is taken by {_holder(port)}: stop that, or choose another port with {option} "
                f"({error.strerror})"
            ) from error


def _holder(port: int) -> str:
    """Who listens on the port, as far as the operating system tells us."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "another process"
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and getattr(connection.laddr, "port", None) == port
        if listens and connection.pid:
            try:
                process = psutil.Process(connection.pid)
                return f"{' '.join(process.cmdline())[:100] or process.name()} (process {connection.pid})"
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                return f"process {connection.pid}"
    return "another process"

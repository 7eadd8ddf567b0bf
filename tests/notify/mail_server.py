"""A real SMTP server on a loopback port, whose answers tests choose: with STARTTLS, with TLS from the first byte, or down."""

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from allocation.notify.settings import SmtpSettings

USER, PASSWORD = "rtsm", "a password of the relay"


@dataclass
class Inbox:
    """What was taken, as it came. `answers`: recipient -> the answer to RCPT; `to_data`: the answer to a message, if not 250."""

    taken: list[tuple[str, bytes]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    to_data: str | None = None

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.to_data is not None:
            return self.to_data
        assert session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None
        self.taken.append((envelope.rcpt_tos[0], envelope.original_content))
        return "250 OK"

    @property
    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(content, policy=default) for _, content in self.taken]

    def to(self, address: str) -> list[str]:
        """The subjects that an address was sent, in order."""
        return [
            str(one["Subject"])
            for (who, _), one in zip(self.taken, self.messages, strict=True)
            if who == address
        ]


def _authenticator(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=right and data.login == USER.encode())


@dataclass(frozen=True)
class Certificates:
    """A certificate authority that only the tests trust, and what a server on this machine shows."""

    context: ssl.SSLContext
    ca_file: Path


def certificates(folder: Path) -> Certificates:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return Certificates(context, folder / "ca.pem")


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mail_server(
    inbox: Inbox, shown: Certificates, security: str = "starttls", **more: Any
) -> Iterator[SmtpSettings]:
    """Serve; gives the settings that reach it, with its user, and trusting its authority."""
    options: dict[str, Any] = {"authenticator": _authenticator, "auth_require_tls": security == "starttls"}
    if security == "starttls":
        options |= {"tls_context": shown.context, "require_starttls": True}
    elif security == "implicit":
        options |= {"ssl_context": shown.context}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # aiosmtpd warns that a login without STARTTLS is in the clear: here it is within TLS
        controller = Controller(inbox, hostname="127.0.0.1", port=a_free_port(), **options)
        controller.start()
    try:
        yield settings_for(controller.port, shown, security, **more)
    finally:
        controller.stop(no_assert=True)


def settings_for(port: int, shown: Certificates, security: str = "starttls", **more: Any) -> SmtpSettings:
    values = {"user": USER, "password": PASSWORD, "ca_file": shown.ca_file, **more}
    return SmtpSettings.model_validate(
        {
            "host": "127.0.0.1",
            "port": port,
            "security": security,
            "sender": "rtsm@sponsor.example.com",
            **values,
        }
    )

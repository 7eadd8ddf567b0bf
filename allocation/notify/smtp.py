"""One connection to the SMTP server: TLS that is checked, a message, and what the server's answer means."""

from __future__ import annotations

import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from types import TracebackType
from typing import Final

from allocation.delivery import Tried
from allocation.notify.settings import SmtpSettings

TIMEOUT_SECONDS: Final = 30


class ServerUnreachable(Exception):
    """Nothing can be sent now, whatever the message. Its text says why, and quotes no answer."""


def written(
    settings: SmtpSettings, message_id: str, to: str, subject: str, body: str, at: datetime
) -> EmailMessage:
    """The message: the same bytes at every try, since its date is that (`at`, UTC) of what it tells of."""
    message = EmailMessage(policy=SMTP)
    message["From"] = settings.sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{message_id}@{settings.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    return message


def _log_in(server: smtplib.SMTP, user: str, password: str) -> None:
    """Log in. A refusal may be an answer, or a server that hangs up."""
    try:
        server.login(user, password)
    except smtplib.SMTPNotSupportedError:
        raise
    except smtplib.SMTPException as error:
        raise ServerUnreachable("the server refuses the user") from error


class MailSession:
    """A connection, to be used with `with`. Raises ServerUnreachable where the server does not answer, or not as securely as it must."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._server: smtplib.SMTP | None = None

    def __enter__(self) -> MailSession:
        """Connect, secure the connection, and log in where there is a user."""
        try:
            self._server = self._connected()
        except smtplib.SMTPNotSupportedError as error:
            raise ServerUnreachable(
                "the server does not offer STARTTLS or the login that is asked for"
            ) from error
        except ssl.SSLError as error:
            raise ServerUnreachable(f"TLS failed: {error.reason or type(error).__name__}") from error
        except (OSError, smtplib.SMTPException) as error:
            raise ServerUnreachable(f"no connection: {type(error).__name__}") from error
        return self

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        context = ssl.create_default_context()
        if settings.ca_file is not None:
            context.load_verify_locations(cafile=settings.ca_file)
        host, port, name = settings.host, settings.port_used, settings.domain
        if settings.security == "implicit":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, name, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(host, port, name, TIMEOUT_SECONDS)
        try:
            if settings.security == "starttls":
                server.starttls(context=context)
            if settings.user is not None and settings.password is not None:
                _log_in(server, settings.user, settings.password.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Take leave of the server, as far as it is still there."""
        if self._server is not None:
            try:
                self._server.quit()
            except (OSError, smtplib.SMTPException):
                self._server.close()

    def send(self, message: EmailMessage, to: str) -> Tried:
        """Hand one message over. A refusal for good (5xx) of recipient or content gives it up, one for now (4xx) does not.

        Raises ServerUnreachable when the connection is lost or the sender is refused: then no other message would fare better.
        """
        assert self._server is not None  # noqa: S101  (entered)
        try:
            self._server.send_message(message, self._settings.sender, [to])
        except smtplib.SMTPRecipientsRefused as error:
            (code, _), *_ = error.recipients.values()
            return Tried(f"the recipient is refused ({code})", refused=500 <= code < 600)
        except smtplib.SMTPSenderRefused as error:
            raise ServerUnreachable(f"the sender is refused ({error.smtp_code})") from error
        except smtplib.SMTPDataError as error:
            return Tried(f"the message is refused ({error.smtp_code})", refused=500 <= error.smtp_code < 600)
        except (OSError, smtplib.SMTPException) as error:
            raise ServerUnreachable(f"the connection was lost: {type(error).__name__}") from error
        return Tried()

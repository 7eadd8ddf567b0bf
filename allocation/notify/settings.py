"""How mail leaves this installation: the SMTP server, in the environment or in the file smtp.toml of RTSM_HOME. Never in the ledger."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from allocation.access.addresses import email_address
from allocation.errors import DomainRefusal, RTSMError
from allocation.home_folder import rtsm_home

FILE: Final = "smtp.toml"
VARIABLES: Final = {
    "host": "RTSM_SMTP_HOST",
    "port": "RTSM_SMTP_PORT",
    "security": "RTSM_SMTP_SECURITY",
    "user": "RTSM_SMTP_USER",
    "password": "RTSM_SMTP_PASSWORD",
    "sender": "RTSM_SMTP_SENDER",
    "ca_file": "RTSM_SMTP_CA_FILE",
}
"""Field -> its environment variable, which goes before the file."""

PORTS: Final = {"starttls": 587, "implicit": 465, "none": 25}
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SmtpSettings(BaseModel):
    """The server and who the mail is from. `security`: STARTTLS, TLS from the first byte, or none, which only this machine may be sent to.

    `ca_file`: the certificates (PEM) to trust beside those that the system trusts. `password` may be left out with `user`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(min_length=1)
    port: int = Field(default=0, ge=0, le=65535)
    security: Literal["starttls", "implicit", "none"] = "starttls"
    user: str | None = None
    password: SecretStr | None = None
    sender: str
    ca_file: Path | None = None

    @field_validator("sender")
    @classmethod
    def _address(cls, text: str) -> str:
        try:
            return email_address(text)
        except DomainRefusal as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _whole(self) -> SmtpSettings:
        if (self.user is None) != (self.password is None):
            raise ValueError("give user and password together, or neither")
        if self.security == "none" and self.host not in LOOPBACK:
            raise ValueError(
                "security none sends mail in the clear: only a server on this machine may be used so"
            )
        return self

    @property
    def port_used(self) -> int:
        """The port, by default that of the way of securing it."""
        return self.port or PORTS[self.security]

    @property
    def domain(self) -> str:
        """The domain of the sender: this side's name, and the right part of message ids."""
        return self.sender.rpartition("@")[2]


def smtp_settings() -> SmtpSettings | None:
    """The settings; None where there are none at all. Raises RTSMError naming what is wrong or missing, without any value."""
    file = rtsm_home() / FILE
    found: dict[str, Any] = {}
    if file.exists():
        try:
            found = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RTSMError(
                f"{FILE} in RTSM_HOME cannot be read",
                code="setting-wrong",
                field=FILE,
                fix='write lines such as host = "smtp.example.org"',
            ) from error
    found |= {name: value for name, variable in VARIABLES.items() if (value := os.environ.get(variable))}
    if not found:
        return None
    try:
        return SmtpSettings.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "host"
        raise RTSMError(
            f"the settings for mail are wrong: {name}: {first['msg']}",
            code="setting-wrong",
            field=VARIABLES.get(name, name),
            fix=f"set it in the environment, or as {name} in {FILE} of RTSM_HOME",
        ) from None


def required_smtp_settings() -> SmtpSettings:
    """As `smtp_settings`. Raises RTSMError, too, when there are none."""
    settings = smtp_settings()
    if settings is None:
        raise RTSMError(
            "no SMTP server is set, so mail waits",
            code="setting-missing",
            field=VARIABLES["host"],
            fix=f"set {VARIABLES['host']} and {VARIABLES['sender']}, or write {FILE} in RTSM_HOME",
        )
    return settings

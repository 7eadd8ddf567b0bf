"""What an installation must know to exchange data with an EDC and no protocol may hold: secret, addresses, tokens.

Each is an environment variable. With the study's id behind it (`RTSM_REDCAP_TOKEN_ORT_301` for ORT-301: other characters than letters and
digits are underscores) it is that study's own, without it that of all.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final

from allocation.errors import RTSMError
from allocation.home_folder import rtsm_home

SECRET: Final = "RTSM_EDC_SECRET"  # noqa: S105  (the name of a variable)
SEND_URL: Final = "RTSM_EDC_URL"
SEND_TOKEN: Final = "RTSM_EDC_TOKEN"  # noqa: S105
REDCAP_URL: Final = "RTSM_REDCAP_URL"
REDCAP_TOKEN: Final = "RTSM_REDCAP_TOKEN"  # noqa: S105

SHORTEST_SECRET: Final = 32


def setting(name: str, study_id: str) -> str | None:
    """The value for this study, None where there is none."""
    own = f"{name}_{re.sub(r'[^A-Za-z0-9]', '_', study_id).upper()}"
    return os.environ.get(own) or os.environ.get(name) or None


def required_setting(name: str, study_id: str) -> str:
    """The value for this study. Raises RTSMError naming the variable when there is none."""
    value = setting(name, study_id)
    if value is None:
        raise RTSMError(
            f"{name} is not set", code="setting-missing", field=name, fix="set it in the environment of rtsm"
        )
    return value


def sender_secret(*, create: bool = False) -> bytes | None:
    """The secret that sender keys are derived from: RTSM_EDC_SECRET, else the file edc-secret in RTSM_HOME; None without either.

    With `create`, the file is made, readable by its owner only. Raises RTSMError for a secret that is too short.
    """
    text = os.environ.get(SECRET)
    if text is None:
        file = rtsm_home() / "edc-secret"
        if not file.exists():
            if not create:
                return None
            _write_new(file, secrets.token_hex(32))
        text = file.read_text(encoding="ascii")
    secret = text.strip().encode()
    if len(secret) < SHORTEST_SECRET:
        raise RTSMError(
            f"the secret of EDC senders has fewer than {SHORTEST_SECRET} characters",
            code="weak-secret",
            field=SECRET,
            fix="use a random one, such as of `openssl rand -hex 32`",
        )
    return secret


def _write_new(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(text)

"""The keys of the vault of addresses: from the environment or a file that it names, never from the database that they protect.

RTSM_VAULT_KEY, or the file named by RTSM_VAULT_KEY_FILE, holds one Fernet key or several with spaces or lines between, the newest first:
the first encrypts, all of them decrypt. So a key is changed by putting a new one in front and `rtsm vault rotate`. None is made up here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, MultiFernet

from allocation.errors import DomainRefusal

KEY: Final = "RTSM_VAULT_KEY"
KEY_FILE: Final = "RTSM_VAULT_KEY_FILE"

_HOW_TO_MAKE: Final = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)


def vault_cipher() -> MultiFernet:
    """What encrypts and decrypts addresses. Raises DomainRefusal (`vault-key-missing`, `vault-key-malformed`) naming the setting."""
    setting = KEY if os.environ.get(KEY, "").strip() else KEY_FILE
    keys = _key_text().split()
    if not keys:
        raise DomainRefusal(
            "the vault of addresses has no key",
            code="vault-key-missing",
            field=KEY,
            fix=f"set {KEY} or {KEY_FILE} in the environment of rtsm; a new key: {_HOW_TO_MAKE}",
        )
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        # The cause would be shown with the key that it is about.
        raise DomainRefusal(
            "a key of the vault is not a Fernet key: 32 bytes in URL-safe base64",
            code="vault-key-malformed",
            field=setting,
            fix=f"correct it; a new key: {_HOW_TO_MAKE}",
        ) from None


def _key_text() -> str:
    text = os.environ.get(KEY, "").strip()
    file = os.environ.get(KEY_FILE, "").strip()
    if text or not file:
        return text
    try:
        return Path(file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise DomainRefusal(
            "the file with the key of the vault cannot be read",
            code="vault-key-missing",
            field=KEY_FILE,
            fix="name a file that the service may read, with one key a line",
        ) from None

"""Settings of the SMTP server: from the environment or a file, each wrong one named, and none of them shown."""

import pytest

from allocation.errors import RTSMError
from allocation.notify.settings import required_smtp_settings, smtp_settings


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RTSM_HOME", str(tmp_path))
    return tmp_path


def test_the_environment_goes_before_the_file_and_the_port_follows_the_security(home, monkeypatch) -> None:
    assert smtp_settings() is None
    (home / "smtp.toml").write_text(
        'host = "relay.example.org"\nsender = "a@example.org"\nsecurity = "implicit"\n'
    )
    monkeypatch.setenv("RTSM_SMTP_SENDER", "b@example.org")
    found = required_smtp_settings()
    assert (found.host, found.sender, found.port_used, found.domain) == (
        "relay.example.org",
        "b@example.org",
        465,
        "example.org",
    )


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "RTSM_SMTP_HOST"),
        ({"HOST": "h"}, "RTSM_SMTP_SENDER"),
        ({"HOST": "h", "SENDER": "no address"}, "RTSM_SMTP_SENDER"),
        ({"HOST": "h", "SENDER": "a@example.org", "PORT": "99999"}, "RTSM_SMTP_PORT"),
        ({"HOST": "h", "SENDER": "a@example.org", "SECURITY": "ssl"}, "RTSM_SMTP_SECURITY"),
        ({"HOST": "h", "SENDER": "a@example.org", "PASSWORD": "hush"}, "RTSM_SMTP_HOST"),
        ({"HOST": "mail.example.org", "SENDER": "a@example.org", "SECURITY": "none"}, "RTSM_SMTP_HOST"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(values, field, monkeypatch) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"RTSM_SMTP_{name}", value)
    with pytest.raises(RTSMError) as refusal:
        required_smtp_settings()
    assert refusal.value.field == field
    assert "hush" not in str(refusal.value)


def test_a_file_that_is_no_toml_is_named(home) -> None:
    (home / "smtp.toml").write_text("host: relay")
    with pytest.raises(RTSMError, match=r"smtp\.toml"):
        smtp_settings()

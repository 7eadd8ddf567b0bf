"""A real browser for the tests of pages: the system's Chromium, driven by Playwright, which downloads nothing here."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    "no Chromium on this machine: install the Debian package chromium (`make browser` does where it can)"
)


def chromium_path() -> str:
    """Return the browser's path; where there is none, the test fails in CI (CI=true) and is skipped elsewhere."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(MISSING)
    pytest.skip(MISSING)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Yield a headless browser."""
    path = chromium_path()
    # Chromium refuses its sandbox to root, and containers often have too small a /dev/shm for it.
    arguments = ["--disable-dev-shm-usage"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()

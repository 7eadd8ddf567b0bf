"""The README's screenshot, of the running demo: `python -m tools.screenshot` while `rtsm demo` or `rtsm up` runs."""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from dashboards.demo_people import DEMO_PASSWORD

TARGET = Path(__file__).resolve().parent.parent / "docs" / "screenshots" / "overview.png"
WIDTH, HEIGHT = 1440, 1135
PATIENCE_MS = 60_000
SETTLED_MS = 4_000


def take(address: str, target: Path) -> None:
    """Log in as the demo's sponsor and save what the overview looks like."""
    with sync_playwright() as playwright:
        # As root, Chromium refuses its sandbox; the page is our own.
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        page.get_by_label("Username").fill("sponsor")
        page.get_by_label("Password", exact=True).fill(DEMO_PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        page.wait_for_timeout(SETTLED_MS)
        target.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=target)
        browser.close()


def main() -> None:
    """Take it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--address", default="http://127.0.0.1:8501", help="where the dashboards are")
    options.add_argument("--out", type=Path, default=TARGET, help="the file to write")
    chosen = options.parse_args()
    take(chosen.address, chosen.out)


if __name__ == "__main__":
    main()

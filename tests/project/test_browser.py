"""The browser of the tests is real, and its absence is never silent in CI."""

import pytest
from playwright.sync_api import Page

from tests.chromium import chromium_path


@pytest.mark.browser
def test_a_page_runs_its_script(page: Page) -> None:
    page.set_content("<p>before</p><script>document.querySelector('p').textContent = 'after'</script>")
    assert page.inner_text("p") == "after"


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_without_a_browser_ci_fails_and_a_desk_skips(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="install the Debian package chromium"):
        chromium_path()

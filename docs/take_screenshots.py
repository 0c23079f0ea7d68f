"""Take the screenshot of the page that plays a pass: python docs/take_screenshots.py.

It needs Chromium and Playwright, as the tests of the page do.
"""

import shutil
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory

import tinygrad_pool as tg

HERE = Path(__file__).parent


def main() -> None:
    """Open the pass of an example at its third step, and take a screenshot."""
    from playwright.sync_api import sync_playwright

    loss = run_path(str(HERE.parent / "examples" / "06_lost_gradient.py"))["E"]
    with TemporaryDirectory() as folder, sync_playwright() as driver:
        page_file = tg.record(loss).to_html(Path(folder) / "backward.html")
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
        page.goto(f"{page_file.as_uri()}#step=3")
        page.screenshot(path=HERE / "screenshots" / "player.png")
        browser.close()


if __name__ == "__main__":
    main()

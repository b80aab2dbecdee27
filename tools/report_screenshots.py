"""Pictures of a report in headless Chromium, light and dark, at two widths: `make report-screenshots`."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import tempfile

from PIL import Image, ImageChops

WIDTHS, HEIGHT = (1200, 420), 16000  # what lies below the page is cut off
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


def main(report: str, folder: str) -> None:
    """Write `<folder>/report-<width>-<theme>.png` for every width and theme."""
    browser = chromium()
    out = pathlib.Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    for width in WIDTHS:
        for theme, scheme in (("light", 1), ("dark", 0)):
            target = out / f"report-{width}-{theme}.png"
            with tempfile.TemporaryDirectory() as profile:
                subprocess.run(
                    [
                        browser,
                        *QUIET,
                        f"--user-data-dir={profile}",
                        f"--blink-settings=preferredColorScheme={scheme}",
                        f"--window-size={width},{HEIGHT}",
                        f"--screenshot={target}",
                        pathlib.Path(report).resolve().as_uri(),
                    ],
                    check=True,
                    capture_output=True,
                    timeout=120,
                )
            cut_bottom(target)
            print(target)


def chromium() -> str:
    """The browser on the PATH."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        sys.exit("Expected Chromium to take the pictures with. Received: none on the PATH.")
    return found


def cut_bottom(path: pathlib.Path) -> None:
    """Cut off what has one colour only, below the last thing on a page."""
    with Image.open(path) as image:
        page = image.convert("RGB")
    paper = Image.new("RGB", page.size, page.getpixel((0, page.height - 1)))
    box = ImageChops.difference(page, paper).getbbox()
    page.crop((0, 0, page.width, min(page.height, (box[3] if box else 0) + 40))).save(path)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Take the pictures of the playground: playground.gif for the README, playground.png for docs/playground.md.

    python docs/playground_pictures.py      (needs Chromium, and the extra `browser`)

Every frame is the page itself, opened at a link that trains up to a step.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from iclscope.playground.build import page_html

IMAGES = Path(__file__).parent / "images"
# More frames where more happens; then milliseconds of each.
FRAMES = {0: 1600, 20: 300, 40: 300, 50: 300, 60: 300, 64: 250, 68: 250, 70: 250, 72: 250, 74: 250, 76: 250, 78: 250}
FRAMES |= {80: 250, 84: 250, 90: 250, 100: 300, 120: 300, 150: 300, 200: 300, 300: 300, 400: 4000}
COLOURS = 96
HIDDEN = "settings,theory,tour,scenes,share,neurons,pruning,map"
# What moves most, on as little room as a README has above its fold.
LESS = (
    ".top, .foot, .prompt-out, .hint, .prompt-tools, .panel > .lead, .theory-note, .save, .status,"
    " #chart-norm, #chart-error, .panel-curves .panel-head { display: none !important }"
    " body { background: var(--ground) } #playground { padding: 8px 8px 0 } .panel { padding: 10px 14px }"
    " .centre { gap: 8px } .transport { margin-bottom: 8px } .charts { gap: 0 24px }"
)


def rested(page: Any, step: int) -> None:
    """Wait until the page has trained up to a step and drawn it."""
    page.wait_for_function(
        """step => document.querySelector("#button-play svg")?.classList.contains("icon-play")
          && Number(document.querySelector("#step-number").textContent) === step
          && document.querySelectorAll("#prompt-in .column").length > 0""",
        arg=step,
        timeout=120_000,
    )
    page.wait_for_timeout(400)


def main() -> int:
    """Write both pictures."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("Chromium is missing: install it, on Debian by `apt install chromium`", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "playground.html"
        file.write_text(page_html(), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 860, "height": 800}, device_scale_factor=1)
        frames = []
        for step in FRAMES:
            page = context.new_page()
            page.goto(f"{file.as_uri()}#v=1&steps={step}&hidden={HIDDEN}&scheme=light&language=en")
            rested(page, step)
            page.add_style_tag(content=LESS)
            page.wait_for_timeout(300)
            frames.append(Image.open(io.BytesIO(page.locator("main").screenshot())).convert("RGB"))
            page.close()
        save_gif(frames, IMAGES / "playground.gif")
        page = browser.new_page(viewport={"width": 1400, "height": 1130})
        page.goto(f"{file.as_uri()}#v=1&steps=120&scheme=light&language=en")
        rested(page, 120)
        whole = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        whole.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / "playground.png", optimize=True)
        browser.close()
    for name in ("playground.gif", "playground.png"):
        print(f"{IMAGES / name}: {(IMAGES / name).stat().st_size / 1000:.0f} kB")
    return 0


def save_gif(frames: list[Image.Image], path: Path) -> None:
    """One palette for all frames, so that nothing flickers; of each frame only what has changed is kept."""
    together = Image.new("RGB", (frames[0].width, frames[0].height * 2))
    together.paste(frames[0], (0, 0))
    together.paste(frames[-1], (0, frames[0].height))
    palette = together.quantize(COLOURS)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=list(FRAMES.values()), loop=0, optimize=True)


if __name__ == "__main__":
    sys.exit(main())

"""Pages in headless Chromium, and what they complain about there."""

import shutil
import tempfile
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
DRAWN = "document.documentElement.dataset.drawn !== undefined"
PATIENCE_MS = 60_000


def executable():
    """Chromium's path, None without one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium():
    """A browser with an empty profile and no network."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=executable(), args=list(FLAGS), offline=True
        )
        try:
            yield context
        finally:
            context.close()


def opened(context, file, *, width, dark, height=900):
    """A page with its charts drawn, and the list of what it complains about and asks for."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    trouble = []
    page.on("console", lambda told: trouble.append(f"{told.type}: {told.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on(
        "request",
        lambda asked: (
            asked.url.startswith(("data:", "blob:"))
            or asked.url == file.as_uri()
            or trouble.append(f"request: {asked.url}")
        ),
    )
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.set_viewport_size({"width": width, "height": height})
    page.goto(file.as_uri())
    page.wait_for_function(DRAWN)
    return page, trouble

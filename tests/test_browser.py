"""A learner's first minutes: `make lab` in a real JupyterLab, in a real browser.

Everything happens in a copy of the course, because JupyterLab saves what it opens. Wherever there
is no Chromium the test is skipped, unless BROWSER_TEST says that it is required, as in CI.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import nbformat
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
STATUS_IDLE = "#jp-main-statusbar >> text=| Idle"  # the dot in the toolbar says idle too early
COMPLAINTS = ", ".join(
    f"[data-mime-type='application/vnd.jupyter.{kind}']" for kind in ("stderr", "error")
)
SECONDS = 1000

pytestmark = pytest.mark.skipif(
    not CHROMIUM and os.environ.get("BROWSER_TEST") != "required",
    reason="there is no chromium (on Debian: sudo apt install chromium)",
)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the course as before its first run; .venv leads to the packages of these tests."""
    course = tmp_path_factory.mktemp("browser") / "course"
    left_out = shutil.ignore_patterns(".*", "data", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, course, ignore=left_out)
    (course / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        (course / ".venv" / path.name).symlink_to(path)
    for stamp in (course / ".venv").glob(".installed-*"):
        stamp.unlink()
    (course / ".venv" / ".installed-lab").touch()
    forget_outputs(course / "notebooks" / "00_start_here.ipynb")
    return course


def forget_outputs(path: Path) -> None:
    """Empty a notebook, so that whatever is seen of it afterwards is new."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def lesson(course: Path) -> Iterator[str]:
    """Address of the first lesson, as `make lab` prints it."""
    outside = ("ARGS", "CONDA", "IPYTHON", "JUPYTER", "MAKE", "MFLAGS", "PYTHON", "XDG")
    environment = {name: os.environ[name] for name in os.environ if not name.startswith(outside)}
    environment["HOME"] = str(course.parent)
    environment["MPLCONFIGDIR"] = matplotlib.get_cachedir()  # a new home has no font list
    log = course.parent / "log"
    options = f"ARGS=--no-browser --port={free_port()}"
    with log.open("w") as printed:
        running = subprocess.Popen(
            ["make", "lab", options],
            cwd=course,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield address(running, log)
    finally:
        stop(running)


def stop(running: subprocess.Popen) -> None:
    """End make and JupyterLab, and wait until JupyterLab has ended its kernels."""
    end = time.monotonic() + 60
    with contextlib.suppress(ProcessLookupError):  # raised once the whole group is gone
        os.killpg(running.pid, signal.SIGTERM)
        while time.monotonic() < end:
            running.poll()
            os.killpg(running.pid, 0)
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def address(running: subprocess.Popen, log: Path) -> str:
    """Wait until the server answers at the address that it prints, which it may do too early."""
    end = time.monotonic() + 120
    while time.monotonic() < end and running.poll() is None:
        for printed in re.findall(r"http://127\.0\.0\.1:\S+", log.read_text()):
            with contextlib.suppress(urllib.error.URLError):
                urllib.request.urlopen(printed, timeout=60).close()
                return printed
        time.sleep(0.1)
    pytest.fail(f"make lab did not start JupyterLab:\n{log.read_text()}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    # JupyterLab draws only the cells near the view, so the view is as high as the lesson.
    page = browser.new_page(viewport={"width": 1300, "height": 20_000})
    page.set_default_timeout(240 * SECONDS)
    yield page
    page.close()


def test_make_lab_leads_to_a_first_lesson_that_runs_and_whose_slider_moves(lesson, page, tmp_path):
    errors, requests = [], []
    page.on("pageerror", lambda error: errors.append(error))
    page.on("request", lambda request: requests.append(request.url))
    page.on("websocket", lambda socket: requests.append(socket.url))

    assert "/lab/tree/notebooks/00_start_here.ipynb?" in lesson
    page.goto(lesson)
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_selector(STATUS_IDLE)
    run_all(page)
    page.screenshot(path=tmp_path / "lesson.png")  # pytest keeps it with the last runs
    assert page.locator(COMPLAINTS).all_inner_texts() == []
    assert page.locator(".Toastify__toast").all_inner_texts() == []  # news, builds, updates

    handle = page.locator(".jp-OutputArea .noUi-handle").first
    picture = page.locator(".jp-OutputArea .widget-image:visible").first
    before = picture.get_attribute("src")
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "before => [...document.querySelectorAll('.jp-OutputArea .widget-image')]"
        ".find(image => image.offsetParent).src !== before",
        arg=before,
    )
    assert errors == []
    assert [url for url in requests if not stays_here(url, lesson)] == []
    # These the server would pass on to the outside, unseen by the browser.
    assert [url for url in requests if re.search("/lab/api/(news|update)", url)] == []


def run_all(page: Page) -> None:
    """Run the notebook from its menu until every code cell has its number, or one complains."""
    page.click(".lm-MenuBar-item:has-text('Run')")
    page.click(".lm-Menu-item[data-command='runmenu:run-all']")
    page.wait_for_function(
        """complaints => {
            const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
            return prompts.every(prompt => /\\[\\d+\\]/.test(prompt.textContent))
                || document.querySelector(complaints);
        }""",
        arg=COMPLAINTS,
    )
    page.wait_for_selector(STATUS_IDLE)


def stays_here(url: str, lesson: str) -> bool:
    """Tell whether a request goes to the server of the lesson or nowhere at all."""
    server = lesson.partition("/lab/")[0]
    return url.startswith((server, server.replace("http:", "ws:"), "data:", "blob:"))

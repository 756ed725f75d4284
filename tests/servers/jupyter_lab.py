"""A real JupyterLab, and a page of it in a real Chromium."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
WAIT = 90_000  # milliseconds: a machine may be busy


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def jupyter_lab(root: Path) -> Iterator[str]:
    """The address of a JupyterLab over a folder, ``%s`` in the place of a notebook's name."""
    port, token = _free_port(), secrets.token_hex(8)
    home = root / ".jupyter"
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}", "--LabApp.news_url="),
        *("--LabApp.expose_app_in_browser=True", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
    ]
    news = home / "jupyter_config_dir/lab/user-settings/@jupyterlab/apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with (root / "lab.log").open("wb") as log:
        lab = subprocess.Popen(
            command,
            env={**os.environ, **{name: str(home / name.lower()) for name in names}},
            stdout=log,
            stderr=log,
            cwd=root,
        )
        try:
            _wait(f"http://127.0.0.1:{port}/api/status?token={token}", lab, root / "lab.log")
            yield f"http://127.0.0.1:{port}/lab/tree/%s?token={token}&reset"
        finally:
            lab.terminate()
            try:
                lab.wait(15)
            except subprocess.TimeoutExpired:  # it waits for kernels; those end when it has gone
                lab.kill()
                lab.wait()


def _wait(address: str, lab: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert lab.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("JupyterLab did not start: " + log.read_text()[-2000:])


@contextmanager
def chromium() -> Iterator[Any]:
    """The system's Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    path = next(path for path in CHROMIUM if Path(path).exists())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


class NotebookPage:
    """An open notebook. Cells count from 0, code and text alike."""

    def __init__(self, browser: Any, address: str) -> None:
        self.page = browser.new_page(viewport={"width": 1280, "height": 1500})
        self.page.set_default_timeout(WAIT)
        self.page.goto(address)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.page.wait_for_function("window.jupyterapp !== undefined")
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Until the kernel has nothing to do."""
        self.page.wait_for_function(
            """() => {
              const widget = window.jupyterapp.shell.currentWidget;
              const session = widget && widget.sessionContext && widget.sessionContext.session;
              return session && session.kernel && session.kernel.status === 'idle'
                && session.kernel.connectionStatus === 'connected';
            }"""
        )

    def command(self, name: str) -> None:
        """A command of JupyterLab; doesn't wait for its end."""
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name); }", name)

    def press(self, name: str) -> None:
        """A button of the notebook's toolbar, by its command."""
        self.page.locator(f'.jp-NotebookPanel-toolbar [data-command="{name}"]').first.click()

    def accept_dialog(self) -> None:
        """The dialog's own proposal."""
        self.page.locator(".jp-Dialog .jp-mod-accept").click()

    def select(self, number: int) -> None:
        """Makes a cell the active one."""
        self.cell(number).locator(".jp-InputPrompt").click()

    def run_cell(self, number: int) -> None:
        """Runs one cell; doesn't wait for its end."""
        self.select(number)
        self.command("notebook:run-cell")

    def cell(self, number: int) -> Any:
        """A cell, by its number."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def output(self, number: int) -> str:
        """The text of a cell's outputs."""
        return "\n".join(self.cell(number).locator(".jp-OutputArea-output").all_inner_texts())

    def wait_for(self, number: int, text: str) -> None:
        """Until a cell's outputs hold a text."""
        self.page.wait_for_function(
            """([number, text]) => {
              const cell = document.querySelectorAll('.jp-Notebook .jp-Cell')[number];
              return cell && [...cell.querySelectorAll('.jp-OutputArea-output')].some(o => o.innerText.includes(text));
            }""",
            arg=[number, text],
        )

    def screenshot(self, path: Path) -> None:
        """What is seen now."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))

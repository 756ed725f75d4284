"""The pipeline in a real JupyterLab in a real Chromium: live progress, stop, re-run, restart of the kernel, reload.

Screenshots are kept in build/screenshots.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import headrace as hr
from servers.jupyter_lab import NotebookPage, chromium, jupyter_lab

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
COUNT = 6000

SETUP = """
import headrace as hr
from headrace.pipelines import documents
stores = {"store": "headrace.db", "vectors": "vectors"}
"ready"
"""
RUN = """
done = documents.run("shelf", **stores)
done
"""
PICTURES = """
from IPython.display import display
display(done.stages(), done.timeline(), done.throughput(), done.errors())
"""
SEARCH = """
documents.search_box("", vectors="vectors")
"""
SETUP_CELL, RUN_CELL, PICTURES_CELL, SEARCH_CELL = range(4)


def write_shelf(folder: Path, word: str) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(COUNT):
        text = f"The {word} of sluice {number} is checked on day {number % 28 + 1}. " * 6
        (folder / f"{number:05}.md").write_text(f"# Sluice {number}\n\n## Inspection\n\n{text}\n")
    (folder / "broken.docx").write_bytes(b"PK\x03\x04 broken")
    (folder / "picture.txt").write_bytes(b"\x89PNG\0\0")


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[NotebookPage]:
    write_shelf(tmp_path / "shelf", "seal")
    cells = [new_code_cell(source.strip()) for source in (SETUP, RUN, PICTURES, SEARCH)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "shelf.ipynb")
    with jupyter_lab(tmp_path) as address, chromium() as browser:
        yield NotebookPage(browser, address % "shelf.ipynb")


def published(store: Path) -> int:
    """Documents that the journal says are published, whoever works on it."""
    (row,) = hr.open_store(store).sql("SELECT count(*) AS n FROM results WHERE stage='publish'")
    return int(row["n"])


def wait_for_progress(notebook: NotebookPage) -> None:
    """Until the progress display shows that documents are being published."""
    notebook.page.wait_for_function(
        """number => {
          const cell = document.querySelectorAll('.jp-Notebook .jp-Cell')[number];
          const row = [...cell.querySelectorAll('.jp-OutputArea-output tr')].find(r => r.innerText.includes('publish'));
          return row && /[1-9]/.test((row.innerText.match(/([0-9,]+) \\/ [0-9,]+/) || ['', '0'])[1]);
        }""",
        arg=RUN_CELL,
    )


def shown(notebook: NotebookPage, name: str) -> None:
    notebook.screenshot(SCREENSHOTS / f"documents-{name}.png")


def test_a_run_in_a_notebook(notebook: NotebookPage, tmp_path: Path) -> None:
    store = tmp_path / "headrace.db"
    notebook.run_cell(SETUP_CELL)
    notebook.wait_for(SETUP_CELL, "ready")

    # Live progress, then the stop button.
    notebook.run_cell(RUN_CELL)
    wait_for_progress(notebook)
    shown(notebook, "1-running")
    began = time.monotonic()
    notebook.press("notebook:interrupt-kernel")
    notebook.wait_for(RUN_CELL, "goes on from there")
    assert time.monotonic() - began < 5
    shown(notebook, "2-stopped")
    output = notebook.output(RUN_CELL)
    assert "Traceback" not in output
    assert "cancelled" in output
    stopped_at = published(store)
    assert 0 < stopped_at < COUNT

    # The cell again; the kernel is restarted in the middle of it.
    notebook.run_cell(RUN_CELL)
    wait_for_progress(notebook)
    notebook.command("kernelmenu:restart")
    notebook.accept_dialog()
    notebook.wait_until_idle()
    restarted_at = published(store)
    assert restarted_at >= stopped_at

    # All of it once more: it goes on from where it was, and comes to its end.
    notebook.command("notebook:run-all-cells")
    notebook.wait_for(RUN_CELL, "dead letters")
    notebook.page.wait_for_selector(".widget-text input")
    output = notebook.output(RUN_CELL)
    assert "it is damaged: its archive is incomplete" in output
    assert notebook.cell(RUN_CELL).locator(".jp-OutputArea-child").count() == 2  # one progress display, one result
    assert notebook.cell(PICTURES_CELL).locator("svg[role=img]").count() == 4
    (last, *_) = hr.open_store(store).runs()
    stages = {stage.name: stage for stage in last.stages}
    assert last.status is hr.Status.PARTIAL
    assert stages["publish"].skipped >= restarted_at
    assert stages["publish"].done == COUNT
    for told in ("no stage has started", "no throughput", "no errors"):
        assert told not in notebook.output(PICTURES_CELL)
    notebook.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
    shown(notebook, "3-finished")

    # The search box.
    box = notebook.page.locator(".widget-text input")
    box.fill("When is sluice 1234 inspected?")
    box.press("Enter")
    notebook.page.wait_for_function(
        "() => [...document.querySelectorAll('.widget-html')].some(w => w.innerText.includes('Sluice 1234'))"
    )
    box.scroll_into_view_if_needed()
    shown(notebook, "4-search")

    # Once more: nothing to do. Then what is shown survives a reload of the page.
    notebook.run_cell(RUN_CELL)
    notebook.wait_for(RUN_CELL, "finished")
    notebook.wait_until_idle()
    notebook.command("docmanager:save")
    notebook.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty", timeout=20_000)
    notebook.page.reload()
    notebook.page.wait_for_selector(".jp-Notebook .jp-Cell")
    notebook.wait_for(RUN_CELL, "finished")
    assert notebook.cell(PICTURES_CELL).locator("svg[role=img]").count() == 4
    shown(notebook, "5-reloaded")

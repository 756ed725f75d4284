"""The quickstart from top to bottom, in a kernel of its own; its last cell asserts."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"


@pytest.mark.filterwarnings("ignore")  # jupyter_client and its event loop warn about themselves
def test_the_quickstart_runs_from_top_to_bottom_and_shows_what_it_does() -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": NOTEBOOK.parent}}
    ).execute()
    pages = [
        out["data"]["text/html"]
        for cell in notebook.cells
        for out in cell.get("outputs", [])
        if "text/html" in out.get("data", {})
    ]
    assert any("<svg" in page for page in pages)  # the pipeline draws itself
    assert any("too short to count" in page for page in pages)  # the dead letter is shown

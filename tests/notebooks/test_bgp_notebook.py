"""The BGP notebook from top to bottom, in a kernel of its own, with servers of its own; its last cell asserts."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "bgp.ipynb"


@pytest.mark.filterwarnings("ignore")  # jupyter_client and its event loop warn about themselves
def test_the_notebook_runs_from_top_to_bottom() -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    resources = {"metadata": {"path": NOTEBOOK.parent}}
    NotebookClient(notebook, timeout=200, kernel_name="python3", resources=resources).execute()
    assert notebook.cells[-1].source.startswith("assert")
    shown = "\n".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", []))
    assert "r1: rolled_back: session 192.0.2.2 was up and is down" in shown
    assert "AS3333 empty ('193.0.0.0/21', '193.0.10.0/23', '2001:67c:2e8::/48')" in shown


def test_the_notebook_is_stripped() -> None:
    for cell in nbformat.read(NOTEBOOK, 4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None

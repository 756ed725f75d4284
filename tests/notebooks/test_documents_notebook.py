"""The documents notebook from top to bottom, in a kernel of its own; its last cell asserts."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "documents.ipynb"


@pytest.mark.filterwarnings("ignore")  # jupyter_client and its event loop warn about themselves
def test_the_notebook_runs_from_top_to_bottom() -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    client = NotebookClient(
        notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": NOTEBOOK.parent}}
    )
    client.execute()
    assert notebook.cells[-1].source.startswith("assert")
    shown = "\n".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", []))
    assert "recall@5 over 10 questions" in shown


def test_the_notebook_is_stripped() -> None:
    for cell in nbformat.read(NOTEBOOK, 4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None

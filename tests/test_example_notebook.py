"""The notebook of examples runs from its first cell to its last, and each result is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOK = Path(__file__).parents[1] / "examples" / "first_steps.ipynb"


def test_the_notebook_is_kept_without_outputs_and_runs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    client = nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    client.execute()
    shown = [[output.get("data", {}) for output in cell.outputs] for cell in cells]
    assert "Person(name='Ada Lovelace', age=36, city='London')" in shown[1][-1]["text/plain"]
    assert all("text/html" in outputs[-1] for outputs in shown[2:])
    assert not any("ipywidgets" in output.get("text", "") for cell in cells for output in cell.outputs)
    assert sum(len(output.get("text/html", "")) for outputs in shown for output in outputs) < 100_000

"""The notebook of examples runs from its first cell to its last, and each result is shown."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

NOTEBOOK = Path(__file__).parents[1] / "examples" / "first_steps.ipynb"
PERSON = "Person(name='Ada Lovelace', age=36, city='London')"


def cells() -> list[dict[str, Any]]:
    """Return the cells of code."""
    return [one for one in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if one["cell_type"] == "code"]


def result(code: str, names: dict[str, Any]) -> Any:
    """Run a cell, and return the value of its last line; None where that is no expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)  # type: ignore[attr-defined]


def test_the_notebook_is_kept_without_outputs() -> None:
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells())


def test_its_cells_run_and_each_result_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(NOTEBOOK.parent)
    names: dict[str, Any] = {"__name__": "__main__"}
    found = [result("".join(cell["source"]), names) for cell in cells()]
    assert repr(found[1]) == PERSON
    shown = [one._repr_html_() for one in found[2:]]
    assert all(shown) and sum(map(len, shown)) < 100_000


@pytest.mark.slow
def test_the_notebook_runs_in_a_kernel_whole() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    client = nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [[output.get("data", {}) for output in cell.outputs] for cell in code]
    assert PERSON in shown[1][-1]["text/plain"]
    assert all("text/html" in outputs[-1] for outputs in shown[2:])
    assert not any("ipywidgets" in output.get("text", "") for cell in code for output in cell.outputs)
    assert sum(len(output.get("text/html", "")) for outputs in shown for output in outputs) < 100_000

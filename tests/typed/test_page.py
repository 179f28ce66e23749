"""docs/typed-functions.md: each line of code runs, and what it says comes back is of the type that comes
back.

The values are what the small model said when the page was written; the first one is what it has to say.
"""

from __future__ import annotations

import ast
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("pydantic")

PAGE = (Path(__file__).parents[2] / "docs" / "typed-functions.md").read_text(encoding="utf-8")


def test_every_line_of_the_page_does_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    page = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)
    names: dict[str, Any] = vars(page)
    compared = []
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        lines = block.splitlines()
        for statement in ast.parse(block).body:
            said = lines[(statement.end_lineno or 1) - 1].partition("  # -> ")[2]
            if isinstance(statement, ast.Expr) and said:
                found = eval(
                    compile(ast.Expression(statement.value), "page", "eval", dont_inherit=True), names
                )
                expected = eval(said, names)
                assert type(found) is type(expected), said
                compared.append((found, expected))
            else:
                exec(compile(ast.Module([statement], []), "page", "exec", dont_inherit=True), names)
    assert len(compared) >= 30
    assert compared[0][0] == compared[0][1]

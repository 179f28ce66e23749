"""No test goes through a folder of the repository, or through a list of cases, that may have become empty."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from for_each import for_each
from nonempty import nonempty

TESTS = Path(__file__).parent
LISTS = re.compile(r"\.(glob|rglob|iterdir)\b")
"""What stands in a file with such a line: no other is parsed."""


def unchecked(source: str) -> Iterator[int]:
    """Yield the lines that list a folder of the repository (a path by a name in capitals, or of a file of
    ours) where it would go unnoticed that there is nothing: elsewhere than in `nonempty(...)`, in `any(...)`,
    behind a `not`, or on the right of `(one,) = ...`."""
    tree = ast.parse(source)
    parents = {below: node for node in ast.walk(tree) for below in ast.iter_child_nodes(node)}
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        named = {str(getattr(one, "id", getattr(one, "attr", ""))) for one in ast.walk(call.func.value)}
        is_ours = any(name.isupper() or name in ("__file__", "resources") for name in named)
        if call.func.attr not in ("glob", "rglob", "iterdir") or not is_ours:
            continue
        above: ast.AST = call
        while not isinstance(above, ast.stmt) and not is_checked(above):
            above = parents[above]
        if not is_checked(above):
            yield call.lineno


def is_checked(node: ast.AST) -> bool:
    """Return whether a node fails, or says so, where a list in it is empty."""
    if isinstance(node, ast.Assign):
        return isinstance(node.targets[0], ast.Tuple)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("nonempty", "any")


def test_a_folder_that_may_be_empty_is_found() -> None:
    assert list(unchecked("for path in (ROOT / 'docs').glob('*.md'):\n    assert path")) == [1]
    assert list(unchecked("x = [a for a in sorted(Path(sg.__file__).parent.rglob('*.py')) if a.b]")) == [1]
    assert not [
        *unchecked("for a in nonempty(ROOT.glob('*')): ...\n(b,) = ROOT.glob('*')\nc = any(ROOT.iterdir())")
    ]
    assert not [*unchecked("assert not list(ROOT.glob('*'))\nfor path in tmp_path.iterdir(): ...")]


def test_every_list_of_files_of_the_repository_fails_where_it_is_empty() -> None:
    found = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in nonempty(TESTS.rglob("*.py"))
        if LISTS.search(code := path.read_text(encoding="utf-8"))
        for line in unchecked(code)
    ]
    assert found == []


def test_cases_that_are_none_fail() -> None:
    with pytest.raises(AssertionError, match="nothing is left"):
        for_each("case", [name for name in ("one", "two") if name.startswith("engine")])
    with pytest.raises(AssertionError, match="nothing is left"):
        nonempty(TESTS.glob("*.none"))


def test_a_parametrized_test_without_cases_is_no_test(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getini("empty_parameter_set_mark") == "fail_at_collect"

"""What `import structgen` promises: little work, no heavy packages, every public name."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import pytest
from for_each import for_each

import structgen


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def best_seconds(*command: str) -> float:
    """Return the least processor time of five runs: what else the machine does is not the code's fault."""

    def once() -> float:
        begun = os.times()
        subprocess.run(command, check=True, capture_output=True)
        ended = os.times()
        return ended.children_user + ended.children_system - begun.children_user - begun.children_system

    return min(once() for _ in range(5))


def test_import_loads_no_heavy_package() -> None:
    heavy = {"numpy", "numba", "torch", "transformers", "jsonschema", "typer", "rich", "dataclasses"}
    loaded = run("import sys, structgen; print(*sorted(sys.modules))").split()
    assert not heavy & set(loaded)


def test_help_loads_no_heavy_package() -> None:
    heavy = {"numpy", "numba", "torch", "transformers", "jsonschema", "pydantic", "lark"}
    code = (
        "import sys\n"
        "from structgen.doors.cli import main\n"
        "sys.argv[1:] = ['--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sorted(sys.modules))"
    )
    assert not heavy & set(run(code).splitlines()[-1].split())


@pytest.mark.slow
def test_import_takes_at_most_a_tenth_of_a_second() -> None:
    assert best_seconds(sys.executable, "-c", "import structgen") <= 0.1


@pytest.mark.slow
def test_help_takes_at_most_three_tenths_of_a_second() -> None:
    assert best_seconds(sys.executable, "-c", "from structgen.doors.cli import main; main()", "--help") <= 0.3


PAGES = [
    structgen,
    *(getattr(structgen, name) for name in ("core", "samplers", "speculation", "strategies", "testing")),
]
"""Modules whose names are loaded when they are first used."""
PUBLIC = [(page, name) for page in PAGES for name in dir(page)]


@for_each(("page", "name"), PUBLIC)
def test_public_name_is_there_and_its_help_names_it(page: types.ModuleType, name: str) -> None:
    assert getattr(page, name) is not None
    assert f"`{name}`" in (page.__doc__ or "") or f"`sg.{name}`" in (page.__doc__ or "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.__name__))
def test_type_checkers_see_the_public_names_and_no_others(page: types.ModuleType) -> None:
    tree = ast.parse(Path(str(page.__file__)).read_text(encoding="utf-8"))
    (typing_only,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: node.module
        for node in typing_only.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(seen) == set(dir(page))
    for name, home in seen.items():
        if home != "structgen":
            assert getattr(importlib.import_module(str(home)), str(name)) is getattr(page, str(name))


def test_at_most_eighty_names_stand_at_the_top() -> None:
    assert len(dir(structgen)) <= 80


def test_errors_lists_errors_and_warnings_alone() -> None:
    errors = structgen.errors
    own = {
        name
        for name, value in vars(importlib.import_module("structgen.base.errors")).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert set(dir(errors)) == own
    assert structgen.StructgenError is errors.StructgenError


@for_each("name", dir(structgen.errors))
def test_an_error_comes_out_of_another_process_as_it_was(name: str) -> None:
    kind = getattr(structgen.errors, name)
    taken = inspect.signature(kind.__init__).parameters.values()
    given = {one.name: one.name for one in taken if one.kind is one.KEYWORD_ONLY}
    error = kind("It is wrong.", **given)
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found), vars(found)) == (kind, str(error), vars(error))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.__name__))
def test_unknown_name_is_an_attribute_error(page: types.ModuleType) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Compiler'"):
        page.Compiler  # noqa: B018


@pytest.mark.parametrize(
    "old", ["OptionError", "PrefixTree", "Mirostat", "TokenMask", "Fused", "SlotsWarning"]
)
def test_a_name_that_moved_has_no_old_spelling(old: str) -> None:
    assert not hasattr(structgen, old)

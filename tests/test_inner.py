"""Functions that only compiled code calls are lowered once, and made machine code where they are used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import pytest
from numba.core.codegen import CPUCodeLibrary

import structgen
from structgen import jit as decorators
from structgen.inner import TRIED, Inner
from structgen.jit import entry, jit

PACKAGE = Path(structgen.__file__).parent

CHAIN = """
from structgen.jit import jit

@jit
def last(x, y):
    return x * y

@jit
def middle(x):
    return last(x, 3) + last(x, 4)
"""

ENTRIES = """
from structgen.chain import last, middle
from structgen.jit import entry

@entry("int64(int64)")
def {name}(x):
    return middle(x) + {constant}
"""


@pytest.fixture
def chain() -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """Three functions of which each calls the last, and nothing is compiled."""

    def last(x: int, y: int) -> int:
        return x * y + 1

    def middle(x: int) -> int:
        return compiled_last(x, 3) + compiled_last(x, 4)

    def first(x: int) -> int:
        return compiled_middle(x) - 1

    compiled_last, compiled_middle = jit(last), jit(middle)
    return compiled_last, compiled_middle, first


def test_machine_code_is_made_once_for_a_chain_of_calls(
    chain: tuple[Callable[..., Any], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    finalize = CPUCodeLibrary._finalize_final_module

    def counted(library: Any) -> None:
        made.append(library.name.rpartition(".")[2])
        finalize(library)

    monkeypatch.setattr(CPUCodeLibrary, "_finalize_final_module", counted)
    assert entry("int64(int64)")(chain[2])(10) == 71
    assert [name for name in made if name != "nrt"] == ["first"]  # nrt: numba's own, once in a process


def test_constants_are_arguments_like_others(chain: tuple[Any, ...]) -> None:
    entry("int64(int64)")(chain[2])
    assert list(map(len, (chain[0].overloads, chain[1].overloads))) == [1, 1]


def test_an_inner_function_answers_python_too(chain: tuple[Callable[..., Any], ...]) -> None:
    assert [chain[0](5, y=6), chain[1](10)] == [31, 72]
    assert entry("int64(int64)")(chain[2])(10) == 71


def test_another_entry_point_takes_inner_functions_from_the_cache(tmp_path: Path) -> None:
    root = tmp_path / "structgen"
    root.mkdir()
    for name in ("sources.py", "jit.py", "inner.py"):
        shutil.copy(PACKAGE / name, root / name)
    (root / "__init__.py").touch()
    (root / "chain.py").write_text(CHAIN)
    (root / "one.py").write_text(ENTRIES.format(name="one", constant=1))
    (root / "two.py").write_text(ENTRIES.format(name="two", constant=2))
    said = []
    for name in ("one", "two", "two"):
        code = f"from structgen.{name} import {name} as found, middle, last; print(found(10), "
        code += "*(sum(each.values()) for one in (found, middle, last) for each in one.stats[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(done.stdout.split())
    # the value, and for each function: found in the cache, not found
    assert said == [list("71 0 1 0 1 0 1".split()), "72 0 1 1 0 0 0".split(), "72 1 0 0 0 0 0".split()]


def test_the_numba_that_is_installed_was_tried() -> None:
    assert numba.version_info.short <= TRIED


def test_a_later_numba_compiles_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decorators, "TRIED", (0, 1))

    @jit
    def last(x: int) -> int:
        return x + 1

    @entry("int64(int64)")
    def first(x: int) -> int:
        return int(last(x))

    assert not isinstance(last, Inner)
    assert (first(1), last(2)) == (2, 3)

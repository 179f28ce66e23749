"""Functions that only compiled code calls are lowered once, and made machine code where they are used."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import forked
import numba
import pytest
from small_package import small_package

from structgen.base.native import jit as decorators
from structgen.base.native.inner_functions import TRIED, Inner
from structgen.base.native.jit import entry, jit

CHAIN = """
from structgen.base.native.jit import jit

@jit
def last(x, y):
    return x * y

@jit
def middle(x):
    return last(x, 3) + last(x, 4)
"""

ENTRIES = """
from structgen.chain import last, middle
from structgen.base.native.jit import entry

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


def test_constants_are_arguments_like_others(chain: tuple[Any, ...]) -> None:
    assert entry("int64(int64)")(chain[2])(10) == 71
    assert list(map(len, (chain[0].overloads, chain[1].overloads))) == [1, 1]


def test_an_inner_function_answers_python_too(chain: tuple[Callable[..., Any], ...]) -> None:
    assert [chain[0](5, y=6), chain[1](10)] == [31, 72]
    assert entry("int64(int64)")(chain[2])(10) == 71


def package(folder: Path) -> Path:
    """Return a package that has our decorators, and a chain of calls."""
    root = small_package(folder)
    (root / "chain.py").write_text(CHAIN)
    return root


def said_by(folder: Path, code: str, ahead: str = forked.COMPILER) -> str:
    """Return what a process writes that finds the package: a fork of one that has numba."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return forked.run(code, env=environment, cwd=folder, ahead=ahead).stdout


BOTH = """
from numba.core.codegen import CPUCodeLibrary
made, finalize = [], CPUCodeLibrary._finalize_final_module
def counted(library):
    made.append(library.name)
    finalize(library)
CPUCodeLibrary._finalize_final_module = counted
from structgen.both import one, two
print(*made)
print(two(10), one(10), sum(name != "nrt" for name in made), *(sum(each.values()) for each in one.stats[1:]))
"""


def test_entry_points_of_a_module_are_made_together_when_one_is_called(tmp_path: Path) -> None:
    first = ENTRIES.format(name="one", constant=1)
    (package(tmp_path) / "both.py").write_text(first + ENTRIES.format(name="two", constant=2))
    # none when they are imported; then the values, modules of machine code, found in the cache, not found
    assert said_by(tmp_path, BOTH).splitlines() == ["", "72 71 1 0 1"]
    assert said_by(tmp_path, BOTH).splitlines() == ["", "72 71 1 1 0"]


READY = """
import sys
import structgen.base.native.inner_functions, structgen.one
{before}
print(structgen.one.one(10), "numba.np.npyimpl" in sys.modules)
"""


def test_the_compiler_is_made_ready_only_for_what_is_compiled_or_calls_what_it_brings(tmp_path: Path) -> None:
    (package(tmp_path) / "one.py").write_text(ENTRIES.format(name="one", constant=1))
    unknown = "structgen.base.native.inner_functions.llvm.address_of_symbol = lambda name: None"
    codes = [READY.format(before=before) for before in ("", "", unknown)]
    found = [said_by(tmp_path, code, ahead=forked.NUMBA) for code in codes]
    assert found == ["71 True\n", "71 False\n", "71 True\n"]


RAISING = """
from structgen.base.native.jit import entry

@entry("int64(int64[::1], int64)")
def taken(numbers, at):
    copied = numbers.copy()
    if at < 0:
        raise ValueError("below")
    return copied[at]
"""
CAUGHT = """
import gc, numpy, structgen.taken
def said(at):
    try:
        return structgen.taken.taken(numpy.array([3, 1, 2]), at)
    except ValueError as error:
        return error
found = said(1)
gc.collect()
print(found, said(-1), sum(structgen.taken.taken.stats.cache_hits.values()))
"""


def test_what_is_kept_allocates_and_raises_too(tmp_path: Path) -> None:
    (package(tmp_path) / "taken.py").write_text(RAISING)
    assert [said_by(tmp_path, CAUGHT) for _ in range(2)] == ["1 below 0\n", "1 below 1\n"]


def test_entry_points_with_other_values_around_them_are_others() -> None:
    def made(value: int) -> Any:
        @entry("int64(int64)")
        def plus(x: int) -> int:
            return x + value

        return plus

    assert [made(value)(1) for value in (1, 2, 1)] == [2, 3, 2]


def test_threads_that_call_first_at_once_are_answered(chain: tuple[Any, ...]) -> None:
    first = entry("int64(int64)")(chain[2])
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(first, range(8))) == [7 * x + 1 for x in range(8)]


def test_compiled_code_cannot_call_an_entry_point(chain: tuple[Any, ...]) -> None:
    first = entry("int64(int64)")(chain[2])

    @jit
    def user(x: int) -> int:
        return int(first(x))

    @entry("int64(int64)")
    def outer(x: int) -> int:
        return int(user(x))

    with pytest.raises(TypeError, match="is an entry point"):
        outer(1)


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

"""The decorators `jit` and `entry` mark functions that are compiled. Nothing is compiled here, without numba.

- An *inner* function (`jit`) is called by compiled code only. Python still calls the Python function.
- An *entry point* (`entry`) is called by Python. The decorator returns a builtin function of CPython.
- A *symbol* is the name of an entry point in machine code: its module and its qualified name.
- A *unit* is what is compiled together: a module, or one entry point that was made inside a function.

The machine code of a symbol comes from the shared library of a wheel, or from an object file that numba makes
at the first call (`machine_code`). For example, `@entry("int64(int64)")` takes an integer and returns one.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from types import FunctionType
from typing import Any, Final, ParamSpec, TypeVar, cast

import numpy as np

from structgen.base.native.machine_code import library_address, object_addresses
from structgen.base.native.noted_functions import ENTRIES, INNER, INSTRUCTIONS, Entry, Method

P = ParamSpec("P")
R = TypeVar("R")


_methods: Final[list[Method]] = []
"""The method definitions. CPython refers to them, so they must stay in memory."""
_numbers: Final = count()
"""The numbers of entry points that are made inside functions."""
_FASTCALL: Final = 0x80
"""METH_FASTCALL: the function gets its arguments as an array of objects, and their number."""
_builtin = ctypes.pythonapi.PyCFunction_NewEx
_builtin.restype, _builtin.argtypes = ctypes.py_object, [ctypes.c_void_p] * 3


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function that compiled code calls, and return it. Python goes on calling the function itself."""
    INNER[function] = {}
    return function


def loose(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function as `jit` does, and let the compiler reorder its sums, so that they vectorise.

    The order is fixed when the function is compiled: it is the same in each call and for each caller.
    """
    INNER[function] = {"fastmath": {"reassoc", "contract"}}
    return function


def instructions_in(module: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for a function that compiled code calls, and whose instructions are written by hand.

    `module`: the module that has a function of the same name, which writes the instructions by numba's means.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        """Note the function and its module; return the function."""
        INSTRUCTIONS[cast(FunctionType, function)] = module
        return function

    return decorate


def copied(*functions: Callable[..., Any]) -> dict[str, Any]:
    """Return the globals of the functions' module, with a copy of each function marked as by `jit`.

    The copies call each other. The functions themselves stay Python's, and compute with integers of any size.
    """
    names = dict(functions[0].__globals__)
    for function in functions:
        names[function.__name__] = jit(FunctionType(function.__code__, names, function.__name__))
    return names


def entry(signature: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Return a decorator that makes an entry point, which Python calls. `signature`: its types, as numba's.

    An entry point takes integers, floats, and arrays in the order of C. It returns an integer, None, an
    array, or a tuple of these. The interpreter lock is released while it runs. It raises TypeError for other
    arguments, and MemoryError. Cost of a call: 70 ns, and 60 ns for each array.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        """Note the function as an entry point, and return the builtin that calls its code."""
        symbol, unit = f"{function.__module__}.{function.__qualname__}", function.__module__
        if "<locals>" in symbol:  # made inside a function: there may be many of this name
            symbol = unit = f"{symbol}.{next(_numbers)}"
        method = Method(symbol.encode(), None, _FASTCALL, None)
        _methods.append(method)
        entry_point = Entry(symbol, function, signature, method)
        ENTRIES[unit][symbol] = entry_point
        method.code = library_address(symbol)
        call = _builtin(ctypes.addressof(method), None, None)
        if not method.code:
            call = _load_at_first_call(unit, entry_point, call)
        # the type that is returned: before ")(" for a tuple, "Tuple((...))(...)", else before "("
        return_kind = (
            signature[: signature.index(")(") + 1] if ")(" in signature else signature.partition("(")[0]
        )
        return cast(Callable[..., R], _with_arrays(call, return_kind) if "[" in return_kind else call)

    return decorate


def _load_at_first_call(unit: str, entry: Entry, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes or loads the code of its unit at the first call, and calls `call`."""

    def call_code(*arguments: Any) -> Any:
        """Load the code where needed, and call it."""
        if not entry.method.code:
            load(unit)
            # a module that is imported again, after an import that failed, has another entry of this name
            entry.method.code = ENTRIES[unit][entry.symbol].method.code
        return call(*arguments)

    call_code.__name__ = call.__name__
    return call_code


def load(unit: str) -> None:
    """Load the code of all entry points of a unit, after it was compiled where needed.

    Raises StructgenError where the code has to be compiled, and numba is not installed.
    """
    entries = ENTRIES[unit]
    if not all(entry.method.code for entry in entries.values()):
        for entry, code in zip(entries.values(), object_addresses(unit, entries), strict=True):
            entry.method.code = code


def load_all() -> None:
    """Load the code of all modules of the package that are imported (`load`)."""
    for unit in [*ENTRIES]:
        if unit.startswith("structgen."):
            load(unit)


@cache
def code_of(function: Any) -> int:
    """Return the address of the code of an entry point.

    Compiled code of other modules calls it by this address (`raw_memory.call2`).
    """
    symbol = function.__name__
    unit = symbol if symbol in ENTRIES else symbol.rpartition(".")[0]
    return library_address(f"{symbol}.code") or object_addresses(unit, [f"{symbol}.code"])[0]


_KIND: Final = re.compile(r"Tuple\(\(|\)\)|\w+(?:\[[^]]*\])?")
"""The parts of a return type: `Tuple((`, `))`, and each type, with axes in an array's: `int64[:,::1]`."""


def _with_arrays(call: Callable[..., Any], return_kind: str) -> Callable[..., Any]:
    """Return a function that calls `call` and makes arrays of the bytes that it returns.

    `return_kind`: the type of the answer, e.g. `int64[::1]`. `call` returns one flat tuple: an integer for
    an integer; for an array a bytearray and the lengths of its axes.
    """
    kinds = _KIND.findall(return_kind)

    def call_code(*arguments: Any) -> Any:
        """Call the code, and return its answer with arrays."""
        return next(_values_of_tuple(iter(kinds), iter(call(*arguments))))

    call_code.__name__ = call.__name__
    return call_code


def _values_of_tuple(kinds: Iterator[str], parts: Iterator[Any]) -> Iterator[Any]:
    """Yield the values of a tuple, up to the end of `kinds` or the next `))`.

    `kinds`: the parts of the return type (`_KIND`); `parts`: the flat tuple of the call (`_with_arrays`).
    """
    for kind in kinds:
        name, _, axes = kind.partition("[")
        if kind == "))":
            return
        if kind == "Tuple((":
            yield tuple(_values_of_tuple(kinds, parts))
        elif axes:
            items = next(parts)
            yield np.ndarray([next(parts) for _ in axes.split(",")], name, items)
        else:
            yield next(parts)

"""`jit` and `entry`: functions of compiled code. Nothing here compiles, and nothing needs numba.

`jit` notes a function that only compiled code calls. `entry` gives back what Python calls: a builtin function
of CPython, made from an address. The address is found by a name: in the shared library that a wheel has, or
in an object file that numba makes at the first call (`machine_code`).
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
"""CPython does not copy them."""
_numbers: Final = count()
_FASTCALL: Final = 0x80
_builtin = ctypes.pythonapi.PyCFunction_NewEx
_builtin.restype, _builtin.argtypes = ctypes.py_object, [ctypes.c_void_p] * 3


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function compiled that compiled code calls. Python goes on calling the function itself."""
    INNER[function] = {}
    return function


def loose(function: Callable[P, R]) -> Callable[P, R]:
    """Do as `jit` for a function whose sums may be reordered, so that they vectorise. The order is fixed when
    it is compiled, and so the same in each call and for each caller."""
    INNER[function] = {"fastmath": {"reassoc", "contract"}}
    return function


def instructions_in(module: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for a function that compiled code calls, and whose instructions the function of its
    name in a module writes by numba's means."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        INSTRUCTIONS[cast(FunctionType, function)] = module
        return function

    return decorate


def copied(*functions: Callable[..., Any]) -> dict[str, Any]:
    """Return the names of a module with copies of some of its functions under theirs, compiled as by `jit`.

    The copies call each other. The functions themselves stay Python's, and run over integers of any size.
    """
    names = dict(functions[0].__globals__)
    for function in functions:
        names[function.__name__] = jit(FunctionType(function.__code__, names, function.__name__))
    return names


def entry(signature: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Return a decorator for an entry point, which Python calls: compiled for one signature of numba's.

    It takes integers, floats, and arrays in the order of C; it answers an integer, nothing, an array, or a
    tuple of them. The interpreter lock is released while it runs. Raises TypeError for other arguments, and
    MemoryError. Cost of a call: 70 ns, and 60 ns for each array.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        symbol, unit = f"{function.__module__}.{function.__qualname__}", function.__module__
        if "<locals>" in symbol:
            symbol = unit = f"{symbol}.{next(_numbers)}"
        method = Method(symbol.encode(), None, _FASTCALL, None)
        _methods.append(method)
        entry_point = Entry(symbol, function, signature, method)
        ENTRIES[unit][symbol] = entry_point
        method.code = library_address(symbol)
        call = _builtin(ctypes.addressof(method), None, None)
        if not method.code:
            call = _load_at_first_call(unit, entry_point, call)
        return_kind = (
            signature[: signature.index(")(") + 1] if ")(" in signature else signature.partition("(")[0]
        )
        return cast(Callable[..., R], _with_arrays(call, return_kind) if "[" in return_kind else call)

    return decorate


def _load_at_first_call(unit: str, entry: Entry, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that has the code of its module made or loaded when it is called first."""

    def call_code(*arguments: Any) -> Any:
        if not entry.method.code:
            load(unit)
            # a module that is imported again, after an exception cut it off, has another entry of this name
            entry.method.code = ENTRIES[unit][entry.symbol].method.code
        return call(*arguments)

    call_code.__name__ = call.__name__
    return call_code


def load(unit: str) -> None:
    """Have the code of a module's entry points in memory. Raises StructgenError where it has to be compiled,
    and numba is not installed."""
    entries = ENTRIES[unit]
    if not all(entry.method.code for entry in entries.values()):
        for entry, code in zip(entries.values(), object_addresses(unit, entries), strict=True):
            entry.method.code = code


def load_all() -> None:
    """Do as `load` for all modules of the package that are imported."""
    for unit in [*ENTRIES]:
        if unit.startswith("structgen."):
            load(unit)


@cache
def code_of(function: Any) -> int:
    """Return the address of the code of an entry point, which compiled code of other modules may call
    (`raw_memory.call2`)."""
    symbol = function.__name__
    unit = symbol if symbol in ENTRIES else symbol.rpartition(".")[0]
    return library_address(f"{symbol}.code") or object_addresses(unit, [f"{symbol}.code"])[0]


_KIND: Final = re.compile(r"Tuple\(\(|\)\)|\w+(?:\[[^]]*\])?")


def _with_arrays(call: Callable[..., Any], return_kind: str) -> Callable[..., Any]:
    """Return a function that makes arrays of the bytes that a call answers."""
    kinds = _KIND.findall(return_kind)

    def call_code(*arguments: Any) -> Any:
        return next(_values_of_tuple(iter(kinds), iter(call(*arguments))))

    call_code.__name__ = call.__name__
    return call_code


def _values_of_tuple(kinds: Iterator[str], parts: Iterator[Any]) -> Iterator[Any]:
    """Yield the values of some types, up to the end of their tuple."""
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

"""Notes of `jit` and `entry` about compiled functions, for whoever compiles them or looks for their code."""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final, NamedTuple


class Method(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("code", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class Entry(NamedTuple):
    """A function that Python calls. `method` has the address of its code, once that is known."""

    symbol: str
    function: Callable[..., Any]
    signature: str
    method: Method


INNER: Final[dict[Callable[..., Any], dict[str, Any]]] = {}
"""The functions that only compiled code calls, each with numba's options."""
INSTRUCTIONS: Final[dict[FunctionType, str]] = {}
"""The functions whose instructions a function of the same name in a module writes."""
ENTRIES: Final = defaultdict[str, dict[str, Entry]](dict)
"""The entry points of each module, by their symbols. One that is made inside a function is a module of its
own: there may be many of the same name."""

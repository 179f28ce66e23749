"""Work of numba's that changes nothing for our functions, left out while they are compiled.

Typing and lowering are numba's Python, and a profile of it has parts that are done anew for each function or
each variable, and that nothing reads (docs/decisions/109-a-shorter-first-use.md).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

from numba.core import config, errors, event, lowering, types
from numba.core.interpreter import Interpreter
from numba.core.postproc import PostProcessor, VariableLifetime
from numba.core.transforms import canonicalize_cfg
from numba.core.types.misc import unliteral

_known: dict[tuple[int, tuple[Any, ...]], tuple[Any, Any]] = {}
"""For a function of numba by its identity and types of arguments: the function, and how it is called."""
_BLIND = {function for function in vars(operator).values() if callable(function)} - {
    operator.getitem,
    operator.setitem,
}
"""Operators to which a constant integer is one like others."""


@contextmanager
def replaced(*places: tuple[Any, str, Any]) -> Iterator[None]:
    """Have other values stand in some attributes inside the block: (owner, name, value)."""
    before = [(owner, name, vars(owner).get(name, replaced)) for owner, name, _ in places]
    for owner, name, value in places:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            if value is replaced:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def spared(target: Any) -> Any:
    """Return a context manager. Inside its block numba skips the work that is listed here. The caller holds
    numba's lock. `target`: numba's target context of the processor.

    - The types of a call of a function of numba are worked out once for each kind of arguments: `a + 1` went
      through all that adds anything (a fifth of a compilation). So is the size of a type.
    - Which variables live in a block is worked out where the last pass asks, and not after each pass.
    - Events of calls of LLVM are sent only where somebody listens. Errors that are caught have no colours,
      and errors of lowering have no line. Warnings are not collected for each statement, the environment is
      not read for each function, and code is not searched for `with` and `**`.
    """
    nothing = nullcontext()
    colours = getattr(errors, "HighlightColorScheme", None)
    return replaced(
        (target.typing_context, "resolve_function_type", _remembering(target.typing_context)),
        (target, "get_abi_sizeof", cache(target.get_abi_sizeof)),
        (PostProcessor, "run", _in_shape),
        (lowering, "new_error_context", lambda *_, **__: nothing),
        (vars(errors)["WarningsFixer"], "catch_warnings", lambda *_, **__: nothing),
        (Interpreter, "post_process", lambda _self, _peepholes, func_ir: func_ir),
        (config, "reload_config", lambda: None),
        *((event, name, _to_listeners(getattr(event, name))) for name in ("start_event", "end_event")),
        *([(colours, "_markup", lambda _self, text, *_: text)] if colours else []),
    )


def _remembering(context: Any) -> Callable[[Any, Any, Any], Any]:
    """Return a `resolve_function_type` that keeps its answers, by function and types of arguments."""
    resolve = context.resolve_function_type

    def resolved(function: Any, arguments: Any, named: Any) -> Any:
        target = function if isinstance(function, types.Type) else context._lookup_global(function)
        types_of = tuple(arguments)
        if function in _BLIND and all(isinstance(kind, types.Integer | types.Literal) for kind in types_of):
            types_of = tuple(map(unliteral, types_of))
        if named or not isinstance(target, types.Function):
            return resolve(function, arguments, named)
        key = id(target), types_of
        if key not in _known:
            _known[key] = target, resolve(function, types_of, named)
        return _known[key][1]

    return resolved


_run = PostProcessor.run


def _in_shape(process: Any, emit_dels: bool = False, extend_lifetimes: bool = False) -> None:
    """Put the blocks of a function in numba's form (`PostProcessor.run`)."""
    function = process.func_ir
    if emit_dels or function.is_generator:
        _run(process, emit_dels, extend_lifetimes)
        return
    function.blocks = canonicalize_cfg(function.blocks)
    function.variable_lifetime = VariableLifetime(function.blocks)  # worked out when it is read
    function.generator_info = None


def _to_listeners(tell: Callable[..., None]) -> Callable[..., None]:
    """Return what tells of an event, where somebody listens."""
    return lambda kind, *rest, **more: tell(kind, *rest, **more) if event._registered[kind] else None

"""The functions by which Python calls compiled code, and the memory of its arrays, as modules of LLVM's.

CPython calls a wrapper with its arguments as objects (METH_FASTCALL). The wrapper reads integers, floats, and
arrays through the buffer protocol; it releases the interpreter lock, calls the compiled code, and makes
objects of the answer. It needs the stable ABI of Python 3.11 alone, so that one binary serves each Python.

Compiled code has no `raise`. It ends with a status: 0, or another where the system has no memory, which
becomes MemoryError (under `checked`, DeadMemoryError). No symbol of data is used, such as PyExc_TypeError:
where numba is at work, its symbols of these names mean something else to LLVM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from llvmlite import ir
from numba.core import types

from structgen.base.native.addresses import CHECKED, FAULT
from structgen.base.native.checked import DeadMemoryError

_BYTE, _INT, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_ANY: Final = _BYTE.as_pointer()
_WORDS: Final = _WORD.as_pointer()
_VIEW: Final = ir.LiteralStructType([_ANY, _ANY, _WORD, _WORD, _INT, _INT, _ANY, _WORDS, _WORDS, _ANY, _ANY])
"""Py_buffer."""
_MEMORY, _BYTES, _ITEM, _AXES, _SHAPE = 0, 2, 3, 5, 7
"""Its fields that are read."""
_CONTIGUOUS: Final = 8
"""PyBUF_ND: items in the order of C, with a shape."""
_HEAD: Final = 48
"""Bytes of the header of an array's memory (numba/core/runtime/nrt.cpp): how many refer to it, ..., the
address of the items, their bytes."""


def write_runtime(module: ir.Module) -> None:
    """Write the functions by which numba's code allocates arrays and frees them."""

    def begin(name: str, returned: Any, *kinds: Any) -> tuple[ir.IRBuilder, Sequence[Any]]:
        function = ir.Function(module, ir.FunctionType(returned, kinds), name)
        return ir.IRBuilder(function.append_basic_block()), function.args

    builder, (size,) = begin("NRT_Allocate", _ANY, _WORD)
    builder.ret(_call(builder, "malloc", _ANY, size))
    for name in ("NRT_Free", "NRT_MemInfo_call_dtor"):
        builder, (start,) = begin(name, ir.VoidType(), _ANY)
        _call(builder, "free", ir.VoidType(), start)
        builder.ret_void()
    builder, (size, align) = begin("NRT_MemInfo_alloc_aligned", _ANY, _WORD, _INT)
    align = builder.zext(align, _WORD)
    start = _call(builder, "malloc", _ANY, builder.add(builder.add(size, align), _WORD(_HEAD)))
    with builder.if_then(builder.icmp_unsigned("!=", start, _ANY(None))):
        last = builder.add(builder.add(builder.ptrtoint(start, _WORD), _WORD(_HEAD)), align)
        head = builder.bitcast(start, _WORDS)
        items = builder.and_(last, builder.neg(align))
        for word, value in ((0, _WORD(1)), (3, items), (4, size)):
            builder.store(value, builder.gep(head, [_WORD(word)]))
    builder.ret(start)


def write_wrapper(
    module: ir.Module, name: str, function: ir.FunctionType, arguments: Sequence[Any], returned: Any
) -> None:
    """Write the function by which Python calls an entry point.

    `name`: of the function; the compiled code is `name.code`, of the type `function`. `arguments`,
    `returned`: numba's types. An array is answered as a bytearray and the lengths of its axes; a tuple as one
    flat tuple of all that stands in it.
    """
    code = ir.Function(module, function, f"{name}.code")
    wrapper = ir.Function(module, ir.FunctionType(_ANY, [_ANY, _ANY.as_pointer(), _WORD]), name)
    builder = ir.IRBuilder(wrapper.append_basic_block())
    error = builder.alloca(function.args[1].pointee)
    room = builder.alloca(function.args[0].pointee)
    views = {number: builder.alloca(_VIEW) for number, kind in enumerate(arguments) if _is_array(kind)}
    for view in views.values():
        builder.store(ir.Constant(_VIEW, None), view)

    def leave(answer: Any = None) -> None:
        for view in views.values():
            _call(builder, "PyBuffer_Release", ir.VoidType(), builder.bitcast(view, _ANY))
        builder.ret(_ANY(None) if answer is None else answer)

    _, given, count = wrapper.args
    with builder.if_then(builder.icmp_signed("!=", count, _WORD(len(arguments))), likely=False):
        _call(builder, "PyErr_BadArgument", _INT)
        leave()
    values: list[Any] = []
    for number, kind in enumerate(arguments):
        one = builder.load(builder.gep(given, [_WORD(number)]))
        if not _is_array(kind):
            values.append(_number(builder, one, function.args[2 + len(values)]))
            continue
        view = views[number]
        flags = _INT(_CONTIGUOUS)
        status = _call(builder, "PyObject_GetBuffer", _INT, one, builder.bitcast(view, _ANY), flags)
        with builder.if_then(builder.icmp_signed("!=", status, _INT(0)), likely=False):
            leave()
        axes, item = _field(builder, view, _AXES), _field(builder, view, _ITEM)
        size = kind.dtype.bitwidth // 8 if hasattr(kind.dtype, "bitwidth") else 1
        fits = builder.and_(
            builder.icmp_signed("==", axes, _INT(kind.ndim)), builder.icmp_signed("==", item, _WORD(size))
        )
        with builder.if_then(builder.not_(fits), likely=False):
            _call(builder, "PyErr_BadArgument", _INT)
            leave()
        values += _array(builder, view, kind.ndim, size, function.args[2 + len(values) :])
    raised = builder.icmp_unsigned("!=", _call(builder, "PyErr_Occurred", _ANY), _ANY(None))
    with builder.if_then(raised, likely=False):
        leave()
    thread = _call(builder, "PyEval_SaveThread", _ANY)
    status = builder.call(code, [room, error, *values])
    _call(builder, "PyEval_RestoreThread", ir.VoidType(), thread)
    with builder.if_then(builder.icmp_signed("!=", status, _INT(0)), likely=False):
        if CHECKED:  # made in memory and never kept: it may hold the address of a class
            place = builder.load(builder.inttoptr(_WORD(FAULT - 8), _ANY.as_pointer()))
            kind = builder.inttoptr(_WORD(id(DeadMemoryError)), _ANY)
            _call(builder, "PyErr_SetString", ir.VoidType(), kind, place)
        else:
            _call(builder, "PyErr_NoMemory", _ANY)
        leave()
    if isinstance(returned, types.Integer):
        leave(_call(builder, "PyLong_FromLongLong", _ANY, builder.load(room)))
        return
    parts = [] if isinstance(returned, types.NoneType) else list(_parts(builder, builder.load(room), returned))
    spelled = "".join("L" if part.type == _WORD else "N" for part in parts)
    form = _text(builder, f"({spelled})" if spelled else "")
    leave(builder.call(_declared(module, "Py_BuildValue", _ANY, [_ANY], True), [form, *parts]))


def _is_array(kind: Any) -> bool:
    return isinstance(kind, types.Array)


def _declared(module: ir.Module, name: str, returned: Any, kinds: Iterable[Any], more: bool = False) -> Any:
    known = module.globals.get(name)
    return known or ir.Function(module, ir.FunctionType(returned, list(kinds), more), name)


def _call(builder: ir.IRBuilder, name: str, returned: Any, *arguments: Any) -> Any:
    """Call a function of the process; return what it answers."""
    kinds = [argument.type for argument in arguments]
    return builder.call(_declared(builder.module, name, returned, kinds), arguments)


def _text(builder: ir.IRBuilder, text: str) -> Any:
    """Return the address of a text that ends with a zero byte."""
    data = text.encode() + b"\0"
    kind = ir.ArrayType(_BYTE, len(data))
    held = ir.GlobalVariable(builder.module, kind, builder.module.get_unique_name("text"))
    held.linkage, held.global_constant, held.initializer = "internal", True, kind(bytearray(data))
    return builder.bitcast(held, _ANY)


def _number(builder: ir.IRBuilder, given: Any, kind: Any) -> Any:
    """Return the number that an object is; an exception is set where it is none."""
    if not isinstance(kind, ir.IntType):
        number = _call(builder, "PyFloat_AsDouble", ir.DoubleType(), given)
        return number if kind == ir.DoubleType() else builder.fptrunc(number, kind)
    number = _call(builder, "PyLong_AsLongLong", _WORD, given)
    return number if kind == _WORD else builder.trunc(number, kind)


def _field(builder: ir.IRBuilder, view: Any, field: int) -> Any:
    return builder.load(builder.gep(view, [_INT(0), _INT(field)]))


def _array(builder: ir.IRBuilder, view: Any, axes: int, size: int, kinds: Sequence[Any]) -> list[Any]:
    """Return what stands for an array in numba's convention: its owner and its parent (none), how many items
    there are, the bytes of one, the first, the lengths of the axes, and their steps in bytes."""
    shape = _field(builder, view, _SHAPE)
    lengths = [builder.load(builder.gep(shape, [_WORD(axis)])) for axis in range(axes)]
    steps = [_WORD(size)]
    for length in reversed(lengths[1:]):
        steps.insert(0, builder.mul(steps[0], length))
    items = builder.udiv(_field(builder, view, _BYTES), _WORD(size))
    first = builder.bitcast(_field(builder, view, _MEMORY), kinds[4])
    return [kinds[0](None), kinds[1](None), items, _WORD(size), first, *lengths, *steps]


def _parts(builder: ir.IRBuilder, value: Any, kind: Any) -> Iterator[Any]:
    """Yield what `Py_BuildValue` takes for an answer: integers, and bytearrays of arrays, which are freed."""
    if isinstance(kind, types.BaseTuple):
        for number, inner in enumerate(kind):
            yield from _parts(builder, builder.extract_value(value, number), inner)
    elif isinstance(kind, types.Array):
        owner, items, size, first, shape = (builder.extract_value(value, field) for field in (0, 2, 3, 4, 5))
        length = builder.mul(items, size)
        first = builder.bitcast(first, _ANY)
        yield _call(builder, "PyByteArray_FromStringAndSize", _ANY, first, length)
        _call(builder, "NRT_MemInfo_call_dtor", ir.VoidType(), owner)
        yield from (builder.extract_value(shape, axis) for axis in range(kind.ndim))
    else:
        yield value

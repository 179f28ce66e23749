"""`wrapper_of` writes the function by which Python calls an entry point, as text of LLVM's language.

- An *entry point* is compiled code that Python calls. The *wrapper* is the C function that CPython calls.
- A *view* is CPython's description of an array's memory (Py_buffer).
- The *room* is memory for the answer, as 64-bit words: an integer takes one word; an array takes five, and
  two for each axis.
- The *form* is the format of `Py_BuildValue`: "L" is an integer, "N" an object. For a vector it is "(NL)".

CPython calls a wrapper with its arguments as objects (METH_FASTCALL). The wrapper reads integers and floats,
and arrays through the buffer protocol. It releases the interpreter lock, calls the compiled code, and makes
objects of the answer. It needs only the stable ABI of Python 3.11, so one binary serves each later Python.

Compiled code has no `raise`. It returns a status: 0, or another where the system has no memory, which becomes
MemoryError (under STRUCTGEN_CHECKED, DeadMemoryError). Symbols of data, such as PyExc_TypeError, are not
used: where numba is at work, these names mean something else to LLVM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llvmlite import ir
from numba.core import types

from structgen.base.native.addresses import CHECKED, FAULT

RUNTIME: Final = """
declare ptr @malloc(i64)
declare void @free(ptr)
declare i32 @PyErr_BadArgument()
declare ptr @PyErr_NoMemory()
declare void @PyErr_SetString(ptr, ptr)
declare ptr @PyErr_Occurred()
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare i64 @PyLong_AsLongLong(ptr)
declare double @PyFloat_AsDouble(ptr)
declare i32 @PyObject_GetBuffer(ptr, ptr, i32)
declare void @PyBuffer_Release(ptr)
declare ptr @PyByteArray_FromStringAndSize(ptr, i64)
declare ptr @Py_BuildValue(ptr, ...)
define ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align) {
  %wide = zext i32 %align to i64
  %more = add i64 %wide, 48
  %whole = add i64 %size, %more
  %start = call ptr @malloc(i64 %whole)
  %failed = icmp eq ptr %start, null
  br i1 %failed, label %out, label %made
made:
  %address = ptrtoint ptr %start to i64
  %last = add i64 %address, %more
  %mask = sub i64 0, %wide
  %items = and i64 %last, %mask
  %to_items = getelementptr i64, ptr %start, i64 3
  %to_size = getelementptr i64, ptr %start, i64 4
  store i64 1, ptr %start
  store i64 %items, ptr %to_items
  store i64 %size, ptr %to_size
  br label %out
out:
  ret ptr %start
}
define void @NRT_MemInfo_call_dtor(ptr %start) {
  call void @free(ptr %start)
  ret void
}
define ptr @NRT_Allocate(i64 %size) {
  %start = call ptr @malloc(i64 %size)
  ret ptr %start
}
define void @NRT_Free(ptr %start) {
  call void @free(ptr %start)
  ret void
}
"""
"""The text at the head of each module of machine code: CPython's functions, and the memory of numba's arrays.
An array has a header before its items (numba/core/runtime/nrt.cpp): the number of references, two words, the
address of the items, their bytes. The 48 bytes hold these five words, and one more."""

_WRAPPER = """
define ptr @"{name}"(ptr %own, ptr %args, i64 %given) {{
  %answer = alloca ptr
  %error = alloca ptr
  %room = alloca [{room} x i64]
  store ptr null, ptr %answer
{views}
  %exact = icmp eq i64 %given, {count}
  br i1 %exact, label %read0, label %bad
bad:
  call i32 @PyErr_BadArgument()
  br label %out
{read}
read{count}:
  %raised = call ptr @PyErr_Occurred()
  %good = icmp eq ptr %raised, null
  br i1 %good, label %run, label %out
run:
  %thread = call ptr @PyEval_SaveThread()
  %status = call i32 @"{name}.code"({passed})
  call void @PyEval_RestoreThread(ptr %thread)
  %done = icmp eq i32 %status, 0
  br i1 %done, label %make, label %failed
failed:
{failed}
  br label %out
make:
{parts}
  %made = call ptr (ptr, ...) @Py_BuildValue(ptr @"{name}.form"{built})
  store ptr %made, ptr %answer
  br label %out
out:
{release}
  %object = load ptr, ptr %answer
  ret ptr %object
}}
@"{name}.form" = private constant [{size} x i8] c"{form}\\00"
declare i32 @"{name}.code"({kinds})
"""
"""The text of a wrapper. `wrapper_of` fills the parts in braces. The blocks `read0`, `read1`, ... read one
argument each; `out` is reached in any case."""
_VIEW = """
  %view{n} = alloca [10 x i64]
  store [10 x i64] zeroinitializer, ptr %view{n}"""
"""A Py_buffer. Word 0: the address of the items. Word 3: the bytes of one item. The upper half of word 4 (the
32-bit word 9): the number of axes. Word 6: the address of the lengths of the axes."""
_READ = """
read{n}:
  %at{n} = getelementptr ptr, ptr %args, i64 {n}
  %given{n} = load ptr, ptr %at{n}
{value}
  br label %read{next}"""
"""Reads argument n. `value`: _INTEGER, _FLOAT or _ARRAY."""
_INTEGER = """\
  %whole{n} = call i64 @PyLong_AsLongLong(ptr %given{n})
  %cut{n} = trunc i64 %whole{n} to i8"""
"""An integer, as 64 bits and as 8 bits (a bool)."""
_FLOAT = """\
  %double{n} = call double @PyFloat_AsDouble(ptr %given{n})
  %float{n} = fptrunc double %double{n} to float"""
"""A float of 32 bits."""
_ARRAY = """\
  %status{n} = call i32 @PyObject_GetBuffer(ptr %given{n}, ptr %view{n}, i32 8)
  %got{n} = icmp eq i32 %status{n}, 0
  br i1 %got{n}, label %check{n}, label %out
check{n}:
  %to_item{n} = getelementptr i64, ptr %view{n}, i64 3
  %to_axes{n} = getelementptr i32, ptr %view{n}, i64 9
  %to_shape{n} = getelementptr i64, ptr %view{n}, i64 6
  %item{n} = load i64, ptr %to_item{n}
  %axes{n} = load i32, ptr %to_axes{n}
  %shape{n} = load ptr, ptr %to_shape{n}
  %first{n} = load ptr, ptr %view{n}
  %sized{n} = icmp eq i64 %item{n}, {item}
  %shaped{n} = icmp eq i32 %axes{n}, {axes}
  %fits{n} = and i1 %sized{n}, %shaped{n}
  br i1 %fits{n}, label %open{n}, label %bad
open{n}:
  %step{n}.{axes} = add i64 0, {item}
  %items{n}.0 = add i64 0, 1"""
"""An array: its view is taken (8: PyBUF_ND, its shape and no steps), and its items and axes are checked."""
_AXIS = """
  %to{n}.{axis} = getelementptr i64, ptr %shape{n}, i64 {axis}
  %length{n}.{axis} = load i64, ptr %to{n}.{axis}
  %items{n}.{next} = mul i64 %items{n}.{axis}, %length{n}.{axis}"""
"""The length of an axis, and the number of items of all axes so far."""
_STEP = """
  %step{n}.{axis} = mul i64 %step{n}.{next}, %length{n}.{axis}"""
"""The step of an axis in bytes: that of the next axis, times its length."""
_WORD = """
  %to_word{at} = getelementptr i64, ptr %room, i64 {at}
  %word{at} = load i64, ptr %to_word{at}"""
"""Reads a word of the room."""
_BYTES = """
  %first.{at} = inttoptr i64 %word{first} to ptr
  %owner.{at} = inttoptr i64 %word{at} to ptr
  %bytes.{at} = mul i64 %word{items}, %word{item}
  %held.{at} = call ptr @PyByteArray_FromStringAndSize(ptr %first.{at}, i64 %bytes.{at})
  call void @free(ptr %owner.{at})"""
"""Makes a bytearray of the items of an answered array, and frees the array."""
_FAILED: Final = (
    f"""\
  %place = load ptr, ptr inttoptr (i64 {FAULT - 8} to ptr)
  %kind = load ptr, ptr inttoptr (i64 {FAULT - 16} to ptr)
  call void @PyErr_SetString(ptr %kind, ptr %place)"""
    if CHECKED
    else "  call ptr @PyErr_NoMemory()"
)


def wrapper_of(name: str, function: Any, arguments: Sequence[Any], return_type: Any) -> str:
    """Return the wrapper of an entry point, as text of LLVM's language.

    `name`: the name of the wrapper; the compiled code has the name `name.code`. `function`: llvmlite's type
    of that code. `arguments`, `return_type`: numba's types. The wrapper returns an array as a bytearray and
    the lengths of its axes, and a tuple, nested or not, as one flat tuple.
    """
    kinds = ["ptr" if isinstance(kind, ir.PointerType) else str(kind) for kind in function.args]
    views, reads, arguments_passed, release = "", "", ["%room", "%error"], ""
    # An array is passed as numba does: two null pointers, the number of items, the bytes of one, the address
    # of the first, the length of each axis, the step of each axis in bytes.
    for n, kind in enumerate(arguments):
        value = _FLOAT if isinstance(kind, types.Float) else _INTEGER
        if isinstance(kind, types.Array):
            axes, item = kind.ndim, getattr(kind.dtype, "bitwidth", 8) // 8
            views += _VIEW.format(n=n)
            release += f"\n  call void @PyBuffer_Release(ptr %view{n})"
            value = _ARRAY.format(n=n, axes=axes, item=item)
            value += "".join(_AXIS.format(n=n, axis=axis, next=axis + 1) for axis in range(axes))
            value += "".join(_STEP.format(n=n, axis=axis, next=axis + 1) for axis in range(axes - 1, 0, -1))
            arguments_passed += ["null", "null", f"%items{n}.{axes}", f"%item{n}", f"%first{n}"]
            arguments_passed += [f"%length{n}.{axis}" for axis in range(axes)]
            arguments_passed += [f"%step{n}.{axis}" for axis in range(1, axes + 1)]
        else:
            names = {"i64": "whole", "i8": "cut", "float": "float"}
            arguments_passed.append(f"%{names[kinds[len(arguments_passed)]]}{n}")
        reads += _READ.format(n=n, next=n + 1, value=value.format(n=n))
    form, parts, built, room = _answer_code(return_type)
    return _WRAPPER.format(
        name=name,
        room=room,
        views=views,
        count=len(arguments),
        read=reads,
        passed=", ".join(map(" ".join, zip(kinds, arguments_passed, strict=True))),
        failed=_FAILED,
        parts=parts,
        built=built,
        release=release,
        form=form,
        size=len(form) + 1,
        kinds=", ".join(kinds),
    )


def _answer_code(return_type: Any) -> tuple[str, str, str, int]:
    """Return how the wrapper makes its answer, in four parts.

    They are the form of `Py_BuildValue`, the code before that call, the arguments of the call, and the number
    of words that the answer takes in the room.
    """
    form, parts, built, at = "", "", "", 0
    waiting = [] if return_type == types.void else [return_type]
    while waiting:
        kind = waiting.pop(0)
        if hasattr(kind, "types"):
            waiting[:0] = kind
            continue
        # an array: the owner of the memory, a word, the items, the bytes of one, the address of the first;
        # then the lengths and the steps of the axes
        words = 5 + 2 * kind.ndim if isinstance(kind, types.Array) else 1
        parts += "".join(_WORD.format(at=word) for word in range(at, at + words))
        if words > 1:
            parts += _BYTES.format(at=at, items=at + 2, item=at + 3, first=at + 4)
            built += f", ptr %held.{at}"
            form, lengths = f"{form}N", range(at + 5, at + 5 + kind.ndim)
        else:
            lengths = range(at, at + 1)
        form += "L" * len(lengths)
        built += "".join(f", i64 %word{word}" for word in lengths)
        at += words
    return form if isinstance(return_type, types.Integer) or not form else f"({form})", parts, built, at or 1

"""Make the machine code of entry points, by numba. Only this part of the package imports numba.

An *entry point* is a function that Python calls as compiled code; an *inner* function is one that only
compiled code calls. Both are marked by the decorators of `jit`. *Bitcode* is code in LLVM's own form, before
machine code. To *lower* a function is to make bitcode of it. A *library*, in numba's words, is the bitcode of
one function; a library of machine code is a file (`machine_code`).

The result is an object file for each module of Python (`object_of`). It is made for the processor of this
machine, or for the level that NUMBA_CPU_NAME names. All files together are linked to a shared library, or
each is linked in memory (`machine_code`).

Numba itself makes each function ready to be called alone: it links in all functions that are called,
optimises the whole, and makes machine code. The caller does the same again with the result. So in a chain of
calls, the last function is compiled once for each function above it, and again for each constant that is
passed to it. Here each function is lowered once. Linking, optimising and machine code are left to the entry
points: those of one module share an object file, which has all that they call, once
(docs/decisions/118-one-library.md).

This builds on numba's means for other compilers than its default (`CompilerBase`, a pass of one's own) and on
`CodeLibrary`, which holds a function's module and is not public.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from importlib import import_module
from typing import Any, ClassVar, get_type_hints
from unittest.mock import patch

import llvmlite.binding as llvm
from numba.core import typed_passes, types, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.sigutils import normalize_signature
from numba.core.typed_passes import IRLegalization
from numba.core.types.misc import unliteral
from numba.core.typing.templates import _OverloadFunctionTemplate

from structgen.base.native.block_types import register_pointers, widen_argument
from structgen.base.native.noted_functions import ENTRIES, INNER, INSTRUCTIONS
from structgen.base.native.wrappers import RUNTIME, wrapper_of
from structgen.base.system.garbage import pause_collection

OPTIONS = {
    "nopython": True,
    "error_model": "numpy",
    "boundscheck": None,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


LEFT_OUT = (
    untyped_passes.DeadBranchPrune,
    untyped_passes.GenericRewrites,
    untyped_passes.InlineClosureLikes,
    untyped_passes.InlineInlinables,
    untyped_passes.LiteralPropagationSubPipelinePass,
    untyped_passes.LiteralUnroll,
    untyped_passes.MakeFunctionToJitFunction,
    untyped_passes.RewriteSemanticConstants,
    untyped_passes.WithLifting,
    typed_passes.AnnotateTypes,
    typed_passes.InlineOverloads,
)
"""The passes of numba that are left out. They handle what none of our functions has: closures, loops over
tuples of several types, dead branches, and messages that are raised or printed."""


class Bitcode(JITCodeLibrary):  # type: ignore[misc]
    """The bitcode of a function. It is linked into others, and no machine code is made of it alone."""

    _passes: ClassVar[tuple[Any, Any] | None] = None
    """The passes that optimise a function, from numba 0.62 on; all functions use the same."""

    def _optimize_functions(self, ll_module: Any) -> None:
        """Optimise each function of a module that has a body; others are only declared."""
        manager, builder = Bitcode._passes = Bitcode._passes or self._codegen._function_pass_manager()
        ll_module.data_layout = self._codegen._data_layout
        for function in ll_module.functions:
            if not function.is_declaration:
                manager.run(function, builder)

    def finalize(self) -> None:
        """Finish the library without linking in what it calls: `LinkedCode` does that later, once."""
        self._finalize_dynamic_globals()
        self._finalized = True

    def share(self) -> None:
        """Mark the functions so that each module which links them in has its own copy. LLVM removes the copy
        where it is inlined."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.external:
                function.linkage = "linkonce_odr"


def reachable_libraries(libraries: Iterable[Any]) -> list[Any]:
    """Return `libraries` and all libraries that they call, each once. A library that numba compiled in its
    usual way contains what it calls already."""
    every = list(dict.fromkeys(libraries))
    visited = set(every)
    for library in every:
        called_libraries = library._linking_libraries if isinstance(library, Bitcode) else ()
        every += [callee for callee in dict.fromkeys(called_libraries) if callee not in visited]
        visited.update(called_libraries)
    # Numba's own libraries come last. Its runtime is one of them, and LLVM links only those of its functions
    # that were called before.
    return sorted(every, key=lambda library: not isinstance(library, Bitcode))


def part_of(library: Any) -> Any:
    """Return the LLVM module of a library that `reachable_libraries` returned."""
    return library._final_module if isinstance(library, Bitcode) else library._get_module_for_linking()


@register_pass(mutates_CFG=True, analysis_only=False)
class RewriteArrays(typed_passes.NopythonRewrites):  # type: ignore[misc]
    """The pass of numba that rewrites expressions of arrays; it is skipped for functions without arrays."""

    _name = "structgen_rewrite_arrays"

    def run_pass(self, state: Any) -> bool:
        """Rewrite the expressions, if the function has arrays; return whether anything changed."""
        arrays = any(isinstance(kind, types.Array) for kind in state.typemap.values())
        return bool(arrays and super().run_pass(state))


@register_pass(mutates_CFG=False, analysis_only=False)
class KeepBitcode(LoweringPass):  # type: ignore[misc]
    """A pass before lowering: the function gets a module of bitcode, and no machine code is made."""

    _name = "structgen_keep_bitcode"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Set the library that receives the function."""
        state.library = Bitcode(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        return False


class BorrowedCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's compiler, which keeps a function as bitcode (`KeepBitcode`) where numba makes machine code."""

    left_out: tuple[Any, ...] = ()
    """The passes that are not run."""

    def define_pipelines(self) -> list[Any]:
        """Return the list of pipelines, which has one element."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        remaining_passes = (step for step in manager.passes if step[0] not in self.left_out)
        plain = typed_passes.NopythonRewrites
        manager.passes = [
            (RewriteArrays if kind is plain else kind, description) for kind, description in remaining_passes
        ]
        manager.add_pass_after(KeepBitcode, IRLegalization)
        manager.finalize()
        return [manager]


class InnerCompiler(BorrowedCompiler):
    """The compiler for our own functions, which need fewer passes."""

    left_out = LEFT_OUT


class Borrowed(CPUDispatcher):  # type: ignore[misc]
    """A function of numba's own that ours call, such as `np.empty` for some kind of array."""

    def add_overload(self, cres: Any) -> None:
        """Register a compiled function. It has no entry point from Python, so a mark (a new object) stands
        for it."""
        mark = object()
        cres.library.share()
        self.targetctx.insert_user_function(mark, cres.fndesc, [cres.library])
        self.overloads[tuple(cres.signature.args)] = cres._replace(entry_point=mark)


def borrow_functions() -> Any:
    """Return a context in which numba's own functions are kept as bitcode too, with no machine code and no
    wrappers of their own."""
    decorator = _OverloadFunctionTemplate._get_jit_decorator

    def lend(template: Any) -> Callable[..., Any]:
        def lend_function(function: Any, options: dict[str, Any]) -> Borrowed:
            usual = decorator(template)(**options)(function)
            target_options = usual.targetoptions | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
            return Borrowed(function, {}, target_options, BorrowedCompiler)

        return lambda **options: partial(lend_function, options=options)

    return patch.object(_OverloadFunctionTemplate, "_get_jit_decorator", lend)


class Inner(Borrowed):
    """A function of ours that compiled code calls."""

    def __init__(self, function: Any, **options: Any) -> None:
        super().__init__(function, {}, {**OPTIONS, **options}, InnerCompiler)
        self._hints: dict[str, Any] | None = None
        """Name of a parameter -> its annotation; None: not read yet."""

    def get_call_template(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        """Return the type of a call.

        A constant argument has the type of a variable, so the function is not compiled for each constant.
        A pointer to a block becomes one to the base class that the parameter is annotated with.
        """
        if self._hints is None:
            code, hints = self.py_func.__code__, get_type_hints(self.py_func)
            self._hints = {name: hints.get(name) for name in code.co_varnames[: code.co_argcount]}
        plain = tuple(map(unliteral, args))
        widened_types = tuple(
            widen_argument(kind, hint) for kind, hint in zip(plain, self._hints.values(), strict=False)
        )
        widened_keywords = {
            name: widen_argument(unliteral(kind), self._hints[name]) for name, kind in kws.items()
        }
        return super().get_call_template(widened_types, widened_keywords)

    def compile(self, sig: Any) -> Any:
        """Have the function compiled for some types of arguments. Returns the mark. (Numba keeps times of
        its locks besides: each function that is being compiled was told of each call of LLVM.)"""
        arguments, return_type = normalize_signature(sig)
        if arguments not in self.overloads:
            with self._compiling_counter:
                self.add_overload(self._compiler.compile(arguments, return_type))
        return self.overloads[arguments].entry_point

    def lower(self, signature: str) -> Any:
        """Compile an entry point for a signature, and return numba's result."""
        return self._compiler.compile(*normalize_signature(signature))


class LinkedCode(JITCodeLibrary):  # type: ignore[misc]
    """Some entry points with all that they reach, in one module of LLVM's."""

    def link(self, parts: Iterable[Any], exports: set[str]) -> Any:
        """Link `parts` together, optimise the module and return it. Only the symbols of `exports` are visible
        from outside."""
        whole = self._final_module
        for part in parts:
            whole.link_in(part, preserve=True)
        for symbol in (*whole.functions, *whole.global_variables):
            if not symbol.is_declaration and symbol.name not in exports:
                symbol.linkage = "internal"
        manager, builder = self._codegen._module_pass_manager()
        manager.run(whole, builder)
        whole.verify()
        # Numba's names contain numbers and addresses of this process: new names make the file reproducible.
        for number, symbol in enumerate((*whole.functions, *whole.global_variables)):
            if symbol.linkage == llvm.Linkage.internal:
                symbol.name = f"inner.{number}"
        return whole


_registered_functions: set[Any] = set()
"""The functions and classes that are registered with numba."""


def _register_all() -> None:
    """Register with numba all functions and classes that were imported since the last call."""
    register_pointers(_registered_functions)
    meant = {stub: getattr(import_module(place), stub.__name__) for stub, place in INSTRUCTIONS.items()}
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    own = {
        function: Inner(function, **options)
        for function, options in INNER.items()
        if function not in _registered_functions
    }
    kinds: dict[Any, Any] = {
        function: types.Dispatcher(function_mark) for function, function_mark in own.items()
    }
    for stub in meant.keys() - _registered_functions:
        kinds[stub] = cpu_target.typing_context.resolve_value_type(meant[stub])
    for function, kind in kinds.items():
        # Numba holds dispatchers by weak references, so the functions keep them alive.
        function._numba_type_, function._dispatcher = kind, own.get(function)
    _registered_functions.update(kinds)


def module_of(unit: str, prefix: str) -> Any:
    """Return the optimised code of the entry points of a module, as a module of LLVM's. `unit`: the name of
    the module of Python, which is imported already. `prefix`: the beginning of all its symbols."""
    entries, context = ENTRIES[unit], cpu_target.target_context
    with global_compiler_lock, pause_collection():
        _register_all()
        with borrow_functions():
            results = {name: Inner(entry.function).lower(entry.signature) for name, entry in entries.items()}
        wrappers = RUNTIME
        for name, result in results.items():
            kinds, return_type = result.fndesc.argtypes, result.fndesc.restype
            kind = context.call_conv.get_function_type(return_type, kinds)
            wrappers += wrapper_of(f"{prefix}{name}", kind, kinds, return_type)
            result.library._final_module.get_function(
                result.fndesc.llvm_func_name
            ).name = f"{prefix}{name}.code"
        parts = [part_of(library) for library in reachable_libraries(one.library for one in results.values())]
        exports = {f"{prefix}{name}{part}" for name in results for part in ("", ".code")}
        return LinkedCode(context.codegen(), unit).link([*parts, llvm.parse_assembly(wrappers)], exports)


@cache
def _machine(is_for_library: bool) -> Any:
    """Return LLVM's maker of machine code for the processor that numba compiles for.

    `is_for_library`: whether the code goes into a shared library. Such code may lie at any address, its parts
    near each other. Code that is linked in memory has numba's own options, with 64 bits for each address.
    LLVM may put the sections of such a file more than 2 GB apart, and ends the process if addresses of 32
    bits do not reach."""
    options: dict[str, Any] = {"opt": 3}
    cpu_target.target_context.codegen()._customize_tm_options(options)
    if is_for_library:
        options |= {"reloc": "pic", "codemodel": "default", "jit": False}
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(**options)


def assemble(text: str) -> bytes:
    """Return the object file, for a library, of a module that is given in LLVM's text form."""
    llvm.initialize_native_asmparser()
    return bytes(_machine(is_for_library=True).emit_object(llvm.parse_assembly(text)))


def object_of(unit: str, prefix: str = "", *, is_for_library: bool = False) -> bytes:
    """Return the object file of the entry points of a module. `unit`, `prefix`: as in `module_of`.
    `is_for_library`: for a shared library; else it is linked in memory. Cost: 0.1 to 6 s of a processor, and
    0.3 s more for the first."""
    return bytes(_machine(is_for_library).emit_object(module_of(unit, prefix)))

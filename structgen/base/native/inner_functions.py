"""Functions that only compiled code calls: kept as LLVM bitcode, made machine code where they are used.

Numba makes each function ready to be called by itself: it links in all that the function calls, optimises the
whole and makes machine code of it, and its caller does the same again with what came out. In a chain of calls
the last function is so compiled once for each function above it, and once more for each constant that
is passed to it. Here such a function is typed and lowered once, as numba does it; linking, optimising and
machine code are left to the entry points (`structgen.base.native.jit.entry`): those of one module of Python
share a module of machine code, which has all that they reach, once (docs/decisions/022-machine-code-once.md).

This builds on numba's means for other compilers than its default (`CompilerBase`, a pass of one's own) and on
`CodeLibrary`, which holds a function's module and is not public: with a version of numba later than `TRIED`
`structgen.base.native.jit.jit` compiles as numba does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, get_type_hints

import llvmlite.binding as llvm
import numba
from numba.core import typed_passes, types, untyped_passes
from numba.core.caching import CompileResultCacheImpl
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, compile_result
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.environment import Environment
from numba.core.registry import CPUDispatcher
from numba.core.runtime import rtsys
from numba.core.sigutils import normalize_signature
from numba.core.typed_passes import IRLegalization
from numba.core.types.misc import unliteral
from numba.core.typing.templates import _OverloadFunctionTemplate

from structgen.base.native.compile_pace import LISTENERS
from structgen.base.native.spared_work import replaced, spared
from structgen.base.native.typed_blocks import widened

TRIED = (0, 68)
"""The last version of numba that this was tried with (the first is 0.61, the oldest that we install with)."""
OPTIONS = {
    "nopython": True,
    "error_model": "numpy",
    "boundscheck": None,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
CALLED = {**OPTIONS, "no_cpython_wrapper": False, "nogil": True}
"""The options of an entry point, which Python calls."""


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
"""Passes over what none of our functions has: closures, loops over tuples of several types, dead branches,
and messages that are raised or printed."""


class Bitcode(JITCodeLibrary):  # type: ignore[misc]
    """A module that is linked into others, and never made into machine code."""

    _shared_module: Any
    _passes: ClassVar[tuple[Any, Any] | None] = None
    """Those that optimise a function, from numba 0.62 on: the same for all."""

    def _optimize_functions(self, ll_module: Any) -> None:
        """Optimise each function of a module, and not those that are only declared in it."""
        if not hasattr(self, "_reload_init"):
            super()._optimize_functions(ll_module)
            return
        manager, builder = Bitcode._passes = Bitcode._passes or self._codegen._function_pass_manager()
        ll_module.data_layout = self._codegen._data_layout
        for function in ll_module.functions:
            if not function.is_declaration:
                manager.run(function, builder)

    def finalize(self) -> None:
        """Link nothing in: whoever makes machine code takes all that is reached, once."""
        self._finalize_dynamic_globals()
        self._finalized = True

    def share(self) -> None:
        """Have whoever links the function in own a copy of it, which goes where it is inlined."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.external:
                function.linkage = "linkonce_odr"

    def _get_module_for_linking(self) -> Any:
        """Return the function with all that it calls, for machine code that numba makes."""
        whole = self._final_module.clone()
        for part in reached([self])[1:]:
            whole.link_in(part_of(part), preserve=True)
        return whole


def reached(libraries: Iterable[Any]) -> list[Any]:
    """Return some libraries and those that they call, each once. What numba compiled its own way has all that
    it calls in its module."""
    found = list(dict.fromkeys(libraries))
    met = set(found)
    for library in found:
        called = library._linking_libraries if isinstance(library, Bitcode) else ()
        found += [one for one in dict.fromkeys(called) if one not in met]
        met.update(called)
    # numba's own last: its runtime is among them, of which LLVM links only what is called already
    return sorted(found, key=lambda library: not isinstance(library, Bitcode))


def part_of(library: Any) -> Any:
    """Return the module of one of the libraries that are reached."""
    return library._final_module if isinstance(library, Bitcode) else library._get_module_for_linking()


class MachineCode(JITCodeLibrary):  # type: ignore[misc]
    """The machine code of some entry points, and of all that they reach."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self.environments: list[Environment] = []  # the code has their addresses

    @classmethod
    def linked(cls, codegen: Any, name: str, modules: Iterable[Bitcode]) -> MachineCode:
        """Return the code of entry points that were lowered, made from one module."""
        library = cls(codegen, name)
        library.enable_object_caching()
        for part in reached(modules):
            library._final_module.link_in(part_of(part), preserve=True)
            if hasattr(library, "_reload_init"):  # from numba 0.63 on
                library._reload_init.update(part._reload_init)
        library.finalize()
        return library

    @classmethod
    def of(cls, codegen: Any, name: str, code: bytes) -> MachineCode:
        """Return the code that was kept."""
        library = cls(codegen, name)
        library.enable_object_caching()
        library._set_compiled_object(code)
        library._finalize_final_module()
        return library

    def _optimize_final_module(self) -> None:
        """Optimise all together, once. (Numba does it twice, for the sake of counts of references.)"""
        made = self._codegen._module_pass_manager()
        manager, *builder = made if isinstance(made, tuple) else (made,)
        manager.run(self._final_module, *builder)

    def get_pointer_to_function(self, name: str) -> int:
        """Return the address of one of its functions."""
        return int(self._codegen._engine.get_function_address(name))


@register_pass(mutates_CFG=True, analysis_only=False)
class RewriteArrays(typed_passes.NopythonRewrites):  # type: ignore[misc]
    """Numba's rewriting of expressions of arrays, for functions that have arrays."""

    _name = "structgen_rewrite_arrays"

    def run_pass(self, state: Any) -> bool:
        """Rewrite the expressions, if there can be any."""
        arrays = any(isinstance(kind, types.Array) for kind in state.typemap.values())
        return bool(arrays and super().run_pass(state))


@register_pass(mutates_CFG=False, analysis_only=False)
class KeepBitcode(LoweringPass):  # type: ignore[misc]
    """Before a function is lowered: let it have a module of bitcode, and no machine code."""

    _name = "structgen_keep_bitcode"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Set where the function is lowered to."""
        state.library = Bitcode(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        return False


class BorrowedCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's compiler, with the pass above before the lowering."""

    left_out: tuple[Any, ...] = ()

    def define_pipelines(self) -> list[Any]:
        """Return the one pipeline."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        kept = (step for step in manager.passes if step[0] not in self.left_out)
        plain = typed_passes.NopythonRewrites
        manager.passes = [(RewriteArrays if kind is plain else kind, said) for kind, said in kept]
        manager.add_pass_after(KeepBitcode, IRLegalization)
        manager.finalize()
        return [manager]


class InnerCompiler(BorrowedCompiler):
    """The same for a function of ours."""

    left_out = LEFT_OUT


class Results(list[Any]):
    """The results of compiling the entry points that share their machine code."""

    @property
    def codegen(self) -> Any:
        """What made the code."""
        return self[0].codegen


class EntriesCacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    """What is kept of entry points that share their machine code."""

    def check_cachable(self, data: Any) -> bool:
        """Return whether the code may be kept."""
        return bool(super().check_cachable(data[0]))

    def reduce(self, data: Any) -> tuple[Any, ...]:
        """Return what is written."""
        return as_values(data)

    def rebuild(self, target_context: Any, reduced_data: tuple[Any, ...]) -> Results | None:
        """Return the results that were kept."""
        return from_values(target_context, reduced_data)


def as_values(results: Results) -> tuple[Any, ...]:
    """Return the values that a file keeps of entry points that share their machine code."""
    library = results[0].library
    module = library._final_module
    needed = [
        symbol.name for symbol in (*module.functions, *module.global_variables) if symbol.is_declaration
    ]
    parts = []
    for result in results:
        result.fndesc.typemap = result.fndesc.calltypes = None
        parts.append((result.fndesc, result.environment, result.signature, tuple(result.reload_init)))
    environments = [
        (environment.env_name, environment.consts)
        for environment in results[0]._find_referenced_environments()
    ]
    return library.name, library._get_compiled_object(), needed, tuple(parts), environments


def from_values(context: Any, values: tuple[Any, ...]) -> Results | None:
    """Return the results of which a file kept the values, or None where the code calls a function that this
    process does not have (another numba wrote the file).

    Numba's compiler is made ready for that only where it brings what the code calls: 0.2 s.
    """
    name, code, needed, parts, environments = values

    def missing() -> bool:
        return not all(name.startswith("llvm.") or llvm.address_of_symbol(name) for name in needed)

    rtsys.initialize(context)
    if missing():
        context.refresh()
        if missing():
            return None
    for part in parts:
        for function in part[3]:
            function()
    library = MachineCode.of(context.codegen(), name, code)
    for env_name, constants in environments:
        environment = Environment({})  # what is global is for code that holds objects of Python
        environment.env_name = env_name
        environment.consts.extend(constants)
        library.codegen.set_env(env_name, environment)
        library.environments.append(environment)
    return Results(executable(context, library, *part) for part in parts)


def executable(
    context: Any, library: MachineCode, descriptor: Any, environment: Any, signature: Any, reload_init: Any
) -> Any:
    """Return the result of a compilation of one entry point that Python can call."""
    return compile_result(
        target_context=context,
        typing_context=context.typing_context,
        library=library,
        entry_point=context.get_executable(library, descriptor, environment),
        fndesc=descriptor,
        environment=environment,
        signature=signature,
        objectmode=False,
        lifted=(),
        reload_init=list(reload_init),
    )


class Entry(CPUDispatcher):  # type: ignore[misc]
    """A function that Python calls, with one signature. Its code is there from the first call on."""

    def __init__(self, function: Any, signature: str, load: Callable[[], None]) -> None:
        super().__init__(function, {}, CALLED, InnerCompiler)
        self.signature, self._load = signature, load

    def _compile_for_args(self, *args: Any, **kws: Any) -> Any:
        """Return the code to call, where no code is known for some arguments: all is loaded before."""
        self._load()
        (result,) = self.overloads.values()
        return result.entry_point

    def get_call_template(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        """Refuse a call from compiled code: machine code would be linked that is not kept so."""
        raise TypeError(f"{self.py_func.__qualname__} is an entry point: compiled code cannot call it")

    def put(self, result: Any, kept: bool) -> None:
        """Take the machine code in, and no other from now on. `kept`: it was in the cache."""
        (self._cache_hits if kept else self._cache_misses)[self.signature] += 1
        self.add_overload(result)
        self.disable_compile()


def compiled(entries: list[Entry]) -> Results:
    """Return the results of compiling entry points, which share their machine code."""
    context = entries[0].targetctx
    with spared(context), borrowed():
        lowered = [entry._compiler.compile(*normalize_signature(entry.signature)) for entry in entries]
    library = MachineCode.linked(
        context.codegen(), entries[0].py_func.__module__, [result.library for result in lowered]
    )
    inits = getattr(library, "_reload_init", ())
    return Results(
        executable(context, library, result.fndesc, result.environment, result.signature, inits)
        for result in lowered
    )


class Borrowed(CPUDispatcher):  # type: ignore[misc]
    """A function of numba's own that ours call, such as `np.empty` for some kind of array."""

    def add_overload(self, cres: Any) -> None:
        """Take a compiled function in; with no entry point from Python, it is known by a mark of its own."""
        mark = object()
        cres.library.share()
        self.targetctx.insert_user_function(mark, cres.fndesc, [cres.library])
        self.overloads[tuple(cres.signature.args)] = cres._replace(entry_point=mark)


def borrowed() -> Any:
    """Return a context in which numba's own functions are kept as bitcode too, with no machine code and no
    wrappers of their own."""
    decorator = _OverloadFunctionTemplate._get_jit_decorator

    def lend(template: Any) -> Callable[..., Any]:
        def lent(function: Any, options: dict[str, Any]) -> Borrowed:
            usual = decorator(template)(**options)(function)
            wanted = usual.targetoptions | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
            return Borrowed(function, {}, wanted, BorrowedCompiler)

        return lambda **options: partial(lent, options=options)

    return replaced((_OverloadFunctionTemplate, "_get_jit_decorator", lend))


class Inner(Borrowed):
    """A function that compiled code calls. A call from Python compiles it once more, as numba does."""

    def __init__(self, function: Any, locals: Any = None, targetoptions: Any = None) -> None:
        super().__init__(function, locals or {}, targetoptions or OPTIONS, InnerCompiler)
        self._from_python: Any = None
        self._hints: dict[str, Any] | None = None
        """The parameters and their annotations."""

    def get_call_template(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        """Return the type of a call. A constant is an argument like others: not compiled for each; and a
        pointer to a block is one to the base class that the function is written for."""
        if self._hints is None:
            code, hints = self.py_func.__code__, get_type_hints(self.py_func)
            self._hints = {name: hints.get(name) for name in code.co_varnames[: code.co_argcount]}
        plain = tuple(map(unliteral, args))
        given = tuple(widened(kind, hint) for kind, hint in zip(plain, self._hints.values(), strict=False))
        named = {name: widened(unliteral(kind), self._hints[name]) for name, kind in kws.items()}
        return super().get_call_template(given, named)

    def compile(self, sig: Any) -> Any:
        """Have the function compiled for some types of arguments. Returns the mark. (Numba keeps times of
        its locks besides: each function that is being compiled was told of each call of LLVM.)"""
        arguments, returned = normalize_signature(sig)
        if arguments not in self.overloads:
            with self._compiling_counter:
                self.add_overload(self._compiler.compile(arguments, returned))
            for tell in LISTENERS:
                tell()
        return self.overloads[arguments].entry_point

    def __call__(self, *args: Any, **kws: Any) -> Any:
        """Call it from Python, for a test or a question: that is compiled, and not kept."""
        if self._from_python is None:
            self._from_python = numba.njit(nogil=True, error_model="numpy")(self.py_func)
        return self._from_python(*args, **kws)

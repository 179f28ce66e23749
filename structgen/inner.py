"""Functions that only compiled code calls: kept as LLVM bitcode, made machine code where they are used.

Numba makes each function ready to be called by itself: it links in all that the function calls, optimises the
whole and makes machine code of it, and its caller does the same again with what came out. In a chain of calls
the last function is so compiled once for each function above it, and once more for each constant that
is passed to it. Here such a function is typed and lowered once, as numba does it; linking, optimising and
machine code are left to the entry points (`structgen.jit.entry`), whose module has all that they reach, once
(docs/decisions/022-inner-functions.md: half the time, and a third of the files).

This builds on numba's means for other compilers than its default (`CompilerBase`, a pass of one's own) and on
`CodeLibrary`, which holds a function's module and is not public: with a version of numba later than `TRIED`
`structgen.jit.jit` compiles as numba does.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core.caching import CompileResultCacheImpl
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, compile_result
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import IRLegalization
from numba.core.types.misc import unliteral

TRIED = (0, 68)
"""The last version of numba that this was tried with (the first is 0.61, the oldest that we install with)."""
OPTIONS = {
    "nopython": True,
    "error_model": "numpy",
    "boundscheck": None,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


class Bitcode(JITCodeLibrary):  # type: ignore[misc]
    """A module that is linked into others, and never made into machine code."""

    def finalize(self) -> None:
        """Link in what the function calls; whoever calls it gets all of it at once."""
        for library in dict.fromkeys(self._linking_libraries):
            if hasattr(self, "_reload_init"):  # from numba 0.63 on
                self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalize_dynamic_globals()
        self._finalized = True

    @classmethod
    def of(cls, codegen: Any, name: str, bitcode: bytes) -> Bitcode:
        """Return the module that was kept."""
        library = cls(codegen, name)
        library._final_module = library._shared_module = llvm.parse_bitcode(bitcode)
        library._finalize_dynamic_globals()
        library._finalized = True
        return library


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


class InnerCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's compiler, with the pass above before the lowering."""

    def define_pipelines(self) -> list[Any]:
        """Return the one pipeline."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.add_pass_after(KeepBitcode, IRLegalization)
        manager.finalize()
        return [manager]


class InnerCacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    """What numba's cache keeps of an inner function: its signature and its bitcode."""

    def reduce(self, data: Any) -> tuple[Any, ...]:
        """Return what is written."""
        bitcode = data.library._get_module_for_linking().as_bitcode()
        data.fndesc.typemap = data.fndesc.calltypes = (
            None  # neither is needed, and not all of it can be written
        )
        environments = tuple(data._find_referenced_environments())
        kept = (data.library.name, bitcode, data.fndesc, data.environment, data.signature)
        return (*kept, tuple(data.reload_init), environments)

    def rebuild(self, target_context: Any, reduced_data: tuple[Any, ...]) -> Any:
        """Return the result of a compilation that was kept."""
        name, bitcode, descriptor, environment, signature, reload_init, environments = reduced_data
        for function in reload_init:
            function()
        return compile_result(
            target_context=target_context,
            typing_context=target_context.typing_context,
            library=Bitcode.of(target_context.codegen(), name, bitcode),
            fndesc=descriptor,
            environment=environment,
            signature=signature,
            objectmode=False,
            lifted=(),
            reload_init=list(reload_init),
            referenced_envs=environments,
        )


class Inner(CPUDispatcher):  # type: ignore[misc]
    """A function that compiled code calls. A call from Python compiles it once more, as numba does."""

    def __init__(self, function: Any, locals: Any = None, targetoptions: Any = None) -> None:
        super().__init__(function, locals or {}, targetoptions or OPTIONS, InnerCompiler)
        self._from_python: Any = None

    def get_call_template(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        """Return the type of a call. A constant is an argument like others: not compiled for each."""
        named = {name: unliteral(one) for name, one in kws.items()}
        return super().get_call_template(tuple(map(unliteral, args)), named)

    def add_overload(self, cres: Any) -> None:
        """Take a compiled function in; with no entry point from Python, it is known by a mark of its own."""
        mark = object()
        self.targetctx.insert_user_function(mark, cres.fndesc, [cres.library])
        self.overloads[tuple(cres.signature.args)] = cres._replace(entry_point=mark)

    def __call__(self, *args: Any, **kws: Any) -> Any:
        """Call it from Python, for a test or a question: that is compiled, and not kept."""
        if self._from_python is None:
            self._from_python = numba.njit(nogil=True, error_model="numpy")(self.py_func)
        return self._from_python(*args, **kws)

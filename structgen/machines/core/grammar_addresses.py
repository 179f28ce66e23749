"""`GrammarAddresses`: a compiled grammar for C code in this process (structgen/include/structgen.h).

C code copies known masks and takes tokens by the compiled calls of batches (`machine_core.row_batches`), each
at an address. Tables that grow are found through the grammar's block, which never moves.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import ClassVar, NoReturn

from structgen.base.errors import OptionError
from structgen.base.language.checks import InstanceCheck
from structgen.base.native.addresses import address_of
from structgen.base.native.jit import code_of
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.machine_core.row_batches import copy_rows, take_rows


class GrammarAddresses(ctypes.Structure):
    """The addresses of a compiled grammar in this process: the `struct structgen_grammar` of structgen.h,
    which C code reads. It keeps the grammar alive, and has to live as long as C code uses it.

        addresses = sg.core.GrammarAddresses(compiled.fresh())
        library.read_tokens(ctypes.byref(addresses), ...)

    docs/inside/c-hosts.md says which threads may call what.
    """

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in (
            "version",
            "context",
            "fill_masks",
            "take_tokens",
            "costs",
            "cost_count",
            "vocab_size",
            "words",
            "start",
        )
    )
    include_folder: ClassVar = Path(__file__).resolve().parents[2] / "include"
    """The folder of structgen.h, for the option -I of a C compiler."""

    def __init__(self, compiled: CompiledGrammar) -> None:
        """`compiled`: what `sg.compile` returns. Raises OptionError for all else. Cost: 10 us."""
        is_compiled = InstanceCheck(CompiledGrammar, "Pass what sg.compile(grammar, tokenizer) returns.")
        is_compiled("compiled", compiled)
        self.compiled = compiled
        costs = compiled.publish_costs()
        super().__init__(
            1,  # STRUCTGEN_VERSION of the header
            compiled.address,
            code_of(copy_rows),
            code_of(take_rows),
            address_of(costs),
            costs.shape[1],
            compiled.vocab_size,
            compiled.vocabulary.words,
            compiled.start.index,
        )

    def __reduce__(self) -> NoReturn:
        raise OptionError(
            "Addresses cannot be pickled or copied: they belong to this process.",
            where="GrammarAddresses",
            cure="Send the compiled grammar, and make its addresses there.",
        )

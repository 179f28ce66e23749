"""`preload`: everything that a first compilation loads or compiles, ahead of it.

What comes in: kinds of grammars. What happens: small grammars of these kinds are compiled and a text of each
is matched, so that the modules are imported, the machine code is loaded, and tables that are built once in a
process are there. A server calls it before it forks its workers, which then share the memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Final, Literal, get_args

from lark import Lark

from structgen.base.errors import OptionError, options_named, warning_level
from structgen.base.native.jit import load_all
from structgen.grammars.compilation.compiler import TOKENIZER, compile
from structgen.grammars.json_grammars.schema_grammar import json_schema
from structgen.grammars.lark_grammars.lark_grammar import lark
from structgen.grammars.text_grammars.ebnf_grammar import ebnf
from structgen.grammars.text_grammars.regular import regex
from structgen.grammars.text_grammars.text_grammar import sequence
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.grammar import Grammar
from structgen.machines.core.matcher import Matcher
from structgen.machines.store.mask_store import default_store
from structgen.tokens.token_mask import allocate_mask
from structgen.tokens.tokenizer import Tokenizer, byte_tokenizer

Kind = Literal["json", "lark", "text"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
# The schema has each kind of value, since each has its own modules and tables.
_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 40},
        "code": {"type": "string", "pattern": "^[a-z]{2,5}$"},
        "day": {"type": "string", "format": "date"},
        "count": {"type": "integer", "minimum": -3, "maximum": 1200},
        "ratio": {"type": "number", "multipleOf": 0.25},
        "list": {"type": "array", "items": {"enum": ["a", "b", 1, None, True]}, "maxItems": 3},
    },
    "required": ["text"],
    "patternProperties": {"^x-": {"type": "string"}},
}
_DOCUMENT: Final = (
    b'{"text": "ab", "code": "abc", "day": "2024-02-29", "count": -2, '
    b'"ratio": 0.25, "list": ["a", 1], "x-1": ""}'
)
_LARK: Final = 'start: (NAME "=" /[0-9]+/)+\nNAME: /[a-z]+/\n%ignore /[ \\n]+/\n'
_EBNF: Final = 'root ::= "a" root "b" | [0-9]+'
_USES: Final[dict[Kind, tuple[Callable[[], Grammar], bytes]]] = {
    "json": (lambda: json_schema(_SCHEMA), _DOCUMENT),
    "lark": (lambda: lark(_LARK), b"ab = 12\nc = 3"),
    "text": (lambda: sequence(ebnf(_EBNF), regex("(xy|z)+")), b"aa12bbxyz"),
}
"""For each kind a function that makes a grammar, and a text of that grammar."""


@options_named('sg.preload("json")')
def preload(*kinds: Kind, tokenizer: Tokenizer | None = None, jobs: int | None = None) -> None:
    """Load ahead what the first grammar of each kind needs: `"json"`, `"lark"`, `"text"` (regexes, EBNF,
    choices, structural tags); without a kind, all three.

    Where a wheel has no machine code, it is compiled: once after an installation, 30 s of one processor for
    all kinds. Else the first call costs some 0.3 s, and the next ones some 10 ms.
    With a `tokenizer` its tables are built or read too: the workers that are forked later share them.
    `jobs` has no effect any longer, and a FutureWarning says so. Raises OptionError for another kind.

        sg.preload("json", tokenizer=tokenizer)  # in the parent, before the workers are forked
    """
    for kind in kinds:
        if kind not in KINDS:
            raise OptionError(
                f"{kind!r} is not a kind of grammar.",
                where="kinds",
                cure=f"Name some of {', '.join(map(repr, KINDS))}, or none for all.",
            )
    if jobs is not None:
        message = (
            "jobs of sg.preload has no effect and will be removed in the next version. Use "
            "structgen warmup --jobs."
        )
        warnings.warn(message, FutureWarning, stacklevel=warning_level())
    if tokenizer is not None:
        TOKENIZER("tokenizer", tokenizer)
    chosen_kinds = kinds or KINDS
    default_store()  # made here, so that workers that are forked share it
    if tokenizer is None:
        tokenizer = byte_tokenizer()
    if "lark" in chosen_kinds:  # a kept grammar is read without lark
        Lark('start: "a"', parser="lalr")
    for kind in chosen_kinds:
        make_grammar, text = _USES[kind]
        # Without a store: a grammar that comes from one would load nothing.
        _use_grammar(compile(make_grammar(), tokenizer, store=False), text)
    load_all()


def _use_grammar(compiled_grammar: CompiledGrammar, text: bytes) -> None:
    """Read a text of a grammar token by token, each under a mask, and the end under a budget."""
    matcher = Matcher(compiled_grammar)
    mask = allocate_mask(1, compiled_grammar.tokenizer.vocab_size)
    for token in compiled_grammar.tokenizer.encode(text):
        matcher.fill_mask(mask)
        matcher.advance(token)
    # Budgets and forced texts are other machine code.
    matcher.fill_mask(mask, budget=matcher.tokens_to_finish())
    matcher.forced()

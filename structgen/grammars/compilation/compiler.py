"""`sg.compile`: makes a `CompiledGrammar`, which has masks, of a grammar and a tokenizer.

A text is *writable* if some sequence of the tokenizer's tokens is this text. Where the tokens lack a byte,
the compiled grammar has only the writable texts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from operator import methodcaller
from typing import Any, Final, Protocol, TypeVar

from structgen.base.errors import (
    GrammarError,
    LimitError,
    TokenizerError,
    UnsatisfiableUnderPolicy,
    options_named,
)
from structgen.base.language import checks
from structgen.base.limits import Limits
from structgen.base.system.text_files import StrPath
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.grammar import Grammar
from structgen.machines.store.mask_store import StoreOption, store_of
from structgen.tokens.tokenizer import UTF8_BYTES, Tokenizer

C = TypeVar("C", bound=CompiledGrammar, covariant=True)


class Compilable(Protocol[C]):
    """A `Grammar` that is compiled to the class `C`. So type checkers know what `sg.compile` returns."""

    def compiled(self, tokenizer: Tokenizer, limits: Limits | None, store: StoreOption) -> C:
        """Return the grammar compiled against a tokenizer."""


_GRAMMAR: Final = checks.InstanceCheck(
    Grammar, "Make one with sg.json_schema(...), sg.lark(...) or sg.regex(...)."
)
TOKENIZER: Final = checks.InstanceCheck(
    Tokenizer, "Make one with sg.Tokenizer.from_huggingface(...), from_tiktoken(...) or from_bytes(...)."
)
_JSON = UTF8_BYTES.difference(range(0x20)) | {9, 10, 13}
"""The bytes of JSON text (RFC 8259)."""


@options_named("sg.compile(grammar, tokenizer)")
def compile(
    grammar: Compilable[C],
    tokenizer: Tokenizer,
    *,
    limits: Limits | None = None,
    store: StoreOption | StrPath = None,
    first_mask: bool = True,
) -> C:
    """Return a grammar compiled against a tokenizer, expanded on demand from there. `limits` bound its work
    and memory (None: those of the grammar). An example is `sg.compile(sg.regex("[0-9]+"), tokenizer)`.

    The first mask of a JSON Schema is worked out with it, so that a batch of new schemas does not wait at its
    first step; where that meets a limit, whoever asks for the mask is told. `first_mask=False` leaves it to
    the first who asks: for schemas of which no mask is needed. Other grammars, and limits with
    `liveness="flag"`, always leave it.

    `store` is the mask store to share: None the process's default, False none, a `MaskStore`, or a folder:
    this process's store there, which keeps Lark grammars in files. Of a JSON Schema that comes again the
    store may still have the compiled grammar: that is returned. Raises `UnsatisfiableSchema` where no
    document exists, `UnsupportedError`, `LimitError`, `TokenizerError` where the vocabulary can write no
    text, `OptionError`.

    Where no token writes some byte of UTF-8 by itself, the texts are those of the grammar that sequences of
    tokens write (docs/tokenizers.md): a byte that stands in no token leaves the grammar's own alphabet, and
    what stands inside longer tokens alone is looked for in each mask (`WrittenTexts`).
    """
    checked_grammar: Grammar = checks.check_hashable("grammar", _GRAMMAR("grammar", grammar))
    TOKENIZER("tokenizer", tokenizer)
    if limits is not None:
        limits = checks.check_limits(limits)
    is_asked = checks.check_flag("first_mask", first_mask) is not False
    has_mask = is_asked and checked_grammar.policies is not None  # only JSON Schemas have policies
    compiled_grammar = _compile_writable(grammar, tokenizer, limits, store_of(store))
    # With "flag" no mask is made, so that the report lists only undecided places that texts reach.
    if has_mask and compiled_grammar.limits.liveness != "flag":
        with suppress(LimitError):
            compiled_grammar.compute(compiled_grammar.start.index)
    return compiled_grammar


def _compile_writable(
    grammar: Compilable[C],
    tokenizer: Tokenizer,
    limits: Limits | None,
    store: StoreOption,
) -> C:
    """Return the compiled grammar of the writable texts. `limits`, `store`: as in `compile`. For example, of
    `sg.regex("a|b")` only `a` is writable if no token has the byte `b`."""
    if not tokenizer.missing_bytes:
        return grammar.compiled(tokenizer, limits, store)
    any_grammar: Any = grammar
    writable_grammar: Any = any_grammar.inside(partial(_writable_grammar, tokenizer=tokenizer))
    try:
        compiled_grammar: C = writable_grammar.compiled(tokenizer, limits, store)
    except GrammarError as error:
        if writable_grammar is grammar:
            raise
        raise _make_refusal(any_grammar.innermost, tokenizer, error) from error
    return compiled_grammar


def _writable_grammar(grammar: Grammar, tokenizer: Tokenizer) -> Grammar:
    """Return the grammar of the texts that the tokenizer's tokens can write."""
    # start-up: a grammar may need no texts, and few vocabularies lack bytes
    from structgen.grammars.text_grammars.text_grammar import as_text
    from structgen.grammars.text_grammars.written_texts import WrittenTexts

    is_json = grammar.policies is not None
    missing = (_JSON if is_json else UTF8_BYTES).intersection(tokenizer.missing_bytes)
    if not missing or isinstance(grammar, WrittenTexts):  # of one around it, which compiles it here
        return grammar
    if is_json and missing.issubset(tokenizer.absent_bytes):
        without: Callable[[Any], Grammar] = methodcaller("without_bytes", missing)
        return without(grammar)
    # A machine's masks are exact only if each byte is a token. Here each mask needs a search.
    return WrittenTexts(as_text(grammar))


def _make_refusal(
    grammar: Grammar, tokenizer: Tokenizer, error: GrammarError
) -> GrammarError | TokenizerError:
    """Return the error for a grammar none of whose texts is writable. If the grammar has no text at all, it
    is `error` itself."""
    # start-up: few grammars are refused
    from structgen.grammars.text_grammars.text_grammar import as_text
    from structgen.grammars.text_grammars.written_texts import BYTES, no_text_error

    cure = BYTES
    if isinstance(error, UnsatisfiableUnderPolicy) and "escapes" in error.policies:
        cure = f'Pass escapes="any": escapes write what tokens do not; or u{BYTES[1:]}'
    return no_text_error(as_text(grammar), tokenizer, error.where, cure)

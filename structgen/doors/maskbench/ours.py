"""Our own engine under maskbench."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import structgen as sg
from structgen.doors.maskbench.engines import EngineRefusal, MaskEngine, Session, Start
from structgen.grammars.json_grammars.schema_grammar import unwarned_schema

if TYPE_CHECKING:
    from structgen.tokens.tokenizer import Tokenizer


def structgen(tokenizer: Tokenizer, **policies: Any) -> MaskEngine:
    """Return `sg.json_schema`, `compile_schema` and `Matcher`, under some policies."""
    sg.preload("json", tokenizer=tokenizer)  # it puts no mask into the store
    mask = sg.allocate_mask(1, tokenizer.vocab_size)

    def compile_schema(schema: str) -> Start:
        """Return what begins documents of a schema. Raises EngineRefusal, with the reason in few words."""
        try:
            compiled_grammar = sg.compile(unwarned_schema(schema, **policies), tokenizer)
        except sg.StructgenError as error:
            raise EngineRefusal(reason_of(error), str(error)) from error
        return partial(session_of, compiled_grammar, mask, tokenizer.eos_token_ids)

    return MaskEngine(sg.__version__, compile_schema)


def session_of(compiled_grammar: sg.CompiledGrammar, mask: Any, ends: tuple[int, ...]) -> Session:
    """Return a document under a grammar of ours: of the engines, the one that tells the exact byte and what
    was expected there."""
    matcher = sg.Matcher(compiled_grammar)

    def explain_refusal(text: bytes, _start: int) -> tuple[int, str]:
        """Return the byte where a text leaves the grammar, and what was expected there, in words."""
        state, at = compiled_grammar.live_part(text)
        phrases = []
        for item in compiled_grammar.expected(state):
            source = f" (from {', '.join(item.sources)})" if item.sources else ""
            phrases.append(item.what + source)
        return at, "; ".join(phrases)

    return Session(
        partial(matcher.fill_mask, mask),
        matcher.advance,
        memoryview(mask.array[0]),
        ends,
        # A budget of no more than what the rest needs: each token must bring the end nearer.
        fill_closing=lambda: matcher.fill_mask(mask, 0, budget=matcher.tokens_to_finish()),
        why=explain_refusal,
    )


def reason_of(error: sg.StructgenError) -> str:
    """Return the words under which a refusal is counted: the keyword, the limit, or the kind of error."""
    if isinstance(error, sg.errors.UnsupportedError):
        return f"unsupported: {error.keyword}"
    if isinstance(error, sg.errors.LimitError):
        return f"limit: {error.limit}"
    return type(error).__name__

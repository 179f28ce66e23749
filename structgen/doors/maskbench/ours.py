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
        state, at = compiled_grammar.live_part(text)
        expected_items = compiled_grammar.expected(state)
        sources = (f" (from {', '.join(item.sources)})" if item.sources else "" for item in expected_items)
        return at, "; ".join(item.what + source for item, source in zip(expected_items, sources, strict=True))

    return Session(
        partial(matcher.fill_mask, mask),
        matcher.advance,
        memoryview(mask.array[0]),
        ends,
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

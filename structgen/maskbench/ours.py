"""Our own engine under maskbench."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import structgen as sg
from structgen.json_grammars.schema_grammar import unwarned_schema
from structgen.maskbench.engines import EngineConfig, EngineRefusal, MaskEngine, Session, Start

if TYPE_CHECKING:
    from structgen.tokens.tokenizer import Tokenizer


def structgen(config: EngineConfig, tokenizer: Tokenizer) -> MaskEngine:
    """Return `sg.json_schema`, `compile` and `Matcher`, under the config's policies."""
    sg.preload("json", tokenizer=tokenizer)  # it puts no mask into the store
    return under(config.policies, config.name, tokenizer)


def under(policies: Mapping[str, Any], name: str, tokenizer: Tokenizer) -> MaskEngine:
    """Return our engine under some policies."""
    mask = sg.allocate_mask(1, tokenizer.vocab_size)

    def compile(schema: str) -> Start:
        try:
            compiled = sg.compile(unwarned_schema(schema, **policies), tokenizer)
        except sg.StructgenError as error:
            by_policy = isinstance(error, sg.errors.UnsatisfiableUnderPolicy)
            raise EngineRefusal(reason_of(error), str(error), by_policy=by_policy) from error
        return partial(session_of, compiled, mask, tokenizer.eos_token_ids)

    def widest() -> MaskEngine | None:
        wider = {**policies, **sg.WIDEST}
        return None if wider == dict(policies) else under(wider, name, tokenizer)

    return MaskEngine(name, sg.__version__, compile, (sg.errors.LimitError,), widest)


def session_of(compiled: sg.CompiledGrammar, mask: Any, ends: tuple[int, ...] = ()) -> Session:
    """Return a document under a grammar of ours: of the engines, the one that tells the exact byte and what
    was expected there."""
    matcher = sg.Matcher(compiled)

    def locate(text: bytes, start: int) -> tuple[int, str]:
        at, state = start, compiled.step_bytes(compiled.start, text[:start])
        if state is None:
            return start, ""
        for byte in text[start:]:
            if (further := compiled.step_bytes(state, bytes([byte]))) is None:
                break
            state, at = further, at + 1
        said = compiled.expected(state)
        sources = (f" (from {', '.join(one.sources)})" if one.sources else "" for one in said)
        return at, "; ".join(one.what + source for one, source in zip(said, sources, strict=True))

    return Session(
        partial(matcher.fill_mask, mask),
        matcher.advance,
        memoryview(mask.array[0]),
        ends,
        refusals=(sg.errors.TokenError, sg.errors.FinishedError),
        fill_closing=lambda: matcher.fill_mask(mask, 0, budget=matcher.tokens_to_finish()),
        locate=locate,
    )


def reason_of(error: sg.StructgenError) -> str:
    """Return the words under which a refusal is counted: the keyword, the limit, or the kind of error."""
    if isinstance(error, sg.errors.UnsupportedError):
        return f"unsupported: {error.keyword}"
    if isinstance(error, sg.errors.LimitError):
        return f"limit: {error.limit}"
    return type(error).__name__

"""Our own engine under maskbench."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structgen
from structgen.json_grammars.schema_grammar import unwarned_schema
from structgen.maskbench.engines import EngineConfig, EngineRefusal, MaskEngine, Session

if TYPE_CHECKING:
    from structgen.maskbench.readers import Case
    from structgen.tokens.tokenizer import Tokenizer


class StructgenSession(Session):
    """Our matcher: of the engines, the one that tells the exact byte and what was expected there."""

    refusals = (structgen.errors.TokenError, structgen.errors.FinishedError)

    def __init__(
        self, compiled: structgen.CompiledGrammar, mask: Any, row: memoryview, end_tokens: Sequence[int]
    ) -> None:
        self._compiled, self._mask = compiled, mask
        self._matcher = matcher = structgen.Matcher(compiled)
        super().__init__(partial(matcher.fill_mask, mask), matcher.advance, row, end_tokens)

    def fill_closing(self) -> None:
        self._matcher.fill_mask(self._mask, 0, budget=self._matcher.tokens_to_finish())

    def locate(self, text: bytes, start: int) -> tuple[int, str]:
        compiled = self._compiled
        state = compiled.step_bytes(compiled.start, text[:start])
        at = start
        while state is not None:
            further = compiled.step_bytes(state, text[at : at + 1]) if at < len(text) else None
            if further is None:
                break
            state, at = further, at + 1
        if state is None:
            return start, ""
        return at, "; ".join(
            f"{one.what} (from {', '.join(one.sources)})" if one.sources else one.what
            for one in compiled.expected(state)
        )


class StructgenEngine(MaskEngine):
    """`structgen.json_schema`, `compile` and `Matcher`, under the config's policies."""

    limits = (structgen.errors.LimitError,)

    def __init__(self, config: EngineConfig, tokenizer: Tokenizer) -> None:
        self.name, self.version = config.name, structgen.__version__
        self._config, self._tokenizer = config, tokenizer
        self._mask = structgen.allocate_mask(1, tokenizer.vocab_size)
        self._row = memoryview(self._mask.array[0])
        self._widest: StructgenEngine | None = None

    def warm_up(self, tokenizer: Tokenizer) -> None:
        structgen.preload("json", tokenizer=tokenizer)  # it puts no mask into the store

    def compile(self, schema: str) -> Callable[[], Session]:
        return self._compile(schema, {})

    def compile_schema_of(self, case: Case) -> Callable[[], Session]:
        return self._compile(case.schema, case.resources)

    def _compile(self, schema: str, resources: Mapping[str, Any]) -> Callable[[], Session]:
        tokenizer = self._tokenizer
        try:
            grammar = unwarned_schema(schema, resources=resources, **self._config.policies)
            compiled = structgen.compile(grammar, tokenizer)
        except structgen.StructgenError as error:
            raise EngineRefusal(
                reason_of(error),
                str(error),
                by_policy=isinstance(error, structgen.errors.UnsatisfiableUnderPolicy),
            ) from error
        return lambda: StructgenSession(compiled, self._mask, self._row, tokenizer.eos_token_ids)

    def widest(self) -> MaskEngine | None:
        policies = {**self._config.policies, **structgen.WIDEST}
        if policies == dict(self._config.policies):
            return None
        if self._widest is None:
            self._widest = StructgenEngine(replace(self._config, policies=policies), self._tokenizer)
        return self._widest


def reason_of(error: structgen.StructgenError) -> str:
    """Return the words under which a refusal is counted: the keyword, the limit, or the kind of error."""
    if isinstance(error, structgen.errors.UnsupportedError):
        return f"unsupported: {error.keyword}"
    if isinstance(error, structgen.errors.LimitError):
        return f"limit: {error.limit}"
    return type(error).__name__

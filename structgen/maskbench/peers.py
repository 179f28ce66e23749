"""The peers under maskbench: each by the fastest documented call it has, with options that favour it.

All read the schema's text and write one row of int32 words. White space is free in llguidance and xgrammar,
and `json.dumps`'s in glrmask, which has no option for it; the instances are written as `json.dumps` writes
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from structgen.maskbench.engines import EngineConfig, EngineRefusal, MaskEngine, Session, Unavailable

if TYPE_CHECKING:
    from structgen.tokens.tokenizer import Tokenizer


def _import(name: str) -> Any:
    """Return a peer's module, or raise `Unavailable` with the reason."""
    try:
        return import_module(name)
    except Exception as error:
        # A peer that is there but does not load raises what it likes: a missing library is an OSError.
        raise Unavailable(f"{type(error).__name__}: {error}") from error


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _row(vocab_size: int) -> tuple[Any, memoryview]:
    import numpy as np

    row: Any = np.zeros((vocab_size + 31) // 32, np.int32)
    return row, memoryview(row)


def group(message: str) -> str:
    """Return a peer's error message without what is particular to one schema: names, numbers, pointers."""
    line = message.strip().splitlines()[0] if message.strip() else "no message"
    line = re.sub(r"(?<![\w<])#?/[\w$~/%.:-]+", "<pointer>", line)
    # What a peer lists in brackets are the keywords that it does not know: the very reason.
    line = re.sub(
        r"\[[^\]]*\]|([\"'`]).*?\1", lambda found: found[0] if found[0][0] == "[" else "<name>", line
    )
    return re.sub(r"\d+", "<n>", line)[:140]


class LlguidanceSession(Session):
    """An LLMatcher, which raises nothing: a fault is a state that it stays in."""

    def __init__(self, matcher: Any, fill: Callable[[], object], row: memoryview, ends: Sequence[int]):
        self._matcher = matcher
        super().__init__(fill, matcher.consume_token, row, ends)

    def error(self) -> str:
        return str(self._matcher.get_error())

    def is_limited(self) -> bool:
        return str(self._matcher.stop_reason()) in ("LexerTooComplex", "ParserTooComplex")


class LlguidanceEngine(MaskEngine):
    """llguidance with the slices that it offers for JSON; the pointer it writes through is asked for once."""

    of_json = True
    """Whether documents are JSON texts."""

    def __init__(self, config: EngineConfig, tokenizer: Tokenizer) -> None:
        self._module = module = _import("llguidance")
        wrapper = _import("llguidance._tokenizer").TokenizerWrapper(_Vocabulary(tokenizer))
        self.name, self.version = config.name, _version("llguidance")
        self._tokenizer = module.LLTokenizer(
            wrapper,
            n_vocab=tokenizer.vocab_size,
            eos_token=list(tokenizer.eos_token_ids),
            slices=module.LLTokenizer.json_slices() if self.of_json else None,
        )
        self._ends = tokenizer.eos_token_ids
        self._array, self._row = _row(tokenizer.vocab_size)
        self._pointer, self._bytes = self._array.ctypes.data, self._array.nbytes

    def read(self, text: str) -> Any:
        """Return what llguidance makes of a text. Raises ValueError where it refuses it."""
        return self._module.LLMatcher.grammar_from_json_schema(text)

    def compile(self, schema: str) -> Callable[[], Session]:
        matcher_class = self._module.LLMatcher
        try:
            grammar = self.read(schema)
        except ValueError as error:
            raise EngineRefusal(group(str(error)), str(error)) from error
        # It compiles in the matcher's constructor.
        matcher = matcher_class(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise EngineRefusal(group(matcher.get_error()), matcher.get_error())
        used = False

        def session() -> Session:
            # One matcher, taken back to its beginning, keeps what it has learnt; a fault is for good, though.
            nonlocal matcher, used
            if used and not (matcher.reset() and not matcher.is_error()):
                matcher = matcher_class(self._tokenizer, grammar, log_level=0)
            used = True
            fill = partial(matcher.unsafe_compute_mask_ptr, self._pointer, self._bytes)
            return LlguidanceSession(matcher, fill, self._row, self._ends)

        return session


class _Vocabulary:
    """A tokenizer in the words of llguidance: special tokens have a text, and are named as special."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokens = [text or b"<|special_%d|>" % index for index, text in enumerate(tokenizer.token_bytes)]
        self.special_token_ids = [index for index, text in enumerate(tokenizer.token_bytes) if not text]
        self.eos_token_id = tokenizer.eos_token_ids[0]
        self.bos_token_id = None
        self._encode = tokenizer.encode

    def __call__(self, text: bytes | str) -> list[int]:
        return list(self._encode(text.encode() if isinstance(text, str) else text))


class XgrammarEngine(MaskEngine):
    """xgrammar with free white space and `strict_mode=False`: objects are as open as the schema says."""

    def __init__(self, config: EngineConfig, tokenizer: Tokenizer) -> None:
        self._module = module = _import("xgrammar")
        self.name, self.version = config.name, _version("xgrammar")
        info = module.TokenizerInfo(
            [text or b"" for text in tokenizer.token_bytes],
            module.VocabType.RAW,
            vocab_size=tokenizer.vocab_size,
            stop_token_ids=list(tokenizer.eos_token_ids),
        )
        # A cache would answer the second time a schema is seen; every engine compiles each schema once.
        self._compiler = module.GrammarCompiler(info, cache_enabled=False)
        self._ends = tokenizer.eos_token_ids
        self._mask = module.allocate_token_bitmask(1, tokenizer.vocab_size)
        self._row = memoryview(self._mask.numpy()[0])

    def compile(self, schema: str) -> Callable[[], Session]:
        return self.sessions(partial(self._compiler.compile_json_schema, schema, strict_mode=False))

    def sessions(self, compile: Callable[[], Any]) -> Callable[[], Session]:
        """Return how a document begins under a grammar that a call of xgrammar's compiles."""
        try:
            compiled = compile()
        except Exception as error:
            # Its errors have no common root.
            raise EngineRefusal(group(str(error)), str(error)) from error

        def session() -> Session:
            matcher = self._module.GrammarMatcher(compiled)
            fill = partial(matcher.fill_next_token_bitmask, self._mask, 0)
            return Session(fill, matcher.accept_token, self._row, self._ends)

        return session


class GlrmaskSession(Session):
    """A ConstraintState; the end is a property of the state, not a token."""

    def __init__(self, state: Any, fill: Callable[[], object], row: memoryview):
        self._state = state
        super().__init__(fill, state.commit_token, row, ())

    def end_allowed(self) -> bool:
        return bool(self._state.is_accepting())


class GlrmaskEngine(MaskEngine):
    """glrmask with FAST_MASKS, or another strategy of its own as the variant: `fast-compile`, `auto`."""

    def __init__(self, config: EngineConfig, tokenizer: Tokenizer) -> None:
        self._module = module = _import("glrmask")
        self.name, self.version = config.name, _version("glrmask")
        # its names for them are in capitals
        self._strategy = getattr(
            module.MaskStrategy, (config.variant or "fast-masks").upper().replace("-", "_")
        )
        self._vocab = module.Vocab.from_id_to_bytes(
            {index: text for index, text in enumerate(tokenizer.token_bytes) if text}
        )
        self._array, self._row = _row(tokenizer.vocab_size)

    def read(self, text: str) -> Any:
        """Return what glrmask makes of a text. It raises what it likes where it refuses it."""
        return self._module.Grammar.from_json_schema(text)

    def compile(self, schema: str) -> Callable[[], Session]:
        try:
            grammar = self.read(schema)
            constraint = grammar.compile(self._vocab, mask_strategy=self._strategy)
        except Exception as error:
            # ValueError for most; others are not documented.
            raise EngineRefusal(group(str(error)), str(error)) from error

        def session() -> Session:
            state = constraint.start()
            return GlrmaskSession(state, partial(state.fill_mask, self._array), self._row)

        return session

"""The peers of the benches, and of `structgen maskbench --engine peers:llguidance` (PYTHONPATH=bench): each
by the fastest documented call it has, with options that favour it.

All read the schema's text and write one row of int32 words. White space is free in llguidance, xgrammar and
maskforge, `json.dumps`'s in glrmask, which has no option for it, and at most a blank in outlines-core, as by
default; the instances are written as `json.dumps` writes them. An engine's `read` names or makes the grammar:
benches hand over other ones than of JSON Schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any, TypeAlias

import numpy as np

from structgen.doors.maskbench.engines import EngineRefusal, MaskEngine, Session, Start
from structgen.errors import LimitError
from structgen.tokens.tokenizer import Tokenizer

Read: TypeAlias = Callable[[Any, Any], Any]


def group(message: str) -> str:
    """Return a peer's error message without what is particular to one schema: names, numbers, pointers."""
    line = message.strip().splitlines()[0] if message.strip() else "no message"
    line = re.sub(r"(?<![\w<])#?/[\w$~/%.:-]+", "<pointer>", line)
    # What a peer lists in brackets are the keywords that it does not know: the very reason.
    line = re.sub(
        r"\[[^\]]*\]|([\"'`]).*?\1", lambda found: found[0] if found[0][0] == "[" else "<name>", line
    )
    return re.sub(r"\d+", "<n>", line)[:140]


def refusal(error: object) -> EngineRefusal:
    """Return the refusal of a peer, from its error or its message."""
    return EngineRefusal(group(str(error)), str(error))


def _warm(engine: MaskEngine, tokenizer: Tokenizer) -> MaskEngine:
    """Return an engine of JSON Schema that has done what it does once a process."""
    session = engine.compile('{"type": "object", "properties": {"a": {"type": "string"}}}')()
    session.fill()
    session.commit(tokenizer.encode(b"{")[0])
    return engine


def _row(tokenizer: Tokenizer) -> Any:
    return np.zeros((tokenizer.vocab_size + 31) // 32, np.int32)


class LlguidanceVocabulary:
    """A tokenizer in the words of llguidance: special tokens have a text, and are named as special."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokens = [text or b"<|special_%d|>" % index for index, text in enumerate(tokenizer.token_bytes)]
        self.special_token_ids = [index for index, text in enumerate(tokenizer.token_bytes) if not text]
        self.eos_token_id = tokenizer.eos_token_ids[0]
        self.bos_token_id = None
        self._encode = tokenizer.encode

    def __call__(self, text: bytes | str) -> list[int]:
        return list(self._encode(text.encode() if isinstance(text, str) else text))


def llguidance(tokenizer: Tokenizer, read: str = "json_schema") -> MaskEngine:
    """Return llguidance with the slices that it offers for JSON; the pointer it writes through is asked for
    once. `read`: `lark` for its form of Lark's grammars."""
    module: Any = import_module("llguidance")
    wrapper = import_module("llguidance._tokenizer").TokenizerWrapper(LlguidanceVocabulary(tokenizer))
    ends, array = tokenizer.eos_token_ids, _row(tokenizer)
    slices = module.LLTokenizer.json_slices() if read == "json_schema" else None
    theirs = module.LLTokenizer(wrapper, n_vocab=tokenizer.vocab_size, eos_token=list(ends), slices=slices)
    place = array.ctypes.data, array.nbytes

    def compile(schema: str) -> Start:
        try:
            grammar = getattr(module.LLMatcher, f"grammar_from_{read}")(schema)
        except ValueError as error:
            raise refusal(error) from error
        matcher_of = partial(module.LLMatcher, theirs, grammar, log_level=0)
        matcher = matcher_of()  # it compiles here, and raises nothing: a fault is a state that it stays in
        if matcher.is_error():
            raise refusal(matcher.get_error())

        def session() -> Session:
            # One matcher, taken back to its beginning, keeps what it has learnt; a fault is for good, though.
            nonlocal matcher
            if not matcher.reset() or matcher.is_error():
                matcher = matcher_of()
            said, stopped = matcher.get_error, matcher.stop_reason

            def may_end() -> bool:
                if str(stopped()) in ("LexerTooComplex", "ParserTooComplex"):
                    raise LimitError(said(), limit=str(stopped()))
                return False

            return Session(
                partial(matcher.unsafe_compute_mask_ptr, *place),
                matcher.consume_token,
                memoryview(array),
                ends,
                may_end,
                why=lambda text, start: (start, said()),
            )

        return session

    engine = MaskEngine(version("llguidance"), compile)
    return _warm(engine, tokenizer) if read == "json_schema" else engine


def _of_schema(compiler: Any, schema: str) -> Any:
    return compiler.compile_json_schema(schema, strict_mode=False)


def xgrammar(tokenizer: Tokenizer, read: Read = _of_schema, dynamic: bool = False) -> MaskEngine:
    """Return xgrammar with free white space and `strict_mode=False`: objects are as open as the schema says.
    `read` makes a grammar, given its compiler and what is to be compiled. `dynamic`: its masks are worked out
    when they are asked for (`enable_dynamic_compilation`), and not at first."""
    module: Any = import_module("xgrammar")
    info = module.TokenizerInfo(
        [text or b"" for text in tokenizer.token_bytes],
        module.VocabType.RAW,
        vocab_size=tokenizer.vocab_size,
        stop_token_ids=list(tokenizer.eos_token_ids),
    )
    # A cache would answer the second time a schema is seen; every engine compiles each schema once.
    compiler = module.GrammarCompiler(info, cache_enabled=False, enable_dynamic_compilation=dynamic)
    mask = module.allocate_token_bitmask(1, tokenizer.vocab_size)
    row = memoryview(mask.numpy()[0])

    def compile(schema: Any) -> Start:
        try:
            compiled = read(compiler, schema)
        except Exception as error:
            # Its errors have no common root.
            raise refusal(error) from error

        def session() -> Session:
            matcher = module.GrammarMatcher(compiled)
            fill = partial(matcher.fill_next_token_bitmask, mask, 0)
            return Session(fill, matcher.accept_token, row, tokenizer.eos_token_ids)

        return session

    engine = MaskEngine(version("xgrammar"), compile)
    return _warm(engine, tokenizer) if read is _of_schema else engine


def xgrammar_dynamic(tokenizer: Tokenizer) -> MaskEngine:
    """Return xgrammar that compiles lazily."""
    return xgrammar(tokenizer, dynamic=True)


def glrmask(tokenizer: Tokenizer, read: str = "json_schema", strategy: str = "FAST_MASKS") -> MaskEngine:
    """Return glrmask with a strategy of its own. `read`: `lark` for its form of Lark's grammars."""
    module: Any = import_module("glrmask")
    chosen = getattr(module.MaskStrategy, strategy)
    texts = {index: text for index, text in enumerate(tokenizer.token_bytes) if text}
    vocabulary, array = module.Vocab.from_id_to_bytes(texts), _row(tokenizer)

    def compile(schema: str) -> Start:
        try:
            grammar = getattr(module.Grammar, f"from_{read}")(schema)
            constraint = grammar.compile(vocabulary, mask_strategy=chosen)
        except Exception as error:
            # ValueError for most; others are not documented.
            raise refusal(error) from error

        def session() -> Session:
            state = constraint.start()
            fill = partial(state.fill_mask, array)
            # its end is a property of the state, not a token
            return Session(fill, state.commit_token, memoryview(array), may_end=state.is_accepting)

        return session

    engine = MaskEngine(version("glrmask"), compile)
    return _warm(engine, tokenizer) if read == "json_schema" else engine


def outlines_core(tokenizer: Tokenizer) -> MaskEngine:
    """Return outlines-core: a schema becomes a regular expression, and that an automaton over tokens."""
    module: Any = import_module("outlines_core")
    regex_of = import_module("outlines_core.json_schema").build_regex_from_schema
    ids: dict[bytes, list[int]] = {}
    for index, text in enumerate(tokenizer.token_bytes):
        if text:
            ids.setdefault(text, []).append(index)
    vocabulary, array = module.Vocabulary(tokenizer.eos_token_ids[0], ids), _row(tokenizer)
    place = array.ctypes.data, array.size, array.itemsize

    def compile(schema: str) -> Start:
        try:
            index = module.Index(regex_of(schema), vocabulary)
        except Exception as error:
            raise refusal(error) from error

        def session() -> Session:
            guide = module.Guide(index)
            ends = tokenizer.eos_token_ids[:1]
            return Session(
                partial(guide.write_mask_into, *place),
                lambda token: guide.advance(token, False),
                memoryview(array),
                ends,
            )

        return session

    return _warm(MaskEngine(version("outlines_core"), compile), tokenizer)


def maskforge(tokenizer: Tokenizer) -> MaskEngine:
    """Return maskforge, without its caches: every engine compiles each schema once."""
    module: Any = import_module("maskforge._native")
    texts = [text or None for text in tokenizer.token_bytes]
    end = tokenizer.eos_token_ids[0]
    vocabulary = module.CompiledVocabulary.from_vocabulary(
        module.PyVocabulary.from_id_ordered_tokens(texts, end, tokenizer.vocab_size)
    )
    compiler = module.Compiler.without_cache()

    def compile(schema: str) -> Start:
        try:
            bound = compiler.compile_json_schema(schema).bind(vocabulary)
        except Exception as error:
            raise refusal(error) from error

        def session() -> Session:
            written = bound.start_session()
            row = bytearray(4 * written.mask_word_count())
            return Session(
                partial(written.write_mask, row),
                written.advance,
                memoryview(row).cast("i"),
                may_end=written.is_accepting,
            )

        return session

    return _warm(MaskEngine(version("maskforge"), compile), tokenizer)

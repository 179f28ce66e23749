"""Grammars of texts as strings of a schema: compiled, and read byte by byte (`live_strings.TextReader`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from structgen.automata.strings.live_strings import unsupported_error
from structgen.base.errors import GrammarError, LimitError, StructgenError, UnsatisfiableSchema
from structgen.base.language.expectation import Expected
from structgen.base.language.ir import Pattern
from structgen.base.limits import Limits
from structgen.base.native.array_types import Int64Array
from structgen.machines.core.compiled import CompiledGrammar, State
from structgen.machines.core.grammar import Grammar
from structgen.machines.store.mask_store import MaskStore
from structgen.schema.reading.missing_bytes import Quoting
from structgen.tokens.tokenizer import Tokenizer, byte_tokenizer
from structgen.tokens.vocabulary import Vocabulary

_BYTE: Final = tuple(bytes((byte,)) for byte in range(256))
_PLAIN: Final = ("a ", "an ", "any ", "the ", "more ", '"')
"""The beginnings of items that are clear without the name of their grammar; others are names of terminals."""
_one_byte_each: Final = lru_cache(1)(byte_tokenizer)


class CompiledTexts:
    """A compiled grammar, read byte by byte. The lock of the schema is held by the caller."""

    def __init__(self, compiled_grammar: CompiledGrammar) -> None:
        self.machine = compiled_grammar
        self.start = compiled_grammar.start.index
        self._next_steps: dict[int, tuple[int, int]] = {}
        """State -> the next byte of its shortest rest, and the state after that."""

    def step(self, state: int, byte: int) -> int:
        """Return the state after a byte; below 0 where no text goes on so. A surrogate that stands alone is
        in no text."""
        return self.machine.bytes_index(state, _BYTE[byte]) if byte < 256 else -1

    def after_tokens(self, state: int, tokens: Int64Array) -> Int64Array:
        """Return the states after each of some tokens, below 0 where none goes on."""
        # a special token has no text, and so no slot
        has_text = self.machine.vocabulary.token_slot[tokens] >= 0
        states = np.full(len(tokens), -1, np.int64)
        states[has_text] = self.machine.after_tokens(state, tokens[has_text])
        return states

    def alike(self, state: int) -> int:
        """Return a state with the same rest, as far as is known: one for many."""
        with self.machine.lock:
            return self.machine.completions.alike(state)

    def expected(self, state: int) -> list[Expected]:
        """Return the items that may follow. The name of a terminal is followed by that of its grammar."""
        grammar = self.machine.grammar.texts_named
        following = self.machine.expected(State(self.machine, state))
        return [
            item if item.what.startswith(_PLAIN) else replace(item, what=f"{item.what} in {grammar}")
            for item in following
        ]

    def rest(self, state: int) -> bytes:
        """Return a shortest rest of the text. The rest of each state on the way is an end of this rest: it is
        remembered with the first rest that goes through the state."""
        rest = bytearray()
        while not self.machine.may_end(state):
            if state not in self._next_steps:
                self._learn_rest(state)
            byte, state = self._next_steps[state]
            rest.append(byte)
        return bytes(rest)

    def _learn_rest(self, state: int) -> None:
        """Note the steps of a shortest rest, as far as a state whose rest is known."""
        with self.machine.lock:
            text = self.machine.completions.text(state)
        path: list[tuple[int, int]] = []
        for byte in text:
            if state in self._next_steps or self.machine.may_end(state):
                break
            path.append((state, byte))
            state = self.step(state, byte)
        # backwards: an interrupted call leaves no step that leads to a state without one
        for state_before, byte in reversed(path):
            self._next_steps[state_before] = byte, state
            state = state_before


class TextReaders:
    """Makes the readers of grammars, with the masks of a tokenizer; without one they are read only."""

    def __init__(
        self,
        tokenizer: Callable[[], Tokenizer] | None,
        limits: Limits,
        store: MaskStore | None,
        quoting: Quoting | None = None,
    ) -> None:
        """`quoting`: how characters are written; None: as they are."""
        self._quoting = quoting
        self._tokenizer = tokenizer or _one_byte_each
        self._limits = limits
        self._store = store
        self.compiled_grammars: list[CompiledGrammar] = []
        """The compiled grammars of the readers."""

    def __call__(self, grammar: Grammar) -> CompiledTexts | None:
        """Return the reader of a grammar; None where it has no text. Raises `UnsupportedError` where its
        texts are not told by their bytes."""
        try:
            compiled_grammar = self._compile_grammar(self._writable_grammar(grammar))
        except LimitError as error:  # the caller adds the place, so drop it here
            StructgenError.__init__(error, error.what, cure=error.cure)
            raise
        except (GrammarError, UnsatisfiableSchema) as error:
            if type(error) not in (GrammarError, UnsatisfiableSchema):
                raise  # subclasses are real errors, and no lack of texts
            return None
        if not compiled_grammar.reads_bytes_alone:
            raise unsupported_error(
                f"A string cannot be {grammar.texts_named}: the grammar has special tokens, or "
                "counts tokens.",
                "Put the grammar outside of strings; maxLength bounds how long a string is.",
            )
        self.compiled_grammars.append(compiled_grammar)
        return CompiledTexts(compiled_grammar)

    def _writable_grammar(self, grammar: Any) -> Grammar:
        """Return the grammar of those texts that can be written in a string."""
        if self._quoting is not None:
            unwritable_bytes, pattern = self._quoting.unwritable_characters
            if unwritable_bytes:
                grammar = grammar.without_bytes(unwritable_bytes)
            if pattern is not None:
                grammar = grammar.narrowed(Pattern(pattern))
        writable: Grammar = grammar
        return writable

    def _compile_grammar(self, grammar: Grammar) -> CompiledGrammar:
        """Return a grammar compiled, or the one that another schema of the store has, unless that has used up
        its limits (`used` above 1)."""
        tokenizer = self._tokenizer()
        if self._store is None:
            return grammar.compiled_part(tokenizer, self._limits, False)
        recent = self._store.of(Vocabulary.of_tokenizer(tokenizer)).recent
        key = "the text of a string", grammar.spelling, self._limits
        compiled_grammar: CompiledGrammar | None = recent.get(key)
        if compiled_grammar is None or compiled_grammar.used > 1:
            compiled_grammar = grammar.compiled_part(tokenizer, self._limits, self._store)
            recent.put(key, compiled_grammar)
        return compiled_grammar

"""Masks computed by the Python reader: for states that compiled code cannot represent, and for single tokens.

The reader walks the vocabulary's trie. Below a node whose state compiled code can represent, compiled code
collects the tokens.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled import lark_masks
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.masks.lark_answers import LarkAnswers, ReaderStates
from structgen.lark_grammars.parser.contextual_reader import ReaderConfiguration
from structgen.machine_core.growing_tables import GrowingTables
from structgen.machine_core.layout import ASKED
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.vocabulary import Vocabulary

_CONTEXT_BUFFER_COUNT: Final = K.LarkContext.buffer_count
_CONTEXT_DEFERRED_COUNT: Final = K.LarkContext.deferred_count
_FEW: Final = 64
"""Up to so many tokens are read one by one, not by a trie walk."""


class SlowMasks:
    """Finds tokens with the Python reader for one compiled grammar. The caller holds the grammar's lock."""

    __slots__ = ("_answers", "_states", "_tables", "_tokenizer", "_vocabulary")

    def __init__(
        self,
        tokenizer: Tokenizer,
        vocabulary: Vocabulary,
        tables: GrowingTables,
        states: ReaderStates,
        answers: LarkAnswers,
    ) -> None:
        self._tokenizer, self._vocabulary, self._tables = tokenizer, vocabulary, tables
        self._states, self._answers = states, answers

    def of_state(self, index: int, deferred: npt.NDArray[np.int32]) -> list[int]:
        """Have compiled code collect the tokens of a state in its buffer, if it can; return the others.

        `deferred`: where compiled code puts the tokens that it cannot follow.
        """
        self._tables.context[_CONTEXT_BUFFER_COUNT] = 0
        nodes, starts, ids = self._vocabulary.nodes, self._vocabulary.slot_start, self._vocabulary.slot_ids
        after: dict[int, ReaderConfiguration] = {0: self._states.configuration(index)}
        found: list[int] = []
        node = 0
        while node < len(nodes):
            word = int(nodes[node])
            depth, skip = (word >> 8) & 0xFFF, word >> 40
            reached = self._states.reader.step(after[depth - 1], word & 0xFF)
            if reached is None:
                node = skip
                continue
            slot = (word >> 20) & 0xFFFFF
            if slot and self._states.language.is_live(reached):
                found += ids[starts[slot - 1] : starts[slot]].tolist()
            after[depth] = reached
            if skip == node + 1:
                node = skip
                continue
            number = self._states.number(reached)
            if self._states.is_slow(number):
                node += 1
                continue
            found += self._below(number, node, after[0], deferred)
            node = skip
        return found

    def of_tokens(
        self,
        configuration: ReaderConfiguration,
        tokens: npt.NDArray[np.int32],
        deferred: npt.NDArray[np.int32],
    ) -> list[int]:
        """Return the allowed ones of some tokens in a configuration, without those that compiled code has
        added to its buffer."""
        if len(tokens) < _FEW:
            return self._read_singly(configuration, tokens)
        return self._read_below(configuration, tokens, deferred)

    def _read_singly(self, configuration: ReaderConfiguration, tokens: npt.NDArray[np.int32]) -> list[int]:
        """Read tokens one by one, sorted by their texts: a common prefix is read once."""
        texts = [(self._tokenizer.token_bytes[token] or b"", token) for token in tokens.tolist()]
        found, last = list[int](), b""
        after: list[ReaderConfiguration | None] = [configuration]
        """The configurations after each byte of the last text, up to the first error."""
        for text, token in sorted(texts):
            shared = 0
            while shared < min(len(last), len(text)) and last[shared] == text[shared]:
                shared += 1
            del after[shared + 1 :]
            last, reached = text, after[-1]
            for byte in text[len(after) - 1 :]:
                if reached is None:
                    break
                reached = self._states.reader.step(reached, byte)
                after.append(reached)
            if text and reached is not None and self._states.language.is_live(reached):
                found.append(token)
        return found

    def _read_below(
        self,
        configuration: ReaderConfiguration,
        tokens: npt.NDArray[np.int32],
        deferred: npt.NDArray[np.int32],
    ) -> list[int]:
        """Read tokens by a trie walk; if all tokens below a node are wanted, compiled code takes over."""
        vocabulary, states = self._vocabulary, self._states
        nodes, starts, ids = vocabulary.nodes, vocabulary.slot_start, vocabulary.slot_ids
        wanted = np.zeros(vocabulary.vocab_size, np.bool_)
        wanted[tokens] = True
        slots = np.cumsum(((nodes >> 20) & 0xFFFFF) != 0)
        before = starts[np.concatenate(([0], slots))]
        """For each node, the number of ids at the nodes before it."""
        wanted_before = np.concatenate(([0], np.cumsum(wanted[ids])))[before]
        after: dict[int, ReaderConfiguration] = {0: configuration}
        found: list[int] = []
        node = 0
        while node < len(nodes):
            word = int(nodes[node])
            depth, skip = (word >> 8) & 0xFFF, word >> 40
            reached = None
            if wanted_before[skip] != wanted_before[node]:
                reached = states.reader.step(after[depth - 1], word & 0xFF)
            if reached is None:
                node = skip
                continue
            own = ids[before[node] : before[node + 1]]
            own = own[wanted[own]]
            if len(own) and states.language.is_live(reached):
                found += own.tolist()
            after[depth] = reached
            node += 1
            left = wanted_before[skip] - wanted_before[node]
            if left and left == before[skip] - before[node]:
                number = states.number(reached)
                if not states.is_slow(number):
                    found += self._below(number, node - 1, configuration, deferred)
                    node = skip
        return found

    def _below(
        self, number: int, node: int, configuration: ReaderConfiguration, deferred: npt.NDArray[np.int32]
    ) -> list[int]:
        """Have compiled code collect the tokens below a trie node in a state; return the allowed ones among
        those that it left to the reader, which starts from the configuration before all tokens."""
        context = self._tables.context
        before = int(context[_CONTEXT_BUFFER_COUNT])
        context[_CONTEXT_DEFERRED_COUNT] = 0
        while int(lark_masks.collect_below(self._tables.address, number, node)) == ASKED:
            context[_CONTEXT_BUFFER_COUNT], context[_CONTEXT_DEFERRED_COUNT] = before, 0
            self._answers.answer()
        return self._read_singly(configuration, deferred[: int(context[_CONTEXT_DEFERRED_COUNT])])

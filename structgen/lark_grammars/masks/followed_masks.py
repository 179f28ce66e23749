"""Masks of states under a Lark grammar that Python's reader has a part in: what more than one open end of a
lexeme would take is followed by it down the vocabulary's trie, until compiled code can take over."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from structgen.json_machine.tables import layout as L
from structgen.lark_grammars.compiled import lark_masks
from structgen.lark_grammars.masks.lark_questions import LarkQuestions
from structgen.lark_grammars.parser.contextual_reader import ReaderConfiguration

_FEW = 64
"""Tokens left to the reader that it reads one by one."""


class FollowedMasks(LarkQuestions):
    """A compiled Lark grammar by the tokens that its reader finds."""

    def _deferred(self, reading: ReaderConfiguration) -> list[int]:
        """Return those of the tokens left to the reader that may come, but for those that are in the buffer
        now."""
        count = int(self._tables.context[L.C_DEFERRED_COUNT])
        tokens = self._workspace.arrays[3][:count]
        return self._read_singly(reading, tokens) if count < _FEW else self._read_below(reading, tokens)

    def _read_singly(self, reading: ReaderConfiguration, tokens: npt.NDArray[np.int32]) -> list[int]:
        """Return those of some tokens that may come, as the reader finds it: in the order of their texts, so
        that what some have in common is read once."""
        texts = [(self.tokenizer.token_bytes[token] or b"", token) for token in tokens.tolist()]
        found, last = list[int](), b""
        readings: list[ReaderConfiguration | None] = [reading]
        """After each byte of the last text, up to the first that is an error."""
        for text, token in sorted(texts):
            shared = 0
            while shared < min(len(last), len(text)) and last[shared] == text[shared]:
                shared += 1
            del readings[shared + 1 :]
            last, after = text, readings[-1]
            for byte in text[len(readings) - 1 :]:
                if after is None:
                    break
                after = self._reader.step(after, byte)
                readings.append(after)
            if text and after is not None and self._language.is_live(after):
                found.append(token)
        return found

    def _read_below(self, reading: ReaderConfiguration, tokens: npt.NDArray[np.int32]) -> list[int]:
        """As `_read_singly`, byte by byte down the trie; what compiled code can take over is in the buffer
        then."""
        vocabulary, reader = self.vocabulary, self._reader
        nodes, starts, ids = vocabulary.nodes, vocabulary.slot_start, vocabulary.slot_ids
        wanted = np.zeros(self.vocab_size, np.bool_)
        wanted[tokens] = True
        slots = np.cumsum(((nodes >> 20) & 0xFFFFF) != 0)
        before = starts[np.concatenate(([0], slots))]
        """For each node, how many ids those before it have."""
        wanted_before = np.concatenate(([0], np.cumsum(wanted[ids])))[before]
        readings: dict[int, ReaderConfiguration] = {0: reading}
        found: list[int] = []
        node = 0
        while node < len(nodes):
            word = int(nodes[node])
            depth, skip = (word >> 8) & 0xFFF, word >> 40
            after = None
            if wanted_before[skip] != wanted_before[node]:
                after = reader.step(readings[depth - 1], word & 0xFF)
            if after is None:
                node = skip
                continue
            own = ids[before[node] : before[node + 1]]
            own = own[wanted[own]]
            if len(own) and self._language.is_live(after):
                found += own.tolist()
            readings[depth] = after
            node += 1
            left = wanted_before[skip] - wanted_before[node]
            if left and left == before[skip] - before[node]:
                number = self._number(after)
                if not self._is_followed(number):
                    found += self._below(number, node - 1, reading)
                    node = skip
        return found

    def _below(self, number: int, node: int, reading: ReaderConfiguration) -> list[int]:
        """Have the tokens below a trie node collected, to which a reading has led to a state; return those
        that the reader has found beside."""
        context = self._tables.context
        before = int(context[L.C_BUFFER_COUNT])
        context[L.C_DEFERRED_COUNT] = 0
        while int(lark_masks.collect_below(self.address, number, node)) == L.ASKED:
            context[L.C_BUFFER_COUNT], context[L.C_DEFERRED_COUNT] = before, 0
            self._answer()
        return self._read_singly(reading, self._workspace.arrays[3][: int(context[L.C_DEFERRED_COUNT])])

    def _walk_followed(self, index: int) -> list[int]:
        """Return the tokens of a state that only the reader can hold: it goes down the trie until compiled
        code can take over."""
        self._tables.context[L.C_BUFFER_COUNT] = 0
        vocabulary, reader = self.vocabulary, self._reader
        nodes, starts, ids = vocabulary.nodes, vocabulary.slot_start, vocabulary.slot_ids
        readings: dict[int, ReaderConfiguration] = {0: self._reading(index)}
        found: list[int] = []
        node = 0
        while node < len(nodes):
            word = int(nodes[node])
            depth, skip = (word >> 8) & 0xFFF, word >> 40
            after = reader.step(readings[depth - 1], word & 0xFF)
            if after is None:
                node = skip
                continue
            slot = (word >> 20) & 0xFFFFF
            if slot and self._language.is_live(after):
                found += ids[starts[slot - 1] : starts[slot]].tolist()
            readings[depth] = after
            if skip == node + 1:
                node = skip
                continue
            number = self._number(after)
            if self._is_followed(number):
                node += 1
                continue
            found += self._below(number, node, readings[0])
            node = skip
        return found

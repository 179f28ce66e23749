"""The language of the texts that tokens write, and its machine.

A mask of a grammar's machine may have tokens behind which no sequence of tokens completes the text.
`WrittenText` takes these out: it asks once for each class of states that a mask's tokens lead to. Mostly the
machine's own completion can be written, or one that was found before: a proof. Where neither can, a text is
searched that both the grammar and the vocabulary have, as an intersection (`regular_intersection.Meet`): what
tokens write is a regular language. Behind a token its automaton begins anew, since the next token does: with
the tokens `ab`, `a` and `bc` nothing is written behind `a` by the rest of `ab`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias, cast
from weakref import WeakKeyDictionary

import numpy as np

from structgen.automata.strings.string_pool import StringPool
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.grammars.json_grammars.compiled_schema import CompiledSchema
from structgen.grammars.text_grammars.context_free.regular_intersection import Meet, Pair
from structgen.grammars.text_grammars.machine import stepping
from structgen.grammars.text_grammars.machine.compiled_text import CompiledText
from structgen.grammars.text_grammars.machine.language import TOKEN, Config, Language
from structgen.grammars.text_grammars.machine.masked_language import MaskedPlaces
from structgen.machines.core.compiled import CompiledGrammar, Tokens
from structgen.machines.json_machine.inspection import Inspection
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.json_machine.tables.json_blocks import StringRow
from structgen.machines.machine_core.layout import LARGE
from structgen.machines.machine_core.masks import fill_mask
from structgen.machines.machine_core.token_steps import left_to_python
from structgen.tokens.tokenizer import Tokenizer

_Nodes: TypeAlias = "frozenset[int]"
_ROOT: Final = 0
"""The node between two tokens."""
_HASTE: Final = 16
"""What a text still needs is a poor bound where it must be written in another way, or with other keys: a
search for the shortest would try all texts that are shorter."""
_TOLD_APART: Final = 512
"""Up to so many tokens are asked one by one; of more, one for all that the machine does not tell apart."""
_BROKEN: Final = re.compile(rb"[\x00-\x1f\\\x80-\xff]")
"""What may not do inside a string, or begin an escape."""


class WrittenText(CompiledText):
    """A grammar of which tokens write the texts. A configuration is one of the grammar's machine (`inner`),
    and one of `TokenTexts`.

    Cost: that of the machine's mask, and for each class of states that its tokens lead to some 50 us, once; a
    search where the shortest completion of that state cannot be written.
    """

    _language: WrittenMeet
    byte_steps = (*stepping.BYTE_STEPS[:-2], left_to_python, left_to_python)

    def compute(self, index: int, target: int = 0) -> bool:
        """Work out the mask of one state (`CompiledGrammar.compute`): records of several are not made."""
        return CompiledGrammar.compute(self, index, target)

    def _compute_mask(self, index: int, target: int) -> int:
        self._bits = None
        if fill_mask(self.address, index, target) == 0:
            return 0
        state = -1 if index == self._finished_state else self._language.machine_state(self._config_of(index))
        if state < 0:
            return super()._compute_mask(index, target)
        inner = self._language.inner
        parts, bits = inner.mask_parts(state), inner.bits(state)
        tokens = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little"))
        tokens = tokens[~np.isin(tokens, self._end_ids)]
        after, which = self._after_each(index, tokens)
        denied_tokens = tokens[
            ~np.array([config_after is not None for config_after in after], np.bool_)[which]
        ]
        if not len(denied_tokens) and parts is not None:
            self._memoise_mask(index, *parts, target)
            return 0
        self._bits = bits & ~self._masks.dense_row(denied_tokens.astype(np.int32))
        return LARGE

    def _after_token(self, index: int, token: int) -> int:
        with self.lock:
            if index == self._finished_state or self.vocabulary.token_slot[token] < 0:
                return super()._after_token(index, token)
            after = self._config_after(self._config_of(index), token)
            return -1 if after is None else self._number_of(after)

    def _config_after(self, config: Config, token: int) -> Config | None:
        """Return the configuration after a token; None where no text has it."""
        language, data = self._language, self.tokenizer.token_bytes[token]
        state = language.machine_state(config)
        if data is None:
            return language.step(config, TOKEN + token)
        if state >= 0:
            inner_state = language.inner.next_index(state, token)
            pair = language.config_of_state(inner_state) if inner_state >= 0 else None
            return pair if pair is not None and language.is_live(pair) else None
        after = language.config_after(config, data)
        return None if after is None else language.after_token_end(after)

    def after_tokens(self, index: int, tokens: Tokens) -> Tokens:
        """Return the states after some allowed tokens, or states like these."""
        after, which = self._after_each(index, tokens)
        return np.array(
            [-1 if config_after is None else self._number_of(config_after) for config_after in after],
            np.int64,
        )[which]

    def _after_each(self, index: int, tokens: Tokens) -> tuple[list[Config | None], Tokens]:
        """Return configurations after some tokens that the machine allows, None for no text, and for each
        token which of them is like its own: of many tokens, free strings and keys are not told apart."""
        config = self._config_of(index)
        state, special = self._language.machine_state(config), self.vocabulary.token_slot[tokens] < 0
        if state < 0 or special.any() or len(tokens) <= _TOLD_APART:
            return [self._config_after(config, token) for token in tokens.tolist()], np.arange(len(tokens))
        alike = self._group_tokens(config, state, tokens)
        _, first, which = np.unique(alike, return_index=True, return_inverse=True)
        return [self._config_after(config, token) for token in tokens[first].tolist()], which

    def _group_tokens(self, config: Config, state: int, tokens: Tokens) -> Tokens:
        """Return a number for each of some tokens, the same for those that lead to like configurations from
        one, in which the machine is in a state."""
        inner = self._language.inner
        if not isinstance(inner, CompiledSchema):
            return inner.after_tokens(state, tokens)
        machine, alike = inner._machine, np.zeros(len(tokens), np.int64)
        regs = machine.registers(state)
        mode, at = regs.mode, regs.position
        is_free = regs.lexeme == StringPool.FREE and regs.side_node <= 0
        if mode == L.M_STRING:
            # where characters are counted, what tokens need depends on how many they have
            spec = machine.string_row(regs.residue)
            is_free &= spec[StringRow.max_length] < 0 and at >= spec[StringRow.min_length]
        else:
            is_free &= mode == L.M_KEY and at < 0
        free = np.zeros(len(tokens), np.bool_)
        if is_free:
            alike = self._free_kinds(machine)[tokens]
            free = alike < 0
        alike[~free] = machine.after_tokens(state, tokens[~free])
        return alike

    def _free_kinds(self, machine: Inspection) -> Tokens:
        """Return a number below 0 for each token that goes on with a free string or ends it, the same for
        those whose texts differ in what the string holds alone."""
        texts = cast(TokenTexts, self._language.filter)
        if texts.free_kinds is None:
            kinds = machine.text_kinds(self.vocab_size)
            numbers: dict[bytes, int] = {}
            alike = np.where(kinds >= 0, -1 - kinds, 0)
            closing = int(alike.min(initial=0)) - 1
            for token in np.flatnonzero(kinds < 0).tolist():
                text, quote, rest = (self.tokenizer.token_bytes[token] or b"").partition(b'"')
                if quote and not _BROKEN.search(text):
                    alike[token] = closing - numbers.setdefault(rest, len(numbers))
            texts.free_kinds = alike
        return texts.free_kinds


class WrittenMeet(Meet):
    """The words of a compiled grammar that tokens write."""

    def __init__(
        self,
        inner: CompiledGrammar,
        by: Language,
        limits: Limits,
        *,
        restarts: bool = True,
        haste: int = _HASTE,
    ) -> None:
        """`by`: the texts of tokens; the others are as of `Meet`."""
        self.inner = inner
        self._loose: Meet | None = None
        """The same for a language of more words, whose configurations are fewer."""
        if isinstance(inner, CompiledSchema):
            self._loose = Meet(_LooseText(inner), by, limits, haste=haste)
        language = inner._language if isinstance(inner, CompiledText) else MaskedPlaces(inner)
        super().__init__(language, by, limits, restarts=restarts, haste=haste)
        self.locks = 1 + inner.height

    @property
    def compiled_parts(self) -> frozenset[CompiledGrammar]:
        return frozenset((self.inner,))

    def machine_state(self, config: Config) -> int:
        """Return the state of the machine between two tokens; -1 inside one."""
        text_config, written_config = config
        if not self.filter.accepts(written_config):
            return -1
        return self.number_of(text_config)

    def number_of(self, text_config: Config) -> int:
        """Return the state of the machine in a configuration of its language."""
        return self.inner._number_of(text_config) if isinstance(self.inner, CompiledText) else text_config

    def config_of_state(self, state: int) -> Pair:
        """Return the configuration between two tokens in a state of the machine."""
        inner = self.inner
        return inner._config_of(state) if isinstance(inner, CompiledText) else state, self.filter.start()

    def _completes_text(self, text_config: Config, rest: Sequence[int]) -> bool:
        """Return whether a rest completes a text of the grammar: by one compiled call where there is one."""
        if isinstance(self.of, MaskedPlaces):
            state = self.of.compiled.bytes_index(text_config, bytes(rest))
            return state >= 0 and self.of.compiled.may_end(state)
        return super()._completes_text(text_config, rest)

    def _search_rest(self, start: Pair) -> None:
        if self._loose is not None:
            rest = self._loose._shortest_rest(start)
            if rest is None or self._completes_text(start[0], rest):
                self._rests[start] = rest
                return
        super()._search_rest(start)


class _LooseText(MaskedPlaces):
    """The texts of a schema in which an object may hold a key twice that the schema does not name."""

    compiled: CompiledSchema

    @remember_answers
    def _states_row(self, config: Config) -> list[int]:
        row: list[int] = self.compiled._machine.after_all(config, repeated_keys=True).tolist()
        return row

    def step(self, config: Config, symbol: int) -> Config | None:
        row = self._states_row(config)
        after = row[symbol] if symbol < len(row) else -1
        return None if after < 0 else after


class TokenTexts(Language):
    """The texts that some tokens write, one after another. A configuration is a set of nodes of the trie of
    those tokens that others do not write: how far the next token may have come."""

    description = "a token"

    @classmethod
    def of_vocabulary(cls, tokenizer: Tokenizer) -> TokenTexts:
        """Return those of a vocabulary, made once."""
        texts = _TEXTS.get(tokenizer)
        if texts is None:
            texts = _TEXTS[tokenizer] = cls(token for token in tokenizer.token_bytes if token)
        return texts

    def __init__(self, tokens: Iterable[bytes]) -> None:
        """Cost: linear in the bytes of tokens that single bytes write, quadratic in each of the others."""
        units = _unit_tokens(tokens)
        self._below: list[dict[int, int]] = [{}]
        self._ends: set[int] = set()
        self._rests: list[bytes | None] = [None]
        """For each node, the shortest way to the end of a token, of these the smallest."""
        for unit in sorted(units, key=lambda unit: (len(unit), unit)):
            node = _ROOT
            for at, byte in enumerate(unit):
                if self._rests[node] is None:
                    self._rests[node] = unit[at:]
                node = self._below[node].setdefault(byte, len(self._below))
                if node == len(self._below):
                    self._below.append({})
                    self._rests.append(None)
            self._ends.add(node)
        self._start: _Nodes = frozenset((_ROOT,))
        self.free_kinds: Tokens | None = None
        """What `WrittenText` knows of the tokens inside free strings."""
        self.counts_tokens = any(len(unit) > 1 for unit in units)
        inner = {byte for unit in units if len(unit) > 1 for byte in unit}
        single = {unit[0] for unit in units if len(unit) == 1}
        numbers = {byte: number for number, byte in enumerate(sorted(inner), 2)}
        self.classes = bytes(numbers.get(byte, byte in single) for byte in range(256))

    def start(self) -> Config:
        return self._start

    def step(self, config: Config, symbol: int) -> Config | None:
        nodes: set[int] = set()
        for node in config:
            after = self._below[node].get(symbol)
            if after is None:
                continue
            if after in self._ends:
                nodes.add(_ROOT)
            if self._below[after]:
                nodes.add(after)
        return frozenset(nodes) or None

    def accepts(self, config: Config) -> bool:
        return _ROOT in config

    def shortest_rest(self, config: Config) -> Sequence[int]:
        if self.accepts(config):
            return b""
        rests = [self._rests[node] for node in config]
        return min((rest for rest in rests if rest is not None), key=lambda rest: (len(rest), rest))

    def after_token_end(self, config: Config) -> Config | None:
        return self._start if self.accepts(config) else None


_TEXTS: Final[WeakKeyDictionary[Tokenizer, TokenTexts]] = WeakKeyDictionary()
"""Vocabulary -> the texts that its tokens write."""


def _unit_tokens(tokens: Iterable[bytes]) -> set[bytes]:
    """Return the tokens that are no others one after another: they write the same texts."""
    shortest_first = sorted(set(tokens), key=len)
    single = frozenset(token[0] for token in shortest_first if len(token) == 1)
    units: set[bytes] = set()
    for token in shortest_first:
        if len(token) > 1 and single.issuperset(token):
            continue
        is_reachable = [True] + [False] * len(token)
        for end in range(1, len(token) + 1):
            is_reachable[end] = any(is_reachable[at] and token[at:end] in units for at in range(end))
        if not is_reachable[-1]:
            units.add(token)
    return units

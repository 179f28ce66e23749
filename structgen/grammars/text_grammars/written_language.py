"""Compiles the texts of a grammar that a vocabulary can write, where not every byte is a token.

A text is *written* if it is a sequence of tokens: with the tokens `ab` and `bc` the text `abbc` is written,
`abc` is not. The *machine* is the compiled grammar without regard to this. A *rest* is a sequence of bytes
that completes a text. A *unit* is a token that is not a sequence of other tokens. A *pair* is the
configuration here: one of the grammar's language, and one of the language of written texts.

The mask of the grammar's own machine may have tokens after which no sequence of tokens completes the text.
`WrittenText` removes these. It decides once for each class of states that a mask's tokens lead to. Mostly the
machine's own completion can be written, or one that was found before: this is a proof. Else a text is
searched that both the grammar and the vocabulary have. The texts that tokens write are a regular language, so
the search is an intersection (`regular_intersection.Meet`). The automaton of this language begins again after
each token.
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
"""A configuration of `TokenTexts`: nodes of the trie of units."""
_ROOT: Final = 0
"""The node of the trie between two tokens."""
_HASTE: Final = 16
"""The factor by which a search for a rest prefers progress to the shortest result (`Meet`). A rest may have
to be written in another way, or with other keys. Then the search for the shortest would try all shorter
texts."""
_SINGLE_TOKENS: Final = 512
"""Up to this number, tokens are examined one by one. Of more tokens, those with the same effect in the
machine form a group, and one token of each group is examined."""
_BROKEN: Final = re.compile(rb"[\x00-\x1f\\\x80-\xff]")
"""A byte that a JSON string may not contain as it is, that begins an escape, or that is not ASCII."""


class WrittenText(CompiledText):
    """The written texts of a grammar, compiled. A configuration is a pair.

    Cost of a mask: that of the machine's mask, and once some 50 us for each class of states that its tokens
    lead to. Where the shortest completion of such a state cannot be written, a search is added.
    """

    _language: WrittenMeet
    # the last two steps read a whole token in compiled code, which knows nothing of the pairs
    byte_steps = (*stepping.BYTE_STEPS[:-2], left_to_python, left_to_python)

    def compute(self, index: int, target: int = 0) -> bool:
        """Compute the mask of one state, as `CompiledGrammar.compute` does. Records of several states are not
        made here."""
        return CompiledGrammar.compute(self, index, target)

    def _compute_mask(self, index: int, target: int) -> int:
        """Compute the mask of a state: the machine's mask without the tokens after which no text is written.
        Return 0 where the mask is at `target` already, `LARGE` where it is in `_bits`."""
        self._bits = None
        if fill_mask(self.address, index, target) == 0:  # the mask is known already
            return 0
        state = -1
        if index != self._finished_state:
            state = self._language.machine_state(self._config_of(index))
        if state < 0:  # inside a token, or at the end: the machine has no mask for it
            return super()._compute_mask(index, target)
        inner = self._language.inner
        mask_parts = inner.mask_parts(state)
        bits = inner.bits(state)
        is_allowed = np.unpackbits(bits.view(np.uint8), bitorder="little")
        tokens = np.flatnonzero(is_allowed)
        tokens = tokens[~np.isin(tokens, self._end_ids)]  # end tokens write nothing
        configs_after, group = self._after_each(index, tokens)
        is_group_alive = np.array([config is not None for config in configs_after], np.bool_)
        denied_tokens = tokens[~is_group_alive[group]]
        if not len(denied_tokens) and mask_parts is not None:
            # nothing is taken out: the machine's own parts serve, and take no room of their own
            self._memoise_mask(index, *mask_parts, target)
            return 0
        self._bits = bits & ~self._masks.dense_row(denied_tokens.astype(np.int32))
        return LARGE

    def _after_token(self, index: int, token: int) -> int:
        """Return the state after a token; -1 where it is not allowed."""
        with self.lock:
            # a slot below 0: a special token, which has no text
            if index == self._finished_state or self.vocabulary.token_slot[token] < 0:
                return super()._after_token(index, token)
            after = self._config_after(self._config_of(index), token)
            return -1 if after is None else self._number_of(after)

    def _config_after(self, config: Config, token: int) -> Config | None:
        """Return the configuration after a token; None where no text of the grammar goes on so."""
        language = self._language
        token_bytes = self.tokenizer.token_bytes[token]
        state = language.machine_state(config)
        if token_bytes is None:
            return language.step(config, TOKEN + token)
        if state >= 0:  # between two tokens: the machine reads the whole token in compiled code
            inner_state = language.inner.next_index(state, token)
            if inner_state < 0:
                return None
            pair = language.config_of_state(inner_state)
            return pair if language.is_live(pair) else None
        after = language.config_after(config, token_bytes)
        return None if after is None else language.after_token_end(after)

    def after_tokens(self, index: int, tokens: Tokens) -> Tokens:
        """Return, for each allowed token, the state after it or another state with the same future; -1 where
        no text goes on."""
        configs_after, group = self._after_each(index, tokens)
        numbers = [-1 if config is None else self._number_of(config) for config in configs_after]
        return np.array(numbers, np.int64)[group]

    def _after_each(self, index: int, tokens: Tokens) -> tuple[list[Config | None], Tokens]:
        """Return the configurations after groups of tokens, and for each token the index of its group.

        `tokens`: tokens that the machine allows in the state `index`. A configuration is None where no text
        goes on. If the tokens are few, each is a group. If they are many, tokens with the same effect form
        one group, mostly tokens inside free strings and keys.
        """
        config = self._config_of(index)
        state = self._language.machine_state(config)
        is_special = self.vocabulary.token_slot[tokens] < 0
        if state < 0 or is_special.any() or len(tokens) <= _SINGLE_TOKENS:
            group = np.arange(len(tokens))
            first_tokens = tokens
        else:
            kinds = self._group_tokens(config, state, tokens)
            _, first, group = np.unique(kinds, return_index=True, return_inverse=True)
            first_tokens = tokens[first]
        # one token of each group answers for the others
        return [self._config_after(config, token) for token in first_tokens.tolist()], group

    def _group_tokens(self, config: Config, state: int, tokens: Tokens) -> Tokens:
        """Return a number for each token; tokens with equal numbers lead to configurations with the same
        future. The tokens are read at `config`, where the machine is in `state`."""
        inner = self._language.inner
        if not isinstance(inner, CompiledSchema):
            return inner.after_tokens(state, tokens)
        machine = inner._machine
        registers = machine.registers(state)
        is_free = registers.lexeme == StringPool.FREE and registers.side_node <= 0
        if registers.mode == L.M_STRING:
            # Where characters are counted, tokens of different lengths have different effects. A maximum
            # below 0 means no maximum.
            spec = machine.string_row(registers.residue)
            is_bounded = spec[StringRow.max_length] >= 0 or registers.position < spec[StringRow.min_length]
            is_free = is_free and not is_bounded
        else:
            is_free = is_free and registers.mode == L.M_KEY and registers.position < 0
        kinds = np.zeros(len(tokens), np.int64)
        if is_free:
            kinds = self._free_kinds(machine)[tokens]
        # free tokens have numbers below 0; the number of any other token is the machine's state after it
        others = kinds >= 0
        kinds[others] = machine.after_tokens(state, tokens[others])
        return kinds

    def _free_kinds(self, machine: Inspection) -> Tokens:
        """Return a number for each token of the vocabulary, by its effect inside a free string.

        The number is below 0 where the token continues the string or ends it. Tokens that differ only in the
        content of the string have equal numbers, such as `a"}` and `b"}`. 0: the token is in no group.
        """
        texts = cast(TokenTexts, self._language.filter)
        if texts.free_kinds is None:
            text_kinds = machine.text_kinds(self.vocab_size)
            # tokens that stay inside the string have the numbers -1, -2, ... of their kinds
            free_kinds = np.where(text_kinds >= 0, -1 - text_kinds, 0)
            first_closing = int(free_kinds.min(initial=0)) - 1
            # below them, a number for each text that may follow the closing quote in a token
            numbers: dict[bytes, int] = {}
            for token in np.flatnonzero(text_kinds < 0).tolist():
                token_bytes = self.tokenizer.token_bytes[token] or b""
                text, quote, rest = token_bytes.partition(b'"')
                if quote and not _BROKEN.search(text):
                    free_kinds[token] = first_closing - numbers.setdefault(rest, len(numbers))
            texts.free_kinds = free_kinds
        return texts.free_kinds


class WrittenMeet(Meet):
    """The language of the written texts of a compiled grammar. A configuration is a pair."""

    def __init__(
        self,
        inner: CompiledGrammar,
        by: Language,
        limits: Limits,
        *,
        restarts: bool = True,
        haste: int = _HASTE,
    ) -> None:
        """`inner`: the compiled grammar (the machine); `by`: the language of written texts; the other
        parameters are those of `Meet`."""
        self.inner = inner
        self._loose: Meet | None = None
        """For a schema, the same intersection with a larger language that has fewer configurations. None for
        other grammars."""
        if isinstance(inner, CompiledSchema):
            self._loose = Meet(_LooseText(inner), by, limits, haste=haste)
        # a compiled text has a language of its own; of other machines the states are the configurations
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
        text_config = inner._config_of(state) if isinstance(inner, CompiledText) else state
        return text_config, self.filter.start()

    def _completes_text(self, text_config: Config, rest: Sequence[int]) -> bool:
        """Return whether a rest completes a text of the grammar: by one compiled call where there is one."""
        if isinstance(self.of, MaskedPlaces):
            state = self.of.compiled.bytes_index(text_config, bytes(rest))
            return state >= 0 and self.of.compiled.may_end(state)
        return super()._completes_text(text_config, rest)

    def _search_rest(self, start: Pair) -> None:
        if self._loose is not None:
            # If the larger language has no rest, there is none here. A rest that it has counts here if the
            # machine itself accepts it.
            rest = self._loose._shortest_rest(start)
            text_config, _ = start
            if rest is None or self._completes_text(text_config, rest):
                self._rests[start] = rest
                return
        super()._search_rest(start)


class _LooseText(MaskedPlaces):
    """The texts of a schema, and those in which an object repeats a key that the schema does not name."""

    compiled: CompiledSchema

    @remember_answers
    def _states_row(self, config: Config) -> list[int]:
        """Return the state after each byte; below 0 where the byte is not allowed."""
        row: list[int] = self.compiled._machine.after_all(config, repeated_keys=True).tolist()
        return row

    def step(self, config: Config, symbol: int) -> Config | None:
        row = self._states_row(config)
        after = row[symbol] if symbol < len(row) else -1
        return None if after < 0 else after


class TokenTexts(Language):
    """The language of all sequences of some tokens.

    A configuration is a set of nodes of the trie of the units. Each node is a beginning of a token that the
    text so far may end with. With the units `ab` and `abc`, the text `ab` has two nodes: the root, since the
    token `ab` may end here, and the node of `ab`, since the token `abc` may go on.
    """

    description = "a token"

    @classmethod
    def of_vocabulary(cls, tokenizer: Tokenizer) -> TokenTexts:
        """Return the language for the tokens of a vocabulary. It is made once for each vocabulary."""
        texts = _TEXTS.get(tokenizer)
        if texts is None:
            texts = cls(token for token in tokenizer.token_bytes if token)
            _TEXTS[tokenizer] = texts
        return texts

    def __init__(self, tokens: Iterable[bytes]) -> None:
        """`tokens`: the texts of the tokens. Cost: linear in the size of tokens all of whose bytes are tokens
        too, quadratic in the size of each other token."""
        units = _unit_tokens(tokens)
        self._below: list[dict[int, int]] = [{}]
        """For each node the node after each byte."""
        self._ends: set[int] = set()
        """The nodes at which a unit ends."""
        self._rests: list[bytes | None] = [None]
        """For each node the shortest bytes that complete a unit; between equal lengths the smallest."""
        # the shortest first: the first unit that passes a node is its shortest way to an end
        for unit in sorted(units, key=lambda unit: (len(unit), unit)):
            node = _ROOT
            for offset, byte in enumerate(unit):
                if self._rests[node] is None:
                    self._rests[node] = unit[offset:]
                new_node = len(self._below)
                node = self._below[node].setdefault(byte, new_node)
                if node == new_node:
                    self._below.append({})
                    self._rests.append(None)
            self._ends.add(node)
        self._start: _Nodes = frozenset((_ROOT,))
        self.free_kinds: Tokens | None = None
        """The kinds of the tokens inside free strings (`WrittenText._free_kinds`)."""
        long_units = [unit for unit in units if len(unit) > 1]
        self.counts_tokens = bool(long_units)
        single = {unit[0] for unit in units if len(unit) == 1}
        # Class 0: bytes of no token; 1: bytes that are tokens alone; then one for each byte of a long unit,
        # since only these may lead inside a token.
        inner_bytes = set(b"".join(long_units))
        numbers = {byte: number for number, byte in enumerate(sorted(inner_bytes), 2)}
        self.classes = bytes(numbers.get(byte, byte in single) for byte in range(256))

    def start(self) -> Config:
        return self._start

    def step(self, config: Config, symbol: int) -> Config | None:
        nodes: set[int] = set()
        for node in config:
            after = self._below[node].get(symbol)
            if after is None:
                continue
            # the token may end here, and the next one begins; a longer one may go on: both are possible
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
        rests = [rest for node in config if (rest := self._rests[node]) is not None]
        # between rests of one length the bytes decide, so that the answer is the same in every process
        return min(rests, key=lambda rest: (len(rest), rest))

    def after_token_end(self, config: Config) -> Config | None:
        """Return the configuration at the end of a token of the vocabulary; None where no unit ends there."""
        return self._start if self.accepts(config) else None


_TEXTS: Final[WeakKeyDictionary[Tokenizer, TokenTexts]] = WeakKeyDictionary()
"""For each vocabulary the language of the texts that its tokens write."""


def _unit_tokens(tokens: Iterable[bytes]) -> set[bytes]:
    """Return the units: the tokens that are not a sequence of other tokens. Sequences of units are the same
    texts as sequences of all tokens."""
    shortest_first = sorted(set(tokens), key=len)
    single = frozenset(token[0] for token in shortest_first if len(token) == 1)
    units: set[bytes] = set()
    for token in shortest_first:
        # In most vocabularies each byte is a token, and this quick test removes every longer token.
        if len(token) > 1 and single.issuperset(token):
            continue
        # is_reachable[n]: the first n bytes of the token are a sequence of units
        is_reachable = [True] + [False] * len(token)
        for end in range(1, len(token) + 1):
            starts = (start for start in range(end) if is_reachable[start])
            is_reachable[end] = any(token[start:end] in units for start in starts)
        if not is_reachable[-1]:
            units.add(token)
    return units

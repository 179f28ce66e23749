"""The texts of a grammar that a vocabulary can write, where bytes stand only inside longer tokens.

The grammar's own machine reads the text and has the masks. They are right wherever each byte can be written
by itself; elsewhere a mask may have tokens behind which no sequence of tokens completes the text.
`WrittenText` takes these out: it asks once for each class of states that a mask's tokens lead to. Mostly the
machine's own completion can be written, or one that was found before: a proof. Where neither can, a text is
searched that both the grammar and the vocabulary have, as an intersection (`regular_intersection.Meet`): what
tokens write is a regular language. Behind a token its automaton begins anew, since the next token does: with
the tokens `ab`, `a` and `bc` nothing is written behind `a` by the rest of `ab`.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias, cast
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from structgen.automata.strings.string_pool import StringPool
from structgen.core.compiled import CompiledGrammar
from structgen.core.narrowed_text import NarrowedText
from structgen.errors import GrammarError, TokenizerError
from structgen.json_grammars.compiled_schema import CompiledSchema
from structgen.json_machine.tables import json_blocks as L
from structgen.language.expectation import Expected
from structgen.language.ir import DEAD
from structgen.limits import Limits
from structgen.machine_core.layout import ENDED, LARGE
from structgen.machine_core.masks import fill
from structgen.printable import named_bytes
from structgen.store.mask_store import MaskStore
from structgen.text_grammars.context_free.regular_intersection import Meet, Pair
from structgen.text_grammars.machine.compiled_text import CompiledText
from structgen.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.text_grammars.machine.masked_language import Masked
from structgen.text_grammars.machine.rest_completions import RestCompletions
from structgen.text_grammars.text_grammar import JsonTexts, TextGrammar
from structgen.tokens.tokenizer import Tokenizer

_Nodes: TypeAlias = "frozenset[int]"
_UTF8: Final = frozenset((*range(0xC0), *range(0xC2, 0xF5)))
"""The bytes that texts have."""
_ROOT: Final = 0
_NONE_MERGED: Final[npt.NDArray[np.int32]] = np.full(1, DEAD, np.int32)
"""No states of numerals are one (`Inspection.after_all`)."""
_HASTE: Final = 16
"""What a text still needs is a poor bound where it must be written in another way, or with other keys: a
search for the shortest would try all texts that are shorter."""
_TRIED: Final = 4
"""Rests of other states that are tried first, the last ones before the others."""
_TAIL: Final = 16
"""From this bit on, the kind of a token says which bytes of a character it leaves open."""
_CLOSING: Final = -1 << 40
"""From here on down, the kinds of tokens that end a string."""
_BROKEN: Final = re.compile(rb"[\x00-\x1f\\\x80-\xff]")
"""What may not do inside a string, or begin an escape."""


class WrittenTexts(TextGrammar):
    """The texts of a grammar that the tokens of the tokenizer write which it is compiled for."""

    __slots__ = ("of",)

    def __init__(self, of: TextGrammar) -> None:
        self.of = of

    @property
    def canonical(self) -> str:
        return f"written({self.of.canonical})"

    @property
    def identity(self) -> str:
        return f"written({self.of.identity})"

    @property
    def limits(self) -> Limits:
        return self.of.limits

    @property
    def source(self) -> str:
        return self.of.source

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return self.of.language(limits)

    def compiled(
        self, tokenizer: Tokenizer, limits: Limits | None, store: MaskStore | Literal[False] | None
    ) -> CompiledGrammar:
        """Return the grammar compiled against a tokenizer; where no byte stands only inside longer tokens, by
        its own machine. Raises `TokenizerError` where no text can be written."""
        absent = _UTF8.intersection(tokenizer.absent_bytes)
        try:
            left = self.of.without_bytes(absent) if absent else self.of
            of = left.of if isinstance(left, JsonTexts) else left
            inner: CompiledGrammar = of.compiled(tokenizer, limits, store)
            is_exact = absent.issuperset(_UTF8.intersection(tokenizer.missing_bytes))
            return inner if is_exact else WrittenText(inner)
        except GrammarError as error:
            raise self._refusal(tokenizer) from error

    def _refusal(self, tokenizer: Tokenizer) -> GrammarError | TokenizerError:
        """Return the error for a grammar without a text that tokens write; of one without any text, its
        own."""
        try:
            whole = self.of.language(self.limits)
            config: Config | None = whole.start()
            rest = whole.shortest(config)
        except GrammarError as own:
            return own
        needed = {byte for byte in rest if byte in tokenizer.missing_bytes}
        place = ""
        for byte in rest:
            if byte in needed and config is not None:
                place = " or ".join(one.what for one in whole.expected(config) if byte in one.first)
                break
            config = None if config is None else whole.step(config, byte)
        told = (
            f": no token writes these single bytes of the shortest: {named_bytes(needed)}" if needed else ""
        )
        told += f", of {place}" if place else ""
        return TokenizerError(
            f"The vocabulary can write no text of the grammar{told}.",
            where="tokenizer",
            cure="Use a tokenizer with byte fallback, or add tokens for single bytes.",
        )

    def __reduce__(self) -> tuple[type[WrittenTexts], tuple[TextGrammar]]:
        return WrittenTexts, (self.of,)


class WrittenPlace(NamedTuple):
    """A state of what tokens write of a text."""

    state: int
    """The state of the grammar."""
    nodes: _Nodes
    """That of the tokens (`TokenTexts`)."""


class WrittenText(NarrowedText[WrittenPlace]):
    """A compiled grammar whose masks have only tokens behind which other tokens complete the text.

    Cost: that of the grammar's mask, and for each state that its tokens lead to some 50 us, once; a search
    where the shortest completion of that state cannot be written.
    """

    def __init__(self, inner: CompiledGrammar) -> None:
        """Raises `GrammarError` where there is no text."""
        super().__init__(inner)
        self._has_specials = inner._has_specials
        self._tokens = TokenTexts.of(inner.tokenizer)
        language = inner._language if isinstance(inner, CompiledText) else Masked(inner)
        loose = (
            Meet(_Loose(inner), self._tokens, inner.limits, haste=_HASTE)
            if isinstance(inner, CompiledSchema)
            else None
        )
        self._meet = WrittenMeet(language, self._tokens, inner.limits, loose)
        self._specials: npt.NDArray[np.int64] = np.array(inner.tokenizer.special_ids, np.int64)
        self._live: dict[WrittenPlace, bool] = {}
        self._completions = RestCompletions(self, by_tokens=True)
        self._start = self._number(WrittenPlace(inner.start.index, self._tokens.start()))

    def _pair(self, place: WrittenPlace) -> Pair:
        """Return a place as the intersection has it."""
        inner = self.inner
        return inner._config(place.state) if isinstance(inner, CompiledText) else place.state, place.nodes

    def _if_live(self, state: int, nodes: _Nodes) -> WrittenPlace | None:
        """Return a place; None where no sequence of tokens completes the text. `state`: below 0 for none."""
        place = WrittenPlace(state, nodes)
        known = self._live.get(place)
        if known is None:
            known = self._live[place] = state >= 0 and self._meet.lives(self._pair(place))
        return place if known else None

    def _moved(self, place: WrittenPlace | None, token: int) -> WrittenPlace | None:
        """Return the place after a token; None where no text has it."""
        if place is None:
            return None
        if _ROOT in place.nodes:
            return self._if_live(self.inner._after_token(place.state, token), self._tokens.start())
        data = self.inner.tokenizer.token_bytes[token]
        read = self._read(place, data) if data else None
        return None if read is None else self._ended(read)

    def _read(self, place: WrittenPlace, data: bytes) -> WrittenPlace | None:
        """Return the place after bytes, which may be inside a token; None where no text has them."""
        nodes: _Nodes | None = place.nodes
        for byte in data:
            nodes = None if nodes is None else self._tokens.step(nodes, byte)
        return None if nodes is None else self._if_live(self.inner.bytes_index(place.state, data), nodes)

    def _ended(self, place: WrittenPlace) -> WrittenPlace | None:
        """Return the place after the end of a token; None where none ends here."""
        if _ROOT not in place.nodes:
            return None
        return self._if_live(self.inner.token_end(place.state), self._tokens.start())

    def _number_if_any(self, place: WrittenPlace | None) -> int:
        """Return the number of a place, -1 for None."""
        return -1 if place is None else self._number(place)

    def _after_token(self, index: int, token: int) -> int:
        with self.lock:
            return self._number_if_any(self._moved(self._places[index], token))

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        with self.lock:
            place = self._places[index]
            return self._number_if_any(None if place is None else self._read(place, data))

    def token_end(self, index: int) -> int:
        """Return the state in which a token ends whose bytes lead to a state, or -1."""
        with self.lock:
            return self._number_if_any(self._ended(self.place(index)))

    def may_end(self, index: int) -> bool:
        """Return whether the text may end in a state, by its number."""
        place = self._places[index]
        return place is not None and _ROOT in place.nodes and self.inner.may_end(place.state)

    def special_tokens(self, index: int) -> list[int]:
        """Return the tokens without bytes, end tokens apart, that may come in a state, by its number."""
        place = self._places[index]
        found = [] if place is None else self.inner.special_tokens(place.state)
        return [token for token in found if self._moved(place, token) is not None]

    def _compute(self, index: int, target: int) -> int:
        if fill(self.address, index, target) == 0:
            return 0
        if index == self._finished:
            return ENDED
        place = self.place(index)
        parts, bits = self.inner.mask_parts(place.state), self.inner.bits(place.state)
        tokens = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little"))
        tokens = tokens[~np.isin(tokens, self._end_ids)]
        after, which = self.groups(place, tokens)
        denied = tokens[~np.array([one is not None for one in after], np.bool_)[which]]
        if not len(denied) and self.may_end(index) == self.inner.may_end(place.state) and parts is not None:
            self._memoise(index, *parts, target)
            return 0
        gone = denied if self.may_end(index) else np.concatenate([denied, self._end_ids])
        self._bits = bits & ~self._masks.dense_row(gone.astype(np.int32))
        return LARGE

    def groups(
        self, place: WrittenPlace, tokens: npt.NDArray[np.int64]
    ) -> tuple[list[WrittenPlace | None], npt.NDArray[np.int64]]:
        """Return places after some tokens that the grammar allows, None for no text, and for each token which
        of them is like its own: keys that a schema does not name are not told apart by their text."""
        if _ROOT not in place.nodes or np.isin(tokens, self._specials).any() or not len(tokens):
            return [self._moved(place, token) for token in tokens.tolist()], np.arange(len(tokens))
        alike = self._alike(place.state, tokens)
        _, first, which = np.unique(alike, return_index=True, return_inverse=True)
        return [self._moved(place, token) for token in tokens[first].tolist()], which

    def _alike(self, state: int, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return a number for each of some tokens, the same for those that lead to like states."""
        inner = self.inner
        if not isinstance(inner, CompiledSchema):
            found: npt.NDArray[np.int64] = inner.after_tokens(state, tokens)  # type: ignore[attr-defined]
            return found
        machine, alike = inner._machine, np.zeros(len(tokens), np.int64)
        regs = machine.registers(state)
        mode = int(regs[L.MODE])
        is_free = mode == L.M_STRING or (mode == L.M_KEY and int(regs[L.SEEN]) <= 0 and int(regs[L.AT]) < 0)
        free = np.zeros(len(tokens), np.bool_)
        if is_free and int(regs[L.LEX]) == StringPool.FREE:
            alike = self._free_kinds()[tokens]
            free = alike < 0
        alike[~free] = machine.after_tokens(state, tokens[~free])
        return alike

    def _free_kinds(self) -> npt.NDArray[np.int64]:
        """Return a number below 0 for each token that goes on with a free string or ends it, the same for
        those whose texts differ in what the string holds alone."""
        assert isinstance(self.inner, CompiledSchema)
        if self._tokens.free_kinds is None:
            kinds = self.inner._machine.text_kinds(self.vocab_size)
            numbers: dict[bytes, int] = {}
            found = np.where(kinds >= 0, -1 - (kinds >> _TAIL), 0)
            for token in np.flatnonzero(kinds < 0).tolist():
                text, quote, rest = (self.tokenizer.token_bytes[token] or b"").partition(b'"')
                if quote and not _BROKEN.search(text):
                    found[token] = _CLOSING - numbers.setdefault(rest, len(numbers))
            self._tokens.free_kinds = found
        return self._tokens.free_kinds

    def _next_bytes(self, index: int) -> bytes:
        place = self._places[index]
        if place is None:
            return b""
        first = self.inner._next_bytes(place.state)
        return bytes(byte for byte in first if self._read(place, bytes((byte,))) is not None)

    def _expected(self, index: int) -> list[Expected]:
        place, first = self._places[index], frozenset(self._next_bytes(index))
        found = []
        for one in [] if place is None else self.inner._expected(place.state):
            left = bytes(byte for byte in one.first if byte in first)
            if left or (place is not None and not one.first and _ROOT in place.nodes):
                found.append(Expected(one.what, one.sources, left, one.read_before))
        return found

    @property
    def completions(self) -> RestCompletions:
        """The completions of its states: short, not always the shortest. Under the lock."""
        return self._completions

    # --- as `RestMachine` -----------------------------------------------------------------------------------

    def shortest_rest(self, index: int) -> Sequence[int]:
        """Return the symbols of a short rest of a state."""
        return self._meet.shortest(self._pair(self.place(index)))

    def after_rest(self, index: int, data: int, size: int) -> int:
        """Return the state after a token whose bytes begin a rest, -1 where no token may end there."""
        read = self._read(self.place(index), ctypes.string_at(data, size))
        return self._number_if_any(None if read is None else self._ended(read))

    def after_tokens(self, index: int, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the states after some allowed tokens, or states like these."""
        after, which = self.groups(self.place(index), tokens)
        return np.array([self._number_if_any(one) for one in after], np.int64)[which]

    def anew(self) -> WrittenText:
        """Return the same for the grammar compiled anew."""
        return WrittenText(self.inner.anew())

    def __reduce__(self) -> tuple[type[WrittenText], tuple[CompiledGrammar]]:
        return WrittenText, (self.inner,)


class WrittenMeet(Meet):
    """The words of a language that tokens write."""

    def __init__(self, of: Language, tokens: TokenTexts, limits: Limits, loose: Meet | None) -> None:
        """`loose`: the same for a language of more words, whose configurations are fewer."""
        self._tried: dict[tuple[int, ...], None] = {}
        self._loose = loose
        super().__init__(of, tokens, limits, restarts=True, haste=_HASTE)

    def lives(self, pair: Pair) -> bool:
        """Return whether some word goes on from a pair."""
        if pair not in self._rests and pair[1] == self.filter.start():
            if any(self._goes(pair[0], one) for one in reversed(self._tried)):
                return True
        rest = self._rest(pair)
        if rest and pair[1] == self.filter.start():
            self._tried.pop(rest, None)
            self._tried[rest] = None
            if len(self._tried) > _TRIED:
                del self._tried[next(iter(self._tried))]
        return rest is not None

    def _goes(self, left: Config | None, rest: Sequence[int]) -> bool:
        """Return whether the grammar takes a rest."""
        if isinstance(self.of, Masked):
            after = self.of.compiled.bytes_index(cast(int, left), bytes(rest))
            return after >= 0 and self.of.compiled.may_end(after)
        for symbol in rest:
            left = None if left is None else self.of.step(left, symbol)
        return left is not None and self.of.accepts(left)

    def _search(self, start: Pair) -> None:
        if self._loose is not None:
            rest = self._loose._rest(start)
            if rest is None or self._goes(start[0], rest):
                self._rests[start] = rest
                return
        super()._search(start)


class _Loose(Masked):
    """The texts of a schema in which an object may hold a key twice that the schema does not name."""

    compiled: CompiledSchema

    def __init__(self, compiled: CompiledSchema) -> None:
        super().__init__(compiled)
        self._rows: dict[int, list[int]] = {}

    def step(self, config: Config, symbol: int) -> Config | None:
        row = self._rows.get(cast(int, config))
        if row is None:
            machine = self.compiled._machine
            row = machine.after_all(cast(int, config), _NONE_MERGED, repeated_keys=True).tolist()
            self._rows[cast(int, config)] = row
        after = row[symbol] if symbol < len(row) else -1
        return None if after < 0 else after


class TokenTexts(Language):
    """The texts that some tokens write, one after another. A configuration is a set of nodes of the trie of
    those tokens that others do not write: how far the next token may have come."""

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> TokenTexts:
        """Return those of a vocabulary, made once."""
        found = _TEXTS.get(tokenizer)
        if found is None:
            found = _TEXTS[tokenizer] = cls(token for token in tokenizer.token_bytes if token)
        return found

    def __init__(self, tokens: Iterable[bytes]) -> None:
        """Cost: linear in the bytes of tokens that single bytes write, quadratic in each of the others."""
        units = _units(tokens)
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
        self.free_kinds: npt.NDArray[np.int64] | None = None
        """What `WrittenText` knows of the tokens inside free strings."""
        self.counts_tokens = self.is_written_by_tokens = any(len(unit) > 1 for unit in units)
        inner = {byte for unit in units if len(unit) > 1 for byte in unit}
        single = {unit[0] for unit in units if len(unit) == 1}
        numbers = {byte: number for number, byte in enumerate(sorted(inner), 2)}
        self.classes = bytes(numbers.get(byte, byte in single) for byte in range(256))

    def start(self) -> _Nodes:
        return self._start

    def step(self, config: Config, symbol: int) -> _Nodes | None:
        found: set[int] = set()
        for node in cast(_Nodes, config):
            after = self._below[node].get(symbol)
            if after is None:
                continue
            if after in self._ends:
                found.add(_ROOT)
            if self._below[after]:
                found.add(after)
        return frozenset(found) or None

    def accepts(self, config: Config) -> bool:
        return _ROOT in cast(_Nodes, config)

    def shortest(self, config: Config) -> Sequence[int]:
        if self.accepts(config):
            return b""
        rests = [self._rests[node] for node in cast(_Nodes, config)]
        return min((rest for rest in rests if rest is not None), key=lambda rest: (len(rest), rest))

    def boundary(self, config: Config) -> Config | None:
        return self._start if self.accepts(config) else None

    def expected(self, config: Config) -> list[Expected]:
        first = {byte for node in cast(_Nodes, config) for byte in self._below[node]}
        return [Expected("a token", (), bytes(sorted(first)))]


_TEXTS: Final[WeakKeyDictionary[Tokenizer, TokenTexts]] = WeakKeyDictionary()
"""Vocabulary -> the texts that its tokens write."""


def _units(tokens: Iterable[bytes]) -> set[bytes]:
    """Return the tokens that are no others one after another: they write the same texts."""
    given = sorted(set(tokens), key=len)
    single = frozenset(token[0] for token in given if len(token) == 1)
    units: set[bytes] = set()
    for token in given:
        if len(token) > 1 and single.issuperset(token):
            continue
        reached = [True] + [False] * len(token)
        for end in range(1, len(token) + 1):
            reached[end] = any(reached[at] and token[at:end] in units for at in range(end))
        if not reached[-1]:
            units.add(token)
    return units

"""The texts of a grammar that a vocabulary can write, where it lacks bytes.

What a vocabulary writes is any sequence of its tokens: a regular language, so the texts that are left are an
intersection (`regular_intersection.Meet`). Behind a token the automaton of that language begins anew, since
the next token does: with the tokens `ab`, `a` and `bc` nothing is written behind `a` by the rest of `ab`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias, cast

from structgen.errors import GrammarError, TokenizerError
from structgen.language.expectation import Expected
from structgen.limits import Limits
from structgen.text_grammars.context_free.regular_intersection import Meet
from structgen.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.text_grammars.text_grammar import TextGrammar

_Nodes: TypeAlias = "frozenset[int]"
_ROOT = 0
_HASTE = 16
"""What a text still needs is a poor bound where it must be written in another way, or with other keys: a
search for the shortest would try all texts that are shorter."""
_MOST_NAMED = 16
"""Bytes that a message names."""


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
        if target is None:
            return self.of.language(limits)
        tokens = [token for token in target.tokenizer.token_bytes if token]
        missing = frozenset(target.tokenizer.missing_bytes)
        try:
            left = self.of.without_bytes(missing.difference(*tokens)).language(limits)
            return Meet(left, TokenTexts(tokens), limits, restarts=True, haste=_HASTE)
        except GrammarError:
            whole = self.of.language(limits)
            needed = sorted(missing.intersection(whole.shortest(whole.start())))
        named = ", ".join(f"0x{byte:02x}" for byte in needed[:_MOST_NAMED])
        raise TokenizerError(
            "The vocabulary can write no text of the grammar"
            + (f": no token writes these single bytes of the shortest: {named}." if named else "."),
            where="tokenizer",
            cure="Use a tokenizer with byte fallback, or add tokens for single bytes.",
        )

    def __reduce__(self) -> tuple[type[WrittenTexts], tuple[TextGrammar]]:
        return WrittenTexts, (self.of,)


class TokenTexts(Language):
    """The texts that some tokens write, one after another. A configuration is a set of nodes of the trie of
    those tokens that others do not write: how far the next token may have come."""

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
        self.counts_tokens = self.is_written_by_tokens = any(len(unit) > 1 for unit in units)
        inner = {byte for unit in units if len(unit) > 1 for byte in unit}
        single = {unit[0] for unit in units if len(unit) == 1}
        numbers = {byte: number for number, byte in enumerate(sorted(inner), 2)}
        self.classes = bytes(numbers.get(byte, byte in single) for byte in range(256))

    def start(self) -> Config:
        return self._start

    def step(self, config: Config, symbol: int) -> Config | None:
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

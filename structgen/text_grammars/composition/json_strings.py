"""`sg.in_json_string`: the texts of a grammar as JSON strings, quotes and escapes included (RFC 8259, 7).

Characters are escaped one by one, so that an escaped sequence is a sequence of escaped parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias, cast

from structgen.core.compiled import CompiledGrammar
from structgen.errors import OptionError, options_named
from structgen.language.expectation import Expected
from structgen.language.ir import Formula
from structgen.limits import Limits
from structgen.text_grammars.composition.json_escapes import (
    HEX,
    Escapes,
    JsonEscapes,
    spellings,
    value,
    written,
)
from structgen.text_grammars.composition.unescaped_masks import InString, Unescaped
from structgen.text_grammars.ebnf_grammar import RulesGrammar
from structgen.text_grammars.machine.language import CompileTarget, Config, InsidePart, Language
from structgen.text_grammars.machine.masked_language import Masked
from structgen.text_grammars.machine.masked_part import MaskedPart
from structgen.text_grammars.machine.scanning import common_classes
from structgen.text_grammars.regular_language import RegularLanguage
from structgen.text_grammars.text_grammar import (
    Composed,
    Operand,
    Operation,
    RegularGrammar,
    TextGrammar,
    as_text,
    sequence,
)

Place: TypeAlias = "tuple[Config, bytes]"
"""The configuration of the unescaped text, and the beginning of an escape."""

_LAST: Final = 0x10FFFF
_OF_PARTS: Final = (Operation.SEQUENCE, Operation.EITHER, Operation.REPEAT, Operation.ANY_ORDER)
"""What makes texts of escaped parts as it makes them of the parts; others look into the texts."""


@options_named("sg.in_json_string(grammar)")
def in_json_string(of: Operand, *, escapes: Escapes = "any") -> TextGrammar:
    """Return the grammar of JSON strings, quotes included, whose value is a text of a grammar.

    `escapes`: "any", every way in which JSON may write a character, surrogate pairs included; "canonical",
    those that json.dumps(ensure_ascii=False) writes. Raises `OptionError`. A special token cannot stand in a
    string.
    """
    if escapes not in ("any", "canonical"):
        raise OptionError(
            f"escapes={escapes!r} is not offered.", where="escapes", cure='Use "any" or "canonical".'
        )
    return sequence('"', _escaped(as_text(of), escapes), '"')


def _escaped(grammar: TextGrammar, escapes: Escapes) -> TextGrammar:
    if isinstance(grammar, Composed) and grammar.operation in _OF_PARTS:
        parts = tuple(_escaped(part, escapes) for part in grammar.parts)
        return Composed(grammar.operation, parts, grammar.least, grammar.most)
    return Escaped(grammar, escapes)


class Escaped(TextGrammar):
    """The texts of a grammar with JSON's escapes, without quotes."""

    __slots__ = ("escapes", "of")

    def __init__(self, of: TextGrammar, escapes: Escapes) -> None:
        self.of, self.escapes = of, escapes

    @property
    def canonical(self) -> str:
        return f"escaped {self.escapes} {self.of.canonical}"

    @property
    def limits(self) -> Limits:
        return self.of.limits

    @property
    def source(self) -> str:
        return f"{self.of.source} in a JSON string"

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        of: Language
        if isinstance(self.of, RulesGrammar) and not self.of.bound:
            return self.of.over(limits, self._pattern)
        if isinstance(self.of, RegularGrammar):
            of = RegularLanguage(self.of.formula, self.of.what, limits, json=True)
        else:
            if target is not None and self.of.has_masks:
                return self._masked(limits, target)
            of = self.of.language(limits)
        if of.specials:
            raise OptionError(
                "A special token has no text that a JSON string could hold.",
                where="sg.in_json_string",
                cure="Put it outside of the string.",
            )
        return EscapedLanguage(of, self.escapes)

    def _masked(self, limits: Limits, target: CompileTarget) -> Language:
        """Return the language of a part that has masks of its own; inside a string it keeps them."""
        vocabulary = Unescaped.of(target.tokenizer, JsonEscapes(self.escapes))
        of = self.of.language(limits, CompileTarget(vocabulary.tokenizer, target.store))
        assert isinstance(of, Masked)
        step = EscapedLanguage(of, self.escapes).step  # of a language without these masks: no cycle
        return EscapedLanguage(of, self.escapes, InString(of.compiled, vocabulary, target.tokenizer, step))

    def _pattern(self, formula: Formula, what: str, limits: Limits) -> Language:
        return EscapedLanguage(RegularLanguage(formula, what, limits, json=True), self.escapes)

    def __reduce__(self) -> tuple[Any, ...]:
        return Escaped, (self.of, self.escapes)


class EscapedLanguage(Language):
    """The words of a language with JSON's escapes.

    The shortest rest escapes the rest that the language returns: exact for regular languages, which choose
    the rest whose JSON string is shortest.
    """

    def __init__(self, of: Language, escapes: Escapes, inner: MaskedPart | None = None) -> None:
        """`inner`: the masks inside strings of a language that has masks of its own."""
        self.of, self._escapes = of, JsonEscapes(escapes)
        self._inner = inner
        self.counts_tokens, self.has_stack = of.counts_tokens, of.has_stack
        told = frozenset(b'"\\/bfnrtu' + HEX)
        marks = bytes(byte if byte in told else 255 if byte >= 0x20 else 254 for byte in range(256))
        self.classes = common_classes((of.classes, marks))
        self._live: dict[tuple[Config, int, int], bool] = {}
        self._rests: dict[Place, tuple[int, ...]] = {}

    def start(self) -> Config:
        return self.of.start(), b""

    def step(self, config: Config, symbol: int) -> Config | None:
        at, read = cast(Place, config)
        if symbol > 255:
            return None
        if not read and symbol != 0x5C:
            after = None if symbol < 0x20 or symbol == 0x22 else self.of.step(at, symbol)
            return None if after is None else (after, b"")
        read += bytes((symbol,))
        point = value(read)
        if point is not None:
            if not self._escapes.may_write(read, point):
                return None
            after = self._after(at, point)
            return None if after is None else (after, b"")
        return (at, read) if self._goes_on(at, read) else None

    def _after(self, at: Config, point: int) -> Config | None:
        """Return the configuration after a character, or None."""
        after: Config | None = at
        for byte in chr(point).encode():
            after = None if after is None else self.of.step(after, byte)
        return after

    def _goes_on(self, at: Config, read: bytes) -> bool:
        """Return whether the beginning of an escape can become the escape of a character that may follow."""
        return any(self._some(at, low, high) for low, high in self._escapes.points(read))

    def _some(self, at: Config, low: int, high: int) -> bool:
        """Return whether some character of a range may follow."""
        key = (at, low, high)
        known = self._live.get(key)
        if known is None:
            known = self._live[key] = any(self._through(at, sequence) for sequence in _utf8_ranges(low, high))
        return known

    def _through(self, at: Config, ranges: Sequence[tuple[int, int]]) -> bool:
        if not ranges:
            return True
        tried: set[int] = set()
        for byte in range(ranges[0][0], ranges[0][1] + 1):
            kind = self.of.classes[byte]
            if kind in tried:
                continue
            tried.add(kind)
            after = self.of.step(at, byte)
            if after is not None and self._through(after, ranges[1:]):
                return True
        return False

    def height(self, config: Config) -> int:
        return self.of.height(cast(Place, config)[0])

    def accepts(self, config: Config) -> bool:
        at, read = cast(Place, config)
        return not read and self.of.accepts(at)

    def shortest(self, config: Config) -> Sequence[int]:
        place = cast(Place, config)
        if not place[1]:
            return self._rest(place[0])
        known = self._rests.get(place)
        return self._search(place) if known is None else known

    def _rest(self, at: Config) -> tuple[int, ...]:
        found: list[int] = []
        for byte in self.of.shortest(at):
            found += written(byte)
        return tuple(found)

    def _search(self, start: Place) -> tuple[int, ...]:
        """Return the shortest rest inside an escape, over one character for each configuration behind it."""
        at, read = start
        best: tuple[int, tuple[int, ...]] | None = None
        for low, high in self._escapes.points(read):
            for after, point in self._ends(at, low, high).items():
                for one in spellings(point, short=low == high):
                    # hexadecimal digits may be capitals
                    is_read = one[: len(read)].lower() == read.lower()
                    if not is_read or not self._escapes.may_write(one, point):
                        continue
                    word = (*one[len(read) :], *self._rest(after))
                    if best is None or (len(word), word) < best:
                        best = len(word), word
        assert best is not None, "an escape that comes to nothing"
        self._rests[start] = best[1]
        return best[1]

    def _ends(self, at: Config, low: int, high: int) -> dict[Config, int]:
        """Return the configurations behind the characters of a range, each with one such character."""
        found: dict[Config, int] = {}
        for ranges in _utf8_ranges(low, high):
            now: dict[Config, bytes] = {at: b""}
            for first, last in ranges:
                further: dict[Config, bytes] = {}
                for place, encoded in now.items():
                    tried: set[int] = set()
                    for byte in range(first, last + 1):
                        if self.of.classes[byte] in tried:
                            continue
                        tried.add(self.of.classes[byte])
                        after = self.of.step(place, byte)
                        if after is not None:
                            further.setdefault(after, encoded + bytes((byte,)))
                now = further
            for after, encoded in now.items():
                found.setdefault(after, ord(encoded.decode()))
        return found

    def expected(self, config: Config) -> list[Expected]:
        at, read = cast(Place, config)
        first = self.first_bytes(config)
        if read:
            return [Expected("the rest of an escape", (), first)]
        if not first:
            return []
        found = []
        for one in self.of.expected(at):
            # a backslash may begin an escape of any item
            left = bytes(byte for byte in first if byte == 0x5C or byte in one.first)
            found.append(Expected(f"{one.what}, with JSON's escapes", one.sources, left))
        return found

    def boundary(self, config: Config) -> Config | None:
        at, read = cast(Place, config)
        after = self.of.boundary(at)
        if after is None or (read and not self._goes_on(after, read)):
            return None
        return after, read

    def inside(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        at, read = cast(Place, config)
        if self._inner is None or read:
            return (), config
        return (InsidePart(self._inner, cast(int, at), None, True),), None

    def after_inside(self, config: Config, state: int) -> Config:
        return state, b""

    @property
    def sizes(self) -> dict[str, int]:
        return self.of.sizes

    @property
    def compiled_parts(self) -> frozenset[CompiledGrammar]:
        return self.of.compiled_parts


def _utf8_ranges(low: int, high: int) -> Iterator[list[tuple[int, int]]]:
    """Yield sequences of ranges of bytes that make up the UTF-8 of a range of characters."""
    for first, last in ((0, 0x7F), (0x80, 0x7FF), (0x800, 0xFFFF), (0x10000, _LAST)):
        a, b = max(low, first), min(high, last)
        if a <= b:
            yield from _split(chr(a).encode(), chr(b).encode())


def _split(low: bytes, high: bytes) -> Iterator[list[tuple[int, int]]]:
    if low[0] == high[0] and len(low) > 1:
        for rest in _split(low[1:], high[1:]):
            yield [(low[0], low[0]), *rest]
        return
    if len(low) == 1:
        yield [(low[0], high[0])]
        return
    least, most = b"\x80" * (len(low) - 1), b"\xbf" * (len(low) - 1)
    first, last = low[0], high[0]
    if low[1:] != least:
        for rest in _split(low[1:], most):
            yield [(first, first), *rest]
        first += 1
    tail: list[list[tuple[int, int]]] = []
    if high[1:] != most:
        tail = [[(last, last), *rest] for rest in _split(least, high[1:])]
        last -= 1
    if first <= last:
        yield [(first, last), *[(0x80, 0xBF)] * (len(low) - 1)]
    yield from tail

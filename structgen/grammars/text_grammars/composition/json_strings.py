"""`sg.in_json_string`: the texts of a grammar as JSON strings, quotes and escapes included (RFC 8259, 7).

Characters are escaped one by one, so that an escaped sequence is a sequence of escaped parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np

from structgen.automata.unicode.utf8 import DONE, ByteNode, node_of
from structgen.base.errors import OptionError, options_named
from structgen.base.language import checks
from structgen.base.language.expectation import Expected
from structgen.base.language.ir import Formula
from structgen.base.limits import Limits
from structgen.base.native.bit_rows import add_tokens
from structgen.grammars.text_grammars.composition.json_escapes import (
    HEX,
    Escapes,
    is_whole,
    points,
    rest_of_escape,
    unescaped,
    written,
)
from structgen.grammars.text_grammars.machine.language import CompileTarget, Config, InsidePart, Language
from structgen.grammars.text_grammars.machine.masked_language import Masked
from structgen.grammars.text_grammars.machine.masked_part import MaskedPart
from structgen.grammars.text_grammars.machine.scanning import common_classes, remembered
from structgen.grammars.text_grammars.regular_language import RegularLanguage
from structgen.grammars.text_grammars.text_grammar import (
    MOST_LETTERS,
    Composed,
    Derived,
    Operand,
    Operation,
    RegularGrammar,
    RulesGrammar,
    TextGrammar,
    as_text,
    sequence,
)
from structgen.machines.core.compiled import Bits
from structgen.machines.machine_core.wanted_nodes import WantedNodes, ends_read
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.vocabulary import Vocabulary

Place: TypeAlias = "tuple[Config, bytes]"
"""The configuration of the unescaped text, and the beginning of an escape."""

_OF_PARTS: Final = (Operation.SEQUENCE, Operation.EITHER, Operation.REPEAT, Operation.ANY_ORDER)
"""What makes texts of escaped parts as it makes them of the parts; others look into the texts."""
_ESCAPED: Final = re.compile(rb'[\x00-\x1f"\\]')
_TOLD: Final = frozenset(b'"\\/bfnrtu' + HEX)


@options_named("sg.in_json_string(grammar)")
def in_json_string(of: Operand, *, escapes: Escapes = "any") -> TextGrammar:
    """Return the grammar of JSON strings, quotes included, whose value is a text of a grammar.

    `escapes`: "any", every way in which JSON may write a character, surrogate pairs included; "canonical",
    those that json.dumps(ensure_ascii=False) writes. Raises `OptionError`. A special token cannot stand in a
    string.
    """
    checks.OneOf(("any", "canonical"))("escapes", escapes)
    return sequence('"', _escaped(as_text(of), escapes), '"')


def _escaped(grammar: TextGrammar, escapes: Escapes) -> TextGrammar:
    grammar = grammar.opened() if isinstance(grammar, RegularGrammar) else grammar
    if isinstance(grammar, Composed) and grammar.operation in _OF_PARTS:
        parts = tuple(_escaped(part, escapes) for part in grammar.parts)
        return Composed(grammar.operation, parts, grammar.least, grammar.most)
    return Escaped(grammar, escapes)


@dataclass(eq=False, repr=False, slots=True)
class Escaped(Derived):
    """The texts of a grammar with JSON's escapes, without quotes."""

    of: TextGrammar
    escapes: Escapes

    @property
    def canonical(self) -> str:
        return f"escaped {self.escapes} {self.of.canonical}"

    @property
    def source(self) -> str:
        return f"{self.of.source} in a JSON string"

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        if isinstance(self.of, RulesGrammar) and not self.of.bound:
            return self.of.over(limits, self._pattern)
        if isinstance(self.of, RegularGrammar) and self.of.letters <= MOST_LETTERS:
            return self._pattern(self.of.formula, self.of.what, limits)
        if target is not None and self.of.has_masks:
            vocabulary = _unescaped(target.tokenizer, self.escapes)
            part = self.of.language(limits, CompileTarget(vocabulary.tokenizer, target.store))
            assert isinstance(part, Masked)
            return _EscapedMasks(part, self.escapes, vocabulary, target.tokenizer)
        of = self.of.language(limits)
        if of.specials:
            raise OptionError(
                "A special token has no text that a JSON string could hold.",
                where="sg.in_json_string",
                cure="Put it outside of the string.",
            )
        return EscapedLanguage(of, self.escapes)

    def _pattern(self, formula: Formula, what: str, limits: Limits) -> Language:
        return EscapedLanguage(RegularLanguage(formula, what, limits, json=True), self.escapes)


class EscapedLanguage(Language):
    """The words of a language with JSON's escapes.

    The shortest rest escapes the rest that the language returns: exact for regular languages, which choose
    the rest whose JSON string is shortest.
    """

    def __init__(self, of: Language, escapes: Escapes) -> None:
        self.of, self._escapes, self.locks = of, escapes, of.locks
        self.counts_tokens, self.has_stack, self.parts = of.counts_tokens, of.has_stack, (of,)
        marks = bytes(byte if byte in _TOLD else 255 if byte >= 0x20 else 254 for byte in range(256))
        self.classes = common_classes((of.classes, marks))
        self._rests: dict[Place, tuple[int, ...]] = {}

    def start(self) -> Config:
        return self.of.start(), b""

    def step(self, config: Config, symbol: int) -> Config | None:
        at, read = config
        if symbol > 255:
            return None
        if not read and symbol != 0x5C:
            after = None if symbol < 0x20 or symbol == 0x22 else self.of.step(at, symbol)
            return None if after is None else (after, b"")
        read += bytes((symbol,))
        may_be = points(self._escapes, read)
        if not is_whole(may_be):
            return (at, read) if self._goes_on(at, read) else None
        after = self.of.through(at, chr(may_be[0][0]).encode())
        return None if after is None else (after, b"")

    @remembered
    def _goes_on(self, at: Config, read: bytes) -> bool:
        """Return whether the beginning of an escape can become the escape of a character that may follow."""
        ways = (way for one in points(self._escapes, read) for way in self._behind(at, *one))
        return next(ways, None) is not None

    def _behind(self, at: Config, low: int, high: int) -> Iterator[tuple[Config, int]]:
        """Yield the configurations behind the characters of a range, each with one such character; some
        twice."""
        yield from self._through(at, node_of(((low, high),)), b"", set())

    def _through(
        self, at: Config, node: ByteNode, read: bytes, seen: set[tuple[Config, ByteNode]]
    ) -> Iterator[tuple[Config, int]]:
        """As `_behind`, inside a character of which some bytes are read. `seen`: configurations and nodes
        whose rests are told."""
        known = self.of.alike(at), node
        if known in seen:
            return
        seen.add(known)
        if node is DONE:
            yield at, ord(read.decode())
        tried = set[tuple[int, ByteNode]]()
        for byte, below in enumerate(node.after):
            if below is None or (self.of.classes[byte], below) in tried:
                continue
            tried.add((self.of.classes[byte], below))
            after = self.of.step(at, byte)
            if after is not None:
                yield from self._through(after, below, read + bytes((byte,)), seen)

    def height(self, config: Config) -> int:
        return self.of.height(config[0])

    def accepts(self, config: Config) -> bool:
        at, read = config
        return not read and self.of.accepts(at)

    def shortest(self, config: Config) -> Sequence[int]:
        at, read = place = config
        if not read:
            return self._rest(at)
        known = self._rests.get(place)
        if known is None:
            ways: list[tuple[int, ...]] = []
            count = -1
            while count != len(ways):
                # the rests that were asked may tell more configurations apart
                count = len(ways)
                ways = [
                    (*rest_of_escape(read, point), *self._rest(after))
                    for one in points(self._escapes, read)
                    for after, point in self._behind(at, *one)
                ]
            known = self._rests[place] = min(ways, key=lambda way: (len(way), way))
        return known

    def _rest(self, at: Config) -> tuple[int, ...]:
        return tuple(one for byte in self.of.shortest(at) for one in written(byte))

    def expected(self, config: Config) -> list[Expected]:
        at, read = config
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
        at, read = config
        after = self.of.boundary(at)
        if after is None or (read and not self._goes_on(after, read)):
            return None
        return after, read


class _EscapedMasks(EscapedLanguage, MaskedPart):
    """The words of a compiled grammar with JSON's escapes; between two escapes it is a part with masks.

    The part is compiled against the unescaped vocabulary: its masks are those of any compiled grammar. Two
    kinds of tokens remain, both few: those that end inside an escape, and those that leave the string.
    """

    counts = False  # no token may write some character that JSON writes as an escape
    calls = 0, 0, 0

    def __init__(self, of: Masked, escapes: Escapes, vocabulary: Unescaped, tokenizer: Tokenizer) -> None:
        """`of`: compiled against `vocabulary`, which is that of `tokenizer`."""
        super().__init__(of, escapes)
        self.compiled, self._vocabulary = of.compiled, vocabulary
        self._nodes = Vocabulary.of(tokenizer).nodes

    def inside(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        at, read = config
        return ((), config) if read else ((InsidePart(self, at, None, True),), None)

    def after_inside(self, config: Config, state: int) -> Config:
        return state, b""

    def bits(self, state: int) -> Bits:
        found = self.compiled.bits(state)
        for (text, read), tokens in self._vocabulary.cut_tokens.items():
            after = self.compiled.bytes_index(state, text) if text else state
            if after >= 0 and self.through((after, b""), read) is not None:
                add_tokens(found, np.array(tokens, np.int32))
        return found

    def ends_below(self, state: int, wanted: WantedNodes) -> list[int]:
        return list(ends_read(self._nodes, wanted.flags, (state, b""), self.step, self.accepts))


class Unescaped:
    """A vocabulary with the texts that JSON reads inside a string, where escapes are the characters that they
    stand for. Tokens that end inside an escape, or leave the string, have none."""

    def __init__(self, tokenizer: Tokenizer, escapes: Escapes) -> None:
        texts: list[bytes | None] = []
        self.cut_tokens: dict[tuple[bytes, bytes], list[int]] = {}
        """The tokens that end inside an escape, by the unescaped text before it, and its beginning."""
        for token, data in enumerate(tokenizer.token_bytes):
            text = data
            if data and _ESCAPED.search(data):
                text, rest = unescaped(escapes, data) or (None, b"")
                if text is not None and rest:
                    self.cut_tokens.setdefault((text, rest), []).append(token)
                    text = None
            texts.append(text or None)
        self.tokenizer = Tokenizer.from_bytes(texts, tokenizer.eos_token_ids)


_unescaped: Final = lru_cache(maxsize=4)(Unescaped)
"""Returns a tokenizer's vocabulary under a policy of escapes. Cost: 0.2 s for 128,000 tokens, once."""

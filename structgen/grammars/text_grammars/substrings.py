"""`sg.substring_of`: the spans of a document, read by its suffix automaton."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from structgen.base.errors import GrammarError, OptionError, options_named
from structgen.base.language import checks
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import ALL_BYTES, CompileTarget, Config, Language
from structgen.grammars.text_grammars.regular_formulas import check_utf8
from structgen.grammars.text_grammars.text_grammar import TextGrammar

_INNER: Final = frozenset(range(0x80, 0xC0))
"""The bytes that begin no character."""


@options_named("sg.substring_of(document)")
def substring_of(document: str, *, limits: Limits | None = None) -> Spans:
    """Return the grammar of the spans of a document: every run of its characters that is not empty.

    Raises `OptionError` for anything but a text, `GrammarError` for the empty text. Cost: that of the suffix
    automaton (Blumer et al. 1985), linear: at most 2 states and 3 moves a byte, some 1 us each.
    """
    if not isinstance(document, str):
        raise OptionError(
            f"A document is a string, not a {type(document).__name__}.",
            where="sg.substring_of",
            cure="Give its text.",
        )
    check_utf8(document, "document", "Leave it out.")
    if not document:
        raise GrammarError("An empty document has no spans.", where="document", cure="Give a text.")
    return Spans(document, checks.limits(limits))


@dataclass(eq=False, repr=False, slots=True)
class Spans(TextGrammar):
    """The spans of a document. Made by `substring_of`."""

    document: str
    limits: Limits
    source = "the spans of a document"

    @property
    def canonical(self) -> str:
        return f"spans {blake2b(self.document.encode(), digest_size=16).hexdigest()} {len(self.document)}"

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return SpanLanguage(self.document)


class SpanLanguage(Language):
    """The spans of a document; equal continuations are one state of the suffix automaton of its bytes. A span
    begins with a whole character, and where it ends inside one, so does each of its places."""

    what = "a span of the document"

    def __init__(self, document: str) -> None:
        data = document.encode()
        self._moves = suffix_automaton(data)
        seen = sorted(set(data))
        number = {byte: index + 1 for index, byte in enumerate(seen)}
        found = bytes(number.get(byte, 0) for byte in range(256))
        self.classes = found if len(seen) < 256 else ALL_BYTES

    def start(self) -> Config:
        return 0

    def step(self, config: Config, symbol: int) -> Config | None:
        return None if config == 0 and symbol in _INNER else self._moves[config].get(symbol)

    def accepts(self, config: Config) -> bool:
        return config != 0 and _INNER.isdisjoint(self._moves[config])

    def shortest(self, config: Config) -> Sequence[int]:
        rest: list[int] = []
        at: Config | None = config
        while at is not None and not self.accepts(at):
            rest.append(min(byte for byte in self._moves[at] if at != 0 or byte not in _INNER))
            at = self.step(at, rest[-1])
        return bytes(rest)

    @property
    def sizes(self) -> dict[str, int]:
        return {"suffix_states": len(self._moves)}


def suffix_automaton(text: bytes) -> list[dict[int, int]]:
    """Return the moves of the smallest automaton of a text's suffixes; its paths from state 0 are the spans.

    Every state is reached; there are at most 2n states and 3n moves (n bytes). Source: Blumer,
    Blumer, Haussler, Ehrenfeucht, Chen, Seiferas, "The smallest automaton recognizing the subwords of a
    text", 1985.
    """
    moves: list[dict[int, int]] = [{}]
    link, length = [-1], [0]
    last = 0
    for char in text:
        new = len(moves)
        moves.append({})
        link.append(0)
        length.append(length[last] + 1)
        at = last
        while at >= 0 and char not in moves[at]:
            moves[at][char] = new
            at = link[at]
        if at >= 0:
            target = moves[at][char]
            if length[at] + 1 == length[target]:
                link[new] = target
            else:
                copy = len(moves)
                moves.append(dict(moves[target]))
                link.append(link[target])
                length.append(length[at] + 1)
                while at >= 0 and moves[at].get(char) == target:
                    moves[at][char] = copy
                    at = link[at]
                link[target] = link[new] = copy
        last = new
    return moves

"""`sg.substring_of`: the spans of a document, read by its suffix automaton."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias, cast

from structgen.errors import GrammarError, OptionError, options_named
from structgen.language import checks
from structgen.limits import Limits
from structgen.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.text_grammars.text_grammar import TextGrammar

Place: TypeAlias = "tuple[int, bytes]"
"""A state of the suffix automaton, and the bytes of an incomplete character."""


@options_named("sg.substring_of(document)")
def substring_of(document: str, *, limits: Limits | None = None) -> Spans:
    """Return the grammar of the spans of a document: every run of its characters that is not empty.

    Raises `OptionError` for anything but a text, `GrammarError` for the empty text. Cost: that of the suffix
    automaton (Blumer et al. 1985), linear: at most 2 states and 3 moves a character, some 1 us each.
    """
    if not isinstance(document, str):
        raise OptionError(
            f"A document is a string, not a {type(document).__name__}.",
            where="sg.substring_of",
            cure="Give its text.",
        )
    if any("\ud800" <= char < "\ue000" for char in document):
        raise OptionError(
            "The document has a lone surrogate, which UTF-8 cannot write.",
            where="document",
            cure="Leave it out.",
        )
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
    """The spans of a document; equal continuations are one state of its suffix automaton."""

    what = "a span of the document"

    def __init__(self, document: str) -> None:
        self._moves = suffix_automaton(document)
        self._begun: dict[int, dict[bytes, bytes]] = {}
        seen = sorted(set(document.encode()))
        number = {byte: index + 1 for index, byte in enumerate(seen)}
        found = bytes(number.get(byte, 0) for byte in range(256))
        self.classes = found if len(seen) < 256 else bytes(range(256))

    def start(self) -> Config:
        return 0, b""

    def step(self, config: Config, symbol: int) -> Config | None:
        state, read = cast(Place, config)
        if symbol > 255:
            return None
        if not read and symbol < 0x80:
            after = self._moves[state].get(chr(symbol))
            return None if after is None else (after, b"")
        read += bytes((symbol,))
        if read in self._unfinished(state):
            return state, read
        try:
            after = self._moves[state].get(read.decode())
        except UnicodeDecodeError:
            return None
        return None if after is None else (after, b"")

    def _unfinished(self, state: int) -> dict[bytes, bytes]:
        """Return the incomplete characters that may follow, each with its shortest end."""
        known = self._begun.get(state)
        if known is None:
            known = {}
            for char in sorted(self._moves[state]):
                encoded = char.encode()
                for size in range(1, len(encoded)):
                    known.setdefault(encoded[:size], encoded[size:])
            self._begun[state] = known
        return known

    def accepts(self, config: Config) -> bool:
        state, read = cast(Place, config)
        return state > 0 and not read

    def shortest(self, config: Config) -> Sequence[int]:
        state, read = cast(Place, config)
        if read:
            return self._unfinished(state)[read]
        return (
            b""
            if state
            else min((char.encode() for char in self._moves[0]), key=lambda text: (len(text), text))
        )

    @property
    def sizes(self) -> dict[str, int]:
        return {"suffix_states": len(self._moves)}


def suffix_automaton(text: str) -> list[dict[str, int]]:
    """Return the moves of the smallest automaton of a text's suffixes; its paths from state 0 are the spans.

    Every state is reached; there are at most 2n states and 3n moves (n characters). Source: Blumer,
    Blumer, Haussler, Ehrenfeucht, Chen, Seiferas, "The smallest automaton recognizing the subwords of a
    text", 1985.
    """
    moves: list[dict[str, int]] = [{}]
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

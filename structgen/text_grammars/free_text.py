"""`sg.text`: any text, up to the first occurrence of a text, or up to a number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from structgen.automata.unicode.utf8 import PLACES
from structgen.errors import OptionError, options_named
from structgen.language import checks
from structgen.language.expectation import Expected
from structgen.limits import Limits
from structgen.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.text_grammars.text_grammar import TextGrammar

Place: TypeAlias = "tuple[int, int, int, bool]"
"""The position inside a character's UTF-8; the length of the longest prefix of `until` that the text ends
with; the tokens left (-1: not counted); whether a byte was read since the end of the last token."""


@options_named('sg.text(until="\\n")')
def text(
    until: str | None = None,
    *,
    included: bool = True,
    max_tokens: int | None = None,
    limits: Limits | None = None,
) -> FreeText:
    """Return the grammar of any text up to the first occurrence of `until`.

    `included`: the text ends with `until`; otherwise it is any text without `until`, and the next part of the
    grammar follows. `until` None: any text. `max_tokens`: at most so many tokens have bytes of the text;
    after them only the rest of `until` or the next part may follow. A token that is partly inside the text
    counts. Raises `OptionError`.
    """
    if until is not None and not isinstance(until, str):
        raise OptionError(f"until is {until!r}.", where="until", cure="Give a text, or None.")
    if until == "":
        raise OptionError("The empty text stands everywhere.", where="until", cure="Give a text, or None.")
    if until is not None and any("\ud800" <= char < "\ue000" for char in until):
        raise OptionError("A lone surrogate cannot be written in UTF-8.", where="until", cure="Leave it out.")
    if max_tokens is not None and (
        not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 1
    ):
        raise OptionError(
            f"max_tokens is {max_tokens!r}.", where="max_tokens", cure="Give 1 or more, or None."
        )
    return FreeText(until, included, max_tokens, checks.limits(limits))


@dataclass(eq=False, repr=False, slots=True)
class FreeText(TextGrammar):
    """Any text up to a text. Made by `text`."""

    until: str | None
    included: bool
    max_tokens: int | None
    limits: Limits
    source = "free text"

    @property
    def canonical(self) -> str:
        return f"text {self.until!r} {self.included} {self.max_tokens}"

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return TextLanguage(self.until, self.included, self.max_tokens)


class TextLanguage(Language):
    """Any text up to a text (Knuth, Morris and Pratt's automaton), counting tokens."""

    def __init__(self, until: str | None, included: bool, max_tokens: int | None) -> None:
        self._until = (until or "").encode()
        self._included = included and until is not None
        self._most = -1 if max_tokens is None else max_tokens
        self.counts_tokens = max_tokens is not None
        self._borders = _borders(self._until)
        self._shown = repr(until)
        self.classes = _classes(self._until)

    def start(self) -> Config:
        return 0, 0, self._most, False

    def _done(self, matched: int) -> bool:
        return self._included and matched == len(self._until)

    def step(self, config: Config, symbol: int) -> Config | None:
        place, matched, left, _ = cast(Place, config)
        if symbol > 255 or self._done(matched):
            return None
        if left == 0 and place == 0 and (not self._included or symbol != self._until[matched]):
            return None
        after = next((after for low, high, after in PLACES[place] if low <= symbol <= high), None)
        if after is None:
            return None
        matched = self._matched(matched, symbol)
        if self._until and matched == len(self._until) and not self._included:
            return None
        if self._done(matched):
            return 0, matched, -1, False
        return after, matched, left, left > 0

    def _matched(self, matched: int, byte: int) -> int:
        """Return the length of the longest prefix of `until` that the text ends with after a byte."""
        until = self._until
        if not until:
            return 0
        while matched and until[matched] != byte:
            matched = self._borders[matched]
        return matched + (until[matched] == byte)

    def accepts(self, config: Config) -> bool:
        place, matched, _, _ = cast(Place, config)
        return self._done(matched) if self._included else place == 0

    def shortest(self, config: Config) -> Sequence[int]:
        place, matched, _, _ = cast(Place, config)
        if self._included and matched:
            # an incomplete character is part of the matched prefix, which begins with a whole character
            return self._until[matched:]
        rest: list[int] = []
        while place:
            # the shortest end of the character that does not complete `until`
            for low, high, after in PLACES[place]:
                choices = (byte for byte in range(low, high + 1) if self._free(matched, byte))
                byte = next(choices)
                rest.append(byte)
                matched, place = self._matched(matched, byte), after
                break
        return [*rest, *(self._until[matched:] if self._included else b"")]

    def _free(self, matched: int, byte: int) -> bool:
        return self._included or not self._until or self._matched(matched, byte) < len(self._until)

    def expected(self, config: Config) -> list[Expected]:
        first = self.first_bytes(config)
        if not first:
            return []
        left = cast(Place, config)[2]
        what = "the rest of " + self._shown if left == 0 and self._included else "any text"
        if left != 0 and self._until:
            what += f" up to {self._shown}" if self._included else f" without {self._shown}"
        return [Expected(what, (), first)]

    def boundary(self, config: Config) -> Config | None:
        place, matched, left, read = cast(Place, config)
        return (place, matched, left - 1, False) if read else config


def _borders(word: bytes) -> list[int]:
    """Return for each prefix of a word the length of its longest proper border."""
    found = [0, 0]
    for index in range(1, len(word)):
        border = found[index]
        while border and word[border] != word[index]:
            border = found[border]
        found.append(border + (word[border] == word[index]))
    return found


def _classes(until: bytes) -> bytes:
    """Return the classes of bytes: by their role in UTF-8; each byte of `until` is a class of its own."""
    numbers: dict[tuple[int | None, ...], int] = {}
    found = []
    for byte in range(256):
        name = tuple(next((after for low, high, after in row if low <= byte <= high), None) for row in PLACES)
        found.append(numbers.setdefault((*name, byte if byte in until else -1), len(numbers)))
    return bytes(found)

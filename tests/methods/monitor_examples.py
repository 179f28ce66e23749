"""Monitors, tokenizers and a plain reading of the rule of tokens, for the tests of monitors."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from methods.monitored_text import Monitor, Monitored

import structgen as sg

END = b"<end>"
PIECES = [
    *(bytes((one,)) for one in b"abc. (\n"),
    *(
        b"ab",
        b"bc",
        b"abc",
        b"a.",
        b".a",
        b"b.c",
        b"a.b.c",
        b"..",
        b"(a",
        b"a(",
        b"ab(",
        b"c ",
        b". ",
        b"a. b",
    ),
    *("é".encode(), b"\xc3", b"\xa9", "aé".encode(), "→".encode(), b"\xe2\x86", b"\x92", "b→a".encode()),
]
TOKENS = sg.Tokenizer.from_bytes([*PIECES, END], eos_token_id=len(PIECES))
END_ID = len(PIECES)
ANY = sg.regex("[abcé→. (\\n]*")
BOUNDARIES = ". (\n→"
"""The characters of `ANY` that end an identifier."""


class Dots(Monitor):
    """Behind each dot, a random set of words that the text decides."""

    name = "dots"
    trigger_characters = "."

    def __init__(self, seed: int = 0, chance: float = 0.8) -> None:
        self.seed, self.chance = seed, chance

    def trigger(self, text: str) -> bool:
        return text.endswith(".")

    def suggest(self, text: str) -> Iterable[str] | sg.Grammar | None:
        return words(self.seed, self.chance, text)


class Blanks(Dots):
    """The same behind blanks."""

    name = "blanks"
    trigger_characters = " "

    def trigger(self, text: str) -> bool:
        return text.endswith(" ")


class Says(Dots):
    """Behind each dot the same suggestions."""

    def __init__(self, suggestions: list[str] | sg.Grammar) -> None:
        super().__init__()
        self.suggestions = suggestions

    def suggest(self, text: str) -> list[str] | sg.Grammar:
        return self.suggestions


class Raises(Dots):
    """Raises behind "a.", suggests a grammar without texts behind "b.", and no suggestion behind "c."."""

    name = "raises"

    def suggest(self, text: str) -> Iterable[str] | sg.Grammar | None:
        if text.endswith("a."):
            raise ZeroDivisionError("no attributes today")
        if text.endswith("b."):
            return sg.regex("x+")
        return [3] if text.endswith("c.") else ["ab"]  # type: ignore[list-item]


def words(seed: int, chance: float, text: str) -> list[str]:
    """Return the words that `Dots` suggests behind a text."""
    rng = random.Random(f"{seed} {text}")
    if rng.random() > chance:
        return []
    letters = ["a", "b", "c", "é"]
    return ["".join(rng.choices(letters, k=rng.randint(1, 3))) for _ in range(rng.randint(1, 4))]


class PlainRule:
    """The rule of tokens as the paper's code states it, on whole strings: a token begins the rest of a
    suggestion, or spells it and goes on with a character that ends an identifier, or with the first bytes of
    one. And no token passes a trigger."""

    def __init__(self, monitor: Dots, mark: str) -> None:
        self.monitor, self.mark = monitor, mark
        self.text, self.spelled = b"", b""
        self.words = self._asked() if self._at(b"") else set()
        """The suggestions behind the trigger; none: anything may follow."""

    def _at(self, text: bytes) -> bool:
        return text.decode("utf-8", "replace").endswith(self.mark)

    def _asked(self) -> set[bytes]:
        found = words(self.monitor.seed, self.monitor.chance, self.text.decode("utf-8", "replace"))
        return {one.encode() for one in found}

    def _free_from(self, token: bytes) -> int | None:
        """Return how many bytes of a token belong to a suggestion; None where it is refused."""
        if not self.words:
            return 0
        text, half = self.spelled + token, False
        for one in sorted(self.words, key=len):
            rest = text[len(one) :] if text.startswith(one) else b""
            if any(rest.startswith(end.encode()) for end in BOUNDARIES):
                return max(len(one) - len(self.spelled), 0)
            half = half or any(end.encode().startswith(rest) for end in BOUNDARIES if rest)
        return len(token) if half or any(one.startswith(text) for one in self.words) else None

    @property
    def may_end(self) -> bool:
        return not self.words or self.spelled in self.words

    def allows(self, token: bytes) -> bool:
        if token == END:
            return self.may_end
        free = self._free_from(token)
        if free is None:
            return False
        return not any(self._at(self.text + token[:end]) for end in range(free + 1, len(token)))

    def take(self, token: bytes) -> None:
        free = self._free_from(token)
        self.text += token
        if self.words and free == len(token):
            self.spelled += token
        else:
            self.words, self.spelled = self._asked() if self._at(self.text) else set(), b""


def allowed(matcher: sg.Matcher, tokenizer: sg.Tokenizer = TOKENS) -> set[int]:
    """Return the tokens of a matcher's mask."""
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    matcher.fill_mask(mask)
    return {int(token) for token in mask.allowed(0)}


def monitored(*monitors: Monitor, grammar: sg.Grammar = ANY, written: bytes = b"") -> sg.Matcher:
    """Return a matcher under monitors, behind the tokens of single letters that are written."""
    matcher = sg.Matcher(sg.compile(Monitored(grammar, *monitors), TOKENS))
    walk(matcher, [PIECES.index(bytes([one])) for one in written])
    return matcher


def walk(matcher: sg.Matcher, tokens: Sequence[int]) -> None:
    """Take tokens."""
    for token in tokens:
        matcher.advance(token)
